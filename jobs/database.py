"""Brings the database to the form this version needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from index.database import Database
from index.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.config import Config

# ruff: noqa: PLC0415 - Alembic takes 12 MB and 0.1 s, and most starts find that there is nothing for it to do

MIGRATIONS = Path(__file__).with_name("migrations")


def config(database: Database) -> Config:
    """Return the settings of Alembic for a database."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["database"] = database
    return settings


def upgrade(database: Database) -> None:
    """Bring a database, new or of an older version, to the newest form; do nothing if it is there already.

    :raises DatabaseError: the database does not answer.
    """
    database.check()
    if present(database) != newest():
        with _without_colours():
            from alembic import command

        command.upgrade(config(database), "head")


@contextmanager
def _without_colours() -> Iterator[None]:
    """Keep out Pygments, which Alembic's Mako imports to colour tracebacks: 5 MB for as long as the process lives."""
    if "pygments" in sys.modules:
        yield
        return
    # None is the import system's own sign for a module that is not there.
    sys.modules["pygments"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["pygments"]


def present(database: Database) -> str | None:
    """Return the form that a database has; None if it has none yet."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
        return None if found is None else str(found)


def newest() -> str:
    """Return the form that this version needs: the number that the name of the last step begins with."""
    return max(path.name for path in MIGRATIONS.glob("versions/[0-9]*.py")).partition("_")[0]


def require(database: Database) -> None:
    """Make sure that a database, which others use too, has the form this version needs.

    :raises DatabaseError: it has not, or does not answer.
    """
    database.check()
    here = present(database)
    if here == newest():
        return
    from alembic.script import ScriptDirectory

    steps = ScriptDirectory.from_config(config(database))
    if here is None or here in {step.revision for step in steps.walk_revisions()}:
        raise DatabaseError(f"the database {database.url} is to be brought to this version first: amora db upgrade")
    raise DatabaseError(f"the database {database.url} belongs to a newer version of Amora (its form is {here})")
