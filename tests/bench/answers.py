"""How fast questions are answered: in process, over HTTP on one core, with a thousand rows, and as one union MOC.

The archive has the pointings of the real list, each three times, with the field of view for a coverage: some 41,000
datasets. The bare route writes the same answers from memory, with the same framework, on the same core, in turns.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import mean, median
from typing import Any
from urllib.parse import quote

import numpy as np
from astropy import units as u
from mocpy import MOC

from index.answers import RecentCells
from index.healpix import ranges_of
from index.query import Query
from index.readers.found import Found
from index.region import Region
from index.service import Index
from index.shapes import circle_ranges
from jobs.engine import Engine
from tests.bench.bare import bare_server
from tests.bench.figure import Figure
from tests.bench.load import Client, rate_of
from tests.service import Service
from uws.settings import Settings

LISTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "observations" / "xmm_observations_joined.csv"
CAMERAS = ("M1", "M2", "PN")
REGIONS = 400
RADIUS = 1 / 6
CONNECTIONS = 4
ROUNDS = 7


def figures() -> Iterator[Figure]:
    """Measure on an archive and a service of their own."""
    with tempfile.TemporaryDirectory() as folder:
        places = archive(Path(folder))
        random.seed(1)
        regions = [
            f"CIRCLE {ra:.5f} {max(-90.0, min(90.0, dec + random.uniform(-0.1, 0.1))):.5f} {RADIUS:.5f}"
            for ra, dec in random.choices(places, k=REGIONS)
        ]
        engine = Engine(Settings(home=Path(folder)))
        yield _whole(engine.index, regions)
        engine.stop()
        yield _dear()
        with Service(Path(folder)) as service:
            yield from _http(service, Path(folder), regions)
            yield from _thousand(service)


def archive(home: Path) -> list[tuple[float, float]]:
    """Fill an index with the pointings of the list; return them."""
    with LISTS.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    places = [(float(row["ra_pnt"]) % 360, float(row["dec_pnt"])) for row in rows]
    ra, dec = zip(*places, strict=True)
    mocs = MOC.from_cones(np.array(ra) * u.deg, np.array(dec) * u.deg, radius=0.25 * u.deg, max_depth=13, delta_depth=0)
    engine = Engine(Settings(home=home))
    engine.index.add(
        Found(
            obs_collection="XMM-Newton",
            obs_id=row["obs_id"],
            camera=camera,
            exposure_id="S001",
            s_ra=place[0],
            s_dec=place[1],
            coverage=moc,
            facility_name="XMM-Newton",
            instrument_name=f"E{camera}",
            target_name=row["target"] or None,
            t_min=52000.0 + number,
            t_max=52000.5 + number,
            t_exptime=20000.0,
            dataproduct_type="event",
            calib_level=2,
            s_region="Polygon ICRS " + " ".join(f"{value:.5f}" for value in place * 12),
        )
        for number, (row, place, moc) in enumerate(zip(rows, places, mocs, strict=True))
        for camera in CAMERAS
    )
    engine.stop()
    return places


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _whole(index: Index, regions: Sequence[str]) -> Figure:
    """Region built, rows read from SQL, against the bare query of a region that is built, region by region."""
    index.answer(Query(Region.parse(regions[0])))
    segments = index._newest().segments
    bare, whole, rows = [], [], []
    for text in regions:
        ranges = ranges_of(Region.parse(text).moc())
        bare.append(_timed(lambda ranges=ranges: [segment.overlaps(ranges) for segment in segments]))  # type: ignore[misc]
        index._recent = RecentCells(index._store)  # so that the rows come from SQL
        circle_ranges.cache_clear()
        start = time.perf_counter()
        rows.append(len(list(index.answer(Query(Region.parse(text))).rows())))
        whole.append(time.perf_counter() - start)
    times = median(ours / theirs for theirs, ours in zip(bare, whole, strict=True))
    return Figure(
        f"whole answer in process, 10', {len(regions)} regions, {mean(rows):.0f} rows",
        f"{1e6 * median(whole):.0f} us",
        f"bare index query {1e6 * median(bare):.0f} us",
        f"{times:.1f} times",
        "<= 8 times",
    )


def _dear() -> Figure:
    """Build the dearest regions, each within 300 MB, in a process of their own."""
    command = [sys.executable, "-m", "tests.unit.index.dear"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    name, _, seconds = max(rows, key=lambda row: float(row[2]))
    return Figure(
        f"the dearest of {len(rows)} hostile regions, 300 MB each",
        f"{1000 * seconds:.0f} ms of processor time",
        "-",
        str(name),
        "< 1 s",
    )


def _http(service: Service, home: Path, regions: Sequence[str]) -> Iterator[Figure]:
    """Ask the service for circles and the bare route for the same answers, in turns, both servers on one core."""
    urls = [f"{service.base_url}/observations?POS={quote(region)}" for region in regions]
    answers = [service.http.get(url).text for url in urls]
    size = mean(map(len, answers))
    file = home / "answers.json"
    for name, held in (("the same JSON", answers), ("a JSON of one number", ['{"total": 1}'])):
        file.write_text(f"[{','.join(held)}]", encoding="utf-8")
        with bare_server(str(file)) as (bare, pid), _alone(service.process.pid, pid):
            time.sleep(1)  # its event loop starts after its socket listens
            pairs = [
                (rate_of(cycle([f"{bare}/json"]), CONNECTIONS, 1), rate_of(cycle(urls), CONNECTIONS, 2))
                for _ in range(ROUNDS)
            ]
        share = median(ours / theirs for theirs, ours in pairs)
        yield Figure(
            f"GET /observations, 10' circles, JSON of {size / 1000:.0f} kB on average, one core",
            f"{median(ours for _, ours in pairs):,.0f}/s",
            f"bare route with {name} {median(theirs for theirs, _ in pairs):,.0f}/s",
            f"{100 * share:.0f} % of bare",
            ">= 40 %" if held is answers else "-",
        )


def _thousand(service: Service) -> Iterator[Figure]:
    url = f"{service.base_url}/observations?POS={quote('CIRCLE 83.8 -5.4 25')}&MAXREC=1000&RESPONSEFORMAT="
    client = Client(url)
    for name in ("json", "votable", "csv", "fits"):
        took = [_timed(lambda name=name: client.ask(url + name)) for _ in range(15)]  # type: ignore[misc]
        yield Figure(
            f"1,000 rows of a region as {name}", f"{1000 * median(took):.0f} ms", "-", "-", "< 30 ms (VOTable)"
        )
    client.close()


@contextmanager
def _alone(*pids: int) -> Iterator[None]:
    """Keep servers to the first core and this process to the others."""
    cores = sorted(os.sched_getaffinity(0))
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0]})
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    yield
    os.sched_setaffinity(0, set(cores))
