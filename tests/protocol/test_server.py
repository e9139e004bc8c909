"""The life of the service itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.protocol.client import Probe


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_stops_cleanly_and_those_who_wait_are_answered(tmp_path: Path, number: signal.Signals):
    environment = {**os.environ, "AMORA_HOME": str(tmp_path), "AMORA_PORT": "0"}
    command = [sys.executable, "-c", "from uws.cli import main; main()", "serve"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        probe = Probe(service.stdout.readline().split()[-1])
        job = probe.create()
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(job.get(WAIT="30").status_code))
        waiting.start()
        time.sleep(0.5)  # the request must be waiting before the service is told to stop
        began = time.monotonic()
        service.send_signal(number)
        waiting.join(20)
        assert service.wait(20) == 0
        assert time.monotonic() - began < 10
        assert answers == [200]
        assert service.stdout.read() == ""
