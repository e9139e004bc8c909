"""The algebra of good time intervals.

A set of intervals is an array of shape (n, 2), START and STOP in seconds, in order and without overlap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Intervals = NDArray[np.float64]
Floats = NDArray[np.float64]


def normal(intervals: Intervals) -> Intervals:
    """Put intervals in order, join those that touch or overlap and drop the empty ones."""
    rows = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    rows = rows[rows[:, 1] > rows[:, 0]]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    if not len(rows):
        return rows
    reach = np.maximum.accumulate(rows[:, 1])
    first = np.concatenate([[True], rows[1:, 0] > reach[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.column_stack([rows[first, 0], reach[last]])


def intersection(a: Intervals, b: Intervals) -> Intervals:
    """Return the times in both sets."""
    a, b = normal(a), normal(b)
    if not len(a) or not len(b):
        return np.empty((0, 2))
    edges = np.sort(np.concatenate([a.ravel(), b.ravel()]))
    middle = (edges[:-1] + edges[1:]) / 2
    good = contains(a, middle) & contains(b, middle)
    return normal(np.column_stack([edges[:-1], edges[1:]])[good])


def union(a: Intervals, b: Intervals) -> Intervals:
    """Return the times in at least one of the sets."""
    return normal(np.concatenate([np.asarray(one, dtype=np.float64).reshape(-1, 2) for one in (a, b)]))


def complement(intervals: Intervals, start: float, stop: float) -> Intervals:
    """Return the times from ``start`` to ``stop`` that are not in the set."""
    inside = intersection(intervals, np.array([[start, stop]]))
    edges = np.concatenate([[start], inside.ravel(), [stop]])
    return normal(edges.reshape(-1, 2))


def contains(intervals: Intervals, time: Floats) -> NDArray[np.bool_]:
    """Tell which times lie in the set; both ends of an interval belong to it, as in SAS ``gti()``."""
    if not len(intervals):
        return np.zeros(len(time), dtype=bool)
    index = np.searchsorted(intervals[:, 0], time, side="right") - 1
    inside: NDArray[np.bool_] = (index >= 0) & (time <= intervals[np.maximum(index, 0), 1])
    return inside


def duration(intervals: Intervals) -> float:
    """Return the sum of the intervals' lengths in seconds."""
    return float(np.sum(intervals[:, 1] - intervals[:, 0])) if len(intervals) else 0.0
