"""What a task costs on PostgreSQL and Redis, and how soon another worker takes up what a killed one was doing."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.figure import Figure
from tests.bench.jobs import _trivial, bare_probe
from tests.production import Production, production
from tests.recovery.test_kill_9 import processes
from tests.service import Service

ROUNDS = 40
KILLS = 5
LEASE = 3.0


def _takeover(service: Service, home: Path) -> float:
    """Kill the worker that does a task, and return how long until another one has begun it again."""
    job = service.post("probe", SECONDS="60")
    while not processes(home):
        time.sleep(0.01)  # other processes are seen only by looking
    other = service.start("worker")
    service.said(other, "Amora does")
    before = processes(home)  # only now is the script there with all of its sandbox
    assert service.worker is not None
    os.kill(service.worker.pid, signal.SIGKILL)
    start = time.perf_counter()
    while not processes(home) - before:
        time.sleep(0.01)  # the same
    seconds = time.perf_counter() - start
    if processes(home) & before:
        raise RuntimeError("processes of the killed worker are still there")
    service.http.post(f"{job}/phase", data={"PHASE": "ABORT"})
    while processes(home):
        time.sleep(0.01)  # the same
    service.worker.wait()
    service.worker = other
    return seconds


def figures() -> Iterator[Figure]:
    """Measure on servers of its own, on this machine."""
    with production() as servers, tempfile.TemporaryDirectory() as folder:
        yield from _figures(servers, Path(folder))


def _figures(servers: Production, folder: Path) -> Iterator[Figure]:
    with Service(folder / "overhead", **servers.settings()) as service:
        _trivial(service.http)
        pairs = [(_trivial(service.http), bare_probe(folder)) for _ in range(ROUNDS)]
        yield Figure(
            "trivial job on PostgreSQL and Redis, POST to COMPLETED, median",
            f"{1000 * median(job for job, _ in pairs):.0f} ms",
            f"bare subprocess {1000 * median(bare for _, bare in pairs):.0f} ms",
            f"{1000 * median(job - bare for job, bare in pairs):.0f} ms beyond",
            "-",
        )
    with Service(folder / "tasks", **servers.settings(), WORKERS="1") as service:
        _trivial(service.http)
        count = 60
        job = service.http.post("/scripts/probe/async", data={"TASKS": str(count)}).headers["Location"]
        start = time.perf_counter()
        service.http.post(f"{job}/phase", data={"PHASE": "RUN"})
        while (phase := service.http.get(f"{job}/phase").text) in ("QUEUED", "EXECUTING"):
            service.http.get(job, params={"WAIT": "10", "PHASE": phase})
        task = (time.perf_counter() - start) / count
        bare = median(bare_probe(folder) for _ in range(ROUNDS))
        yield Figure(
            f"a task of {count} in one job, one at a time, on PostgreSQL and Redis",
            f"{1000 * task:.0f} ms",
            f"bare subprocess {1000 * bare:.0f} ms",
            f"{1000 * (task - bare):.0f} ms beyond",
            "< 40 ms",
        )
    with Service(folder / "kills", **servers.settings(), LEASE=str(LEASE)) as service:
        times = [_takeover(service, folder / "kills") for _ in range(KILLS)]
        yield Figure(
            f"kill -9 of a worker to its task running again, of {KILLS}",
            f"median {median(times):.2f} s",
            f"lease {LEASE:.0f} s",
            f"at most {max(times):.2f} s",
            f"< {LEASE:.0f} s",
        )
