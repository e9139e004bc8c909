"""Glances and revisions of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select, update

from index.database import Database
from index.errors import DatabaseError

TABLE = Table("thing", MetaData(), Column("id", String, primary_key=True), Column("value", Integer))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite'}")
    TABLE.metadata.create_all(database.engine)
    yield database
    database.close()


def test_a_glance_sees_each_commit(database: Database) -> None:
    glance = database.glance(select(TABLE.c.value).where(TABLE.c.id == bindparam("key")))
    assert database.quick
    assert glance("a") is None
    with database.write() as connection:
        connection.execute(insert(TABLE).values(id="a", value=1))
        assert glance("a") is None
    for value in (1, 2, 3):
        with database.write() as connection:
            connection.execute(update(TABLE).values(value=value))
        assert glance("a") == (value,)


def test_a_glance_keeps_no_old_state_alive(database: Database) -> None:
    """With a reader at an old state the log of SQLite cannot be emptied."""
    glance = database.glance(select(TABLE.c.value).where(TABLE.c.id == bindparam("key")))
    with database.write() as connection:
        connection.execute(insert(TABLE).values(id="a", value=1))
    glance("a")
    database.revision()
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0] == 0


def test_each_commit_is_another_revision(database: Database, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path / 'test.sqlite'}")
    seen = [database.revision()]
    assert database.revision() == seen[0]
    for number, writer in enumerate((database, other, database, other)):
        with writer.write() as connection:
            connection.execute(insert(TABLE).values(id=str(number), value=1))
            assert database.revision() == seen[-1]
        seen.append(database.revision())
    assert len(set(seen)) == 5
    other.close()


def test_a_database_that_does_not_answer_is_told_and_tried_again(database: Database) -> None:
    broken = database.glance(select(TABLE.c.value).where(TABLE.c.id == bindparam("key")))
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE thing RENAME TO other")
    with pytest.raises(DatabaseError, match="no such table"):
        broken("a")
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE other RENAME TO thing")
    assert broken("a") is None
