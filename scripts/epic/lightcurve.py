"""Light curves: counts and live time per bin, background subtracted, and the blocks of constant rate in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic import exposure
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.gti import Intervals

Floats = NDArray[np.float64]

MOST = 2_000_000
"""Bins of a light curve."""


class Bins(NamedTuple):
    """Bins of one width: bin k is TSTART + k width <= t < TSTART + (k+1) width, as in SAS ``evselect``."""

    start: float
    width: float
    number: int

    @property
    def centre(self) -> Floats:
        """The middles, s, shape (number,)."""
        middles: Floats = self.start + (np.arange(self.number, dtype=np.float64) + 0.5) * self.width
        return middles

    @property
    def edges(self) -> Floats:
        """The ends, s, shape (number + 1,)."""
        ends: Floats = self.start + np.arange(self.number + 1, dtype=np.float64) * self.width
        return ends

    def counts(self, time: Floats) -> NDArray[np.int64]:
        """Return how many of the times lie in each bin."""
        index = np.floor((time - self.start) / self.width)
        index = index[(index >= 0) & (index < self.number)].astype(np.int64)
        return np.bincount(index, minlength=self.number)


def bins(events: EventList, width: float) -> Bins:
    """Return the bins from TSTART to TSTOP of an event list; the last one may reach beyond.

    :raises ScienceError: there would be too many, or the list ends before it begins.
    """
    start, stop = events.number("TSTART"), events.number("TSTOP")
    if not start < stop:
        raise ScienceError(
            f"{events.path.name}[EVENTS]: TSTOP = {stop:.3f} is not after TSTART = {start:.3f} s, so there is no time "
            "to be divided into bins; take the list as the pipeline wrote it."
        )
    number = int(np.ceil((stop - start) / width))
    if number > MOST:
        raise ScienceError(
            f"BINSIZE = {width:g} s makes {number} bins of the {stop - start:.0f} s of {events.path.name}; "
            f"at most {MOST} are allowed, so that BINSIZE must be at least {(stop - start) / MOST:.3g} s."
        )
    return Bins(start, width, number)


def live(events: EventList, where: Bins, times: Mapping[int, Intervals], weights: Mapping[int, float]) -> Floats:
    """Return the live time in each bin, s: the mean over the CCDs by ``weights`` of FRACEXP within the good times."""
    whole = sum(weights.get(ccd, 0.0) for ccd in times)
    seconds = np.zeros(where.number)
    for ccd, good in times.items():
        share = weights.get(ccd, 0.0) / whole if whole else 1.0 / len(times)
        if share:
            seconds += share * exposure.live_per_bin(events, ccd, good, where.edges)
    return np.minimum(seconds, where.width)


class Net(NamedTuple):
    """A background-subtracted light curve; arrays of shape (bins,), NaN where nothing was live."""

    rate: Floats
    error: Floats
    background: Floats
    """Rate of the background in the source region, ct/s."""
    background_error: Floats
    fracexp: Floats


def net(
    source: NDArray[np.int64],
    background: NDArray[np.int64],
    ratio: float,
    live_source: Floats,
    live_background: Floats,
    width: float,
) -> Net:
    """Subtract the background: rate = S / t_S - ratio B / t_B, error = sqrt(S / t_S^2 + ratio^2 B / t_B^2).

    :param ratio: area of the source region over that of the background region.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gross = np.where(live_source > 0, source / live_source, np.nan)
        sky = np.where(live_background > 0, ratio * background / live_background, np.nan)
        gross_error = np.where(live_source > 0, np.sqrt(source) / live_source, np.nan)
        sky_error = np.where(live_background > 0, ratio * np.sqrt(background) / live_background, np.nan)
    return Net(gross - sky, np.hypot(gross_error, sky_error), sky, sky_error, live_source / width)


class Blocks(NamedTuple):
    """Stretches of constant rate: edges in s of shape (n + 1,), counts, live time (n,)."""

    edges: Floats
    counts: NDArray[np.int64]
    live: Floats


def bayesian_blocks(counts: NDArray[np.int64], seconds: Floats, edges: Floats, false_alarm: float) -> Blocks:
    """Return the optimal division into blocks of constant rate (Scargle et al. 2013, ApJ 764, 167).

    Fitness of a block with N counts in T live seconds is N ln(N / T) (their equation 19), less for each block
    ncp = 4 - ln(73.53 p0 n^-0.478) (their equation 21) with p0 the false alarm
    probability and n the bins that were live.
    Bins without live time join the block before them.
    """
    good = np.flatnonzero(seconds > 0)
    if not len(good):
        return Blocks(edges[[0, -1]], np.zeros(1, dtype=np.int64), np.zeros(1))
    n = counts[good].astype(np.float64)
    t = seconds[good]
    number = len(good)
    penalty = 4 - np.log(73.53 * false_alarm * number**-0.478)
    total_n, total_t = np.concatenate([[0], np.cumsum(n)]), np.concatenate([[0], np.cumsum(t)])
    best, last = np.zeros(number + 1), np.zeros(number, dtype=np.intp)
    for end in range(1, number + 1):
        inside, span = total_n[end] - total_n[:end], total_t[end] - total_t[:end]
        fitness = inside * np.log(np.maximum(inside, 1e-300) / span) - penalty + best[:end]
        last[end - 1] = np.argmax(fitness)
        best[end] = fitness[last[end - 1]]
    starts = [number]
    while starts[-1] > 0:
        starts.append(int(last[starts[-1] - 1]))
    cuts = np.array(starts[::-1])
    ends = np.concatenate([edges[good[cuts[:-1]]], [edges[good[-1] + 1]]])
    sums = np.diff(total_n[cuts]).astype(np.int64)
    return Blocks(ends, sums, np.diff(total_t[cuts]))
