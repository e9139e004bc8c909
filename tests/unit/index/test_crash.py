"""Killed at any line of adding, the index is the old one or the new one, and the next writer sets it right."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import index.files
import index.segment
import index.service
import index.store
from index.database import Database
from index.region import Region
from index.service import Index
from index.store import metadata
from tests.unit.index.conftest import Found, make_found

WATCHED = {module.__file__ for module in (index.service, index.files, index.segment, index.store)}
HOMES = {ra: Region.parse(f"CIRCLE {ra} 43 0.2") for ra in (35.0, 90.0)}


def killed_at(count: int) -> Callable[[FrameType, str, Any], Any]:
    """Give a trace function that kills the process when it reaches its so-manieth new line of the files watched.

    After the commit all lines are new again.
    """
    seen: set[tuple[str, int]] = set()
    reached = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal reached
        code = frame.f_code
        if code.co_filename not in WATCHED:
            return None
        if event == "line" and (code.co_filename, frame.f_lineno) not in seen:
            seen.add((code.co_filename, frame.f_lineno))
            reached += 1
            if reached == count:
                os.kill(os.getpid(), signal.SIGKILL)
        if event == "return" and code.co_name == "publish":
            seen.clear()
        return trace

    return trace


def open_index(folder: Path) -> tuple[Index, Database]:
    database = Database(f"sqlite:///{folder / 'amora.db'}")
    metadata.create_all(database.engine)
    return Index(folder / "index", database, "example.org"), database


def add_and_die(folder: Path, count: int, found: list[Found]) -> bool:
    """Add in a child that is killed on its way; tell whether it came to its end before."""
    child = os.fork()
    if not child:
        try:
            mine, _ = open_index(folder)
            sys.settrace(killed_at(count))
            mine.add(found)
            sys.settrace(None)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def state(index: Index) -> tuple[float, int]:
    """Give where the dataset that moves is, and how many others are with it, after checking that all agree."""
    index.verify()
    (moving,) = (dataset for dataset in index.datasets() if dataset.obs_id == "moving")
    for ra, region in HOMES.items():
        names = {match.dataset.obs_id for match in index.search(region)}
        assert names == ({f"{dataset.obs_id}" for dataset in index.datasets()} if ra == moving.s_ra else set())
    return moving.s_ra, index.count()


def test_killed_at_any_line_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    at = {ra: [make_found("moving", ra=ra), make_found("with-it", ra=ra)] for ra in HOMES}
    reader, reading = open_index(tmp_path)
    reader.add(at[35.0])
    before, count, moves, alive = state(reader), 0, 0, False
    while not alive:
        count += 1
        target = 125.0 - before[0]
        alive = add_and_die(tmp_path, count, at[target])
        fresh, its = open_index(tmp_path)
        after = state(fresh)
        its.close()
        assert after in (before, (target, 2))
        assert state(reader) == after
        moves += after != before
        before = after
    reading.close()
    assert count > 100, "the lines of adding were not counted"
    assert moves > 10, "it was never killed after the commit"
    # the last writer was not killed, and has removed what the others left
    names = {path.name for path in (tmp_path / "index").iterdir()}
    segments = {segment.written.name for segment in reader._newest().segments}
    assert names == {"lock", f"manifest-{reader.generation()}.json", *segments}
