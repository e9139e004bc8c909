"""Other processes add, and this one sees it without being told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import update

from index.database import Database
from index.files import NOTHING
from index.region import Region
from index.service import Index
from index.tables import coverage

ROOT = Path(__file__).resolve().parents[3]
ADD = """
import sys
from pathlib import Path
from index.database import Database
from index.service import Index
from tests.unit.index.conftest import make_found

folder, url, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
index = Index(folder / "index", Database(url), "example.org")
for number in range(5):
    index.add([make_found(f"{name}-{number}"), make_found("shared", ra=35 + number / 100)])
"""


def test_what_other_processes_add_is_seen_at_once(
    tmp_path: Path, database_url: str, index: Index, found: Callable[..., Any]
) -> None:
    here = Region.parse("CIRCLE 35 43 0.2")
    index.add([found("first")])
    command = [sys.executable, "-c", ADD, str(tmp_path), database_url]
    others = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("one", "two")]
    counts = [len(index.search(here))]
    while any(other.poll() is None for other in others):
        counts.append(len(index.search(here)))
    assert [other.wait() for other in others] == [0, 0]
    assert counts == sorted(counts)
    assert len(index.search(here)) == index.count() == 12
    index.verify()


def test_what_a_killed_writer_may_have_left_is_decided(
    index: Index, database: Database, found: Callable[..., Any]
) -> None:
    """It changes nothing, and of PostgreSQL it waits for a commit that a server is still at."""
    index._store.settle()
    assert index.generation() == NOTHING
    index.add([found("first")])
    before = index.generation()
    index._store.settle()
    assert index.generation() == before
    index.verify()
    with database.write() as connection:
        connection.execute(update(coverage).values(generation="later"))
        settling = threading.Thread(target=index._store.settle)
        settling.start()
        settling.join(0.2)
        assert settling.is_alive()
    settling.join()
    assert index._store.generation() == "later"
