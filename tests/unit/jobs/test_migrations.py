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
from jobs.models import Parameter, Usage
from jobs.store import JobStore


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


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite'}")
    command.upgrade(config(database), "0003")
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO job (id, script, phase, created, duration, error_transient, version) "
            "VALUES ('j', 'image', 'EXECUTING', 1, 1, 0, 1)"
        )
        connection.exec_driver_sql("INSERT INTO parameter (job_id, name, value) VALUES ('j', 'EMIN', '1')")
        connection.exec_driver_sql(
            "INSERT INTO task (id, job_id, number, datasets, phase, attempt, losses, progress, message, started) "
            "VALUES ('j.1', 'j', 1, '', 'EXECUTING', 1, 0, 0.5, '', 1)"
        )
    upgrade(database)
    job = JobStore(database).get("j")
    assert job.parameters == (Parameter("EMIN", "1"),)
    assert job.usage == Usage()
    assert [script for _, script, _ in JobStore(database).running()] == ["image"]


def test_there_is_one_line_of_steps_and_each_goes_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    steps = ScriptDirectory.from_config(config(database))
    assert len(steps.get_heads()) == 1
    upgrade(database)
    command.downgrade(config(database), "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)
