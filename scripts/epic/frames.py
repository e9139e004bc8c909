"""The frames of a CCD, EXPOSUnn of an event list: how long it has collected photons up to a time.

In its small window pn takes nine million frames in 50 ks. So the table stays as it stands in the file, and is looked at
block by block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scripts.epic.events import EventList

Floats = NDArray[np.float64]

BLOCK = 1 << 16
"""Frames that are looked at together."""
ENOUGH = 1 << 20
"""Frames whose spacing is looked at where no column has their width."""


class Frames:
    """The live time that a CCD has collected up to a time.

    A frame is [TIME - TIMEDEL/2, TIME + TIMEDEL/2], of which the part FRACEXP is live; pn lists have no TIMEDEL, there
    it is the spacing of the frames. Without EXPOSUnn all time is live.
    """

    def __init__(self, events: EventList, ccd: int) -> None:
        self._events, self._name = events, f"EXPOSU{ccd:02d}"
        self._number = events.length_of(self._name)
        self._order: NDArray[np.intp] | None = None
        self._width: float | None = None
        self._at_hand: tuple[int, Floats, Floats] | None = None
        self._begins = np.empty(0)
        self._gained = np.zeros(1)
        if self._number and not self._in_order():
            times = self._columns(slice(None), "TIME")[0]
            order = np.argsort(times, kind="stable")
            self._order = order[np.isfinite(times[order])]  # a frame of no time is none
            self._number = len(self._order)
        if not self._number:
            return
        if events.columns_of(self._name, "TIMEDEL", part=slice(0), must=False) is None:
            self._width = self._spacing()
        begins, gained = [], [0.0]
        for number in range(-(-self._number // BLOCK)):
            edges, level = self._block(number)
            begins.append(edges[0])
            gained.append(gained[-1] + level[-1])
        self._begins, self._gained = np.array(begins), np.array(gained)

    def upto(self, time: Floats) -> Floats:
        """Return the live time collected up to each time, s."""
        time = np.asarray(time, dtype=np.float64)
        if not self._number:
            return time
        place = np.maximum(np.searchsorted(self._begins, time, side="right") - 1, 0)
        result = np.empty(time.shape)
        for number in np.flatnonzero(np.bincount(place.ravel())).tolist():  # np.unique would import numpy.ma
            mine = place == number
            result[mine] = self._gained[number] + np.interp(time[mine], *self._block(number))
        return result

    def _block(self, number: int) -> tuple[Floats, Floats]:
        """Return the edges of a block of frames, and what it has collected up to each."""
        if self._at_hand is not None and self._at_hand[0] == number:
            return self._at_hand[1:]
        # one frame more, for a frame ends at the latest where the next begins
        part = slice(number * BLOCK, (number + 1) * BLOCK + 1)
        middle, fraction = self._columns(part, "TIME", "FRACEXP")
        width = self._columns(part, "TIMEDEL")[0] if self._width is None else np.full(len(middle), self._width)
        # FRACEXP may pass 1 by rounding; NaN stands for a frame without telemetry
        fraction = np.clip(np.nan_to_num(fraction), 0.0, 1.0)
        width = np.maximum(np.nan_to_num(width), 0.0)  # nor has a frame of no width collected anything
        first = middle - width / 2
        last = np.minimum(middle + width / 2, np.append(first[1:], np.inf))
        first, last, fraction = first[:BLOCK], last[:BLOCK], fraction[:BLOCK]
        gained = np.concatenate([[0.0], np.cumsum(fraction * (last - first))])
        edges = np.column_stack([first, last]).ravel()
        level = np.column_stack([gained[:-1], gained[1:]]).ravel()
        self._at_hand = number, edges, level
        return edges, level

    def _in_order(self) -> bool:
        """Tell whether the frames stand in the order of their times, and each has one."""
        starts = range(0, self._number, BLOCK)
        blocks = (self._columns(slice(at, at + BLOCK + 1), "TIME")[0] for at in starts)
        return all(np.isfinite(times).all() and (np.diff(times) >= 0).all() for times in blocks)

    def _spacing(self) -> float:
        """Return the median spacing of the frames, of some of them where they are very many, s."""
        step = -(-self._number // ENOUGH)
        here, next_ = (self._columns(slice(at, None, step), "TIME")[0] for at in (0, 1))
        number = min(len(here), len(next_))
        return float(np.median(next_[:number] - here[:number])) if number else 0.0

    def _columns(self, part: slice, *names: str) -> list[Floats]:
        """Return columns of a part of the frames in order of time."""
        rows = part if self._order is None else self._order[part]
        found = self._events.columns_of(self._name, *names, part=rows) or []
        return [column.astype(np.float64) for column in found]
