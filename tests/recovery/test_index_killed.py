"""Writers of the index are killed at random instants, 200 of them, while another process reads all the while.

What is in the index tells of itself: the datasets of the flock bear the number of the turn in which they were put, and
lie at the place that belongs to it; who finds one at another place, or two turns at once, has seen half a change.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import index.files
from index.database import Database
from index.healpix import ranges_of
from index.ids import DatasetIds
from index.ingest import Taken, take
from index.region import Region
from index.service import Index
from index.store import metadata
from tests.unit.index.conftest import make_found

KILLS = 120
LONGEST = 0.08
"""Seconds that a writer writes at most: some turns."""
PLACES = (35.0, 90.0, 200.0)
FLOCK = 3
REGIONS = {ra: Region.parse(f"CIRCLE {ra} 43 0.2") for ra in PLACES}


@pytest.fixture(autouse=True)
def _merge_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.files, "LEAST", 0)


def open_index(folder: Path) -> tuple[Index, Database]:
    database = Database(f"sqlite:///{folder / 'amora.db'}")
    metadata.create_all(database.engine)
    return Index(folder / "index", database, "example.org"), database


def taken(name: str, ra: float) -> Taken:
    return take(make_found(name, ra=ra, order=11), DatasetIds("example.org"))


FLOCKS = {ra: [taken(f"flock{number}", ra) for number in range(FLOCK)] for ra in PLACES}
OTHERS = [taken(f"other{number}", 300.0) for number in range(40)]


def flock(turn: int) -> list[Taken]:
    """The datasets of the flock as of a turn."""
    return [
        replace(one, columns={**one.columns, "t_exptime": float(turn)}, fingerprint=f"{turn:064}")
        for one in FLOCKS[PLACES[turn % len(PLACES)]]
    ]


def look(mine: Index) -> int:
    """Give the turn that the index is in, having made sure that it is in one. Waits for no writer."""
    while True:
        before = mine.generation()
        found = {ra: mine.search(region) for ra, region in REGIONS.items()}
        if mine.generation() == before:
            break
    turns = {match.dataset.t_exptime for matches in found.values() for match in matches}
    (turn,) = turns
    assert turn is not None
    counts = {ra: len(matches) for ra, matches in found.items()}
    assert counts == {ra: FLOCK if ra == PLACES[int(turn) % len(PLACES)] else 0 for ra in PLACES}
    return int(turn)


def write(folder: Path, seed: int, ready: int) -> None:
    """Put, remove and merge without end, having told that it begins."""
    mine, _ = open_index(folder)
    chance = random.Random(seed)
    mine.verify()
    turn = look(mine)
    there = {dataset.id for dataset in mine.datasets()}
    os.write(ready, b".")
    while True:
        turn += 1
        mine.put(flock(turn))
        some = chance.sample(OTHERS, 5)
        mine.put(some)
        there |= {one.id for one in some}
        others = sorted(id_ for id_ in there if id_.startswith("other"))
        gone = set(chance.sample(others, len(others) // 3))
        mine.remove(gone)
        there -= gone
        if chance.random() < 0.3:
            mine.merge()


def forked(what: str, work: Iterator[None]) -> int:
    """Do work in a child, which ends with 0, or with 1 if it raises anything; give its number."""
    child = os.fork()
    if not child:
        code = 1
        try:
            for _ in work:
                pass
            code = 0
        except BaseException as error:
            print(f"the {what} died of {error!r}", flush=True)
            raise
        finally:
            os._exit(code)
    return child


def _write(folder: Path, seed: int, ready: int) -> Iterator[None]:
    write(folder, seed, ready)
    yield


def _read(folder: Path) -> Iterator[None]:
    """Look until a file says that it is over; the turn never goes back."""
    mine, _ = open_index(folder)
    last = 0
    while not (folder / "over").exists():
        turn = look(mine)
        assert turn >= last
        last = turn
        yield
    assert last > 0


@pytest.mark.timeout(300)
def test_killed_at_random_it_is_whole_and_goes_on(tmp_path: Path) -> None:
    """Only children open the database: SQLite's locks do not survive a fork of a process that has it open."""
    assert ended(forked("first writer", _put(tmp_path, 0))) == 0
    reader = forked("reader", _read(tmp_path))
    chance = random.Random(4)
    wait = threading.Event()
    hear, tell = os.pipe()
    for number in range(KILLS):
        child = forked("writer", _write(tmp_path, number, tell))
        os.read(hear, 1)
        wait.wait(chance.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL, "the writer died by itself"
        if number % 10 == 0:
            assert ended(forked("checker", _check(tmp_path))) == 0
    os.close(hear)
    os.close(tell)
    (tmp_path / "over").touch()
    assert ended(reader) == 0
    mine, database = open_index(tmp_path)
    mine.verify()
    turn = look(mine)
    assert turn > 5, "the writers were killed before they wrote"
    # the next run repairs
    mine.put(flock(turn + 1))
    mine.merge()
    snapshot = mine._newest()
    names = {"lock", f"manifest-{mine.generation()}.json", *(segment.written.name for segment in snapshot.segments)}
    assert {path.name for path in (tmp_path / "index").iterdir()} == names
    assert look(mine) == turn + 1
    for one in flock(turn + 1):
        assert (ranges_of(mine.coverage(one.id)) == one.ranges).all()
    database.close()


def _hold(folder: Path, ready: int) -> Iterator[None]:
    """Keep the database open, so that nobody reads its log anew."""
    mine, _ = open_index(folder)
    mine.generation()
    os.write(ready, b".")
    signal.pause()
    yield


def _publish_and_die(folder: Path, turn: int) -> Iterator[None]:
    mine, _ = open_index(folder)
    publish = mine._store.publish

    def last(*given: Any, **named: Any) -> None:
        publish(*given, **named)
        os._exit(0)

    with patch.object(mine._store, "publish", last):
        mine.put(flock(turn))
    yield


def _begin_and_die(folder: Path, turn: int) -> Iterator[None]:
    mine, _ = open_index(folder)
    assert look(mine) == 0, "the commit is to be seen by nobody"
    with patch.object(mine._files, "write", lambda *_: os._exit(0)):
        mine.put(flock(turn))
    yield


def test_a_commit_that_nobody_saw_is_decided_before_its_files_go(tmp_path: Path) -> None:
    """A writer was killed when SQLite had written its commit to the log, and not yet told the others.

    The next one sees the old generation, finds files that do not belong to it, and is killed before it writes. Whoever
    opens the database when all are gone reads the log anew: the commit must not name files that were removed.
    """
    assert ended(forked("first writer", _put(tmp_path, 0))) == 0
    hear, tell = os.pipe()
    holder = forked("holder", _hold(tmp_path, tell))
    os.read(hear, 1)
    told = tmp_path / "amora.db-shm"
    before = told.read_bytes()
    assert ended(forked("writer", _publish_and_die(tmp_path, 1))) == 0
    with told.open("r+b") as file:
        file.write(before)
    assert ended(forked("next writer", _begin_and_die(tmp_path, 2))) == 0
    os.kill(holder, signal.SIGKILL)
    ended(holder)
    os.close(hear)
    os.close(tell)
    assert ended(forked("checker", _check(tmp_path))) == 0


def ended(child: int) -> int:
    """Wait for the end of a child, and give its exit code, or the negative of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _put(folder: Path, turn: int) -> Iterator[None]:
    mine, database = open_index(folder)
    mine.put(flock(turn))
    yield
    database.close()


def _check(folder: Path) -> Iterator[None]:
    mine, database = open_index(folder)
    mine.verify()
    look(mine)
    yield
    database.close()
