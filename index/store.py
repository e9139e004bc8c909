"""The datasets in SQL, and which generation of the coverages belongs to them. The only file of the index with SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

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
    delete,
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
    Column("area", Double, nullable=False),
    Column("order", SmallInteger, nullable=False),
    Column("degraded_from", SmallInteger),
    Column("added", BigInteger, nullable=False),  # milliseconds since 1970, UTC
    Column("fingerprint", String(64), nullable=False),
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

_COLUMNS = [column for column in dataset.c if column.name not in ("key", "added", "fingerprint")]
_GENERATION = func.coalesce(select(coverage.c.generation).scalar_subquery(), NOTHING)


@dataclass(frozen=True)
class Entry:
    """A dataset to be written: the key, the columns that are not the store's own affair, and its files."""

    key: int
    columns: Mapping[str, Any]
    files: tuple[tuple[str, str, str], ...]
    fingerprint: str


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

    def fingerprints(self, ids: Iterable[str]) -> dict[str, tuple[int, str]]:
        """Give key and fingerprint of those of these short ids that are there."""
        found: dict[str, tuple[int, str]] = {}
        with self._database.read() as connection:
            for chunk in _chunks(ids):
                rows = connection.execute(
                    select(dataset.c.id, dataset.c.key, dataset.c.fingerprint).where(dataset.c.id.in_(chunk))
                )
                found.update((row.id, (row.key, row.fingerprint)) for row in rows)
        return found

    def pointings(self, target: str) -> list[tuple[float, float]]:
        """Give the different pointings of the datasets with a target, whose name is compared without case and blanks."""
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

    def publish(self, before: str, generation: str, new: Collection[Entry], changed: Collection[Entry]) -> None:
        """Write datasets and name the generation that belongs to them, in one transaction.

        Raises CoverageError if the generation is no longer the one before.
        """
        with self._database.write() as connection:
            _move(connection, before, generation)
            added = int(datetime.now(UTC).timestamp() * 1000)
            rows = [{**entry.columns, "fingerprint": entry.fingerprint, "added": added} for entry in (*new, *changed)]
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


def _chunks(values: Iterable[Any]) -> list[list[Any]]:
    rest = iter(values)
    return list(iter(lambda: list(islice(rest, CHUNK)), []))
