"""Brings the database to the form this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from index.database import Database

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
