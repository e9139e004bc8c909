"""One query from its text to the rows of its result, whoever asks: the blocking form, a job, or a test."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.columns import Cell, Column
from index.errors import StatementError, StatementTimeError
from index.readonly import PAGE, Session, session
from uws.tap import uploads
from uws.tap.errors import QueryError
from uws.tap.published import Published, Table
from uws.tap.tables import READ

if TYPE_CHECKING:
    from index.service import Index


class Answering:
    """The result of a query while it is handed out, as a context.

    :param limit: the most rows; one more is looked for, so that it is known whether there are more.
    :param seconds: the most that all of it may take.
    """

    def __init__(self, index: Index, published: Published, limit: int, seconds: float) -> None:
        self._index = index
        self._published = published
        self._limit = limit
        self._seconds = seconds
        self._stack = ExitStack()
        self._session: Session | None = None
        self._cancelled = threading.Event()
        self.columns: tuple[Column, ...] = ()
        self.page = PAGE
        """Rows that are best written at once."""
        self.overflow = False
        self.failure = ""
        """What went wrong after the first rows were out."""

    def ask(self, text: str, files: Mapping[str, Path]) -> Iterator[tuple[Cell, ...]]:
        """Run a query and return its rows.

        :param files: the tables that came with it, by their names.
        :raises QueryError: it is not ADQL, or asks for what is not there.
        :raises StatementTimeError: it takes too long, or was cancelled.
        """
        from uws.tap.adql import read  # noqa: PLC0415 - 20 MB that a service does without until somebody asks
        from uws.tap.run import run  # noqa: PLC0415

        opened = self._stack.enter_context(session(self._index.database, self._seconds, READ))
        self._session = opened
        if self._cancelled.is_set():
            opened.cancel()
        try:
            uploads.check(files)
            tables = [_kept(opened, name, path, number) for number, (name, path) in enumerate(files.items(), 1)]
            published = Published([*self._published.values(), *tables])
            query = read(text, published)
            limit = self._limit if query.top is None else min(self._limit, query.top)
            result = self._stack.enter_context(
                run(query, published, self._index, opened, self._index.database.backend, limit)
            )
            self.columns = result.columns
            rows = made(result.columns, result.rows)
            self.page = result.page
            first = list(islice(rows, self.page))  # what fails until then fails as a whole
        except StatementTimeError:
            raise
        except StatementError as error:
            raise QueryError(f"the query cannot be run: {error}") from error
        return self._cut(first, rows, limit, whole=query.top is not None and query.top <= limit)

    def _cut(
        self, first: Iterable[tuple[Cell, ...]], rest: Iterable[tuple[Cell, ...]], limit: int, *, whole: bool
    ) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows that are wanted, and note whether there are more."""
        try:
            for number, row in enumerate(chain(first, rest)):
                if number == limit:
                    self.overflow = not whole
                    return
                yield row
        except StatementError as error:
            self.failure = str(error)
            raise

    def cancel(self) -> None:
        """Stop the query; from any thread."""
        self._cancelled.set()
        if self._session is not None:
            self._session.cancel()

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _kept(opened: Session, name: str, path: Path, number: int) -> Table:
    """Put an uploaded table into the database, and let go of it before the next one is read."""
    upload = uploads.read(name, path, number)
    opened.fill(upload.place, upload.columns, upload.rows())
    return upload.table


def made(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Cell, ...]]:
    """Yield rows as their columns say they are, whatever a database makes of an expression; what is no number is None.

    :raises StatementError: a value is none of its column.
    """
    makers = [_maker(column) for column in columns]
    for row in rows:
        yield tuple([None if cell is None else make(cell) for make, cell in zip(makers, row, strict=True)])


def _maker(column: Column) -> Callable[[Any], Cell]:
    plain = _PLAIN[column.datatype]
    published = bool(column.description)  # its values are in order
    if published or column.is_text or column.datatype == "boolean":
        return plain
    bits = _BITS.get(column.datatype, 0)

    def whole(cell: Any) -> Cell:
        try:
            value = int(cell)
        except (ValueError, OverflowError):
            value = 2**64
        if not -(2**bits) <= value < 2**bits:
            raise StatementError(f"a value of {column.name} does not fit: {str(cell)[:40]} is no {column.datatype}")
        return value

    def real(cell: Any) -> Cell:
        value = float(cell)
        return value if math.isfinite(value) else None

    return whole if bits else real


_BITS = {"short": 15, "int": 31, "long": 63}
_PLAIN: dict[str, Callable[[Any], Cell]] = {
    "short": int,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "char": str,
    "unicodeChar": str,
}
