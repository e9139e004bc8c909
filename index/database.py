"""The SQL database as a seam: SQLite in WAL mode embedded, PostgreSQL in production; the same calls for both."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, cast, create_engine, event, extract, func, literal
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import DatabaseError as _SqlError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from index.errors import DatabaseError

BUSY_TIMEOUT = 30.0
"""Seconds that a SQLite writer waits for another one."""
GLANCE_TIMEOUT = 200
"""Milliseconds that a glance waits where it must: while the log of a crashed process is read back."""

POOL, OVERFLOW = 8, 24
"""Connections to PostgreSQL that a process keeps, and has beyond them while there is much to do."""
POOL_TIMEOUT = 10
"""Seconds that whoever needs another one waits."""
# A server that is cut off is found out after 10 to 15 s, not after the hours that TCP gives it; and a client that is
# cut off within a transaction keeps its locks no longer than that.
_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "amora",
    "options": "-c timezone=UTC -c lock_timeout=20s -c idle_in_transaction_session_timeout=30s"
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3",
}

LISTEN_TIMEOUT = 1.0
"""Seconds after which a listener looks whether it is to stop."""

Glance: TypeAlias = Callable[[str], Sequence[Any] | None]
"""Returns the one row of a key, or None."""
Look: TypeAlias = Callable[[Any], Sequence[Sequence[Any]]]
"""Returns the rows of a key."""


@dataclass(frozen=True)
class Server:
    """What a database's server says of itself."""

    name: str
    clock: float
    """Its clock, in seconds since 1970."""
    asked: float
    """This machine's clock at that moment."""
    trouble: str = ""
    """What is wrong with the data, as far as a quick look tells."""
    major: int | None = None
    """The version of PostgreSQL."""
    connections: tuple[int, int] | None = None
    """How many are in use, and how many there may be."""
    wanted: int = 0
    """How many connections a process may want."""


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
            if parsed.drivername in ("postgresql", "postgres"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            self.engine = create_engine(
                parsed,
                pool_pre_ping=True,
                pool_size=POOL,
                max_overflow=OVERFLOW,
                pool_timeout=POOL_TIMEOUT,
                connect_args=_POSTGRESQL if parsed.get_backend_name() == "postgresql" else {},
            )
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._passing = self.engine.execution_options(passing=True)
        self._writing = threading.RLock()
        self._glancing = threading.Lock()
        self._glancer: Any = None

    @property
    def backend(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    def check(self) -> None:
        """Find out whether the database answers.

        :raises DatabaseError: it does not.
        """
        try:
            with self.read() as connection:
                # Not a mere connection: one that waits in the pool knows nothing of a file or server that is gone.
                connection.exec_driver_sql("PRAGMA schema_version" if self._sqlite else "SELECT 1")
        except DBAPIError as error:  # where the file is no database
            raise DatabaseError(f"the database {self.url} cannot be used: {str(error.orig).strip()}") from error

    def describe(self) -> Server:
        """Look at the server, for whoever looks after it.

        :raises DatabaseError: it does not answer.
        """
        with self.read() as connection:
            if self._sqlite:
                told = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                trouble = "" if told == "ok" else f"The file is damaged: {told}."
                return Server(f"SQLite {sqlite3.sqlite_version}", time.time(), time.time(), trouble)
            asked = time.time()
            version, most, used, clock = connection.exec_driver_sql(
                "SELECT current_setting('server_version'), current_setting('max_connections')::int, "
                "(SELECT count(*) FROM pg_stat_activity), extract(epoch from clock_timestamp())::float8"
            ).one()
            asked = (asked + time.time()) / 2
            major = int(version.partition(".")[0])
            return Server(f"PostgreSQL {version}", clock, asked, "", major, (used, most), POOL + OVERFLOW)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading; each statement sees the newest committed state.

        :raises DatabaseError: the database does not answer.
        """
        with self.answering(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Connection]:
        """Give a connection inside a transaction that commits at the end of the block.

        :param lasting: whether it must outlast the machine, so that SQLite waits for the disk. What only tells of
            running processes need not, for they do not either. PostgreSQL may be on another machine, and always waits.
        :raises DatabaseError: the database does not answer, is locked by somebody else for too long, or is full.
        """
        with self.answering(), self._in_line(), (self.engine if lasting else self._passing).begin() as connection:
            yield connection

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        """Wait for the other writers of this process.

        SQLite has one writer, and whoever finds another one sleeps up to 100 ms before the next look. Those of one
        process need not.
        """
        if not self._sqlite:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_TIMEOUT):
            raise DatabaseError(f"the database {self.url} cannot be used: it is locked for {BUSY_TIMEOUT:.0f} s")
        try:
            yield
        finally:
            self._writing.release()

    @property
    def quick(self) -> bool:
        """Whether a glance waits for nobody, so that an event loop may take it: true of SQLite, whose readers wait
        for no writer, not of a database behind a network.
        """
        return self._sqlite

    @property
    def clock(self) -> ColumnElement[int]:
        """The present instant as the database has it, in milliseconds, for use in a statement.

        The clocks of two machines differ; a lease that is written by one and looked at by another goes by this one.
        """
        if self._sqlite:
            return literal(time.time_ns() // 1_000_000, BigInteger)
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    def line_up(self, connection: Connection, name: str) -> None:
        """Let nobody else who lines up under a name go on before the end of this transaction.

        What the next statement sees is what those before it have left. In SQLite there is but one writer anyway.
        """
        if not self._sqlite:
            connection.execute(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)).select())

    @property
    def tells(self) -> bool:
        """Whether :meth:`listen` hears of what :meth:`notice` sends: true of PostgreSQL."""
        return not self._sqlite

    def notice(self, channel: str, message: str) -> ColumnElement[Any]:
        """Return what has PostgreSQL, as part of a statement, tell all who listen once the transaction is committed."""
        return func.pg_notify(channel, message)

    def listen(self, channel: str, stopped: threading.Event) -> Iterator[str | None]:
        """Yield each message sent on a channel by whatever process; None at the start, and when none has come lately.

        :param stopped: ends it.
        :raises DatabaseError: the connection is lost; what is sent before the next call is missed.
        """
        import psycopg  # noqa: PLC0415 - the embedded service does without

        try:
            with self.answering(), self.engine.connect() as pooled:
                driver: Any = pooled.connection.driver_connection
                pooled.detach()  # from the pool: it is kept for as long as the process lives
                driver.autocommit = True
                driver.execute(f"LISTEN {channel}")
                while not stopped.is_set():
                    yield None
                    for notice in driver.notifies(timeout=LISTEN_TIMEOUT):
                        yield notice.payload
        except psycopg.Error as error:
            raise DatabaseError(f"the database {self.url} cannot be used: {error}") from error

    def glance(self, query: Select[*tuple[Any, ...]]) -> Glance:
        """Prepare a query of one row at most by the one value bound in it, as :meth:`look` does."""
        look = self.look(query)

        def glance(key: str) -> Sequence[Any] | None:
            rows = look(key)
            return rows[0] if rows else None

        return glance

    def look(self, query: Select[*tuple[Any, ...]]) -> Look:
        """Prepare a query of few rows by the one value bound in it; the columns must be plain texts and numbers.

        On SQLite it takes some 10 us: it does without all that SQLAlchemy does for a statement.
        """
        if not self._sqlite:

            def look(key: Any) -> Sequence[Sequence[Any]]:
                with self.read() as connection:
                    return connection.execute(query, {"key": key}).all()

            return look
        compiled = query.compile(self.engine)
        text, names, values = str(compiled), compiled.positiontup or (), dict(compiled.params)
        return lambda key: self._ask(text, tuple(key if name == "key" else values[name] for name in names))

    def revision(self) -> str:
        """Name the committed state of the database: another name after each commit, by whatever process.

        The names of two databases, or of two objects of this class, say nothing about each other.
        """
        if self._sqlite:
            return str(self._ask("PRAGMA data_version")[0][0])
        with self.read() as connection:
            return str(connection.exec_driver_sql("SELECT pg_current_snapshot()").scalar_one())

    def _ask(self, statement: str, values: tuple[Any, ...] = ()) -> list[Sequence[Any]]:
        """Ask SQLite on a connection that is kept for this, and to the end: an unread row would keep an old state."""
        with self._glancing, self.answering():
            if self._glancer is None:
                self._glancer = self.engine.raw_connection()
                self._glancer.driver_connection.execute(f"PRAGMA busy_timeout={GLANCE_TIMEOUT}")
            try:
                rows: list[Sequence[Any]] = self._glancer.driver_connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                self._glancer.invalidate()
                self._glancer = None
                raise DatabaseError(f"the database {self.url} cannot be used: {error}") from error
        return rows

    @contextmanager
    def answering(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # The bare class: a file that is no database of SQLite. What is left is a mistake in a statement.
            if not (isinstance(error, OperationalError) or error.connection_invalidated or type(error) is _SqlError):
                raise
            raise DatabaseError(f"the database {self.url} cannot be used: {str(error.orig).strip()}") from error
        except NoConnectionError as error:
            raise DatabaseError(f"the database {self.url} cannot be used: no connection is free") from error

    def close(self) -> None:
        """Close all connections."""
        with self._glancing:
            if self._glancer is not None:
                self._glancer.invalidate()
                self._glancer = None
        self.engine.dispose()


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy says when a transaction begins, not the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    wanted = "NORMAL" if options.get("passing") else "FULL"
    if connection.info.get("synchronous", "FULL") != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous={wanted}")
        connection.info["synchronous"] = wanted
    connection.exec_driver_sql("BEGIN IMMEDIATE")
