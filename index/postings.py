"""Which coverages overlap a region, and by how much, without looking at the others: arrays alone, no files.

The sky is cut into the cells of order 8 (14 arcmin). Each cell has one *entry* per coverage that touches it,
with the area that it has there and its ranges inside the cell as 16-bit pixels of order 16 (3.2 arcsec). For
a cell that lies wholly in the region the stored area is the answer; ranges are compared only in the cells at
its border. All in integers, hence exact; the time follows the number of rows answered, not of those stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.healpix import Ints, Ranges, merged, shift, spans

CELL_ORDER = 8
PIXEL_ORDER = 16
"""The finest order that is kept."""

_CELL_SHIFT = shift(CELL_ORDER)
_PIXEL_SHIFT = shift(PIXEL_ORDER)
_INSIDE_SHIFT = _CELL_SHIFT - _PIXEL_SHIFT
_IN_CELL = (1 << _CELL_SHIFT) - 1

U8: TypeAlias = NDArray[np.uint8]
U16: TypeAlias = NDArray[np.uint16]
U32: TypeAlias = NDArray[np.uint32]


class Coverage(NamedTuple):
    """The coverage of one dataset."""

    key: int
    """Below 2^32."""
    order: int
    """At most 16."""
    ranges: Ranges


@dataclass(frozen=True)
class Overlaps:
    """What a region finds; all arrays have one row per coverage that overlaps it."""

    key: Ints
    overlap: Ints
    """In pixels of order 29; larger than 0."""
    area: Ints
    """Of the whole coverage, in pixels of order 29."""
    order: Ints
    """Of the coverage."""


@dataclass(frozen=True)
class Postings:
    """Coverages by cell. The arrays may be memory maps; nothing writes to them."""

    key: U32
    """Of each row, sorted. A row is a coverage."""
    area: Ints
    """Of each row, in pixels of order 16."""
    order: U8
    """Of each row."""
    cell: U32
    """The cells that have entries, sorted."""
    entry: U32
    """First entry of each cell, and the number of entries at the end."""
    row: U32
    """Of each entry; sorted within a cell."""
    inside: U32
    """Area of each entry, in pixels of order 16."""
    first: U32
    """First range of each entry, and the number of ranges at the end."""
    start: U16
    """First pixel of each range, counted from the first of the cell."""
    last: U16
    """Last pixel of each range, inclusive, so that 65,535 is enough."""

    @classmethod
    def build(cls, coverages: Sequence[Coverage]) -> Postings:
        """Build from coverages with different keys."""
        coverages = sorted(coverages, key=lambda coverage: coverage.key)
        count = np.array([len(coverage.ranges) for coverage in coverages], dtype=np.int64)
        ranges = np.concatenate([np.zeros((0, 2), np.int64), *(coverage.ranges for coverage in coverages)])
        row = np.repeat(np.arange(len(coverages)), count)
        begin, end = ranges[:, 0] >> _PIXEL_SHIFT, ranges[:, 1] >> _PIXEL_SHIFT
        # cut each range at the borders of the cells
        first_cell, last_cell = begin >> _INSIDE_SHIFT, (end - 1) >> _INSIDE_SHIFT
        piece = np.repeat(np.arange(len(ranges)), last_cell - first_cell + 1)
        cell = spans(first_cell, last_cell + 1)
        row, origin = row[piece], cell << _INSIDE_SHIFT
        start = np.maximum(begin[piece], origin) - origin
        last = np.minimum(end[piece], origin + (1 << _INSIDE_SHIFT)) - origin - 1
        new = _changes(row, cell)
        bounds = np.append(new, len(row))
        inside = np.add.reduceat(last - start + 1, new) if len(new) else new
        return cls._assemble(
            key=np.array([coverage.key for coverage in coverages], dtype=np.uint32),
            order=np.array([coverage.order for coverage in coverages], dtype=np.uint8),
            entries=_Entries(cell[new], row[new], inside, bounds[:-1], bounds[1:]),
            start=start.astype(np.uint16),
            last=last.astype(np.uint16),
        )

    @classmethod
    def merge(cls, parts: Iterable[tuple[Postings, Collection[int]]]) -> Postings:
        """Make one of several; of each part, the coverages with the given keys are left out."""
        key, order, entries, start, last = [], [], [], [], []
        rows = ranges = 0
        for part, without in parts:
            kept = ~np.isin(part.key, np.fromiter(without, np.uint32, len(without)))
            number = rows + np.cumsum(kept) - 1
            keep = kept[part.row]
            first = part.first.astype(np.int64) + ranges
            entries.append(
                np.stack(
                    (
                        part.cells()[keep],
                        number[part.row[keep]],
                        part.inside[keep],
                        first[:-1][keep],
                        first[1:][keep],
                    )
                )
            )
            key.append(part.key[kept])
            order.append(part.order[kept])
            start.append(part.start)
            last.append(part.last)
            rows += int(kept.sum())
            ranges += len(part.start)
        keys = np.concatenate(key)
        by_key = np.argsort(keys)
        rank = np.empty(len(keys), dtype=np.int64)
        rank[by_key] = np.arange(len(keys))
        cell, row, inside, begin, end = np.concatenate(entries, axis=1).astype(np.int64)
        return cls._assemble(
            key=keys[by_key],
            order=np.concatenate(order)[by_key],
            entries=_Entries(cell, rank[row], inside, begin, end),
            start=np.concatenate(start),
            last=np.concatenate(last),
        )

    @classmethod
    def _assemble(cls, key: U32, order: U8, entries: _Entries, start: U16, last: U16) -> Postings:
        by_cell = np.lexsort((entries.row, entries.cell))
        cell, row, inside, begin, end = (column[by_cell] for column in entries)
        area = np.zeros(len(key), dtype=np.int64)
        np.add.at(area, row, inside)
        new = _changes(cell)
        first = np.concatenate(([0], np.cumsum(end - begin)))
        if first[-1] >= 1 << 32:
            raise OverflowError(f"{first[-1]:,} ranges are more than the {1 << 32:,} that one segment can hold")
        ranges = spans(begin, end)
        return cls(
            key=key,
            area=area,
            order=order,
            cell=cell[new].astype(np.uint32),
            entry=np.append(new, len(cell)).astype(np.uint32),
            row=row.astype(np.uint32),
            inside=inside.astype(np.uint32),
            first=first.astype(np.uint32),
            start=start[ranges],
            last=last[ranges],
        )

    def cells(self) -> Ints:
        """Give the cell of each entry."""
        return np.repeat(self.cell.astype(np.int64), np.diff(self.entry))

    def overlaps(self, region: Ranges) -> Overlaps:
        """Find the coverages that overlap a region, and by how much."""
        within, border = self._within(region), self._at_border(region)
        row, area = np.concatenate((within[0], border[0])), np.concatenate((within[1], border[1]))
        by_row = np.argsort(row, kind="stable")
        row, area = row[by_row], area[by_row]
        new = _changes(row)
        if len(new):
            row, area = row[new], np.add.reduceat(area, new)
        return Overlaps(
            key=self.key[row].astype(np.int64),
            overlap=area,
            area=self.area[row] << _PIXEL_SHIFT,
            order=self.order[row].astype(np.int64),
        )

    def _within(self, region: Ranges) -> tuple[U32, Ints]:
        """Give row and overlap of the entries in cells that lie wholly in the region."""
        begin = (region[:, 0] + _IN_CELL) >> _CELL_SHIFT
        end = region[:, 1] >> _CELL_SHIFT
        whole = begin < end
        at = np.searchsorted(self.cell, np.stack((begin[whole], end[whole])).astype(np.uint32))
        low, high = self.entry[at].astype(np.int64)
        entries = spans(low, high)
        return self.row[entries], self.inside[entries].astype(np.int64) << _PIXEL_SHIFT

    def _at_border(self, region: Ranges) -> tuple[U32, Ints]:
        """Give row and overlap of the entries in cells that lie partly in the region."""
        bounds = region.ravel()
        border = np.unique(bounds[(bounds & _IN_CELL) != 0] >> _CELL_SHIFT).astype(np.uint32)
        at = np.searchsorted(self.cell, border)
        border, at = border[at < len(self.cell)], at[at < len(self.cell)]
        at = at[self.cell[at] == border]
        low, high = self.entry[at].astype(np.int64), self.entry[at + 1].astype(np.int64)
        entries = spans(low, high)
        first, stop = self.first[entries].astype(np.int64), self.first[entries + 1].astype(np.int64)
        count = stop - first
        ranges = spans(first, stop)
        origin = np.repeat(np.repeat(self.cell[at].astype(np.int64), high - low) << _CELL_SHIFT, count)
        begin = origin + (self.start[ranges].astype(np.int64) << _PIXEL_SHIFT)
        end = origin + ((self.last[ranges].astype(np.int64) + 1) << _PIXEL_SHIFT)
        area = _area_below(region, end) - _area_below(region, begin)
        if len(entries):
            area = np.add.reduceat(area, np.cumsum(count) - count)
        hit = area > 0
        return self.row[entries][hit], area[hit]

    def ranges(self, key: int) -> Ranges:
        """Give back the ranges of a coverage, exactly. Raises KeyError if there is none with that key."""
        row = self.row_of(key)
        entries = np.flatnonzero(self.row == row)
        cell = self.cell[np.searchsorted(self.entry, entries, side="right") - 1].astype(np.int64)
        first, stop = self.first[entries].astype(np.int64), self.first[entries + 1].astype(np.int64)
        ranges = spans(first, stop)
        origin = np.repeat(cell << _INSIDE_SHIFT, stop - first)
        start, last = self.start[ranges].astype(np.int64), self.last[ranges].astype(np.int64)
        return merged(origin + start, origin + last + 1) << _PIXEL_SHIFT

    def row_of(self, key: int) -> int:
        """Give the row of a key. Raises KeyError if there is none."""
        row = int(np.searchsorted(self.key, key))
        if row == len(self.key) or self.key[row] != key:
            raise KeyError(key)
        return row


class _Entries(NamedTuple):
    """Entries in any order; ``begin`` and ``end`` bound the ranges of each."""

    cell: Ints
    row: Ints
    inside: Ints
    begin: Ints
    end: Ints


def _changes(*columns: Ints | U32) -> Ints:
    """Give the places where a row differs from the one before, and the first."""
    new = np.zeros(len(columns[0]), dtype=bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def _area_below(region: Ranges, pixel: Ints) -> Ints:
    """Give the number of pixels of the region below each pixel."""
    end = np.concatenate(([0], region[:, 1]))
    area = np.concatenate(([0], np.cumsum(region[:, 1] - region[:, 0])))
    passed = np.searchsorted(region[:, 0], pixel, side="right")
    return area[passed] - np.maximum(end[passed] - pixel, 0)
