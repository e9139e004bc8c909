"""The index with 4.2 million datasets: the 42,000 of the real pointings a hundred times, moved about the sky.

Each copy is moved by a random number of cells of order 8: the ranges stay as they are, the clustering is thinned.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from index.database import Database
from index.files import CoverageFiles, Snapshot
from index.harvest import harvest
from index.healpix import ranges_of
from index.ids import DatasetIds
from index.ingest import take
from index.merging import Part
from index.postings import U32, Postings
from index.service import Index
from index.store import DatasetStore, metadata
from tests.bench import sky
from tests.bench.figure import Figure
from tests.bench.index import asked
from tests.unit.index.conftest import make_found

COPIES = 100
CELLS = 12 << 16
ADDED = 40


def figures() -> Iterator[Figure]:
    """Build both sizes, and compare them with each other and the large one with moc-set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder / 'datasets.sqlite'}")
        metadata.create_all(database.engine)
        index = Index(folder / "index", database, "example.org")
        number = harvest(index, "scripts.epic.lists:read", [sky.observations(folder)], processes=2).added
        index.merge()
        small = index._newest()
        ranges = [small.ranges(key) for key in range(1, number + 1)]
        offsets = [0, *np.random.default_rng(7).integers(1, CELLS, COPIES - 1).tolist()]
        start = time.perf_counter()
        files = CoverageFiles(folder / "index")
        postings = small.segments[0].postings
        parts = [Part(_moved(postings, offset, number * at), _NONE) for at, offset in enumerate(offsets)]
        with files.exclusive():
            written = files._write_segment("segment-0000000002-0000000a", parts, _NONE)
            assert written is not None
            generation = files._write_manifest(2, [written])
        took = time.perf_counter() - start
        del parts
        yield Figure(f"{COPIES * number:,} MOCs merged, to the disk", f"{took:.0f} s", "-", "-", "-")
        mocset = folder / "large.mocset"
        sky.write_mocset(mocset, offsets, ranges)
        large = files.open(generation)
        opened = median(sky.timed(lambda: files.open(generation), 1)[0] for _ in range(50))
        yield Figure(f"opening {COPIES * number:,}, median", f"{1e3 * opened:.2f} ms", "the bar", "-", "< 2 ms")
        yield from asked(large, mocset, {"position": 1000, "1'": 0, "10'": 400, "1 deg": 150, "10 deg": 30})
        mocset.unlink()
        yield _growth(small, large)
        _replicate(folder / "datasets.sqlite", number)
        DatasetStore(database, DatasetIds("example.org")).publish(small.generation, generation)
        yield _added(index)
        yield _size(folder, index._newest(), COPIES * number)
        database.close()


_NONE: U32 = np.zeros(0, np.uint32)


def _moved(postings: Postings, offset: int, by: int) -> Postings:
    """Move postings by cells, and give the coverages other keys."""
    at = int(postings.cell.searchsorted(np.uint32(CELLS - offset))) if offset else len(postings.cell)
    entry = int(postings.entry[at])
    first = int(postings.first[entry])

    def rolled(bounds: U32, cut: int) -> U32:
        return np.concatenate(([0], np.cumsum(np.roll(np.diff(bounds), -cut)))).astype(np.uint32)

    return replace(
        postings,
        key=postings.key + np.uint32(by),
        cell=((np.roll(postings.cell, -at).astype(np.int64) + offset) % CELLS).astype(np.uint32),
        entry=rolled(postings.entry, at),
        row=np.roll(postings.row, -entry),
        inside=np.roll(postings.inside, -entry),
        first=rolled(postings.first, entry),
        start=np.roll(postings.start, -first),
        last=np.roll(postings.last, -first),
    )


def _growth(small: Snapshot, large: Snapshot) -> Figure:
    """Ask both for the same positions, in turns."""
    pairs = []
    for question in sky.questions("position", 200, seed=3):
        ranges = ranges_of(question.moc)
        both = [sky.timed(lambda one=one, its=ranges: one.overlaps(its), 9)[0] for one in (small, large)]  # type: ignore[misc]
        pairs.append(both)
    few, many = (median(pair[at] for pair in pairs) for at in (0, 1))
    return Figure(
        "growth of a position, 100 times the datasets, median",
        f"{1e6 * many:.0f} us",
        f"{1e6 * few:.0f} us",
        f"{many / few:.2f} times",
        "<= 2.5 times",
    )


def _replicate(path: Path, number: int) -> None:
    """Write the rows of the copies."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        names = [f'"{row[1]}"' for row in connection.execute("PRAGMA table_info(dataset)")]
        chosen = {'"key"': f'"key" + {number} * ?1', '"id"': "\"id\" || '.' || ?1"}
        columns = ", ".join(chosen.get(name, name) for name in names)
        for copy in range(1, COPIES):
            connection.execute(
                f'INSERT INTO dataset ({", ".join(names)}) SELECT {columns} FROM dataset WHERE "key" <= {number}',  # noqa: S608
                (copy,),
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _added(index: Index) -> Figure:
    ids = DatasetIds("example.org")
    found = [take(make_found(f"new{at}", ra=at * 9.0, order=sky.DEPTH), ids) for at in range(ADDED)]
    index.add([make_found("first")])
    times = [sky.timed(lambda one=one: index.put([one]), 1)[0] for one in found]  # type: ignore[misc]
    return Figure(
        f"adding one dataset to {index.count():,}, files and SQL, median of {ADDED}",
        f"{1e3 * median(times):.1f} ms",
        f"slowest {1e3 * max(times):.1f} ms",
        "-",
        "< 50 ms",
    )


def _size(folder: Path, snapshot: Snapshot, number: int) -> Figure:
    row = (folder / "datasets.sqlite").stat().st_size / number
    each = snapshot.bytes / number
    return Figure("size of a dataset", f"{each:.0f} bytes", f"its SQL row {row:.0f}", f"{each:.0f} bytes", "< 1,000")
