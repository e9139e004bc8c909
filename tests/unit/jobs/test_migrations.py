"""The migrated database is the one that the tables describe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import index.store
import jobs.tables
import uws.tables
from index.database import Database
from index.errors import DatabaseError
from jobs.database import config, newest, require, upgrade
from jobs.models import Parameter, Usage
from jobs.store import JobStore
from tests.production import Production


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.sqlite'}"
        return
    servers: Production = request.getfixturevalue("servers")
    with servers.postgresql.database() as url:
        yield url


def test_several_upgrade_at_once(empty: str) -> None:
    environment = os.environ | {"AMORA_DATABASE_URL": empty}
    command = [sys.executable, "-c", "from uws.cli import main; main()", "db", "upgrade"]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    require(Database(empty))


def test_tables_of_another_version_are_refused(empty: str) -> None:
    database = Database(empty)
    with pytest.raises(DatabaseError, match="amora db upgrade"):
        require(database)
    upgrade(database)
    require(database)
    command.downgrade(config(database), "0005")
    with pytest.raises(DatabaseError, match="amora db upgrade"):
        require(database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer version"):
        require(database)
    database.close()


def test_the_steps_lead_to_the_tables(empty: str) -> None:
    database = Database(empty)
    upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        difference = compare_metadata(context, [index.store.metadata, jobs.tables.metadata, uws.tables.metadata])
    assert difference == []


def test_upgrading_twice_changes_nothing(empty: str) -> None:
    database = Database(empty)
    upgrade(database)
    upgrade(database)
    with database.read() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None


def test_what_is_there_is_kept(empty: str) -> None:
    database = Database(empty)
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


def test_there_is_one_line_of_steps_and_each_goes_back(empty: str) -> None:
    database = Database(empty)
    steps = ScriptDirectory.from_config(config(database))
    assert len(steps.get_heads()) == 1
    upgrade(database)
    command.downgrade(config(database), "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database)


def test_the_newest_form_is_told_by_the_names_of_the_steps(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    steps = ScriptDirectory.from_config(config(database))
    database.close()
    assert newest() == steps.get_current_head()
