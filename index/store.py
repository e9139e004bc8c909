"""The datasets in SQL, and which generation of the coverages belongs to them. The only file of the index with SQL."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from index.columns import DATASET
from index.database import Database
from index.dataset import Dataset, File
from index.errors import CoverageError
from index.files import NOTHING
from index.ids import DatasetIds
from index.query import ORDERS, AnyOf, Filter, Mark, Numbers, Order, Within
from index.tables import coverage, dataset, dataset_file, metadata, source

__all__ = ["CHUNK", "FEW", "DatasetStore", "Entry", "Extent", "Known", "Line", "SourceFile", "metadata"]

CHUNK = 900
"""Values in one statement; SQLite before 3.32 takes 999."""
FEW = 200
"""Rows that are asked for past SQLAlchemy, on a connection that all threads share."""

_COLUMNS = [column for column in dataset.c if column.name not in ("key", "added", "fingerprint", "source")]
CELLS = ("order", *(column.name for column in DATASET if column.name in dataset.c))
"""The columns whose cells are read for answers."""
_CELLS = [dataset.c.key, *(dataset.c[name] for name in CELLS)]
_AS_GIVEN = frozenset({"id", "obs_id"})
"""Columns whose texts are compared as they are, and by an index."""
_GENERATION = func.coalesce(select(coverage.c.generation).scalar_subquery(), literal_column(f"'{NOTHING}'"))


@dataclass(frozen=True)
class Entry:
    """A dataset to be written: the key, the columns that are not the store's own affair, and its files."""

    key: int
    columns: Mapping[str, Any]
    files: tuple[tuple[str, str, str], ...]
    fingerprint: str
    source: str | None


@dataclass(frozen=True)
class SourceFile:
    """A file that was read, and how to tell that it has changed."""

    path: str
    reader: str
    """Its name."""
    stamp: str
    """Sizes and times of last change of the file and of what is looked at with it."""
    checksum: str
    """SHA-256 of their contents."""


class Known(NamedTuple):
    """What is known of a dataset that may be replaced."""

    key: int
    fingerprint: str
    approximate: bool


class Line(NamedTuple):
    """A dataset in an order: its key, its value and its id."""

    key: int
    value: float | str | None
    id: str


class Extent(NamedTuple):
    """What all datasets span, None where it is not known of any."""

    t_min: float | None
    t_max: float | None
    em_min: float | None
    em_max: float | None
    simulated: int
    """How many datasets are."""
    datasets: int


class DatasetStore:
    """Reads and writes the tables; each reading comes with the generation that it belongs to."""

    def __init__(self, database: Database, ids: DatasetIds) -> None:
        self._database = database
        self._ids = ids
        self._sqlite = database.engine.dialect.name == "sqlite"
        self._generation = database.glance(select(_GENERATION, bindparam("key", type_=Text)))
        self._look = database.look(_with_generation(_CELLS, self._keyed("key"), []))

    @property
    def quick(self) -> bool:
        """Whether few rows by their keys are read without waiting for anybody."""
        return self._database.quick

    def generation(self) -> str:
        """Give the generation of the coverages that belongs to the datasets."""
        row = self._generation("")
        return str(row[0]) if row else NOTHING

    def count(self) -> int:
        """Give the number of datasets."""
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(dataset)) or 0)

    def by_key(self, keys: Collection[int]) -> tuple[str | None, dict[int, Dataset]]:
        """Give the datasets with these keys, and their generation: None if it changed meanwhile."""
        return self._find(dataset.c.key, keys)

    def by_id(self, ids: Collection[str]) -> tuple[str | None, dict[int, Dataset]]:
        """Give the datasets with these short ids by key, and their generation: None if it changed meanwhile."""
        return self._find(dataset.c.id, ids)

    def all(self) -> Iterator[Dataset]:
        """Give all datasets by id, a page at a time: what is added meanwhile may or may not be among them."""
        after = ""
        while True:
            page = select(dataset).where(dataset.c.id > after).order_by(dataset.c.id).limit(CHUNK).subquery()
            statement = (
                select(page, *_FILE_COLUMNS)
                .outerjoin_from(page, dataset_file, dataset_file.c.key == page.c.key)
                .order_by(page.c.id, dataset_file.c.position)
            )
            with self._database.read() as connection:
                found = self._datasets(connection.execute(statement))
            yield from found.values()
            if len(found) < CHUNK:
                return
            after = list(found.values())[-1].id

    def cells(
        self, keys: Sequence[int], ids: Collection[str] = (), filters: Sequence[Filter] = ()
    ) -> tuple[str | None, dict[int, Sequence[Any]]]:
        """Give the cells of datasets by key, in the order of :data:`CELLS`, and their generation: None if it changed.

        Only of those of the keys that have one of the ids, if there are any, and fit the filters.
        """
        if len(keys) <= FEW and not ids and not filters:
            return _found(self._look(_list(keys)) if self._sqlite else self._look(keys))
        generations = set()
        found: dict[int, Sequence[Any]] = {}
        statement = _with_generation(_CELLS, self._keyed("key"), self._conditions(ids, filters))
        with self._database.read() as connection:
            for chunk in _chunks(keys) or [[]]:
                values = {"key": _list(chunk) if self._sqlite else chunk}
                generation, some = _found(connection.execute(statement, values).all())
                generations.add(generation)
                found.update(some)
        return (generations.pop() if len(generations) == 1 else None), found

    def lines(
        self, keys: Sequence[int], ids: Collection[str], filters: Sequence[Filter], order: Order
    ) -> tuple[str, list[Line]]:
        """Give the generation, and of the keys those that have one of the ids, if any, and fit the filters."""
        columns = (dataset.c.key, _value_of(order).label("value"), dataset.c.id)
        statement = _with_generation(columns, self._keyed("key"), self._conditions(ids, filters))
        values = {"key": _list(keys) if self._sqlite else list(keys)}
        with self._database.read() as connection:
            rows = connection.execute(statement, values).all()
        return rows[0][0], [Line(*row[1:]) for row in rows if row[1] is not None]

    def page(
        self,
        ids: Collection[str],
        filters: Sequence[Filter],
        order: Order,
        *,
        after: Mark | None,
        offset: int,
        limit: int | None,
    ) -> list[Line]:
        """Give some of the datasets that have one of the ids, if there are any, and fit the filters, in an order."""
        value = _value_of(order)
        statement = select(dataset.c.key, value, dataset.c.id).where(*self._conditions(ids, filters))
        if after is not None:
            statement = statement.where(_behind(after, order))
        by_id = dataset.c.id.desc() if order.by == "id" and order.descending else dataset.c.id
        if order.by != "id":
            known = value.desc() if order.descending else value
            statement = statement.order_by(case((value.is_(None), 1), else_=0), known)
        statement = statement.order_by(by_id).offset(offset).limit(limit)
        with self._database.read() as connection:
            return [Line(*row) for row in connection.execute(statement)]

    def total(self, ids: Collection[str], filters: Sequence[Filter]) -> int:
        """Count the datasets that have one of the ids, if there are any, and fit the filters."""
        statement = select(func.count()).select_from(dataset).where(*self._conditions(ids, filters))
        with self._database.read() as connection:
            return int(connection.scalar(statement) or 0)

    def matching(self, ids: Collection[str], filters: Sequence[Filter]) -> tuple[str, list[int]]:
        """Give the keys of the datasets that have one of the ids, if there are any, and fit the filters."""
        statement = select(_GENERATION, dataset.c.key).where(*self._conditions(ids, filters))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
            return (rows[0][0], [row[1] for row in rows]) if rows else (self.generation(), [])

    def widths(self) -> dict[str, int]:
        """Give the longest text of each column that has texts."""
        texts = [column for column in dataset.c if isinstance(column.type, Text | String)]
        statement = select(*(func.max(func.length(column)) for column in texts))
        with self._database.read() as connection:
            row = connection.execute(statement).one()
        return {column.name: width or 0 for column, width in zip(texts, row, strict=True)}

    def _keyed(self, name: str) -> FromClause:
        """Give the datasets whose keys are bound to a name."""
        if self._sqlite:
            keys = func.json_each(bindparam(name, type_=Text)).table_valued("value")
        else:
            keys = func.unnest(bindparam(name, type_=ARRAY(BigInteger))).table_valued("value").render_derived()
        return keys.join(dataset, dataset.c.key == keys.c.value)

    def _conditions(self, ids: Collection[str], filters: Sequence[Filter]) -> list[ColumnElement[bool]]:
        conditions = list(map(_condition, filters))
        if not ids:
            return conditions
        if self._sqlite:  # it takes a text of any length, but not any number of values
            one = func.json_each(bindparam(None, json.dumps(sorted(ids)), type_=Text)).table_valued("value")
            return [*conditions, dataset.c.id.in_(select(one.c.value))]
        return [*conditions, dataset.c.id == func.any(bindparam(None, sorted(ids), type_=ARRAY(Text)))]

    def known(self, ids: Iterable[str]) -> dict[str, Known]:
        """Give what is known of those of these short ids that are there."""
        found: dict[str, Known] = {}
        with self._database.read() as connection:
            for chunk in _chunks(ids):
                rows = connection.execute(
                    select(dataset.c.id, dataset.c.key, dataset.c.fingerprint, dataset.c.approximate).where(
                        dataset.c.id.in_(chunk)
                    )
                )
                found.update((row.id, Known(row.key, row.fingerprint, row.approximate)) for row in rows)
        return found

    def pointings(self, target: str) -> list[tuple[float, float]]:
        """Give the different pointings of the datasets with a target, whatever the case and blanks of its name."""
        name = func.replace(func.lower(dataset.c.target_name), " ", "")
        wanted = "".join(target.lower().split())
        with self._database.read() as connection:
            rows = connection.execute(select(dataset.c.s_ra, dataset.c.s_dec).where(name == wanted).distinct())
            return [(row.s_ra, row.s_dec) for row in rows]

    def observed(self, observation: str) -> list[tuple[float, float]]:
        """Give the different pointings of an observation, or of the one dataset of that id."""
        wanted = or_(dataset.c.obs_id == observation, dataset.c.id == observation)
        with self._database.read() as connection:
            rows = connection.execute(select(dataset.c.s_ra, dataset.c.s_dec).where(wanted).distinct())
            return [(row.s_ra, row.s_dec) for row in rows]

    def targets_like(self, folded: str, count: int) -> list[str]:
        """Give names of targets that hold a text, which is in lower case and without blanks, or begin as it does."""
        name = func.replace(func.lower(dataset.c.target_name), " ", "")
        for condition in (name.contains(folded, autoescape=True), name.startswith(folded[:4], autoescape=True)):
            query = select(dataset.c.target_name).where(condition).distinct().order_by(dataset.c.target_name)
            with self._database.read() as connection:
                if found := [str(row) for row in connection.scalars(query.limit(count))]:
                    return found
        return []

    def last_key(self) -> int:
        """Give the largest key, 0 if there is none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(dataset.c.key))) or 0

    def keys(self) -> set[int]:
        """Give all keys."""
        with self._database.read() as connection:
            return set(connection.scalars(select(dataset.c.key)))

    def all_ids(self) -> dict[str, int]:
        """Give all short ids with their keys."""
        with self._database.read() as connection:
            return {row.id: row.key for row in connection.execute(select(dataset.c.id, dataset.c.key))}

    def sources(self) -> dict[str, SourceFile]:
        """Give the files that were read, by path."""
        with self._database.read() as connection:
            return {row.path: SourceFile(*row) for row in connection.execute(select(source))}

    def read_from(self, paths: Iterable[str]) -> dict[str, str]:
        """Give the short ids of the datasets that were read from files, with the file of each."""
        found: dict[str, str] = {}
        with self._database.read() as connection:
            for chunk in _chunks(paths):
                rows = connection.execute(select(dataset.c.id, dataset.c.source).where(dataset.c.source.in_(chunk)))
                found.update((row.id, row.source) for row in rows)
        return found

    def record(self, sources: Collection[SourceFile]) -> None:
        """Note that files were read."""
        with self._database.write() as connection:
            _record(connection, sources)

    def groups(self) -> list[tuple[str, str | None, int, int, int, float]]:
        """Count the datasets by collection and instrument: how many, simulated, approximate, and their area."""
        kind = (dataset.c.obs_collection, dataset.c.instrument_name)
        flags = (func.sum(cast(flag, Integer)) for flag in (dataset.c.simulated, dataset.c.approximate))
        statement = select(*kind, func.count(), *flags, func.sum(dataset.c.area)).group_by(*kind).order_by(*kind)
        with self._database.read() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    def extent(self) -> Extent:
        """Give what all datasets span."""
        columns = dataset.c
        statement = select(
            *(func.min(columns.t_min), func.max(columns.t_max), func.min(columns.em_min), func.max(columns.em_max)),
            *(func.coalesce(func.sum(cast(columns.simulated, Integer)), 0), func.count()),
        )
        with self._database.read() as connection:
            return Extent(*connection.execute(statement).one())

    def exposures(self) -> dict[int, float]:
        """Give the exposure time of each dataset that has one, seconds."""
        statement = select(dataset.c.key, dataset.c.t_exptime).where(dataset.c.t_exptime > 0)
        with self._database.read() as connection:
            return {row.key: row.t_exptime for row in connection.execute(statement)}

    def paths(self, kind: str) -> dict[int, str]:
        """Give the first file of a kind of each dataset that has one."""
        columns = dataset_file.c
        statement = select(columns.key, columns.path).where(columns.kind == kind).order_by(columns.position.desc())
        with self._database.read() as connection:
            return {row.key: row.path for row in connection.execute(statement)}

    def degraded(self) -> int:
        """Count the datasets whose coverage came finer than it is kept."""
        with self._database.read() as connection:
            statement = select(func.count()).select_from(dataset).where(dataset.c.degraded_from.is_not(None))
            return int(connection.scalar(statement) or 0)

    def settle(self) -> None:
        """Decide what a writer that was killed in its commit has left: from now on its generation is there or is not.

        Such a commit may be seen by nobody and come back: SQLite has it in its log, and reads it when the last to have
        the database open is gone; a server of PostgreSQL may still be at it. It has written the one row that is written
        here, so a log has this instead, and a server is waited for. That row is written anew, since SQLite leaves a
        page alone in which nothing changes.
        """
        with suppress(IntegrityError), self._database.write() as connection:  # the row came meanwhile: decided
            there = connection.execute(select(coverage.c.generation).with_for_update()).scalar_one_or_none()
            connection.execute(delete(coverage))
            connection.execute(insert(coverage), {"one": 1, "generation": there or NOTHING})
            if there is None:
                connection.execute(delete(coverage))

    def publish(
        self,
        before: str,
        generation: str,
        new: Collection[Entry] = (),
        changed: Collection[Entry] = (),
        removed: Collection[int] = (),
        sources: Collection[SourceFile] = (),
    ) -> None:
        """Write and remove datasets and name the generation that belongs to them, in one transaction.

        A file that removed datasets were read from is forgotten, so that it would be read again. Raises CoverageError
        if the generation is no longer the one before.
        """
        with self._database.write() as connection:
            _move(connection, before, generation)
            for chunk in _chunks(removed):
                their = select(dataset.c.source).where(dataset.c.key.in_(chunk))
                connection.execute(delete(source).where(source.c.path.in_(their)))
                connection.execute(delete(dataset).where(dataset.c.key.in_(chunk)))
            _record(connection, sources)
            added = int(datetime.now(UTC).timestamp() * 1000)
            rows = [
                {**entry.columns, "fingerprint": entry.fingerprint, "source": entry.source, "added": added}
                for entry in (*new, *changed)
            ]
            if new:
                inserted = zip(new, rows[: len(new)], strict=True)
                connection.execute(insert(dataset), [{**row, "key": entry.key} for entry, row in inserted])
            if changed:
                updated = zip(changed, rows[len(new) :], strict=True)
                connection.execute(
                    update(dataset).where(dataset.c.key == bindparam("of")),
                    [{**row, "of": entry.key} for entry, row in updated],
                )
                connection.execute(
                    delete(dataset_file).where(dataset_file.c.key == bindparam("of")),
                    [{"of": entry.key} for entry in changed],
                )
            files = [
                {"key": entry.key, "position": position, "kind": kind, "path": path, "content_type": content_type}
                for entry in (*new, *changed)
                for position, (kind, path, content_type) in enumerate(entry.files)
            ]
            if files:
                connection.execute(insert(dataset_file), files)

    def _find(self, column: Column[Any], values: Collection[Any]) -> tuple[str | None, dict[int, Dataset]]:
        # one statement sees one state, so it brings the generation along, on a row of its own where nothing is found
        now = select(_GENERATION.label("generation")).subquery()
        generations = set()
        found: dict[int, Dataset] = {}
        with self._database.read() as connection:
            for chunk in _chunks(values) or [[]]:
                rows = connection.execute(
                    select(now.c.generation, dataset, *_FILE_COLUMNS)
                    .select_from(now)
                    .outerjoin(dataset, column.in_(chunk))
                    .outerjoin(dataset_file, dataset_file.c.key == dataset.c.key)
                    .order_by(dataset.c.key, dataset_file.c.position)
                ).all()
                generations.add(rows[0].generation)
                found.update(self._datasets(row for row in rows if row.key is not None))
        return (generations.pop() if len(generations) == 1 else None), found

    def _datasets(self, rows: Iterable[Row[Any]]) -> dict[int, Dataset]:
        """Make datasets of the rows of a join with their files, a row per file."""
        found: dict[int, tuple[Row[Any], list[File]]] = {}
        for row in rows:
            _, files = found.setdefault(row.key, (row, []))
            if row.path is not None:
                files.append(File(row.kind, Path(row.path), row.content_type))
        return {key: self._dataset(row, files) for key, (row, files) in found.items()}

    def _dataset(self, row: Row[Any], files: list[File]) -> Dataset:
        return Dataset(
            **{column.name: row._mapping[column.name] for column in _COLUMNS},
            ivoid=self._ids.full(row.id),
            added=datetime.fromtimestamp(row.added / 1000, UTC),
            files=tuple(files),
        )


def _with_generation(
    columns: Sequence[Any], source: FromClause, conditions: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    """Ask for columns of datasets, each row with the generation before it, and one row if there is none."""
    now = select(_GENERATION.label("generation")).subquery()
    found = select(*columns).select_from(source).where(*conditions).subquery()
    return select(now.c.generation, found).select_from(now.outerjoin(found, true()))


def _found(rows: Sequence[Sequence[Any]]) -> tuple[str, dict[int, Sequence[Any]]]:
    return rows[0][0], {row[1]: row[2:] for row in rows if row[1] is not None}


def _list(keys: Sequence[int]) -> str:
    return f"[{','.join(map(str, keys))}]"


def _condition(given: Filter) -> ColumnElement[bool]:
    if isinstance(given, AnyOf):
        return _is_any(given)
    if isinstance(given, Numbers):
        column = dataset.c[given.column]
        # PostgreSQL compares no truth with a number
        values = map(bool, given.values) if isinstance(column.type, Boolean) else given.values
        return column.in_(tuple(values))
    return or_(*(_touches(given, low, high) for low, high in given.intervals))


def _is_any(given: AnyOf) -> ColumnElement[bool]:
    """Look whole texts up together, and hold each pattern against the column."""
    column: ColumnElement[Any] = dataset.c[given.column]
    texts = given.texts
    if given.folded:
        column, texts = func.replace(column, " ", ""), tuple("".join(text.split()) for text in texts)
    whole = [text for text in texts if "*" not in text]
    patterns = [re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%") for text in texts if "*" in text]
    # the database makes both sides small, since each has its own idea of what that is
    small = func.lower(column)
    found = column.in_(whole) if given.column in _AS_GIVEN else small.in_([func.lower(text) for text in whole])
    return or_(found, *(small.like(func.lower(pattern), escape="\\") for pattern in patterns))


def _touches(given: Within, low: float, high: float) -> ColumnElement[bool]:
    first, last = dataset.c[given.low], dataset.c[given.high]
    begin, end = (func.coalesce(first, last), func.coalesce(last, first)) if given.low != given.high else (first, last)
    conditions: list[ColumnElement[bool]] = [begin.is_not(None)]
    if math.isfinite(low):
        conditions.append(end >= low)
    if math.isfinite(high):
        conditions.append(begin <= high)
    return and_(*conditions)


def _value_of(order: Order) -> ColumnElement[Any]:
    """Give the column of an order; the overlap is none, and stands in no table."""
    name = ORDERS[order.by]
    return dataset.c[name] if name else dataset.c.id


def _behind(mark: Mark, order: Order) -> ColumnElement[bool]:
    """Ask for what comes after a mark: what is not known comes last."""
    value, key = _value_of(order), dataset.c.id
    if order.by == "id":
        return key < mark.id if order.descending else key > mark.id
    if mark.value is None:
        return and_(value.is_(None), key > mark.id)
    beyond = value < mark.value if order.descending else value > mark.value
    return or_(value.is_(None), beyond, and_(value == mark.value, key > mark.id))


_FILE_COLUMNS = (dataset_file.c.kind, dataset_file.c.path, dataset_file.c.content_type)


def _move(connection: Connection, before: str, generation: str) -> None:
    """Name the next generation, if the present one is the one before."""
    if before == NOTHING and connection.scalar(select(_GENERATION)) == NOTHING:
        connection.execute(insert(coverage), {"one": 1, "generation": generation})
        return
    moved = connection.execute(update(coverage).where(coverage.c.generation == before).values(generation=generation))
    if moved.rowcount != 1:
        raise CoverageError("another process has changed the index meanwhile, past the lock on its folder; try again")


def _record(connection: Connection, sources: Collection[SourceFile]) -> None:
    if sources:
        rows = [asdict(file) for file in sources]
        connection.execute(
            delete(source).where(source.c.path == bindparam("of")), [{"of": row["path"]} for row in rows]
        )
        connection.execute(insert(source), rows)


def _chunks(values: Iterable[Any]) -> list[list[Any]]:
    rest = iter(values)
    return list(iter(lambda: list(islice(rest, CHUNK)), []))
