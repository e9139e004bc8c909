"""Runs a query: asks the index its questions, lets the database join the answers, and hands out rows as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from index.columns import Column
from index.errors import CoverageError
from index.inside import latitudes
from index.readonly import PAGE, Session
from index.region import Region
from index.service import Index
from uws.tap.adql import Query
from uws.tap.errors import QueryError
from uws.tap.geometry import NO_RADIUS, Pairs, Positions, Question
from uws.tap.published import Published, Table
from uws.tap.translate import source_of, translate

MAX_POSITIONS = 100_000
"""Rows that may be held against coverages one by one."""
MAX_QUESTIONS = 100
"""Regions that are looked up in the index, which no time-out interrupts."""
CHARACTERS = 2**22
"""Of all texts in the rows that are fetched at once."""

Key: TypeAlias = int
Position: TypeAlias = tuple[Key, float, float, float]
"""Key, right ascension, declination and radius, in degrees."""


@dataclass(frozen=True)
class Upload:
    """A table that came with a query."""

    table: Table
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Result:
    """The columns of a result, and its rows as they come; at most one row more than was wanted."""

    columns: tuple[Column, ...]
    rows: Iterator[Sequence[Any]]
    page: int
    """How many rows are fetched at once, and can be written at once: fewer where their texts are long."""


@contextmanager
def run(
    query: Query, published: Published, index: Index, session: Session, backend: str, limit: int | None
) -> Iterator[Result]:
    """Run a query in a session whose uploads are filled already.

    :param limit: the most rows that are wanted; one more is fetched, so that it is known whether there are more.
    :raises QueryError: its geometry cannot be answered.
    """
    statement = translate(query, published, backend, None if limit is None else limit + 1)
    if len(statement.questions) > MAX_QUESTIONS:
        raise QueryError(
            f"the query has {len(statement.questions)} regions; {MAX_QUESTIONS} are allowed. Many circles are "
            "quicker as an uploaded table"
        )
    for question in statement.questions:
        _ask(question, index, session)
    session.seal()
    page = max(1, min(PAGE, CHARACTERS // max(1, query.width)))
    yield Result(statement.columns, session.rows(statement.text, page), page)


def _ask(question: Question, index: Index, session: Session) -> None:
    """Put the answer to a question into a temporary table of its name."""
    if isinstance(question, Pairs):
        positions = _positions(question.positions, session)  # before the table is filled: a session does one thing
        pairs = _pairs(positions, question, index)
        session.fill(question.name, [("first", "integer"), ("second", "integer")], pairs, key="first")
        return
    keys = _inside(question.of, question.region, session) if isinstance(question.of, Positions) else None
    if keys is None:
        keys = index.keys(question.region, question.relation)
    session.fill(question.name, [("first", "integer")], ((key,) for key in keys), key="first")


def _inside(positions: Positions, region: Region, session: Session) -> list[Key]:
    """Return the keys of the rows whose position lies in a region."""
    found = np.array(list(_read(positions, session, latitudes(region.geometry))), dtype=np.float64).reshape(-1, 4)
    return [int(key) for key in found[region.contains(found[:, 1], found[:, 2]), 0]]


def _positions(positions: Positions, session: Session) -> list[Position]:
    rows = list(_read(positions, session))
    if len(rows) > MAX_POSITIONS:
        raise QueryError(f"{len(rows)} rows are to be held against the coverages; {MAX_POSITIONS} are allowed")
    return rows


def _pairs(rows: list[Position], question: Pairs, index: Index) -> Iterator[tuple[Key, Key]]:
    for key, ra, dec, radius in rows:
        try:
            region = Region.parse(f"CIRCLE {ra!r} {dec!r} {max(radius, NO_RADIUS)!r}")
        except CoverageError as error:
            raise QueryError(f"{question.positions.table.full_name}, row {key}: {error}") from error
        yield from ((key, found) for found in index.keys(region, question.relation))


def _read(positions: Positions, session: Session, between: tuple[float, float] = (-90.0, 90.0)) -> Iterator[Position]:
    """Yield key, position and radius of each row that has them, and whose declination is between two."""
    radius = f'"{positions.radius}"' if isinstance(positions.radius, str) else repr(positions.radius)
    source = source_of(positions.table)
    statement = f'SELECT "__key", "{positions.ra}", "{positions.dec}", {radius} FROM ({source}) AS p'  # noqa: S608
    if between != (-90.0, 90.0):  # the database tells it quicker than it hands out a row
        statement += f' WHERE "{positions.dec}" BETWEEN {between[0]!r} AND {between[1]!r}'
    for row in session.rows(statement):
        if None not in row:
            yield int(row[0]), float(row[1]), float(row[2]), float(row[3])  # PostgreSQL's own numbers are Decimals
