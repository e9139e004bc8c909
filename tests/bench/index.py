"""How fast, exact and small the index is, with 42,000 datasets at real pointings: against moc-set and mocpy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from mocpy import MOC

from index.database import Database
from index.files import CoverageFiles, Snapshot
from index.harvest import harvest
from index.healpix import Ranges, moc_of, ranges_of
from index.postings import Coverage, Postings
from index.region import Region
from index.service import Index
from index.shapes import circle_ranges
from index.store import metadata
from tests.bench import sky
from tests.bench.figure import Figure

CHECKED = 1_000
"""Regions whose answers are held against mocpy, and the hostile ones."""
HOSTILE = (
    "CIRCLE 0 90 20", "CIRCLE 0 -90 0.001", "CIRCLE 10 10 180", "CIRCLE 359.9999999 0 0.5", "CIRCLE 45 41.8103149 1",
    "RANGE 350 10 -30 30", "RANGE 0 360 -90 90", "RANGE -Inf Inf 89 +Inf", "RANGE 0 0.0001 -90 90",
    "POLYGON 80 -75 110 -60 70 -60", "POLYGON 0 89 120 89 240 89", "POLYGON 359 -1 1 -1 1 1 359 1",
    "POLYGON 10 10 10.001 10 10 80", "POSITION 0 0", "POSITION 0 90", "POSITION 359.9999999999 -0.0000000001",
    "MOC 0/0-11", "MOC 8/0 100 786431", "MOC 16/0 12884901887 29/51539607552", "MOC 29/0", "MOC 9/5 10 15 8/400-500",
    "Union ICRS (Circle 10 10 1 Box 200 5 3 3 Circle 83 -5 0.2)", "Not ICRS (Circle 10 10 90)",
)  # fmt: skip


def figures() -> Iterator[Figure]:
    """Build the index from the lists of real observations, and ask."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder / 'datasets.sqlite'}")
        metadata.create_all(database.engine)
        index = Index(folder / "index", database, "example.org")
        start = time.perf_counter()
        done = harvest(index, "scripts.epic.lists:read", [sky.observations(folder)], processes=2)
        took = time.perf_counter() - start
        yield Figure(
            f"{done.added:,} footprints from CCD geometry into the index, 2 processes",
            f"{took:.0f} s",
            "the bar",
            f"{1000 * took / done.added:.2f} ms each",
            "< 180 s",
        )
        index.merge()
        snapshot = index._newest()
        ranges = [snapshot.ranges(key) for key in range(1, done.added + 1)]
        database.close()
        yield _size(folder, snapshot, done.added)
        mocs = [moc_of(one, sky.DEPTH) for one in ranges]
        yield _built(folder, mocs)
        yield _opened(folder, snapshot.generation)
        yield from asked(snapshot, sky.make_mocset(folder, ranges), dict.fromkeys(sky.SIZES, 60.0) | {"10 deg": 30.0})
        yield _loop(snapshot, mocs)
        yield _region(snapshot)
        yield _exact(snapshot, mocs)


def _size(folder: Path, snapshot: Snapshot, number: int) -> Figure:
    row = (folder / "datasets.sqlite").stat().st_size / number
    each = snapshot.bytes / number
    return Figure("size of a dataset", f"{each:.0f} bytes", f"its SQL row {row:.0f}", f"{each:.0f} bytes", "< 1,000")


def _built(folder: Path, mocs: Sequence[MOC]) -> Figure:
    def build() -> str:
        postings = Postings.build([Coverage(key, sky.DEPTH, ranges_of(moc)) for key, moc in enumerate(mocs, 1)])
        files = CoverageFiles(folder / "built")
        with files.exclusive():
            return files.write(Snapshot("0", ()), postings)

    took, _ = sky.timed(build, 3)
    return Figure(f"the index from {len(mocs):,} ready MOCs, on disk", f"{took:.2f} s", "the bar", "-", "< 2 s")


def _opened(folder: Path, generation: str) -> Figure:
    files = CoverageFiles(folder / "index")
    took = median(sky.timed(lambda: files.open(generation), 1)[0] for _ in range(50))
    return Figure("opening the index, median", f"{1000 * took:.2f} ms", "the bar", "-", "< 2 ms")


def asked(snapshot: Snapshot, mocset: Path, bars: dict[str, float]) -> Iterator[Figure]:
    """Hold queries of each size against moc-set, in turns; its start is what it takes with one MOC in the file."""
    tiny = mocset.with_name("tiny.mocset")
    sky.write_mocset(tiny, [0], [np.array([[0, 1 << 32]], np.int64)])
    number = len(snapshot.keys())
    for size, bar in bars.items():
        questions = sky.questions(size, 60)
        ranges = [ranges_of(question.moc) for question in questions]
        ours, peer, starts, rows = [], [], [], []
        for question, its in zip(questions, ranges, strict=True):
            took, found = sky.timed(lambda its=its: snapshot.overlaps(its), 9)  # type: ignore[misc]
            ours.append(took)
            rows.append(len(found.key))
            starts.append(sky.ask_mocset(tiny, question, 2)[0])
            their, ids = sky.ask_mocset(mocset, question, 3)
            peer.append(their)
            if not question.radius and ids != set(found.key.tolist()):
                raise RuntimeError(f"moc-set finds others than the index at {question.ra} {question.dec}")
        scan = median(peer) - median(starts)
        yield Figure(
            f"query, {size}, {number:,} MOCs, {np.mean(rows):,.0f} rows on average, median",
            f"{1e6 * median(ours):,.0f} us",
            f"moc-set {1e3 * scan:.1f} ms without its start",
            f"{scan / median(ours):,.0f} times",
            f">= {bar:,.0f} times" if bar else "-",
        )


def _loop(snapshot: Snapshot, mocs: Sequence[MOC]) -> Figure:
    questions = sky.questions("1 deg", 12)
    loop = median(sky.timed(lambda q=q: [m.intersection(q.moc).empty() for m in mocs], 1)[0] for q in questions)  # type: ignore[misc]
    ours = median(sky.timed(lambda q=q: snapshot.overlaps(ranges_of(q.moc)), 9)[0] for q in questions)  # type: ignore[misc]
    return Figure(
        "query, 1 deg, against mocpy with each MOC",
        f"{1e6 * ours:.0f} us",
        f"{1e3 * loop:.0f} ms",
        f"{loop / ours:,.0f} times",
        ">= 250 times",
    )


def _region(snapshot: Snapshot) -> Figure:
    """Build and answer a region of 10 deg, and have mocpy build it alone, at the order that was chosen."""
    ours, theirs = [], []
    for question in sky.questions("10 deg", 20):
        text = f"CIRCLE {question.ra!r} {question.dec!r} 10"
        took, region = sky.timed(lambda text=text: _answered(snapshot, text), 3)  # type: ignore[misc]
        ours.append(took)
        theirs.append(sky.timed(lambda q=question, o=region.order: sky.cone(q, o), 3)[0])  # type: ignore[misc]
    share = median(one / other for one, other in zip(ours, theirs, strict=True))
    return Figure(
        "a region of 10 deg, parsed, built and answered, median",
        f"{1e3 * median(ours):.1f} ms",
        f"mocpy builds it in {1e3 * median(theirs):.1f} ms",
        f"{share:.2f} times",
        "<= 3 times",
    )


def _answered(snapshot: Snapshot, text: str) -> Region:
    circle_ranges.cache_clear()
    region = Region.parse(text)
    snapshot.overlaps(ranges_of(region.moc()))
    return region


def regions(number: int) -> Iterator[Region]:
    """Give hostile regions, and then random circles, polygons and ranges of all sizes, many at real pointings."""
    yield from map(Region.parse, HOSTILE)
    random = np.random.default_rng(4)
    real = sky.pointings()
    for at in range(number):
        ra, dec = real[random.integers(len(real))] if at % 3 else (random.uniform(0, 360), random.uniform(-90, 90))
        size = 10 ** random.uniform(-5, 1.3 if at % 50 == 0 else 0)
        if at % 4 == 0:
            corners = sorted(random.uniform(0, 2 * np.pi, 5))
            squeeze = max(np.cos(np.radians(dec)), 0.01)
            points = [(ra + size * np.cos(a) / squeeze, np.clip(dec + size * np.sin(a), -90, 90)) for a in corners]
            text = "POLYGON " + " ".join(f"{x % 360!r} {y!r}" for x, y in ((float(x), float(y)) for x, y in points))
        elif at % 4 == 1:
            south, north = max(dec - size, -90), min(dec + size, 90)
            text = f"RANGE {ra!r} {min(ra + 2 * size, 360)!r} {south!r} {north!r}"
        else:
            text = f"CIRCLE {ra!r} {dec!r} {size!r}"
        try:
            region = Region.parse(text)
            region.moc()
        except ValueError:
            raise
        except Exception:  # noqa: BLE001, S112 - a random polygon that is none; how it is refused others test
            continue
        yield region


def differences(snapshot: Snapshot, mocs: Sequence[MOC], region: Region) -> int:
    """Count the coverages of which the index tells another overlap than mocpy, both in pixels of order 29."""
    moc = region.moc()
    found = snapshot.overlaps(ranges_of(moc))
    told = dict(zip(found.key.tolist(), found.overlap.tolist(), strict=True))
    wrong = 0
    for key, one in enumerate(mocs, 1):
        both: Ranges = one.intersection(moc).to_depth29_ranges
        overlap = int((both[:, 1] - both[:, 0]).sum()) if len(both) else 0
        wrong += told.pop(key, 0) != overlap
    return wrong + len(told)


def _exact(snapshot: Snapshot, mocs: Sequence[MOC]) -> Figure:
    counts = [differences(snapshot, mocs, region) for region in regions(CHECKED)]
    return Figure(
        f"exactness: ids and overlaps of {len(counts):,} random and hostile regions",
        f"{sum(counts)} differences",
        f"mocpy with each of {len(mocs):,} MOCs",
        f"{len(counts) * len(mocs):,} compared",
        "0 differences",
    )
