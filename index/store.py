"""The datasets in SQL, and which generation of the coverages belongs to them. The only file of the index with SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    SmallInteger,
    String,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    false,
    func,
    insert,
    select,
    update,
)

from index.database import Database
from index.dataset import Dataset, File
from index.errors import CoverageError
from index.files import NOTHING
from index.ids import DatasetIds

CHUNK = 900
"""Values in one statement; SQLite before 3.32 takes 999."""

metadata = MetaData()

dataset = Table(
    "dataset",
    metadata,
    # given by the writer, who has put it into the coverages before the row is there
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("id", String(200), nullable=False, unique=True),
    Column("obs_collection", Text, nullable=False),
    Column("facility_name", Text),
    Column("instrument_name", Text),
    Column("obs_id", String(64), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("exposure_id", String(64), nullable=False),
    Column("target_name", Text),
    Column("s_ra", Double, nullable=False),
    Column("s_dec", Double, nullable=False),
    Column("position_angle", Double),
    Column("t_min", Double),
    Column("t_max", Double),
    Column("t_exptime", Double),
    Column("filter", Text),
    Column("mode", Text),
    Column("simulated", Boolean, nullable=False),
    Column("approximate", Boolean, nullable=False, server_default=false()),
    Column("area", Double, nullable=False),
    Column("order", SmallInteger, nullable=False),
    Column("degraded_from", SmallInteger),
    Column("added", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("fingerprint", String(64), nullable=False),
    Column("source", Text),  # the file it was read from
)

source = Table(
    "source",
    metadata,
    Column("path", Text, primary_key=True),
    Column("reader", Text, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
)

dataset_file = Table(
    "dataset_file",
    metadata,
    Column("key", ForeignKey(dataset.c.key, ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content_type", Text, nullable=False),
)

coverage = Table(
    "coverage",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),  # 1: there is one row at most
    Column("generation", String(32), nullable=False),
)

_COLUMNS = [column for column in dataset.c if column.name not in ("key", "added", "fingerprint", "source")]
_GENERATION = func.coalesce(select(coverage.c.generation).scalar_subquery(), NOTHING)


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


class DatasetStore:
    """Reads and writes the tables; each reading comes with the generation that it belongs to."""

    def __init__(self, database: Database, ids: DatasetIds) -> None:
        self._database = database
        self._ids = ids

    def generation(self) -> str:
        """Give the generation of the coverages that belongs to the datasets."""
        with self._database.read() as connection:
            return str(connection.scalar(select(_GENERATION)))

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

    def degraded(self) -> int:
        """Count the datasets whose coverage came finer than it is kept."""
        with self._database.read() as connection:
            statement = select(func.count()).select_from(dataset).where(dataset.c.degraded_from.is_not(None))
            return int(connection.scalar(statement) or 0)

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
