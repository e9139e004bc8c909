"""The datasets that answer a query, a page of them, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.columns import DATASET, Cell
from index.files import Snapshot
from index.healpix import PIXEL_AREA, Ranges, ranges_of
from index.ids import DatasetIds
from index.query import ORDERS, Mark, Order, Query, Relation
from index.store import CELLS, FEW, DatasetStore, Line

Link = Callable[[str], tuple[str | None, str | None]]
"""Gives address and media type of a dataset by its full id."""

Row = list[Cell]
"""One cell for each of ``index.columns.COLUMNS``."""

HELD = 16_000
"""Datasets whose cells are kept, some 2.5 kB each."""

_ID = CELLS.index("id")
_BY_VALUE, _BY_ID = itemgetter(Line._fields.index("value")), itemgetter(Line._fields.index("id"))
_URL = next(number for number, column in enumerate(DATASET) if column.name == "access_url")


class RecentCells:
    """The cells of datasets that were asked for of late, for as long as the index stays as it is."""

    def __init__(self, store: DatasetStore) -> None:
        self._store = store
        self._held: tuple[str | None, dict[int, Sequence[Any]]] = (None, {})

    def get(self, keys: Sequence[int]) -> tuple[str | None, dict[int, Sequence[Any]]]:
        """Give the cells of datasets by key and their generation, as ``DatasetStore.cells`` does."""
        generation, held = self._held  # other threads set it too
        if generation == self._store.generation():
            found = {key: held[key] for key in keys if key in held}
            if len(found) == len(keys):
                return generation, found
        now, found = self._store.cells(keys)
        if now is None:
            return now, found
        if now != generation or len(held) + len(found) > HELD:
            self._held = (now, dict(found))
        else:
            held.update(found)
        return now, found


Overlap: TypeAlias = tuple[int, int]
"""What a dataset shares with the region, and its own area, in pixels of order 29."""


@dataclass(frozen=True)
class Answer:
    """A page of the datasets that answer a query."""

    generation: str | None
    """Of the datasets; None where they were not read all at once."""
    total: int
    """How many answer it."""
    lines: Sequence[Line]
    """Those of this page, in their order."""
    more: bool
    """Whether more come behind this page."""
    next: Mark | None
    """After what the next page begins; None if this one is the last, or empty."""
    _store: DatasetStore
    _ids: DatasetIds
    _order: int | None
    """Of the region."""
    _size: int
    """Of the region, in pixels of order 29."""
    _overlaps: dict[int, Overlap] = field(default_factory=dict)
    _cells: dict[int, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, link: Link | None = None) -> Iterator[Row]:
        """Give the rows, reading some hundred at a time; one that is removed meanwhile may be missing."""
        for key, cells in self.cells():
            yield [*self.of_dataset(cells, link), *self.of_match(key, cells)]

    def cells(self, known: Mapping[int, Sequence[Any]] | None = None) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give key and cells as they are in SQL for each row.

        :param known: by key what is to be given in the place of cells, which are then not read.
        """
        known = known or {}
        lines = iter(self.lines)
        while some := list(islice(lines, FEW)):
            keys = [line.key for line in some if line.key not in known]
            cells = self._cells or (self._store.cells(keys)[1] if keys else {})
            for line in some:
                if line.key in known:
                    yield line.key, known[line.key]
                elif line.key in cells:
                    yield line.key, cells[line.key]

    def of_dataset(self, cells: Sequence[Any], link: Link | None = None) -> tuple[Cell, ...]:
        """Give the cells of ``index.columns.DATASET``."""
        ivoid = self._ids.full(cells[1])
        url, media_type = link(ivoid) if link else (None, cells[_URL])
        before = (cells[1], ivoid, *cells[2:_URL], url, media_type)
        return (*before, *cells[_URL + 1 : -3], bool(cells[-3]), bool(cells[-2]), cells[-1])

    def of_match(self, key: int, cells: Sequence[Any]) -> tuple[Cell, ...]:
        """Give the cells of ``index.columns.MATCH``."""
        if self._order is None:
            return None, None, None, None, None, cells[0]
        overlap, area = self._overlaps[key]
        share = overlap / self._size
        parts = (overlap * PIXEL_AREA, overlap / area, share, overlap == self._size, overlap == area)
        return *parts, min(cells[0], self._order)

    def widths(self) -> dict[str, int]:
        """Give the most characters that the texts of a column can have."""
        widths = self._store.widths()
        return {**widths, "obs_publisher_did": widths["id"] + len(self._ids.full(""))}


def answer(
    store: DatasetStore,
    recent: RecentCells,
    ids: DatasetIds,
    snapshot: Callable[[bool], Snapshot],
    query: Query,
) -> Answer:
    """Answer a query. Raises DatasetIdError, RegionError if the region cannot be built, and DamagedIndexError.

    :param snapshot: gives the coverages, the newest ones if they are told to be.
    """
    named = frozenset(map(ids.short, query.ids))
    if query.region is None:
        return _of_all(store, ids, query, named)
    order = query.ordered
    ranges = ranges_of(query.region.moc())
    size = int((ranges[:, 1] - ranges[:, 0]).sum())
    newest = False
    while True:
        coverages = snapshot(newest)
        overlaps = sharing(coverages, ranges, size, query.relation)
        keys = list(overlaps)
        cells: dict[int, Sequence[Any]] = {}
        generation: str | None
        if len(keys) <= FEW:
            simple = not named and not query.filters
            generation, cells = recent.get(keys) if simple else store.cells(keys, named, query.filters)
            at = CELLS.index(ORDERS[order.by] or "id")
            lines = [Line(key, found[at], found[_ID]) for key, found in cells.items()]
        else:
            generation, lines = store.lines(keys, named, query.filters, order)
        if generation == coverages.generation:
            break
        newest = True
    if order.by == "overlap":
        lines = [Line(key, overlaps[key][0] * PIXEL_AREA, id_) for key, _, id_ in lines]
    page, more = _page(_ordered(lines, order), order, query)
    following = _mark(page, order) if more else None
    return Answer(generation, len(lines), page, more, following, store, ids, query.region.order, size, overlaps, cells)


def _of_all(store: DatasetStore, ids: DatasetIds, query: Query, named: frozenset[str]) -> Answer:
    """Answer a query without a region: SQL does it all."""
    total = store.total(named, query.filters)
    limit = None if query.limit is None else query.limit + 1
    lines = store.page(named, query.filters, query.ordered, after=query.after, offset=query.offset, limit=limit)
    page = lines[: query.limit]
    more = len(page) < len(lines)
    return Answer(None, total, page, more, _mark(page, query.ordered) if more else None, store, ids, None, 0)


def sharing(coverages: Snapshot, ranges: Ranges, size: int, relation: Relation) -> dict[int, Overlap]:
    """Give the datasets that stand in a relation to the region, by key."""
    keys, overlap, area = coverages.overlaps(ranges)
    if relation != "overlaps":
        fits: NDArray[np.bool_] = overlap == (area if relation == "inside" else size)
        keys, overlap, area = keys[fits], overlap[fits], area[fits]
    return dict(zip(keys.tolist(), zip(overlap.tolist(), area.tolist(), strict=True), strict=True))


def _ordered(lines: list[Line], order: Order) -> list[Line]:
    """Sort lines: what has no value comes last, and of those with the same value, the ids ascend."""
    if order.by == "id":
        return sorted(lines, key=_BY_ID, reverse=order.descending)
    lines.sort(key=_BY_ID)
    known = [line for line in lines if line.value is not None]
    known.sort(key=_BY_VALUE, reverse=order.descending)
    return known + [line for line in lines if line.value is None]


def _page(lines: list[Line], order: Order, query: Query) -> tuple[list[Line], bool]:
    """Give the lines of the page asked for, and whether there are more."""
    first = query.offset
    if query.after is not None:
        mark = query.after
        first = next((number for number, line in enumerate(lines) if _is_behind(line, mark, order)), len(lines))
    last = len(lines) if query.limit is None else first + query.limit
    return lines[first:last], last < len(lines)


def _is_behind(line: Line, mark: Mark, order: Order) -> bool:
    if order.by == "id":
        return line.id < mark.id if order.descending else line.id > mark.id
    if line.value is None or mark.value is None:
        return line.value is None and (mark.value is not None or line.id > mark.id)
    if line.value == mark.value:
        return line.id > mark.id
    below = line.value < mark.value  # type: ignore[operator]
    return below == order.descending


def _mark(page: Sequence[Line], order: Order) -> Mark | None:
    if not page:
        return None
    return Mark(None if order.by == "id" else page[-1].value, page[-1].id)
