"""Which coverages overlap a region, and by how much, without looking at the others: arrays alone, no files.

The sky is cut into the cells of order 8 (14 arcmin). Each cell has one *entry* per coverage that touches it,
with the area that it has there and its ranges inside the cell as 16-bit pixels of order 16 (3.2 arcsec). For
a cell that lies wholly in the region the stored area is the answer; ranges are compared only in the cells at
its border. All in integers, hence exact; the time follows the number of rows answered, not of those stored.

For most regions a call of numpy costs more than what it does, so that the calls are counted: a position makes some
fifteen of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.healpix import MAX_ORDER, Ints, Ranges, merged, shift, spans

CELL_ORDER = 8
PIXEL_ORDER = 16
"""The finest order that is kept."""

_CELL_SHIFT = shift(CELL_ORDER)
_PIXEL_SHIFT = shift(PIXEL_ORDER)
_INSIDE_SHIFT = _CELL_SHIFT - _PIXEL_SHIFT
_CELL = 1 << _CELL_SHIFT
_IN_CELL = _CELL - 1
_IN_PIXEL = (1 << _INSIDE_SHIFT) - 1
_FEW = 12
"""Slices that are joined one by one; more of them are gathered."""
_DENSE = 0.5
"""Entries of a table of the region that are worth one range which is looked up in it."""
_SMALL = 2000
"""Rows that are sorted at one go."""

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


class Overlaps(NamedTuple):
    """What a region finds; all arrays have one row per coverage that overlaps it."""

    key: Ints
    overlap: Ints
    """In pixels of order 29; larger than 0."""
    area: Ints
    """Of the whole coverage, in pixels of order 29."""


class Asked:
    """A region, cut at the borders of the cells; made once for all segments."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self._begin: Ints = np.ascontiguousarray(ranges[:, 0])
        self._length: Ints = ranges[:, 1] - self._begin
        self.only: int | None = None
        """The cell that the region lies in, if it is one; ``within`` and ``border`` are not needed then."""
        if len(ranges) and (low := int(ranges[0, 0]) >> _CELL_SHIFT) == (int(ranges[-1, 1]) - 1) >> _CELL_SHIFT:
            self.only = low
            return
        long = ranges.take((self._length >= _CELL).nonzero()[0], 0)
        long[:, 0] += _IN_CELL
        long >>= _CELL_SHIFT
        self.within: U32 = long.astype(np.uint32)
        """First cell and the one after the last, shape (n, 2), of each run of cells wholly in it; some are empty."""
        bounds = ranges.ravel()
        cut = bounds.take((bounds & _IN_CELL).nonzero()[0])
        cut >>= _CELL_SHIFT
        self.border: U32 = cut.take(_changes(cut)).astype(np.uint32)
        """The cells that lie partly in it."""

    @cached_property
    def pixel(self) -> int | None:
        """The pixel of order 16 in its cell that the whole region lies in, if it lies in one."""
        first, last = int(self.ranges[0, 0]) >> _PIXEL_SHIFT, (int(self.ranges[-1, 1]) - 1) >> _PIXEL_SHIFT
        return first & _IN_PIXEL if first == last else None

    @cached_property
    def size(self) -> int:
        """In pixels of order 29."""
        return int(self.below[1][-1])

    @cached_property
    def below(self) -> tuple[Ints, Ints]:
        """End of each range and pixels of the region below it, both with a 0 before."""
        table = np.zeros((2, len(self.ranges) + 1), np.int64)
        table[0, 1:] = self.ranges[:, 1]
        self._length.cumsum(out=table[1, 1:])
        return table[0], table[1]

    @cached_property
    def _order(self) -> int:
        """The order of the finest bound."""
        bounds = int(np.bitwise_or.reduce(self.ranges, axis=None))
        return MAX_ORDER - ((bounds & -bounds).bit_length() - 1) // 2

    def table(self, cells: U32, lookups: int) -> _Table | None:
        """Tabulate the region in some cells, if that is less than to search it so many times."""
        order = max(self._order, CELL_ORDER)
        parts = 4 ** (order - CELL_ORDER) + 1
        if order > PIXEL_ORDER or parts * len(cells) > _DENSE * lookups:
            return None
        bounds = (cells.astype(np.int64)[:, None] << _CELL_SHIFT) + (np.arange(parts) << shift(order))
        below = self.area_below(bounds) >> _PIXEL_SHIFT
        bits = 2 * (PIXEL_ORDER - order)
        covered = np.diff(below, axis=1, append=below[:, -1:]) >> bits
        return _Table(parts, bits, (below - below[:, :1]).astype(np.int32).ravel(), covered.astype(np.int32).ravel())

    def area_below(self, pixel: Ints) -> Ints:
        """Give the number of pixels of the region below each pixel."""
        end, area = self.below
        passed = self._begin.searchsorted(pixel, side="right")
        found: Ints = area.take(passed)
        over = end.take(passed)
        over -= pixel
        found -= np.maximum(over, 0, out=over)
        return found


class _Table(NamedTuple):
    """A region in some cells, each cut into parts that lie wholly in it or wholly outside."""

    parts: int
    """Of a cell, and one for its end."""
    bits: int
    """Of a pixel within a part."""
    below: NDArray[np.int32]
    """Pixels of order 16 of the region in the cell below each part."""
    covered: NDArray[np.int32]
    """Whether it lies in the region, 1 or 0."""

    def between(self, start: U16, last: U16, count: Ints) -> NDArray[np.int32]:
        """Give the pixels of the region in ranges, so many of them in each cell."""
        origin = np.arange(0, self.parts * len(count), self.parts, dtype=np.int32).repeat(count)
        area = self._below(origin, last.astype(np.int32) + 1)
        area -= self._below(origin, start.astype(np.int32))
        return area

    def _below(self, origin: NDArray[np.int32], pixel: NDArray[np.int32]) -> NDArray[np.int32]:
        part = pixel >> self.bits
        part += origin
        pixel &= (1 << self.bits) - 1
        pixel *= self.covered.take(part)
        pixel += self.below.take(part)
        return pixel


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
        """Build from coverages with different keys, some million ranges together."""
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
        key = np.array([coverage.key for coverage in coverages], dtype=np.uint32)
        order = np.array([coverage.order for coverage in coverages], dtype=np.uint8)
        area = np.bincount(row, last - start + 1, minlength=len(key)).astype(np.int64)
        # from the order of rows to that of cells
        ends = np.append(new[1:], len(row))[: len(new)]
        inside = np.add.reduceat(last - start + 1, new) if len(new) else new
        by_cell = np.argsort(cell[new] << 32 | row[new])
        begin, end, cell, row = new[by_cell], ends[by_cell], cell[new][by_cell], row[new][by_cell]
        ranges, first_of_cell = spans(begin, end), _changes(cell)
        return cls(
            key=key,
            area=area,
            order=order,
            cell=cell[first_of_cell].astype(np.uint32),
            entry=np.append(first_of_cell, len(cell)).astype(np.uint32),
            row=row.astype(np.uint32),
            inside=inside[by_cell].astype(np.uint32),
            first=np.concatenate(([0], np.cumsum(end - begin))).astype(np.uint32),
            start=start[ranges].astype(np.uint16),
            last=last[ranges].astype(np.uint16),
        )

    def overlaps(self, asked: Asked) -> Overlaps:
        """Find the coverages that overlap a region, and by how much."""
        row, overlap = self._in_cell(asked, asked.only) if asked.only is not None else self._in_cells(asked)
        area: Ints = self.area.take(row)
        area <<= _PIXEL_SHIFT
        return Overlaps(self.key.take(row).astype(np.int64), overlap, area)

    def _in_cell(self, asked: Asked, cell: int) -> tuple[U32, Ints]:
        """Give row and overlap of each coverage, where the region lies in one cell."""
        at = int(self.cell.searchsorted(np.uint32(cell)))
        if at == len(self.cell) or self.cell[at] != cell:
            return _NO_ROW, _NO_AREA
        low, high = self.entry[at : at + 2].tolist()
        first = self.first[low : high + 1]
        begin, end = int(first[0]), int(first[-1])
        start, last = self.start[begin:end], self.last[begin:end]
        if asked.pixel is not None:
            hit = ((start <= asked.pixel) & (last >= asked.pixel)).nonzero()[0]
            entries = first.searchsorted((hit + begin).astype(np.uint32), side="right")
            return self.row[low:high][entries - 1], np.full(len(hit), asked.size)
        bounds = np.empty((2, end - begin), np.int64)
        bounds[0], bounds[1] = start, last
        bounds[1] += 1
        bounds <<= _PIXEL_SHIFT
        bounds += cell << _CELL_SHIFT
        below = asked.area_below(bounds)
        area = np.add.reduceat(below[1] - below[0], (first[:-1] - first[0]).astype(np.intp))
        hit = area.nonzero()[0]
        return self.row[low:high][hit], area[hit]

    def _in_cells(self, asked: Asked) -> tuple[U32, Ints]:
        """Give row and overlap of each coverage."""
        within, border = self._within(asked), self._at_border(asked)
        row, area = np.concatenate((within[0], border[0])), np.concatenate((within[1], border[1]))
        if not len(row):
            return _NO_ROW, _NO_AREA
        row, area = _by_row(row, area)
        new = _changes(row)
        return row.take(new), np.add.reduceat(area, new)

    def _within(self, asked: Asked) -> tuple[U32, Ints]:
        """Give row and overlap of the entries in cells that lie wholly in the region."""
        if not len(asked.within):
            return _NO_ROW, _NO_AREA
        bounds = self.entry[self.cell.searchsorted(asked.within)]
        if len(bounds) <= _FEW:
            runs = bounds.tolist()
            row = np.concatenate([self.row[low:high] for low, high in runs])
            inside = np.concatenate([self.inside[low:high] for low, high in runs])
        else:
            entries = spans(*bounds.T.astype(np.int64))
            row, inside = self.row[entries], self.inside[entries]
        area: Ints = inside.astype(np.int64)
        area <<= _PIXEL_SHIFT
        return row, area

    def _at_border(self, asked: Asked) -> tuple[U32, Ints]:
        """Give row and overlap of the entries in cells that lie partly in the region."""
        if not len(asked.border) or not len(self.cell):
            return _NO_ROW, _NO_AREA
        at = self.cell.searchsorted(asked.border)
        at = at[self.cell.take(at, mode="clip") == asked.border]
        if not len(at):
            return _NO_ROW, _NO_AREA
        entries, first, count, ranges = self._few(at) if len(at) <= _FEW else self._many(at)
        table = asked.table(self.cell[at], len(ranges[0])) if len(at) > _FEW else None
        if table is not None:
            inside = np.add.reduceat(table.between(*ranges, np.asarray(count)), first, dtype=np.int64)
            hit = inside.nonzero()[0]
            return entries[hit], inside[hit] << _PIXEL_SHIFT
        bounds = np.empty((2, len(ranges[0])), np.int64)
        bounds[0], bounds[1] = ranges
        bounds[1] += 1
        bounds <<= _PIXEL_SHIFT
        bounds += (self.cell.take(at).astype(np.int64) << _CELL_SHIFT).repeat(count)
        below = asked.area_below(bounds)
        area = np.add.reduceat(below[1] - below[0], first)
        hit = area.nonzero()[0]
        return entries.take(hit), area.take(hit)

    def _few(self, at: Ints) -> tuple[U32, Ints, Ints | list[int], tuple[U16, U16]]:
        """Give the entries of a few cells by their slices, which lie together."""
        bounds = list(zip(self.entry[at].tolist(), self.entry[at + 1].tolist(), strict=True))
        begin = [int(self.first[low]) for low, _ in bounds]
        end = [int(self.first[high]) for _, high in bounds]
        before, shifts, count = 0, [], []
        for low, high in zip(begin, end, strict=True):
            shifts.append(low - before)
            count.append(high - low)
            before += high - low
        row = np.concatenate([self.row[low:high] for low, high in bounds])
        first = np.concatenate([self.first[low:high] for low, high in bounds]).astype(np.int64)
        first -= np.array(shifts).repeat([high - low for low, high in bounds])
        runs = list(zip(begin, end, strict=True))
        start = np.concatenate([self.start[low:high] for low, high in runs])
        return row, first, count, (start, np.concatenate([self.last[low:high] for low, high in runs]))

    def _many(self, at: Ints) -> tuple[U32, Ints, Ints | list[int], tuple[U16, U16]]:
        """Give row, first range, and the ranges of the entries of many cells, and how many ranges each cell has."""
        low, high = self.entry[at].astype(np.int64), self.entry[at + 1].astype(np.int64)
        entries = spans(low, high)
        begin, end = self.first[low].astype(np.int64), self.first[high].astype(np.int64)
        ranges, count = spans(begin, end), end - begin
        first = self.first[entries] - (begin - count.cumsum() + count).repeat(high - low)
        return self.row[entries], first, count, (self.start[ranges], self.last[ranges])

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

    def has(self, key: int) -> bool:
        """Tell whether there is a coverage with a key."""
        row = int(self.key.searchsorted(np.uint32(key)))
        return row < len(self.key) and int(self.key[row]) == key

    def row_of(self, key: int) -> int:
        """Give the row of a key. Raises KeyError if there is none."""
        if not self.has(key):
            raise KeyError(key)
        return int(self.key.searchsorted(np.uint32(key)))


_NO_ROW: U32 = np.zeros(0, np.uint32)
_NO_AREA: Ints = np.zeros(0, np.int64)
NO_OVERLAPS = Overlaps(_NO_AREA, _NO_AREA, _NO_AREA)


def _by_row(row: U32, area: Ints) -> tuple[U32, Ints]:
    """Sort by row."""
    if len(row) < _SMALL:
        order = row.argsort(kind="stable")
    else:  # numbers of 16 bits are sorted by their digits: twice that takes half as long
        order = row.astype(np.uint16).argsort(kind="stable")
        order = order[(row >> np.uint32(16)).astype(np.uint16)[order].argsort(kind="stable")]
    return row.take(order), area.take(order)


def _changes(*columns: Ints | U32) -> Ints:
    """Give the places where a row differs from the one before, and the first."""
    new = np.ones(len(columns[0]), dtype=bool)
    np.not_equal(columns[0][1:], columns[0][:-1], out=new[1:])
    for column in columns[1:]:
        new[1:] |= column[1:] != column[:-1]
    return new.nonzero()[0]
