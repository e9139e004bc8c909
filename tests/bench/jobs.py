"""What a job costs beyond its script, and how fast an abort takes hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx

from jobs.descriptor import load
from jobs.sandbox import Sandbox
from jobs.settings import BUILT_IN_SCRIPTS
from tests.bench.figure import Figure
from tests.service import Service

ROUNDS = 30


def bare_probe(home: Path, sandbox: Sandbox | None = None) -> float:
    """Run the probe as a bare subprocess, as its contract says, and return how long it took."""
    folder = Path(tempfile.mkdtemp(dir=home))
    (folder / "products").mkdir()
    (folder / "task.json").write_text(
        '{"contract": 1, "job": "bench", "task": 1, "attempt": 1, "dataset_slug": "task_1", "region": null,'
        ' "datasets": [], "parameters": {"SECONDS": 0.0, "FAIL": null, "SIZE": 0, "TASKS": 1}}'
    )
    script = load(BUILT_IN_SCRIPTS / "probe")
    command = [sys.executable, *script.command[1:-1], str(script.folder / script.command[-1])]
    if sandbox is not None:
        command = sandbox.wrap(command, folder, [script.folder])
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def _trivial(client: httpx.Client) -> float:
    """Post a probe and return how long it took to be COMPLETED, the answer's way included."""
    start = time.perf_counter()
    job = client.post("/scripts/probe/async", data={"PHASE": "RUN"}).headers["Location"]
    phase = "QUEUED"
    while phase in ("QUEUED", "EXECUTING"):
        client.get(job, params={"WAIT": "10", "PHASE": phase})
        phase = client.get(f"{job}/phase").text
    if phase != "COMPLETED":
        raise RuntimeError(f"the probe ended in {phase}")
    return time.perf_counter() - start


def _scripts() -> set[int]:
    """Return the pids of all running probes."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"probe.py") for word in words):
            found.add(int(path.parent.name))
    return found


def _abort(client: httpx.Client) -> float:
    """Abort a running probe and return how long its processes lived on."""
    before = _scripts()
    job = client.post("/scripts/probe/async", data={"PHASE": "RUN", "SECONDS": "60"}).headers["Location"]
    while not _scripts() - before:
        time.sleep(0.01)  # other processes are seen only by looking
    start = time.perf_counter()
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    while _scripts() - before:
        time.sleep(0.005)  # the same
    return time.perf_counter() - start


def figures() -> Iterator[Figure]:
    """Measure on a service of its own; the jobs and the bare runs take turns."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        client = service.http
        _trivial(client)
        pairs = [(_trivial(client), bare_probe(Path(folder))) for _ in range(ROUNDS)]
        beyond = median(job - bare for job, bare in pairs)
        yield Figure(
            "trivial job, POST to COMPLETED, median",
            f"{1000 * median(job for job, _ in pairs):.0f} ms",
            f"bare subprocess {1000 * median(bare for _, bare in pairs):.0f} ms",
            f"{1000 * beyond:.0f} ms beyond",
            "< 150 ms",
        )
        aborts = [_abort(client) for _ in range(10)]
        yield Figure(
            "ABORT to no process left, of 10",
            f"median {1000 * median(aborts):.0f} ms",
            "-",
            f"at most {1000 * max(aborts):.0f} ms",
            "< 1 s",
        )
