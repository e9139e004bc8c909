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


STUBBORN = """title = "Stubborn"
summary = "Does not end when it is asked to, and neither does what it has started."
version = "1.0"
command = ["sh", "stubborn.sh"]
[accepts]
region = "none"
datasets = false
"""
STUBBORN_PROGRAM = """trap '' TERM
(setsid sh -c "trap '' TERM; : stubborn.sh; while :; do sleep 0.1; done" &)
while :; do sleep 0.1; done
"""


def _write_stubborn(folder: Path) -> None:
    (folder / "stubborn").mkdir()
    for name, text in (("script.toml", STUBBORN), ("stubborn.sh", STUBBORN_PROGRAM), ("README.md", "# Stubborn\n")):
        (folder / "stubborn" / name).write_text(text)


def _scripts(program: bytes) -> set[int]:
    """Return the pids of all running processes of a script."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(program in word for word in words):
            found.add(int(path.parent.name))
    return found


def _abort(client: httpx.Client, script: str, program: bytes, processes: int, **parameters: str) -> float:
    """Abort a job once so many processes of its script run, and return how long they lived on."""
    before = _scripts(program)
    job = client.post(f"/scripts/{script}/async", data={"PHASE": "RUN", **parameters}).headers["Location"]
    while len(_scripts(program) - before) < processes:
        time.sleep(0.01)  # other processes are seen only by looking
    start = time.perf_counter()
    client.post(f"{job}/phase", data={"PHASE": "ABORT"})
    while _scripts(program) - before:
        time.sleep(0.005)  # the same
    return time.perf_counter() - start


def figures() -> Iterator[Figure]:
    """Measure on a service of its own; the jobs and the bare runs take turns."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as scripts,
        Service(Path(folder), SCRIPTS=scripts) as service,
    ):
        _write_stubborn(Path(scripts))
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
        sandbox = 2 if Sandbox("auto", Path(folder)).protection.sandboxed else 0
        aborts = [_abort(client, "probe", b"probe.py", 1 + sandbox, SECONDS="60") for _ in range(10)]
        yield _aborted("ABORT to no process left", aborts, "< 1 s")
        aborts = [_abort(client, "stubborn", b"stubborn.sh", 2 + sandbox) for _ in range(10)]
        yield _aborted("the same where script and grandchild ignore SIGTERM", aborts, "< 2 s")


def _aborted(what: str, seconds: list[float], bar: str) -> Figure:
    slowest = f"at most {1000 * max(seconds):.0f} ms"
    return Figure(f"{what}, of {len(seconds)}", f"median {1000 * median(seconds):.0f} ms", "-", slowest, bar)
