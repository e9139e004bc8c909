"""A look at the database through which nothing can be written: for statements that a stranger has a hand in.

What a session fills are temporary tables of its own, which end with it. A statement is stopped when its time is over,
and by whoever calls :meth:`Session.cancel` from another thread. The guards are the database's own: a file opened for
reading and an authorizer in SQLite, a READ ONLY transaction with a time-out in PostgreSQL.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeAlias

from sqlalchemy.exc import DBAPIError

from index.database import Database
from index.errors import StatementError, StatementTimeError

PAGE = 500
"""Rows that are fetched at once."""
_STEPS = 20_000
"""Instructions of SQLite between two looks at the clock: some milliseconds."""
_MEMORY = "64MB"
_TEXT = 2**18
"""Bytes of the longest text in SQLite: a statement that doubles a text again and again could fill the memory, and one
that compares such texts cannot be interrupted."""
_ROOM = 2**28
"""Bytes of the disk that SQLite leaves free where it sorts; PostgreSQL has ``temp_file_limit`` for that."""
_FOLDERS = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108
_FOLDER = next((folder for folder in _FOLDERS if folder and os.access(folder, os.W_OK)), ".")
_STOPPED = "the query took longer than it may and was stopped"
_TYPES = {
    "sqlite": {"integer": "INTEGER", "double": "REAL", "text": "TEXT"},
    "postgresql": {"integer": "BIGINT", "double": "DOUBLE PRECISION", "text": "TEXT"},
}

Row: TypeAlias = Sequence[Any]


class Session(Protocol):
    """Some temporary tables, and statements on them and on what may be read."""

    def fill(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Row], key: str = "") -> None:
        """Make a temporary table; columns are names with ``integer``, ``double`` or ``text``, ``key`` an index.

        :raises StatementTimeError: the session's time is over, or it was cancelled.
        :raises StatementError: the database does not take a row.
        """

    def seal(self) -> None:
        """From now on only read, and only what may be read: to be called before a stranger's statement."""

    def rows(self, statement: str, page: int = PAGE) -> Iterator[Row]:
        """Yield the rows of a statement as they come, so many at once.

        :raises StatementTimeError: its time is over, or it was cancelled.
        :raises StatementError: the database does not take it.
        """

    def cancel(self) -> None:
        """Stop what runs, and let nothing more run; from any thread, again until it has ended."""


@contextmanager
def session(database: Database, seconds: float, tables: Collection[str]) -> Iterator[Session]:
    """Open a session that may last so many seconds.

    :param tables: those that may be read.
    """
    if database.engine.dialect.name == "sqlite":
        with _sqlite(database, seconds, tables) as opened:
            yield opened
    else:
        with _postgresql(database, seconds) as opened:
            yield opened


def _create(dialect: str, name: str, columns: Sequence[tuple[str, str]], suffix: str = "") -> str:
    fields = ", ".join(f"{_quoted(column)} {_TYPES[dialect][kind]}" for column, kind in columns)
    return f"CREATE TEMPORARY TABLE {_quoted(name)} ({fields}){suffix}"


def _until(over: Callable[[], bool], rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows until the time is over, which the database does not know of while a row is made."""
    for row in rows:
        if over():
            raise StatementTimeError(_STOPPED)
        yield row


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---------------------------------------------------------------------- SQLite


@contextmanager
def _sqlite(database: Database, seconds: float, tables: Collection[str]) -> Iterator[Session]:
    path = database.engine.url.database
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        yield _Sqlite(connection, time.monotonic() + seconds, frozenset(tables))
    finally:
        connection.close()


_ALWAYS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_HARMFUL = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


@contextmanager
def _sqlite_errors(session: _Sqlite) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if session.full:
            raise StatementError("the query sorts more than there is room for on the disk") from error
        if "interrupted" in str(error):
            raise StatementTimeError(_STOPPED) from error
        raise StatementError(str(error)) from error
    except sqlite3.Error as error:
        raise StatementError(str(error)) from error


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection, deadline: float, tables: frozenset[str]) -> None:
        self._connection = connection
        self._deadline = deadline
        self._tables = tables
        self._cancelled = False
        self.full = False
        # LIKE tells cases apart in ADQL
        for pragma in ("case_sensitive_like=ON", f"cache_size={-64 * 1024}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")  # one state for all statements
        connection.set_progress_handler(self._over, _STEPS)

    def fill(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Row], key: str = "") -> None:
        values = ", ".join("?" * len(columns))
        with _sqlite_errors(self):
            self._connection.execute(_create("sqlite", name, columns))
            timely = _until(self._over, rows)
            self._connection.executemany(f"INSERT INTO temp.{_quoted(name)} VALUES ({values})", timely)  # noqa: S608
            if key:
                index = _quoted(f"{name}_{key}")
                self._connection.execute(f"CREATE INDEX temp.{index} ON {_quoted(name)} ({_quoted(key)})")

    def seal(self) -> None:
        self._connection.execute("PRAGMA query_only=ON")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _TEXT)
        self._connection.set_authorizer(self._authorize)

    def rows(self, statement: str, page: int = PAGE) -> Iterator[Row]:  # noqa: ARG002 - one at a time here
        with _sqlite_errors(self):
            for row in self._connection.execute(statement):  # noqa: UP028 - yield from would close a cursor that is gone
                yield row

    def cancel(self) -> None:
        self._cancelled = True

    def _over(self) -> bool:
        self.full = self.full or shutil.disk_usage(_FOLDER).free < _ROOM
        return self.full or self._cancelled or time.monotonic() > self._deadline

    def _authorize(self, action: int, first: str | None, second: str | None, place: str | None, _: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if second in _HARMFUL else sqlite3.SQLITE_OK
        if action in _ALWAYS:
            return sqlite3.SQLITE_OK
        # a CTE or subquery is read too, and belongs to no database
        if action == sqlite3.SQLITE_READ and (place in ("temp", None) or first in self._tables):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


# ---------------------------------------------------------------------- PostgreSQL


@contextmanager
def _postgresql(database: Database, seconds: float) -> Iterator[Session]:
    import psycopg  # noqa: PLC0415 - not everybody has PostgreSQL

    connection = database.engine.raw_connection()
    opened = _Postgresql(connection, seconds)
    try:
        yield opened
    except DBAPIError as error:
        raise StatementError(str(error.orig).strip()) from error
    finally:
        try:
            opened.close()
            connection.driver_connection.rollback()  # type: ignore[union-attr]
        except psycopg.Error:  # a cancellation came late; the server ends the transaction with the connection
            connection.invalidate()
        connection.close()


@contextmanager
def _postgresql_errors() -> Iterator[None]:
    import psycopg  # noqa: PLC0415 - not everybody has PostgreSQL

    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise StatementTimeError(_STOPPED) from error
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        raise StatementError(message.strip()) from error


class _Postgresql:
    def __init__(self, connection: Any, seconds: float) -> None:
        self._connection = connection.driver_connection
        self._deadline = time.monotonic() + seconds
        self._names = (f"tap_{number}" for number in itertools.count(1))
        self._cursors = ExitStack()
        self._lock = threading.Lock()
        self._open = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000) + 1}")
            cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")

    def fill(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Row], key: str = "") -> None:
        with _postgresql_errors(), self._connection.cursor() as cursor:
            cursor.execute(_create("postgresql", name, columns, " ON COMMIT DROP"))
            with cursor.copy(f"COPY {_quoted(name)} FROM STDIN") as copy:
                for row in _until(self._over, rows):
                    copy.write_row(row)
            if key:
                cursor.execute(f"CREATE INDEX ON {_quoted(name)} ({_quoted(key)})")
            cursor.execute(f"ANALYZE {_quoted(name)}")

    def seal(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")

    def rows(self, statement: str, page: int = PAGE) -> Iterator[Row]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StatementTimeError(_STOPPED)
        with _postgresql_errors():
            with self._connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(left * 1000) + 1}")
            # Closed with the session, not here: rows that nobody reads to their end are let go of at any time, when
            # their connection may have gone on to another session, with a cursor of the same name.
            rows = self._cursors.enter_context(self._connection.cursor(name=next(self._names)))
            rows.itersize = page
            rows.execute(statement)
            yield from _until(self._over, rows)  # the time-out is of each page

    def _over(self) -> bool:
        return time.monotonic() > self._deadline

    def cancel(self) -> None:
        self._deadline = 0.0
        with self._lock:
            if self._open:
                self._connection.cancel()

    def close(self) -> None:
        """Let no cancellation through any more, it would hit whatever the connection does next; close the cursors."""
        with self._lock:
            self._open = False
        self._cursors.close()
