"""What the engine can do: trivial tasks in numbers, tasks shared out among workers, and what stays in memory.

Each is held against the bare script, the ideal, or the bar, in the same run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from jobs import worker
from jobs.engine import Engine
from jobs.phases import ACTIVE
from jobs.runner import Outcome
from jobs.settings import Settings
from tests.bench.figure import Figure
from tests.bench.jobs import bare_probe
from tests.service import Service

ROOT = Path(__file__).resolve().parents[2]
TASKS = 400
NOTHING = 300
MANY = 20_000


class _NoRun:
    """Stands for a run of a script that starts no process."""

    guardian = 1

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> _NoRun:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def wait(self, *_: object) -> Outcome:
        return Outcome(0, stopped=False, last_error="")


def figures() -> Iterator[Figure]:
    """Measure on engines and services of their own."""
    yield from _overhead()
    yield from _parallel()
    yield _memory()


def _run(engine: Engine, tasks: int) -> float:
    """Run a job of so many tasks and return how long it took."""
    start = time.perf_counter()
    job = engine.jobs.create("probe", [("TASKS", str(tasks))], run=True)
    while engine.jobs.state("probe", job.id).phase in ACTIVE:
        time.sleep(0.01)  # nothing else tells a thread
    return time.perf_counter() - start


def _overhead() -> Iterator[Figure]:
    """With the subprocess and without it; the script writes what its descriptor promises, so that is promised less."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(home=Path(folder) / "home", workers=2))
        engine.start()
        _run(engine, 20)
        bare = [bare_probe(Path(folder)) for _ in range(20)]
        whole = _run(engine, NOTHING)
        each = 1000 * (whole * 2 / NOTHING - sum(bare) / len(bare))
        yield Figure(
            "task beyond its subprocess, 2 slots, SQLite",
            f"{each:.0f} ms",
            f"bare subprocess {1000 * sum(bare) / len(bare):.0f} ms",
            f"{NOTHING / whole:.0f} tasks/s in all",
            "< 40 ms",
        )
        script = engine.jobs.scripts.get("probe")
        original, products = worker.Run, worker.collect
        worker.Run = _NoRun  # type: ignore[assignment,misc]
        worker.collect = lambda *_: {}
        try:
            free = _run(engine, NOTHING)
        finally:
            worker.Run, worker.collect = original, products  # type: ignore[misc]
            engine.stop()
        yield Figure(
            f"{NOTHING} tasks of {script.name} without a subprocess, 2 slots",
            f"{NOTHING / free:.0f}/s",
            f"with it {NOTHING / whole:.0f}/s",
            f"{1000 * free * 2 / NOTHING:.1f} ms each",
            "> 100/s",
        )


def _parallel() -> Iterator[Figure]:
    """Four workers and tasks that sleep a second."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), WORKERS="4") as service:
        service.end(service.post("probe"))
        start = time.perf_counter()
        job = service.post("probe", TASKS=str(TASKS), SECONDS="1")
        path = urlsplit(job).path
        while service.phase(path) in ("QUEUED", "EXECUTING"):
            time.sleep(0.1)  # what is waited for takes minutes
        took, ideal = time.perf_counter() - start, TASKS / 4
        yield Figure(
            f"{TASKS} tasks of 1 s on 4 workers",
            f"{took:.1f} s",
            f"ideal {ideal:.0f} s",
            f"{took / ideal:.3f} of it",
            "< 1.15",
        )


def _memory() -> Figure:
    """Jobs of one task without a subprocess, in a process of their own: memory after a tenth of them and at the end."""
    program = f"""
import os, sys, time
from tests.bench.engine import *
from tests.bench.engine import _NoRun
from jobs import worker
worker.Run, worker.collect = _NoRun, lambda *_: {{}}
engine = Engine(Settings(home=Path(sys.argv[1]), workers=2))
engine.start()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
for number in range({MANY}):
    job = engine.jobs.create("probe", [], run=True)
    while number % 50 == 49 and engine.jobs.state("probe", job.id).phase in ACTIVE:
        time.sleep(0.005)
    if number == {MANY} // 10:
        before = resident()
print(before, resident())
engine.stop()
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True, cwd=ROOT
        )
    before, after = map(float, done.stdout.split())
    return Figure(
        f"memory over {MANY:,} jobs",
        f"{after:.0f} MB",
        f"after a tenth of them {before:.0f} MB",
        f"{after - before:+.1f} MB",
        "no growth",
    )
