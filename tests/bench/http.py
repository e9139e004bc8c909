"""How fast the service answers: the phase of a job, the job list, trivial jobs in numbers, and waiting clients.

Each figure is held against the bare route or the bare script in the same run, in turns, or against the best figure
that was measured for a peer on a machine of this kind (OPUS, safir, DaCHS).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from sqlalchemy import insert

from index.database import Database
from jobs.sandbox import Mode, Sandbox
from jobs.store import new_id, now
from jobs.tables import job
from tests.bench.bare import bare_route
from tests.bench.figure import Figure
from tests.bench.jobs import bare_probe
from tests.bench.load import Client, rate
from tests.service import Service

CONNECTIONS = 8
LISTED = 10_000
TRIVIAL = 200
WAITING = 2_000


def figures() -> Iterator[Figure]:
    """Measure on services of their own."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        idle = _memory(service)
        yield Figure("memory, idle", f"{idle:.0f} MB", "DaCHS 131 MB", f"{idle / 131:.2f} of it", "-")
        yield _phase(service)
    modes: tuple[Mode, ...] = ("off", "auto")
    for mode in modes:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scripts:
            _write_echo(Path(scripts))
            sandbox = Sandbox(mode, Path(folder))
            with Service(Path(folder), SANDBOX=mode, SCRIPTS=scripts) as service:
                if mode == "off" or sandbox.protection.sandboxed:
                    yield _trivial(service, sandbox, "echo", partial(_bare_echo, Path(folder), sandbox))
                    yield _trivial(service, sandbox, "probe", partial(bare_probe, Path(folder), sandbox))
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        yield from _waiting(service, "one job", [_create(service)] * WAITING)
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        yield from _list(service, Path(folder))


def _phase(service: Service) -> Figure:
    job_url = service.base_url + service.post("probe")
    service.end(urlsplit(job_url).path)
    with bare_route() as bare:
        time.sleep(1)  # its event loop starts after its socket listens
        pairs = [(rate(bare, CONNECTIONS, 1), rate(f"{job_url}/phase", CONNECTIONS, 1)) for _ in range(7)]
    floor, measured = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    share = median(ours / theirs for theirs, ours in pairs)
    return Figure(
        f"GET phase, {CONNECTIONS} connections, median of {len(pairs)}",
        f"{measured:,.0f}/s",
        f"bare route {floor:,.0f}/s; DaCHS 2,567/s",
        f"{100 * share:.0f} % of bare",
        ">= 2,600/s or 40 %",
    )


def _list(service: Service, home: Path) -> Iterator[Figure]:
    database = Database(f"sqlite:///{home / 'amora.sqlite'}")
    created = now() - LISTED
    rows = [
        {"id": new_id(), "script": "probe", "phase": "COMPLETED", "run_id": f"run {number % 7}", "created": created}
        for number in range(LISTED)
    ]
    with database.write() as connection:
        connection.execute(insert(job), [{**row, "created": created + i, "duration": 60} for i, row in enumerate(rows)])
    database.close()
    url = f"{service.base_url}/scripts/probe/async"
    client = Client(url)
    full, last = [], []
    for _ in range(21):
        full.append(_timed(client, url))
        last += [_timed(client, f"{url}?LAST=10") for _ in range(10)]
    size = len(client.ask(url)[2])
    client.close()
    yield Figure(
        f"list of {LISTED:,} jobs, complete, median",
        f"{1000 * median(full):.0f} ms, {size / 1e6:.1f} MB",
        "DaCHS 122 ms",
        f"{median(full) / 0.122:.2f} of it",
        "< 120 ms",
    )
    yield Figure(
        "list with LAST=10, median",
        f"{1000 * median(last):.2f} ms",
        "DaCHS 3.3 ms",
        f"{median(last) / 0.0033:.2f} of it",
        "< 2 ms",
    )


def _timed(client: Client, url: str) -> float:
    start = time.perf_counter()
    status, _, _ = client.ask(url)
    if status != 200:
        raise RuntimeError(f"{url} answered {status}")
    return time.perf_counter() - start


ECHO = """title = "Echo"
summary = "Writes a string."
version = "1.0"
command = ["sh", "echo.sh"]
[accepts]
region = "none"
datasets = false
[[products]]
name = "said.txt"
content_type = "text/plain"
description = "The string."
"""
ECHO_PROGRAM = "echo hello > products/said.txt\n"
"""What the trivial job was where the peers were measured."""


def _write_echo(folder: Path) -> None:
    (folder / "echo").mkdir()
    for name, text in (("script.toml", ECHO), ("echo.sh", ECHO_PROGRAM), ("README.md", "# Echo\n")):
        (folder / "echo" / name).write_text(text)


def _bare_echo(home: Path, sandbox: Sandbox) -> None:
    """Run the echo as a bare subprocess."""
    folder = Path(tempfile.mkdtemp(dir=home))
    (folder / "products").mkdir()
    subprocess.run(sandbox.wrap(["sh", "-c", ECHO_PROGRAM], folder, []), cwd=folder, check=True, capture_output=True)


def _trivial(service: Service, sandbox: Sandbox, script: str, bare: Callable[[], object]) -> Figure:
    """Bare scripts and jobs take turns, on the same two slots, both in the sandbox or both without."""
    where = "in bubblewrap" if sandbox.protection.sandboxed else "no sandbox"
    what = "echo a string" if script == "echo" else "the probe, with a start of Python"
    url = f"{service.base_url}/scripts/{script}/async"
    here = threading.local()

    def one(_number: int) -> None:
        if not hasattr(here, "client"):
            here.client = Client(url)
        job_url = here.client.ask(url, "POST", b"PHASE=RUN")[1][b"location"].decode()
        phase = b"QUEUED"
        while phase in (b"QUEUED", b"EXECUTING"):
            document = here.client.ask(f"{job_url}?WAIT=10&PHASE={phase.decode()}")[2]
            phase = document.partition(b"<uws:phase>")[2].partition(b"<")[0]
        if phase != b"COMPLETED":
            raise RuntimeError(f"the job ended in {phase!r}")

    pairs = []
    for _ in range(5):
        with ThreadPoolExecutor(2) as pool:
            start = time.perf_counter()
            list(pool.map(lambda _: bare(), range(TRIVIAL // 4)))
            floor = TRIVIAL / 4 / (time.perf_counter() - start)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            start = time.perf_counter()
            list(pool.map(one, range(TRIVIAL)))
            pairs.append((floor, TRIVIAL / (time.perf_counter() - start)))
    floor, measured = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    return Figure(
        f"{TRIVIAL} trivial jobs ({what}), {CONNECTIONS} clients, 2 slots, {where}, median of {len(pairs)}",
        f"{measured:.0f}/s",
        f"bare script, 2 at once, {where} {floor:.0f}/s; OPUS 3.3/s",
        f"{100 * median(ours / theirs for theirs, ours in pairs):.0f} % of bare",
        "> 50/s" if script == "echo" else "-",
    )


def _create(service: Service) -> str:
    answer = service.http.post("/scripts/probe/async")
    return str(answer.headers["Location"])


def _waiting(service: Service, what: str, urls: list[str]) -> Iterator[Figure]:
    """Have clients wait for jobs that are PENDING, then abort each job."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = []
    for url in urls:
        client = Client(url)
        client.send(f"{url}?WAIT=60&PHASE=PENDING")
        clients.append(client)
    service.http.get("/healthz")
    time.sleep(2)  # all 2,000 must be waiting; there is no sign of the last one from outside
    memory = _memory(service)
    start = time.perf_counter()
    for url in set(urls):
        service.http.post(urlsplit(url).path + "/phase", data={"PHASE": "ABORT"})
    for client in clients:
        status, _, body = client.receive()
        if status != 200 or b"ABORTED" not in body:
            raise RuntimeError(f"a waiting client was answered {status}: {body[:200]!r}")
    last = time.perf_counter() - start
    after = _memory(service)
    for client in clients:
        client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield Figure(
        f"{len(urls):,} clients in WAIT on {what}, change to last answer",
        f"{1000 * last:.0f} ms",
        "-",
        f"{1e6 * last / len(urls):.0f} us each",
        "< 1 s",
    )
    yield Figure(
        "memory meanwhile, and after",
        f"{memory:.0f} MB, {after:.0f} MB",
        "DaCHS idle 131 MB",
        f"{max(memory, after) / 131:.2f} of it",
        "< 150 MB",
    )


def _memory(service: Service) -> float:
    """Return the resident memory of the service and of every process it has started, in MB."""
    found = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(service.process.pid), "--ppid", str(service.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(map(int, found.stdout.split())) / 1000


if __name__ == "__main__":
    from rich.console import Console

    for figure in figures():
        Console(width=160).print(*figure.cells(), sep=" | ")
    sys.exit(0)
