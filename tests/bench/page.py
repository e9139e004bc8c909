"""What the pages of users cost the server: open streams of events with live logs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.load import Client
from tests.service import Service

STREAMS = 200
JOBS = 4
SECONDS = 20.0
TALKER = """
import sys, time
end = time.time() + 600
number = 0
while time.time() < end:
    for _ in range(10):
        number += 1
        print(f"{number} events of the CCD are looked at for the region that was asked for, one after the other")
    sys.stdout.flush()
    time.sleep(0.1)
"""
DESCRIPTOR = """
title = "Talker"
summary = "Says a hundred lines a second."
version = "1.0"
command = ["python", "-I", "-S", "talker.py"]
[accepts]
region = "none"
datasets = false
[limits]
wall = 600
"""


def figures() -> Iterator[Figure]:
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "scripts" / "talker"
        script.mkdir(parents=True)
        (script / "script.toml").write_text(DESCRIPTOR)
        (script / "talker.py").write_text(TALKER)
        (script / "README.md").write_text("# Talker\n")
        home = Path(folder) / "home"
        with Service(home, scripts=str(script.parent), workers=str(JOBS), log_level="warning") as service:
            jobs = [service.post("talker").rpartition("/")[2] for _ in range(JOBS)]
            with ExitStack() as stack:
                yield from _streams(service, jobs, stack)
            for job in jobs:
                service.http.delete(f"/api/jobs/{job}")


def _streams(service: Service, jobs: list[str], stack: ExitStack) -> Iterator[Figure]:
    pid = service.process.pid
    for job in jobs:  # what the first stream brings with it is not what one more costs
        with service.http.stream("GET", f"/api/jobs/{job}/events") as answer:
            next(answer.iter_lines())
    before, threads = _memory(pid), _threads(pid)
    clients = []
    for number in range(STREAMS):
        client = Client(service.base_url)
        stack.callback(client.close)
        client.send(f"{service.base_url}/api/jobs/{jobs[number % JOBS]}/events")
        client.socket.setblocking(False)
        clients.append(client)
    heard = [bytearray() for _ in clients]
    peak, begin, used = 0, time.monotonic(), _processor(pid)
    while time.monotonic() < begin + SECONDS:
        for client, said in zip(clients, heard, strict=True):
            with suppress(BlockingIOError):
                while data := client.socket.recv(1 << 16):
                    said.extend(data)
        peak = max(peak, _memory(pid))
        time.sleep(0.1)  # pages take what has come in ten times a second
    used = _processor(pid) - used
    lines = [_lines(bytes(said)) for said in heard]
    assert all(len(numbers) > 50 * (SECONDS - 10) for numbers in lines), "each page hears its log"
    assert all(numbers == list(range(numbers[0], numbers[0] + len(numbers))) for numbers in lines), "without a gap"
    yield Figure(
        f"{STREAMS} open streams with live logs: memory of the server",
        f"{(peak - before) / 2**20:.0f} MB more, {_threads(pid) - threads:+d} threads",
        f"{before / 2**20:.0f} MB without",
        f"{(peak - before) / STREAMS / 1024:.0f} kB a stream",
        "under 100 MB",
    )
    yield Figure(
        f"the same: processor, {JOBS} logs of 100 lines a second",
        f"{100 * used / SECONDS:.0f} % of a core",
        f"{sum(map(len, lines)) / SECONDS:,.0f} lines/s heard",
        f"{1e6 * used / sum(map(len, lines)):.1f} us a line",
        "",
    )


def _lines(heard: bytes) -> list[int]:
    """Return the numbers of the lines that a page has heard."""
    numbers = []
    body = heard.partition(b"\r\n\r\n")[2]
    for line in _dechunked(body).split(b"\n"):
        if line.startswith(b"data: ") and b'"lines"' in line:
            try:
                numbers += [int(said.split()[0]) for said in json.loads(line[6:])["lines"]]
            except ValueError:  # the last event has not come in as a whole
                break
    return numbers


def _dechunked(body: bytes) -> bytes:
    whole, rest = bytearray(), body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        whole += rest[:length]
        rest = rest[length + 2 :]
    return bytes(whole)


def _memory(pid: int) -> int:
    """Return the bytes that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _threads(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("Threads:")[2].split()[0])


def _processor(pid: int) -> float:
    """Return the seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
