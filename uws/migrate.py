"""Write the next step: ``python -m uws.migrate "what changes"`` compares all tables with the steps so far."""

from __future__ import annotations

import sys

import index.store
import jobs.tables
import uws.tables
from jobs.migrations.new import write

if __name__ == "__main__":
    write(sys.argv[1], [index.store.metadata, jobs.tables.metadata, uws.tables.metadata])
