"""A test run that is killed leaves no server behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from jobs.identity import Identity

PROGRAM = """
import subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from tests.leash import Leash
servers = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
def start():
    global leashes
    leashes = [Leash(server.pid) for server in servers]
thread = threading.Thread(target=start)
thread.start(); thread.join()
leashes[1].free()
print(*(server.pid for server in servers), flush=True)
time.sleep(600)
"""


def test_who_is_on_a_leash_goes_and_who_was_let_go_stays() -> None:
    root = str(Path(__file__).resolve().parents[2])
    with subprocess.Popen([sys.executable, "-c", PROGRAM, root], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        held, free = (Identity.of(int(pid)) for pid in tests.stdout.readline().split())
        assert held.alive
        tests.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while held.alive and time.monotonic() < deadline:
        time.sleep(0.02)  # what is waited for happens in another process
    assert (held.alive, free.alive) == (False, True)
    assert free.end(1)
