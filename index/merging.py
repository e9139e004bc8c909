"""Several postings made one, some cells at a time, so that memory holds little of what is merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.healpix import Ints, spans
from index.postings import U32, Postings

MAX_RANGES = (1 << 32) - 1
"""In one postings, whose entries count them in 32 bits."""
BLOCK = 4_000_000
"""Ranges that are merged at once, some 200 MB; one cell may have more."""

Lengths: TypeAlias = dict[str, int]
"""Of the arrays of postings, by name."""
Allocate: TypeAlias = Callable[[Lengths], Postings]
"""Gives postings with arrays of these lengths, to be written to."""

_DTYPES = {"area": np.int64, "order": np.uint8, "start": np.uint16, "last": np.uint16}


@dataclass(frozen=True)
class Part:
    """Postings, and the keys that are to be left out of them; a key is in one part only."""

    postings: Postings
    without: U32


def in_memory(lengths: Lengths) -> Postings:
    """Allocate arrays in memory."""
    return Postings(**{name: np.empty(length, _DTYPES.get(name, np.uint32)) for name, length in lengths.items()})


def merge(parts: Sequence[Part], allocate: Allocate = in_memory) -> Postings:
    """Make one of several. Raises OverflowError if it would have more ranges than postings can hold."""
    kept = [_kept(part) for part in parts]
    keys = np.concatenate([_NOTHING, *(keep.key for keep in kept)])
    keys.sort()
    cells = np.unique(np.concatenate([_NOTHING, *(keep.cell for keep in kept)]))
    ranges = sum(keep.ranges for keep in kept)
    if ranges > MAX_RANGES:
        raise OverflowError(f"{ranges:,} ranges are more than the {MAX_RANGES:,} that one segment can hold")
    entries = sum(keep.entries for keep in kept)
    merged = allocate(
        {
            **dict.fromkeys(("key", "area", "order"), len(keys)),
            **{"cell": len(cells), "entry": len(cells) + 1, "row": entries, "inside": entries},
            **{"first": entries + 1, "start": ranges, "last": ranges},
        }
    )
    merged.key[:] = keys
    merged.cell[:] = cells
    ranks = []
    for part, keep in zip(parts, kept, strict=True):
        rank = keys.searchsorted(part.postings.key).astype(np.uint32)
        ranks.append(rank)
        merged.area[rank[keep.rows]] = part.postings.area[keep.rows]
        merged.order[rank[keep.rows]] = part.postings.order[keep.rows]
    merged.entry[0] = merged.first[0] = 0
    at = entry = first = 0
    for low, high in _blocks(parts, cells):
        slices = [_slice(part, keep, rank, low, high) for part, keep, rank in zip(parts, kept, ranks, strict=True)]
        block = _joined([piece for piece in slices if len(piece.row)])
        new = np.flatnonzero(np.diff(block.cell, append=-1))  # the last entry of each cell
        merged.entry[at + 1 : at + 1 + len(new)] = entry + new + 1
        merged.row[entry : entry + len(block.row)] = block.row
        merged.inside[entry : entry + len(block.row)] = block.inside
        merged.first[entry + 1 : entry + 1 + len(block.row)] = first + np.cumsum(block.count)
        merged.start[first : first + len(block.start)] = block.start
        merged.last[first : first + len(block.start)] = block.last
        at, entry, first = at + len(new), entry + len(block.row), first + len(block.start)
    return merged


_NOTHING: U32 = np.zeros(0, np.uint32)


@dataclass(frozen=True)
class _Kept:
    """What is kept of a part."""

    rows: NDArray[np.bool_]
    all: bool
    key: U32
    cell: U32
    entries: int
    ranges: int


def _kept(part: Part) -> _Kept:
    mine = part.postings
    if not len(part.without):
        return _Kept(np.ones(len(mine.key), bool), True, mine.key, mine.cell, len(mine.row), len(mine.start))
    rows = ~np.isin(mine.key, part.without)
    entries = rows[mine.row]
    cells = np.logical_or.reduceat(entries, mine.entry[:-1]) if len(mine.cell) else np.zeros(0, bool)
    # 32 bits are enough for differences, whatever they are differences of
    ranges = int(np.diff(mine.first)[entries].sum(dtype=np.int64))
    return _Kept(rows, False, mine.key[rows], mine.cell[cells], int(entries.sum()), ranges)


def _blocks(parts: Sequence[Part], cells: U32) -> list[tuple[int, int]]:
    """Cut the cells into runs with some million ranges each."""
    if not len(cells):
        return []
    below = np.zeros(len(cells), np.int64)
    for part in parts:
        below += part.postings.first[part.postings.entry[part.postings.cell.searchsorted(cells)]]
    cuts = np.unique(below.searchsorted(np.arange(0, below[-1] + 1, BLOCK)))
    bounds = [int(cells[cut]) for cut in cuts[1:] if cut < len(cells)]
    return list(zip([0, *bounds], [*bounds, int(cells[-1]) + 1], strict=True))


@dataclass(frozen=True)
class _Piece:
    """Entries of some cells, with their ranges."""

    cell: Ints
    row: U32
    inside: U32
    count: Ints
    """Ranges of each entry."""
    start: NDArray[np.uint16]
    last: NDArray[np.uint16]


def _slice(part: Part, keep: _Kept, rank: U32, low: int, high: int) -> _Piece:
    """Give what is kept of a part in the cells from low to high, with rows as they are numbered now."""
    mine = part.postings
    at, to = mine.cell.searchsorted(np.array([low, high], np.uint32)).tolist()
    begin, end = int(mine.entry[at]), int(mine.entry[to])
    first = mine.first[begin : end + 1].astype(np.int64)
    ranges = slice(int(first[0]), int(first[-1]))
    count = np.diff(first)
    row = mine.row[begin:end]
    cell = np.repeat(mine.cell[at:to].astype(np.int64), np.diff(mine.entry[at : to + 1]))
    piece = _Piece(cell, rank[row], mine.inside[begin:end], count, mine.start[ranges], mine.last[ranges])
    if keep.all:
        return piece
    entries = keep.rows[row]
    its = np.repeat(entries, count)
    return _Piece(
        cell[entries], piece.row[entries], piece.inside[entries], count[entries], piece.start[its], piece.last[its]
    )


def _joined(pieces: Sequence[_Piece]) -> _Piece:
    """Make one of pieces of the same cells, by cell and row."""
    if len(pieces) == 1:
        return pieces[0]
    cell, row, inside, count, start, last = (
        np.concatenate([getattr(piece, name) for piece in pieces] or [_NOTHING])
        for name in ("cell", "row", "inside", "count", "start", "last")
    )
    by_cell = np.argsort(cell << 32 | row)
    end = np.cumsum(count)
    ranges = spans((end - count)[by_cell], end[by_cell])
    return _Piece(cell[by_cell], row[by_cell], inside[by_cell], count[by_cell], start[ranges], last[ranges])
