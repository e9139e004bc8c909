"""Brings the database to the form this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from index.database import Database
from index.errors import DatabaseError

MIGRATIONS = Path(__file__).with_name("migrations")


def config(database: Database) -> Config:
    """Return the settings of Alembic for a database."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["database"] = database
    return settings


def upgrade(database: Database) -> None:
    """Bring a database, new or of an older version, to the newest form; do nothing if it is there already.

    :raises DatabaseError: the database does not answer.
    """
    database.check()
    command.upgrade(config(database), "head")


def present(database: Database) -> str | None:
    """Return the form that a database has; None if it has none yet."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest(database: Database) -> str:
    """Return the form that this version needs."""
    head = ScriptDirectory.from_config(config(database)).get_current_head()
    assert head is not None  # noqa: S101 - there are steps
    return head


def require(database: Database) -> None:
    """Make sure that a database, which others use too, has the form this version needs.

    :raises DatabaseError: it has not, or does not answer.
    """
    database.check()
    here, steps = present(database), ScriptDirectory.from_config(config(database))
    if here == steps.get_current_head():
        return
    if here is None or here in {step.revision for step in steps.walk_revisions()}:
        raise DatabaseError(f"the database {database.url} is to be brought to this version first: amora db upgrade")
    raise DatabaseError(f"the database {database.url} belongs to a newer version of Amora (its form is {here})")
