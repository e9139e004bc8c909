"""Copies whole tables of a database, whatever is in them, into plain files and back: the rows of a backup.

The files say nothing of the database that they came from: what SQLite held is restored into PostgreSQL as well, and
the other way round.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table

from index.database import Database

BATCH = 1000
"""Rows that are written at once."""
ENDING = ".jsonl.gz"


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    """Give a connection that sees one committed state to its end, and keeps nobody from changing it."""
    if not database.quick:
        with database.answering(), database.engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return
    with database.read() as connection:  # a transaction of SQLAlchemy's would take the lock of the writers
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def dump(database: Database, folder: Path, leave_out: Collection[str] = ()) -> dict[str, int]:
    """Write all tables as they are at one moment, one file each, a row a line; return how many rows each has.

    :raises DatabaseError: the database does not answer.
    """
    folder.mkdir(parents=True)
    counts = {}
    with _snapshot(database) as connection:
        for table in _tables(connection, leave_out):
            counts[table.name] = 0
            with gzip.open(folder / f"{table.name}{ENDING}", "wt", encoding="utf-8", compresslevel=3) as file:
                rows = connection.execution_options(yield_per=BATCH).execute(table.select())
                for row in rows:
                    file.write(json.dumps(list(row)) + "\n")
                    counts[table.name] += 1
            with (folder / f"{table.name}.columns.json").open("w", encoding="utf-8") as file:
                json.dump([column.name for column in table.columns], file)
    return counts


def load(database: Database, folder: Path) -> None:
    """Add the rows that :func:`dump` wrote, all or none; the tables must be there and empty.

    :raises DatabaseError: the database does not answer.
    :raises ValueError: the files are not what ``dump`` wrote, or not for these tables.
    """
    with database.write() as connection:
        tables = _tables(connection, ())
        names = {path.name.removesuffix(ENDING) for path in folder.glob(f"*{ENDING}")}
        if unknown := names - {table.name for table in tables}:
            raise ValueError(f"there is no table {sorted(unknown)[0]}")
        for table in tables:
            if table.name in names:
                _load(connection, table, folder)
                if not database.quick:
                    _count_on(connection, table)


def is_empty(database: Database, leave_out: Collection[str] = ()) -> bool:
    """Whether no table has a row.

    :raises DatabaseError: the database does not answer.
    """
    with database.read() as connection:
        return all(
            connection.execute(table.select().limit(1)).first() is None for table in _tables(connection, leave_out)
        )


def _tables(connection: Connection, leave_out: Collection[str]) -> list[Table]:
    """Return the tables in an order in which rows can be added."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in {"alembic_version", *leave_out}]


def _load(connection: Connection, table: Table, folder: Path) -> None:
    columns = json.loads((folder / f"{table.name}.columns.json").read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = []
    with gzip.open(folder / f"{table.name}{ENDING}", "rt", encoding="utf-8") as file:
        for line in file:
            rows.append(dict(zip(columns, json.loads(line), strict=True)))
            if len(rows) == BATCH:
                connection.execute(table.insert(), rows)
                rows = []
    if rows:
        connection.execute(table.insert(), rows)


def _count_on(connection: Connection, table: Table) -> None:
    """Have PostgreSQL give the next row a number after those that were brought along."""
    for column in table.primary_key.columns:
        sequence = connection.exec_driver_sql(
            "SELECT pg_get_serial_sequence(%(table)s, %(column)s)", {"table": table.name, "column": column.name}
        ).scalar_one()
        if sequence:
            connection.exec_driver_sql(
                f'SELECT setval(\'{sequence}\', max("{column.name}")) FROM "{table.name}" HAVING count(*) > 0'  # noqa: S608 - names of our own tables
            )
