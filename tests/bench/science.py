"""What the science takes: cutting out of ten million events, the four basic products, and the start of a script."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

from scripts.epic.simulate import simulate
from tests.bench.figure import Figure

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ROWS = 10_000_000
REGION = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 30 / 3600}

CUT = """
import resource, sys, time
from pathlib import Path
from scripts.epic import region
from scripts.epic.events import EventList
where = {region}
best, cpu = 1e9, 1e9
for _ in range(3):
    start, used = time.perf_counter(), time.process_time()
    events = EventList(Path(sys.argv[1]), [where], hard=False)
    inside = region.place(where, events.projection).contains(events.column("X"), events.column("Y"))
    best, cpu = min(best, time.perf_counter() - start), min(cpu, time.process_time() - used)
print(best, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, int(inside.sum()))
"""

PRODUCTS = """
import runpy, shutil, time, sys, os
start = time.perf_counter()
sys.argv = ["x"]
for name in ("spectrum", "lightcurve", "image"):
    runpy.run_path(os.environ["SCRIPTS"] + f"/{name}/{name}.py", run_name="__main__")
"""


def enlarged(folder: Path) -> Path:
    """Write a list of ten million events: those of a simulated one, many times."""
    (one, *_) = [path for path in simulate(folder) if "PIEVLI" in path.name]
    path = folder / "large.fits"
    with fits.open(one) as hdus:
        data = np.asarray(hdus["EVENTS"].data)
        times = -(-ROWS // len(data))
        content = gzip.decompress(one.read_bytes())
        info = hdus["EVENTS"].fileinfo()
        header = hdus["EVENTS"].header.copy()
        header["NAXIS2"] = times * len(data)
        rows = content[info["datLoc"] : info["datLoc"] + hdus["EVENTS"].header["NAXIS1"] * len(data)]
        with path.open("wb") as out:
            out.write(content[: info["hdrLoc"]] + header.tostring().encode())
            for _ in range(times):
                out.write(rows)
            out.write(b"\0" * (-(len(rows) * times) % 2880) + content[info["datLoc"] + info["datSpan"] :])
    return path


def best(action: Callable[[], object], rounds: int = 3) -> float:
    """Return the shortest time of some rounds, s."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def read_bytes(path: Path) -> None:
    """Read a file through one buffer."""
    buffer = bytearray(1 << 20)
    with path.open("rb") as opened:
        while opened.readinto(buffer):
            pass


def started(code: str, rounds: int = 7) -> float:
    """Return the CPU time of an interpreter that runs some code, s."""
    times = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS.parent)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def _cut(path: Path) -> list[float]:
    code = CUT.format(region=repr(REGION))
    done = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, cwd=SCRIPTS.parent)
    return [float(word) for word in done.stdout.split()]


def _extraction(folder: Path) -> Iterator[Figure]:
    path = enlarged(folder)
    floor = best(lambda: read_bytes(path))
    seconds, _, memory, number = _cut(path)
    yield Figure(
        '30" of 10 million events, warm',
        f"{1000 * seconds:.0f} ms, {number:.0f} events",
        f"bytes read {1000 * floor:.0f} ms",
        f"{seconds / floor:.2f} times",
        "< 1.5 times, < 100 ms",
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
    events = next(folder.glob("P*M1*MIEVLI*"))
    task = {
        "parameters": {},
        "region": REGION,
        "dataset_slug": "a",
        "datasets": [{"id": "a", "files": [{"kind": "events", "path": str(events)}]}],
    }
    (folder / "task.json").write_text(json.dumps(task))
    rows = fits.getheader(events, "EVENTS")["NAXIS2"]
    env = {"SCRIPTS": str(SCRIPTS), "PYTHONPATH": str(SCRIPTS.parent)}

    def run(code: str) -> float:
        return best(
            lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=env, capture_output=True)
        )

    bare, imported, seconds = run("pass"), run("import astropy.io.fits"), run(PRODUCTS)
    yield Figure(
        f"spectrum, background, light curve, image of {rows} events",
        f"{1000 * (seconds - bare):.0f} ms beyond interpreter start",
        f"import astropy.io.fits {1000 * (imported - bare):.0f} ms",
        f"{1000 * (seconds - imported):.0f} ms beyond the import",
        "< 250 ms",
    )


def figures() -> Iterator[Figure]:
    """Measure on simulated lists."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _extraction(folder)
        yield from _products(folder)
    floor = started("import astropy.io.fits")
    for script in ("events", "spectrum", "lightcurve"):
        mine = started(f"import runpy; runpy.run_path({str(SCRIPTS / script / script) + '.py'!r})")
        yield Figure(
            f"start of {script}, CPU",
            f"{1000 * mine:.0f} ms",
            f"import astropy.io.fits {1000 * floor:.0f} ms",
            f"{mine / floor:.2f} times",
            "< 1.3 times",
        )
