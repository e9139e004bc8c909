"""The SQL database as a seam: SQLite in WAL mode embedded, PostgreSQL in production; the same calls for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from index.errors import DatabaseError

BUSY_TIMEOUT = 30.0
"""Seconds that a SQLite writer waits for another one."""


class Database:
    """A pool of connections.

    ``read()`` gives a connection that takes no lock, ``write()`` a transaction that commits at the end of the
    block and rolls back on an exception. A SQLite transaction takes the write lock at its start: one that read
    first and then wrote could find that another had written in between, and SQLite answers that with an error
    no waiting can mend. Whoever gets a :class:`DatabaseError` from either may try again later.

    :param url: an address of SQLAlchemy.
    :raises DatabaseError: it is no address, or the driver for it is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            self._open(make_url(url))
        except (ArgumentError, ImportError) as error:
            raise DatabaseError(f"the database address cannot be used: {error}") from error

    def _open(self, parsed: URL) -> None:
        self.url = parsed.render_as_string(hide_password=True)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        if self._sqlite:
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT}, pool_size=16, max_overflow=-1)
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_immediate)
        else:
            self.engine = create_engine(parsed, pool_pre_ping=True)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def check(self) -> None:
        """Find out whether the database answers.

        :raises DatabaseError: it does not.
        """
        try:
            with self.read():
                pass
        except DBAPIError as error:  # where the file is no database
            raise DatabaseError(f"the database {self.url} cannot be used: {str(error.orig).strip()}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading; each statement sees the newest committed state.

        :raises DatabaseError: the database does not answer.
        """
        with self._answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection inside a transaction that commits at the end of the block.

        :raises DatabaseError: the database does not answer, is locked by somebody else for too long, or is full.
        """
        with self._answering(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise DatabaseError(f"the database {self.url} cannot be used: {str(error.orig).strip()}") from error
        except NoConnectionError as error:
            raise DatabaseError(f"the database {self.url} cannot be used: no connection is free") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy says when a transaction begins, not the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
