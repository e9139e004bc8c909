"""One query from its text to the rows of its result, whoever asks: the blocking form, a job, or a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.columns import Cell, Column
from index.errors import StatementError, StatementTimeError
from index.readonly import Session, session
from uws.tap import uploads
from uws.tap.errors import QueryError
from uws.tap.published import Published
from uws.tap.tables import READ

if TYPE_CHECKING:
    from index.service import Index

FIRST = 500
"""Rows that are there before the first of them is handed out: what fails until then fails as a whole."""


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

        tables = [uploads.read(name, path, number) for number, (name, path) in enumerate(files.items(), 1)]
        published = Published([*self._published.values(), *(upload.table for upload in tables)])
        query = read(text, published)
        opened = self._stack.enter_context(session(self._index.database, self._seconds, READ))
        self._session = opened
        if self._cancelled.is_set():
            opened.cancel()
        for upload in tables:
            opened.fill(upload.place, upload.columns, upload.rows())
        limit = self._limit if query.top is None else min(self._limit, query.top)
        try:
            result = self._stack.enter_context(
                run(query, published, self._index, opened, self._index.database.backend, limit)
            )
            self.columns = result.columns
            first = [row for _, row in zip(range(FIRST), result.rows, strict=False)]
        except StatementTimeError:
            raise
        except StatementError as error:
            raise QueryError(f"the query cannot be run: {error}") from error
        return self._cut(first, result.rows, limit, whole=query.top is not None and query.top <= limit)

    def _cut(
        self, first: Sequence[Sequence[Any]], rest: Iterator[Sequence[Any]], limit: int, *, whole: bool
    ) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows that are wanted, as their columns have them, and note whether there are more."""
        makers = [_MAKERS[column.datatype] for column in self.columns]
        number = 0
        try:
            for rows in (first, rest):
                for row in rows:
                    if number == limit:
                        self.overflow = not whole
                        return
                    number += 1
                    yield tuple(None if cell is None else make(cell) for make, cell in zip(makers, row, strict=True))
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


_MAKERS: dict[str, Callable[[Any], Cell]] = {
    "short": int,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "char": str,
    "unicodeChar": str,
}
"""What a column says its cells are they are, whatever a database makes of an expression."""
