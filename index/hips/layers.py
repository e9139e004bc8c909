"""What a map shows: for how long each place was observed, or how many events came from it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import CoverageError
from index.healpix import SKY_AREA, Ints, moc_of, spans
from index.hips.tiles import DEPTH, PIXELS, Values, mean
from index.postings import CELL_ORDER, PIXEL_ORDER
from index.reader import load
from index.union import joined, union

if TYPE_CHECKING:
    from mocpy import MOC

    from index.segment import Segment

MIN_ORDER, MAX_ORDER = 3, PIXEL_ORDER - DEPTH
_CELL_PIXELS = 4 ** (PIXEL_ORDER - CELL_ORDER)
_MOC_ORDER = 11
_AHEAD = 8
"""Tiles whose event lists are read before they are wanted."""

Positions = Callable[[Path], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Gives right ascension and declination, ICRS degrees, of the events of a list that are to be counted.

It raises :class:`index.errors.CoverageError`, or any other error, for a list that cannot be read.
"""


@dataclass(frozen=True)
class Look:
    """How a map is called and shown."""

    name: str
    title: str
    description: str
    unit: str
    palette: tuple[tuple[int, int, int], ...]
    """Colours from the faintest to the brightest, evenly spaced."""


EXPOSURE = Look(
    "exposure",
    "Exposure",
    "Sum of the exposure times of all datasets over their coverages",
    "s",
    ((8, 12, 40), (24, 58, 120), (36, 128, 160), (110, 200, 170), (250, 250, 220)),
)
COUNTS = Look(
    "counts",
    "Counts",
    "Events of all datasets that have an event list, for each square arcminute",
    "ct/arcmin2",
    ((10, 8, 20), (90, 15, 60), (190, 50, 40), (245, 160, 50), (255, 250, 210)),
)
LOOKS = {look.name: look for look in (EXPOSURE, COUNTS)}


class Layer(Protocol):
    """A map, before it is cut into tiles."""

    @property
    def look(self) -> Look:
        """How it is called and shown."""

    @property
    def state(self) -> str:
        """What it is made of: another text for other values."""

    def moc(self) -> MOC:
        """Give where it has values."""

    def tiles(self, order: int) -> list[int]:
        """Give the tiles of an order that have values."""

    def draw(self, order: int, wanted: Sequence[int]) -> Iterator[Values]:
        """Give the values of tiles, one after the other."""


class Coverages:
    """The coverages of some datasets, each with a weight."""

    def __init__(self, segments: Sequence[Segment], weight: Mapping[int, int]) -> None:
        self._segments = segments
        self._keys = np.fromiter(sorted(weight), np.int64, len(weight))
        self._among = [segment.among(self._keys) for segment in segments]
        self._weights = []
        for segment, among in zip(segments, self._among, strict=True):
            rows = segment.postings.key.tolist()
            counted = set(among.tolist()) if among is not None else set(rows)
            # -1 is for a coverage that does not count
            self._weights.append(np.array([weight.get(key, -1) if key in counted else -1 for key in rows], np.int64))

    def tiles(self, order: int) -> list[int]:
        """Give the tiles that they touch."""
        found: list[Ints] = [np.zeros(0, np.int64)]
        for segment, weights in zip(self._segments, self._weights, strict=True):
            postings = segment.postings
            number = postings.entry[1:] - postings.entry[:-1]
            touched = np.repeat(postings.cell.astype(np.int64), number)
            found.append(np.unique(touched[weights[postings.row] >= 0] >> 2 * (CELL_ORDER - order)))
        return [int(tile) for tile in np.unique(np.concatenate(found))]

    def keys(self, order: int, tile: int) -> list[int]:
        """Give the datasets that touch a tile."""
        found: set[int] = set()
        for segment, weights in zip(self._segments, self._weights, strict=True):
            postings = segment.postings
            begin, end = self._cells(segment, order, tile)
            rows = np.unique(postings.row[int(postings.entry[begin]) : int(postings.entry[end])])
            found.update(postings.key[rows[weights[rows] >= 0]].tolist())
        return sorted(found)

    def sums(self, order: int, tile: int) -> Values:
        """Give the mean over each pixel of a tile of the weights of all that cover it; NaN where nothing does."""
        inside = 4 ** (order + DEPTH - CELL_ORDER)
        values: Values = np.full(PIXELS, np.nan, np.float32)
        first = tile << 2 * (CELL_ORDER - order)
        parts: dict[int, list[tuple[Ints, Ints, Ints]]] = {}
        for segment, weights in zip(self._segments, self._weights, strict=True):
            begin, end = self._cells(segment, order, tile)
            for at in range(begin, end):
                if (part := _ranges(segment, weights, at)) is not None:
                    parts.setdefault(int(segment.postings.cell[at]) - first, []).append(part)
        for cell, ranges in parts.items():
            sums = _steps(ranges).reshape(inside, -1)
            values[cell * inside : (cell + 1) * inside] = mean(sums, sums.shape[1])
        return values

    def moc(self, order: int) -> MOC:
        """Give where they are together."""
        parts = zip(self._segments, self._among, strict=True)
        return moc_of(joined([union(segment.postings, keys, order) for segment, keys in parts]), order)

    @staticmethod
    def _cells(segment: Segment, order: int, tile: int) -> tuple[int, int]:
        up = 2 * (CELL_ORDER - order)
        begin, end = np.searchsorted(segment.postings.cell, np.array([tile << up, tile + 1 << up]))
        return int(begin), int(end)


def _ranges(segment: Segment, weights: Ints, cell: int) -> tuple[Ints, Ints, Ints] | None:
    """Give first pixel, the one after the last, and weight of the ranges in a cell; None for none."""
    postings = segment.postings
    entries = np.arange(int(postings.entry[cell]), int(postings.entry[cell + 1]))
    weight = weights[postings.row[entries]]
    entries, weight = entries[weight >= 0], weight[weight >= 0]
    if not len(entries):
        return None
    begin, end = postings.first[entries].astype(np.int64), postings.first[entries + 1].astype(np.int64)
    at = spans(begin, end)
    return postings.start[at].astype(np.int64), postings.last[at].astype(np.int64) + 1, np.repeat(weight, end - begin)


def _steps(parts: Sequence[tuple[Ints, Ints, Ints]]) -> NDArray[np.float64]:
    """Add up weights along the pixels of a cell: whole numbers below 2^53, so that the sums are exact."""
    begin, end, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    size = _CELL_PIXELS + 1
    sums = np.cumsum(np.bincount(begin, weight, size) - np.bincount(end, weight, size))[:-1]
    covered = np.cumsum(np.bincount(begin, minlength=size) - np.bincount(end, minlength=size))[:-1]
    return np.where(covered > 0, sums, np.nan)


class Exposure:
    """For how long each place was observed, all datasets together: ``t_exptime`` summed over coverages.

    A pixel has the mean over its area, so that the integral of the map over the sky is the sum of exposure times area
    of all datasets, at every order.
    """

    look = EXPOSURE

    def __init__(self, segments: Sequence[Segment], seconds: Mapping[int, float], generation: str) -> None:
        self._coverages = Coverages(segments, {key: round(1000 * time) for key, time in seconds.items()})
        self.state = f"exposure {generation}"

    def moc(self) -> MOC:
        """Give where anything was observed."""
        return self._coverages.moc(_MOC_ORDER)

    def tiles(self, order: int) -> list[int]:
        """Give the tiles that were observed."""
        return self._coverages.tiles(order)

    def draw(self, order: int, wanted: Sequence[int]) -> Iterator[Values]:
        """Give seconds."""
        for tile in wanted:
            yield self._coverages.sums(order, tile) / np.float32(1000)


@dataclass
class Counts:
    """How many events came from each place, for each square arcminute: of all datasets that have an event list."""

    segments: Sequence[Segment]
    lists: Mapping[int, Path]
    """By the keys of the datasets."""
    generation: str
    reader: str
    """The name of what reads the positions, as module:function (:data:`Positions`)."""
    processes: int = 1
    skipped: dict[Path, str] = field(default_factory=dict)
    """Lists that could not be read, and why."""

    look = COUNTS

    def __post_init__(self) -> None:
        load(self.reader)  # a wrong name is told before anything is begun
        self._coverages = Coverages(self.segments, dict.fromkeys(self.lists, 0))

    @property
    def state(self) -> str:
        """What it is made of."""
        return f"counts {self.generation} {self.reader}"

    def moc(self) -> MOC:
        """Give where there are event lists."""
        return self._coverages.moc(_MOC_ORDER)

    def tiles(self, order: int) -> list[int]:
        """Give the tiles that the datasets touch."""
        return self._coverages.tiles(order)

    def draw(self, order: int, wanted: Sequence[int]) -> Iterator[Values]:
        """Give counts for each square arcminute."""
        area = SKY_AREA * 3600 / (12 * 4 ** (order + DEPTH))
        pool: Executor = (
            # threads of mocpy do not survive a fork
            ProcessPoolExecutor(self.processes, multiprocessing.get_context("spawn"))
            if self.processes > 1 and len(wanted) > 1
            else _Here()
        )
        with pool:
            reading: dict[int, Future[Ints]] = {}
            touching = [self._coverages.keys(order, tile) for tile in wanted]
            for at, tile in enumerate(wanted):
                near = {key for keys in touching[at : at + _AHEAD] for key in keys}
                reading = {key: future for key, future in reading.items() if key in near}
                for key in sorted(near - reading.keys()):
                    reading[key] = pool.submit(_pixels, self.reader, self.lists[key], order + DEPTH)
                values = self._coverages.sums(order, tile)
                for key in touching[at]:
                    pixels = self._read(self.lists[key], reading[key])
                    begin, end = np.searchsorted(pixels, [tile * PIXELS, (tile + 1) * PIXELS])
                    where, number = np.unique(pixels[begin:end] - tile * PIXELS, return_counts=True)
                    values[where] = np.nan_to_num(values[where]) + number
                yield values / np.float32(area)

    def _read(self, path: Path, future: Future[Ints]) -> Ints:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise CoverageError(f"a process that read event lists died, perhaps of {path}") from error
        # whatever a reader fails on, it fails on this file alone
        except Exception as error:  # noqa: BLE001
            self.skipped[path] = str(error) or type(error).__name__
            return np.zeros(0, np.int64)


class _Here(Executor):
    """Reads at once, in this process."""

    def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[Ints] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future


def _pixels(reader: str, path: Path, order: int) -> Ints:
    """Give the nested pixels of the events of a list, sorted."""
    from astropy.units import deg  # noqa: PLC0415
    from astropy_healpix.core import lonlat_to_healpix  # noqa: PLC0415 - only where events are counted

    ra, dec = load(reader)(path)
    pixels: Ints = np.sort(lonlat_to_healpix(ra * deg, dec * deg, 1 << order, order="nested"))
    return pixels
