"""The index as one thing: datasets and their coverages, added together and found by region."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from index.answers import Answer, RecentCells, answer, sharing
from index.database import Database
from index.dataset import Dataset, FoundDataset
from index.errors import DamagedIndexError, LostDatasetsError, RegionError, UnknownDatasetError
from index.files import CoverageFiles, Snapshot
from index.healpix import PIXEL_AREA, Ints, moc_of, ranges_of
from index.ids import DatasetIds
from index.ingest import Taken, take
from index.meters import SEARCH_SECONDS
from index.postings import PIXEL_ORDER, Postings
from index.query import Query, Relation
from index.region import Region
from index.store import DatasetStore, Extent, SourceFile
from index.union import joined, union

if TYPE_CHECKING:
    from mocpy import MOC


@dataclass(frozen=True)
class Added:
    """What adding did, in numbers of datasets."""

    added: int
    replaced: int
    unchanged: int


@dataclass(frozen=True)
class Match:
    """A dataset that was found; if no region was asked for, the overlap and both fractions are None."""

    dataset: Dataset
    overlap: float | None
    """Square degrees."""
    dataset_fraction: float | None
    """How much of the dataset's coverage lies in the region: 1 if the dataset is inside the region."""
    region_fraction: float | None
    """How much of the region the dataset covers: 1 if the region is inside the dataset."""
    order: int
    """Of the coarser of the two MOCs behind the numbers; each is a little larger than what it stands for."""


class Group(NamedTuple):
    """The datasets of one instrument in one collection, in numbers of datasets."""

    obs_collection: str
    instrument_name: str | None
    datasets: int
    simulated: int
    approximate: int
    area: float
    """Square degrees, overlaps counted as often as they are there."""


@dataclass(frozen=True)
class Statistics:
    """What is in the index."""

    datasets: int
    groups: list[Group]
    files: int
    """That were read and are known as they are."""
    generation: str
    segments: int
    ranges: int
    bytes: int
    """Of the coverages on disk."""
    degraded: int
    """Datasets whose coverage came finer than the index keeps."""


class Index:
    """Datasets by region and by id, for any number of threads and processes.

    The datasets are rows in SQL, their coverages are files, and both change at one moment: a writer first writes a
    new generation of the files, down to the disk, under names that nothing refers to: what is new, and what that is
    merged with. Then one SQL transaction writes the rows and names the generation. Killed before that commit, it
    leaves the old state and some files that the next writer removes; killed after it, the new state. A lock on the
    folder keeps writers apart.

    A reader looks into the generation that it has open and reads the rows of what it finds with a statement that
    also tells the generation they belong to. If that is another one, it opens that and asks again. So it sees the
    old state or the new one, without locks, and never rows of one with the coverages of the other.

    The coverage of a dataset is given back exactly from the postings. They keep orders up to 16 (3.2 arcsec): a finer
    coverage is degraded to the cells of order 16 that it touches, and ``Dataset.degraded_from`` tells its own order.
    """

    def __init__(self, folder: Path, database: Database, authority: str) -> None:
        self.database = database
        self._ids = DatasetIds(authority)
        self._store = DatasetStore(database, self._ids)
        self._files = CoverageFiles(folder)
        self._recent = RecentCells(self._store)
        self._snapshot: Snapshot | None = None

    def add(self, found: Iterable[FoundDataset]) -> Added:
        """Add datasets; one that is there is replaced, if anything about it has changed.

        All of them or, if one cannot be used, none. Of two with the same id the later counts. Raises DatasetIdError
        and UnusableDatasetError.
        """
        return self.put([take(given, self._ids) for given in found])

    def put(self, datasets: Iterable[Taken], sources: Collection[SourceFile] = ()) -> Added:
        """Add datasets as they are kept, and note the files they were read from.

        An approximate one takes the place of an approximate one only.
        """
        taken = {dataset.id: dataset for dataset in datasets}
        with self._files.exclusive():
            before = self._tidied()
            known = self._store.known(taken)
            new = [dataset for id_, dataset in taken.items() if id_ not in known]
            changed = [
                (known[id_].key, dataset)
                for id_, dataset in taken.items()
                if id_ in known
                and known[id_].fingerprint != dataset.fingerprint
                and (known[id_].approximate or not dataset.columns["approximate"])
            ]
            if new or changed:
                keyed = list(enumerate(new, self._store.last_key() + 1))
                coverages = Postings.build([dataset.coverage(key) for key, dataset in keyed + changed])
                replaced = [key for key, _ in changed]
                generation = self._files.write(before, coverages, replaced)
                self._store.publish(
                    before.generation,
                    generation,
                    new=[dataset.entry(key) for key, dataset in keyed],
                    changed=[dataset.entry(key) for key, dataset in changed],
                    sources=sources,
                )
                self._files.sweep(generation)
            elif sources:
                self._store.record(sources)
        return Added(len(new), len(changed), len(taken) - len(new) - len(changed))

    def remove(self, ids: Collection[str]) -> int:
        """Remove datasets by their short or full ids, all or, if one is not there, none; give how many.

        Raises DatasetIdError and UnknownDatasetError.
        """
        short = {self.short_id(text) for text in ids}
        with self._files.exclusive():
            before = self._newest()
            known = self._store.known(short)
            if unknown := sorted(short - known.keys()):
                raise UnknownDatasetError(f"there is no dataset {unknown[0]!r}")
            keys = [found.key for found in known.values()]
            if keys:
                generation = self._files.write(before, Postings.build([]), keys)
                self._store.publish(before.generation, generation, removed=keys)
                self._files.sweep(generation)
        return len(keys)

    def rebuild(self, datasets: Iterable[Taken], sources: Collection[SourceFile], *, drop: bool = False) -> Added:
        """Write the index anew from nothing but these datasets; the files of the present one are not looked at.

        Raises LostDatasetsError if a dataset is not among them and is not to be dropped.
        """
        taken = {dataset.id: dataset for dataset in datasets}
        with self._files.exclusive():
            before = self._store.generation()
            ids = self._store.all_ids()
            lost = sorted(ids.keys() - taken.keys())
            if lost and not drop:
                shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
                raise LostDatasetsError(f"the files of {shown} cannot be read any more, and nothing was changed")
            last = max(ids.values(), default=0)
            new = list(enumerate((dataset for id_, dataset in taken.items() if id_ not in ids), last + 1))
            changed = [(ids[id_], dataset) for id_, dataset in taken.items() if id_ in ids]
            whole = Postings.build([dataset.coverage(key) for key, dataset in new + changed])
            generation = self._files.write(Snapshot(before, ()), whole)
            self._store.publish(
                before,
                generation,
                new=[dataset.entry(key) for key, dataset in new],
                changed=[dataset.entry(key) for key, dataset in changed],
                removed=[ids[id_] for id_ in lost],
                sources=sources,
            )
            self._files.sweep(generation)
        return Added(len(new), len(changed), 0)

    def merge(self) -> int:
        """Make one segment of all, and give how many there were; nothing else changes.

        What is added is merged all the time; after this nothing is left to merge, and nothing removed takes room.
        """
        with self._files.exclusive():
            before = self._tidied()
            if len(before.segments) > 1:
                generation = self._files.write(before, Postings.build([]), whole=True)
                self._store.publish(before.generation, generation)
                self._files.sweep(generation)
        return len(before.segments)

    def sources(self) -> dict[str, SourceFile]:
        """Give the files that were read and are not to be read again while they are as they were, by path."""
        return self._store.sources()

    def read_from(self, paths: Iterable[str]) -> dict[str, str]:
        """Give the short ids of the datasets that were read from files, with the file of each."""
        return self._store.read_from(paths)

    def note(self, sources: Collection[SourceFile]) -> None:
        """Note that files were read, or have another time of change and the same content."""
        self._store.record(sources)

    def statistics(self) -> Statistics:
        """Count what is in the index."""
        snapshot = self._newest()
        groups = [Group(*row) for row in self._store.groups()]
        return Statistics(
            datasets=sum(group.datasets for group in groups),
            groups=groups,
            files=len(self._store.sources()),
            generation=snapshot.generation,
            segments=len(snapshot.segments),
            ranges=snapshot.range_count,
            bytes=snapshot.bytes,
            degraded=self._store.degraded(),
        )

    @property
    def quick(self) -> bool:
        """Whether the datasets are read without waiting for anybody, so that an event loop may ask for few of them."""
        return self._store.quick

    @property
    def ids(self) -> DatasetIds:
        """The ids of the datasets."""
        return self._ids

    @SEARCH_SECONDS.time()
    def search(self, region: Region | None = None, *, ids: Collection[str] = ()) -> list[Match]:
        """Find the datasets that overlap a region, by decreasing overlap and then by id; without one, all, by id.

        Where ids are given, short or full, only these: one that is not there, or outside the region, is not in the
        answer. Raises DatasetIdError, RegionError if the region cannot be built, and DamagedIndexError.
        """
        short = {self.short_id(text) for text in ids}
        if region is None:
            datasets = self._store.by_id(short)[1].values() if short else self._store.all()
            matches = [Match(dataset, None, None, None, dataset.order) for dataset in datasets]
            return sorted(matches, key=lambda match: match.dataset.id)
        ranges = ranges_of(region.moc())
        size = int((ranges[:, 1] - ranges[:, 0]).sum())
        snapshot = self._snapshot or self._newest()
        while True:
            overlaps = snapshot.overlaps(ranges)
            keys = overlaps.key.tolist()
            generation, rows = self._store.by_id(short) if short else self._store.by_key(keys)
            if generation == snapshot.generation:
                break
            snapshot = self._newest()
        matches = [
            Match(rows[key], overlap * PIXEL_AREA, overlap / area, overlap / size, min(rows[key].order, region.order))
            for key, overlap, area in zip(keys, overlaps.overlap.tolist(), overlaps.area.tolist(), strict=True)
            if key in rows
        ]
        return sorted(matches, key=lambda match: (-(match.overlap or 0), match.dataset.id))

    @SEARCH_SECONDS.time()
    def answer(self, query: Query) -> Answer:
        """Find the datasets that answer a query.

        Raises DatasetIdError, RegionError if the region cannot be built, and DamagedIndexError.
        """
        return answer(self._store, self._recent, self._ids, self._opened, query)

    def union(self, query: Query, order: int) -> tuple[str, MOC | None]:
        """Give the cells of an order that the datasets which answer a query touch together, None for no dataset.

        Beside it the generation that it belongs to. Raises RegionError for an order that is not one from 0 to 16, and
        what ``answer`` does.
        """
        if not 0 <= order <= PIXEL_ORDER:
            raise RegionError(f"the order of a union must be from 0 to {PIXEL_ORDER}, not {order}")
        while True:
            keys: Ints | None = None
            snapshot = self._newest()
            if query.region or query.ids or query.filters:
                keys = np.array([line.key for line in self.answer(query).lines], dtype=np.int64)
            # the generation is asked for again behind the rows, so that these are of the one that is open
            if snapshot.generation == self._store.generation():
                break
        ranges = joined([union(segment.postings, segment.among(keys), order) for segment in snapshot.segments])
        return snapshot.generation, moc_of(ranges, order) if len(ranges) else None

    def exposures(self) -> tuple[Snapshot, dict[int, float]]:
        """Give all coverages, and of the same generation the exposure time in seconds of each dataset that has one."""
        while True:
            snapshot = self._newest()
            seconds = self._store.exposures()
            if snapshot.generation == self._store.generation():
                return snapshot, seconds

    def paths(self, kind: str) -> tuple[Snapshot, dict[int, str]]:
        """Give all coverages, and of the same generation the first file of a kind of each dataset that has one."""
        while True:
            snapshot = self._newest()
            paths = self._store.paths(kind)
            if snapshot.generation == self._store.generation():
                return snapshot, paths

    def extent(self) -> Extent:
        """Give what all datasets span in time and wavelength."""
        return self._store.extent()

    def keys(self, region: Region, relation: Relation = "overlaps") -> list[int]:
        """Give the keys in SQL of the datasets that stand in a relation to a region, by their MOCs.

        Raises RegionError and DamagedIndexError.
        """
        ranges = ranges_of(region.moc())
        return list(sharing(self._newest(), ranges, int((ranges[:, 1] - ranges[:, 0]).sum()), relation))

    def region(self, text: str) -> Region:
        """Read a region in any form, also around a target of the datasets. Raises RegionError."""
        return Region.parse(text, self._store.pointings)

    def pointings(self, target: str) -> list[tuple[float, float]]:
        """Give the different pointings of the datasets with a target, whatever the case and blanks of its name."""
        return self._store.pointings(target)

    def observed(self, observation: str) -> list[tuple[float, float]]:
        """Give the different pointings of an observation, or of the one dataset of that short id."""
        return self._store.observed(observation)

    def targets_like(self, folded: str, count: int) -> list[str]:
        """Give names of targets that hold a text, or begin as it does; it is in lower case and without blanks."""
        return self._store.targets_like(folded, count)

    def get(self, dataset_id: str) -> Dataset:
        """Give a dataset by its short or full id. Raises DatasetIdError and UnknownDatasetError."""
        return self._keyed(dataset_id)[2]

    def coverage(self, dataset_id: str) -> MOC:
        """Give the coverage of a dataset, at ``Dataset.order``. Raises DatasetIdError and UnknownDatasetError."""
        while True:
            generation, key, dataset = self._keyed(dataset_id)
            snapshot = self._snapshot or self._newest()
            if generation != snapshot.generation:
                snapshot = self._newest()
                continue
            return moc_of(snapshot.ranges(key), dataset.order)

    def count(self) -> int:
        """Give the number of datasets."""
        return self._store.count()

    def datasets(self) -> Iterator[Dataset]:
        """Give all datasets by id, a page at a time: of what is added meanwhile, some may be among them."""
        return self._store.all()

    def short_id(self, text: str) -> str:
        """Give the short id ``OBS/CAMERA/EXPOSURE`` of that or of the full id. Raises DatasetIdError."""
        return self._ids.short(text)

    def generation(self) -> str:
        """Give a name of the state of the index, another one after each change."""
        return self._store.generation()

    def unchanged(self) -> AbstractContextManager[None]:
        """Keep all who would change the index waiting for the length of a block."""
        return self._files.exclusive()

    def verify(self) -> None:
        """Read all files and compare their checksums, and the datasets in them with those in SQL.

        Raises DamagedIndexError, naming the file.
        """
        with self._files.exclusive():
            snapshot = self._newest()
            self._files.verify(snapshot.generation)
            if sorted(snapshot.keys().tolist()) != sorted(self._store.keys()):
                raise DamagedIndexError("the datasets in the database are not those that have a coverage in the files")

    def _keyed(self, dataset_id: str) -> tuple[str | None, int, Dataset]:
        short = self.short_id(dataset_id)
        generation, found = self._store.by_id([short])
        for key, dataset in found.items():
            return generation, key, dataset
        raise UnknownDatasetError(f"there is no dataset {short!r}")

    def _opened(self, newest: bool) -> Snapshot:
        """Give the generation that is open, or the present one."""
        return self._newest() if newest else self._snapshot or self._newest()

    def _tidied(self) -> Snapshot:
        """Open the present generation, having removed what killed writers left. Only for the holder of the lock."""
        before = self._newest()
        if self._files.litter(before.generation):
            self._store.settle()
            before = self._newest()
            self._files.sweep(before.generation)
        return before

    def _newest(self) -> Snapshot:
        """Open the present generation."""
        generation = self._store.generation()
        while True:
            snapshot = self._snapshot  # other threads set it too
            if snapshot and snapshot.generation == generation:
                return snapshot
            try:
                snapshot = self._files.open(generation)
            except DamagedIndexError:
                # a writer may have published another one, and removed this one, since it was named
                newer = self._store.generation()
                if newer == generation:
                    raise
                generation = newer
            else:
                self._snapshot = snapshot
                return snapshot
