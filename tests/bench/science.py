"""What the science takes: cutting out of ten million events, the four basic products, and the start of a script."""

from __future__ import annotations

import compileall
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from jobs.contract import environment
from scripts.epic.events import EventList
from scripts.epic.simulate import SOURCES, simulate
from tests.bench.figure import Figure

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ROWS = 10_000_000
REGION = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 30 / 3600}

CUT = """
import re, sys, time
from pathlib import Path
from scripts.epic import region
from scripts.epic.events import EventList
where = {region}
best, cpu = 1e9, 1e9
for _ in range({rounds}):
    start, used = time.perf_counter(), time.process_time()
    events = EventList(Path(sys.argv[1]), [where], hard=False)
    inside = region.place(where, events.projection).contains(events.column("X"), events.column("Y"))
    best, cpu = min(best, time.perf_counter() - start), min(cpu, time.process_time() - used)
# ru_maxrss would hold what the parent had when it started this
memory = int(re.search(r"VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
print(best, cpu, memory, int(inside.sum()))
"""

PRODUCTS = """
import os, runpy
from scripts.epic import task
for name in ("spectrum", "lightcurve", "image"):
    main = runpy.run_path(os.environ["SCRIPTS"] + f"/{name}/{name}.py")["main"]
    task.guard(lambda: main(task.read()))
task.leave()
"""


def enlarged(folder: Path) -> Path:
    """Write a list of ten million events as the pipeline writes them.

    CCD after CCD, each in order of time, spread over the field; one event in fifty is near a source. Rows are drawn
    from a simulated list, with times and places of their own.
    """
    (one, *_) = [path for path in simulate(folder) if "PIEVLI" in path.name]
    path, random = folder / "large.fits", np.random.default_rng(7)
    events = EventList(one)
    x, y, ccd = (events.column(name) for name in ("X", "Y", "CCDNR"))
    near = np.zeros(len(events), dtype=bool)
    for source in SOURCES:
        u, v = events.projection.to_pixel(source.ra, source.dec)
        near |= np.hypot(x - u, y - v) < 90 / 0.05
    weight = np.where(near, 0.02 / near.sum(), 0.98 / (~near).sum())
    content = gzip.decompress(one.read_bytes())
    with fits.open(one) as hdus:
        info, header = hdus["EVENTS"].fileinfo(), hdus["EVENTS"].header.copy()
    header["NAXIS2"] = ROWS
    with path.open("wb") as out:
        out.write(content[: info["hdrLoc"]] + header.tostring().encode())
        for chip, number in zip(
            events.ccds, random.multinomial(ROWS, [weight[ccd == n].sum() for n in events.ccds]), strict=True
        ):
            mine = np.flatnonzero(ccd == chip)
            rows = events.rows[random.choice(mine, number, p=weight[mine] / weight[mine].sum())]
            rows["TIME"] = np.sort(random.uniform(rows["TIME"].min(), rows["TIME"].max(), number))
            for name in ("DETX", "DETY", "X", "Y", "PHA"):
                rows[name] = np.maximum(rows[name] + random.integers(-9, 10, number), -30000)
            out.write(rows.tobytes())
        size = ROWS * header["NAXIS1"]
        out.write(b"\0" * (-size % 2880) + content[info["datLoc"] + info["datSpan"] :])
    return path


def least(path: Path) -> float:
    """Return what reading a list and looking at one byte of each row takes, s: no cut-out in numpy can be faster."""
    with fits.open(path) as hdus:
        width, start = int(hdus["EVENTS"].header["NAXIS1"]), hdus["EVENTS"].fileinfo()["datLoc"]
    view = memoryview(bytearray((1 << 20) // width * width))
    byte = np.frombuffer(view, dtype="u1").reshape(-1, width)[:, 20]

    def look() -> None:
        with path.open("rb", buffering=0) as opened:
            opened.seek(start)
            while opened.readinto(view) == len(view):
                np.flatnonzero(byte - np.uint8(3) <= 5)

    return best(look)


def best(action: Callable[[], object], rounds: int = 3) -> float:
    """Return the shortest time of some rounds, s."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def read_bytes(path: Path) -> None:
    """Read a file through one buffer that stays in the processor's cache."""
    buffer = bytearray(1 << 20)
    with path.open("rb") as opened:
        while opened.readinto(buffer):
            pass


def forget(path: Path) -> None:
    """Make the machine's memory forget a file, so that its bytes come from the disk again."""
    with path.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def started(code: str, rounds: int = 5) -> float:
    """Return the CPU time of an interpreter that runs some code, s."""
    return cost([sys.executable, "-c", code], rounds, SCRIPTS.parent)[1]


def _cut(path: Path, rounds: int = 3) -> list[float]:
    code = CUT.format(region=repr(REGION), rounds=rounds)
    done = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, cwd=SCRIPTS.parent)
    return [float(word) for word in done.stdout.split()]


def _from_disk(path: Path) -> tuple[float, float]:
    """Return what reading a list's bytes and cutting out of it take when the machine has not read it before, s."""
    read, cut = [], []
    for _ in range(5):  # in turn: a virtual disk is not equally fast all the time
        forget(path)
        read.append(best(lambda: read_bytes(path), 1))
        forget(path)
        cut.append(_cut(path, 1)[0])
    return min(read), min(cut)


def _extraction(folder: Path) -> Iterator[Figure]:
    path = enlarged(folder)
    floor, seconds = _from_disk(path)
    yield Figure(
        '30" of 10 million events, from the disk',
        f"{1000 * seconds:.0f} ms",
        f"bytes read {1000 * floor:.0f} ms",
        f"{seconds / floor:.2f} times",
        "< 1.5 times",
    )
    seconds, _, memory, number = _cut(path)
    for what, floor, bar in (
        ("bytes read", best(path.read_bytes), "< 1.5 times, < 100 ms"),
        ("bytes read through one buffer and forgotten", best(lambda: read_bytes(path)), "-"),
    ):
        yield Figure(
            "the same, warm: out of the machine's memory",
            f"{1000 * seconds:.0f} ms, {number:.0f} events",
            f"{what} {1000 * floor:.0f} ms",
            f"{seconds / floor:.2f} times",
            bar,
        )
    look = least(path)
    yield Figure(
        "the same, warm, against numpy's least",
        f"{1000 * seconds:.0f} ms",
        f"bytes read through one buffer, one of each row compared {1000 * look:.0f} ms",
        f"{seconds / look:.2f} times",
        "-",
    )
    yield Figure("the same, peak memory", f"{memory:.0f} MB", "-", f"{memory:.0f} MB", "< 120 MB")
    packed = folder / "large.fits.gz"
    with packed.open("wb") as out:
        subprocess.run(["gzip", "-1c", path], stdout=out, check=True)
    peer = best(lambda: subprocess.run(["gunzip", "-c", packed], stdout=subprocess.DEVNULL, check=True), 2)
    seconds, _, memory, _ = _cut(packed)
    yield Figure(
        "the same, compressed",
        f"{1000 * seconds:.0f} ms, {memory:.0f} MB",
        f"gunzip {1000 * peer:.0f} ms",
        f"{seconds / peer:.2f} times",
        "< 2.5 times",
    )


def _products(folder: Path) -> Iterator[Figure]:
    """Four products by three scripts in one interpreter: spectrum and background, light curve, image."""
    events = crowded(folder)
    task = {
        "parameters": {},
        "region": REGION,
        "dataset_slug": "a",
        "datasets": [{"id": "a", "files": [{"kind": "events", "path": str(events)}]}],
    }
    (folder / "task.json").write_text(json.dumps(task))
    rows = fits.getheader(events, "EVENTS")["NAXIS2"]
    # as the service runs it
    env = environment(folder, datetime.now(UTC)) | {"SCRIPTS": str(SCRIPTS), "PYTHONPATH": str(SCRIPTS.parent)}

    def run(code: str) -> tuple[float, float]:
        return cost([sys.executable, "-c", code], 5, folder, env)

    bare, imported, made = run("pass"), run("import astropy.io.fits"), run(PRODUCTS)
    for kind, i in (("by the clock", 0), ("CPU", 1)):
        yield Figure(
            f"spectrum, background, light curve, image of {rows} events, {kind}",
            f"{1000 * (made[i] - bare[i]):.0f} ms beyond interpreter start",
            f"import astropy.io.fits alone {1000 * (imported[i] - bare[i]):.0f} ms",
            f"{1000 * (made[i] - bare[i]):.0f} ms",
            "< 250 ms",
        )


def crowded(folder: Path) -> Path:
    """Write a list of 114,000 events: a simulated one of MOS1, several times, CCD by CCD."""
    one = next(folder.glob("P*0101M1*MIEVLI*"))
    events, content = EventList(one), gzip.decompress(one.read_bytes())
    order = np.argsort(np.tile(events.column("CCDNR"), 5), kind="stable")
    chosen = np.sort(np.random.default_rng(8).choice(len(order), 114_000, replace=False))
    rows = np.tile(events.rows, 5)[order[chosen]]
    with fits.open(one) as hdus:
        info, header = hdus["EVENTS"].fileinfo(), hdus["EVENTS"].header.copy()
    header["NAXIS2"] = len(rows)
    raw = rows.tobytes()
    body = content[: info["hdrLoc"]] + header.tostring().encode() + raw + b"\0" * (-len(raw) % 2880)
    path = folder / "crowded.FTZ"
    path.write_bytes(gzip.compress(body + content[info["datLoc"] + info["datSpan"] :], 6, mtime=0))
    return path


def cost(command: list[str], rounds: int, folder: Path, env: dict[str, str] | None = None) -> tuple[float, float]:
    """Return the least wall-clock and CPU time of a command, s."""
    wall, cpu = [], []
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, cwd=folder, env=env, capture_output=True)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(wall), min(cpu)


def figures() -> Iterator[Figure]:
    """Measure on simulated lists."""
    compileall.compile_dir(SCRIPTS, quiet=2)  # as the service does when it reads their descriptors
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _extraction(folder)
        yield from _products(folder)
    floor = started("import astropy.io.fits")
    for script in sorted(path.parent.name for path in SCRIPTS.glob("*/script.toml")):
        mine = started(f"import runpy; runpy.run_path({str(SCRIPTS / script / script) + '.py'!r})")
        yield Figure(
            f"start of {script}, CPU",
            f"{1000 * mine:.0f} ms",
            f"import astropy.io.fits {1000 * floor:.0f} ms",
            f"{mine / floor:.2f} times",
            "< 1.3 times",
        )
