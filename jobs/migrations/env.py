"""Alembic's entry: runs the steps in one transaction on the database that ``jobs.database`` hands over."""

from __future__ import annotations

from alembic import context

database = context.config.attributes["database"]

with database.write() as connection:
    if connection.dialect.name == "postgresql":
        # Of two who upgrade at once one waits, and then finds nothing left to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({int.from_bytes(b'amora')})")
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),  # only to write the next step
        transactional_ddl=True,
        # SQLite cannot alter a column in place.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    context.run_migrations()
