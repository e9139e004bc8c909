"""The union of coverages, from their postings: no coverage is looked at by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from index.healpix import Ints, Ranges, merged, shift, spans
from index.postings import CELL_ORDER, PIXEL_ORDER, Postings

AT_ONCE = 2_000_000
"""Ranges that are joined at once: some 100 MB."""

_INSIDE_SHIFT = 2 * (PIXEL_ORDER - CELL_ORDER)


def union(postings: Postings, keys: Ints | None, order: int) -> Ranges:
    """Give the cells of an order, at most 16, that the coverages with some keys touch, or all coverages do.

    :param keys: shape (n,); those that are not there are passed over.
    """
    number = np.arange(len(postings.row), dtype=np.int64)
    if keys is not None:
        wanted = np.isin(postings.key, keys.astype(postings.key.dtype))
        number = number[wanted[postings.row]]
    up = 2 * (PIXEL_ORDER - order)
    first, stop = postings.first[number].astype(np.int64), postings.first[number + 1].astype(np.int64)
    cell = postings.cell.astype(np.int64)[np.searchsorted(postings.entry, number, side="right") - 1] << _INSIDE_SHIFT
    done = np.zeros((0, 2), np.int64)
    behind = np.cumsum(stop - first)
    cuts = np.searchsorted(behind, np.arange(AT_ONCE, behind[-1] if len(behind) else 0, AT_ONCE)).tolist()
    for low, high in pairwise([0, *cuts, len(number)]):
        some = slice(low, high)
        ranges = spans(first[some], stop[some])
        origin = np.repeat(cell[some], stop[some] - first[some])
        begin = (origin + postings.start[ranges]) >> up
        end = ((origin + postings.last[ranges]) >> up) + 1
        done = merged(np.concatenate((done[:, 0], begin)), np.concatenate((done[:, 1], end)))
    return done << shift(order)


def joined(parts: list[Ranges]) -> Ranges:
    """Give the union of the ranges of several."""
    whole = np.concatenate([np.zeros((0, 2), np.int64), *parts])
    return merged(whole[:, 0], whole[:, 1]) if len(whole) else whole
