"""Write the next step: ``python -m jobs.migrations.new "what changes"`` compares the tables with the steps so far."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from index.database import Database
from jobs.database import MIGRATIONS, config, upgrade


def main(message: str) -> None:
    """Write a revision with what the steps so far do not do; read it before you commit it."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'empty.sqlite'}")
        upgrade(database)
        number = 1 + len(list((MIGRATIONS / "versions").glob("*.py")))
        command.revision(config(database), message, autogenerate=True, rev_id=f"{number:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
