"""The migrated database is the one that the tables describe."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import index.store
import jobs.tables
import uws.tables
from index.database import Database
from jobs.database import config, upgrade


def test_the_steps_lead_to_the_tables(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        difference = compare_metadata(context, [index.store.metadata, jobs.tables.metadata, uws.tables.metadata])
    assert difference == []


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    upgrade(database)
    upgrade(database)
    with database.read() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None


def test_there_is_one_line_of_steps_and_each_goes_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    steps = ScriptDirectory.from_config(config(database))
    assert len(steps.get_heads()) == 1
    upgrade(database)
    command.downgrade(config(database), "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)
