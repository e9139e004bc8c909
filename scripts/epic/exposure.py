"""Live time: how long a CCD really collected photons.

LIVETIME = the sum over frames of FRACEXP times the overlap of the frame with the good times (EXPOSUnn of the
event list).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scripts.epic import gti
from scripts.epic.events import EventList
from scripts.epic.gti import Intervals


def on_times(events: EventList, quiet: Intervals | None) -> dict[int, Intervals]:
    """Return the good times of each CCD, cut to ``quiet`` where given."""
    if quiet is None:
        return events.standard_gti
    return {ccd: gti.intersection(times, quiet) for ccd, times in events.standard_gti.items()}


def live_time(events: EventList, ccd: int, times: Intervals) -> float:
    """Return the live time of a CCD within ``times``, seconds.

    It is the share of the header's LIVETInn that :func:`collected` gives to ``times``: some dead time is in
    LIVETInn and not in FRACEXP, as the read-out of the pn camera, 6 % of a full frame. Agrees with SAS
    to 0.25 % after a flare filter, where SAS drops about one frame at each edge.
    """
    part, whole = collected(events, ccd, times), collected(events, ccd, events.standard_gti[ccd])
    header = events.keyword(f"LIVETI{ccd:02d}")
    return part * float(header) / whole if header is not None and whole > 0 else part


def collected(events: EventList, ccd: int, times: Intervals) -> float:
    """Return the sum over a CCD's frames of FRACEXP times the overlap with ``times``, seconds.

    A frame is [TIME - TIMEDEL/2, TIME + TIMEDEL/2]; pn lists have no TIMEDEL, there it is the spacing of the
    frames. Without EXPOSUnn all of ``times`` counts.
    """
    level = _frames(events, ccd)
    return float(np.sum(level(times[:, 1]) - level(times[:, 0])))


def live_per_bin(events: EventList, ccd: int, times: Intervals, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the live time of a CCD within ``times`` in each bin, s, shape (len(edges) - 1,).

    Exact also where good times begin or end within a bin; scaled as :func:`live_time` is.
    """
    times = gti.normal(times)
    if not len(times):
        return np.zeros(len(edges) - 1)
    level = _frames(events, ccd)
    gained = np.concatenate([[0.0], np.cumsum(level(times[:, 1]) - level(times[:, 0]))])
    index = np.searchsorted(times[:, 0], edges, side="right")
    inside = np.maximum(index - 1, 0)
    part = level(np.clip(edges, times[inside, 0], times[inside, 1])) - level(times[inside, 0])
    reached = gained[inside] + np.where(index > 0, part, 0.0)
    whole = collected(events, ccd, events.standard_gti[ccd])
    header = events.keyword(f"LIVETI{ccd:02d}")
    scale = float(header) / whole if header is not None and whole > 0 else 1.0
    return np.maximum(np.diff(reached), 0.0) * scale


def _frames(events: EventList, ccd: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the live time that a CCD has collected up to a time, as a function."""
    key = (__name__, ccd)
    if key not in events.derived:
        events.derived[key] = _collect(events, ccd)
    level: Callable[[NDArray[np.float64]], NDArray[np.float64]] = events.derived[key]
    return level


def _collect(events: EventList, ccd: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    name = f"EXPOSU{ccd:02d}"
    frames = events.columns_of(name, "TIME", "FRACEXP")
    if frames is None or not len(frames[0]):
        return lambda time: np.asarray(time, dtype=np.float64)
    order = np.argsort(frames[0], kind="stable")
    middle, fraction = (column[order].astype(np.float64) for column in frames)
    widths = events.columns_of(name, "TIMEDEL", must=False)
    if widths is not None:
        width = widths[0][order].astype(np.float64)
    else:
        spacing = np.diff(middle)
        width = np.full(len(middle), np.median(spacing) if len(spacing) else 0.0)
    # FRACEXP may pass 1 by rounding; NaN stands for a frame without telemetry
    fraction = np.clip(np.nan_to_num(fraction), 0.0, 1.0)
    first = middle - width / 2
    last = np.minimum(middle + width / 2, np.append(first[1:], np.inf))
    gained = np.concatenate([[0.0], np.cumsum(fraction * (last - first))])
    # cumulative live time at the frames' edges: rises within a frame, is flat between frames
    edges = np.column_stack([first, last]).ravel()
    level = np.column_stack([gained[:-1], gained[1:]]).ravel()
    return lambda time: np.interp(time, edges, level)


def live_times(events: EventList, times: dict[int, Intervals]) -> dict[int, float]:
    """Return the live time of each CCD, seconds."""
    return {ccd: live_time(events, ccd, intervals) for ccd, intervals in times.items()}
