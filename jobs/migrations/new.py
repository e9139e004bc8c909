"""Write the next step from one form of the tables to the next."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from sqlalchemy import MetaData

from index.database import Database
from jobs.database import MIGRATIONS, config, upgrade


def write(message: str, metadata: Sequence[MetaData]) -> None:
    """Write a step with what the steps so far do not do; read it before you commit it.

    :param metadata: all tables of the house, those of the floors above too.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.sqlite'}")
        upgrade(database)
        settings = config(database)
        settings.attributes["metadata"] = metadata
        number = 1 + len(list((MIGRATIONS / "versions").glob("*.py")))
        command.revision(settings, message, autogenerate=True, rev_id=f"{number:04d}")
