"""What is said where not one event was counted: never silence, and no limit where nothing was exposed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.epic.events import EventList
    from scripts.epic.region import Shape
    from scripts.epic.selection import Selection

LEVEL = 0.9973
"""Share of the posterior below the limit: 3 sigma."""
COUNTS = -math.log1p(-LEVEL)
"""The limit of the source's counts, whatever the background (:func:`scripts.epic.poisson.upper_limit` for N = 0)."""


def words(seconds: float) -> str:
    """Return what 0 counts in so many seconds of live time mean."""
    if seconds <= 0:
        return "0 counts, and no upper limit: no place of what was asked for was exposed in the good times"
    return f"0 counts: the rate is below {COUNTS / seconds:.3g} ct/s (99.73 %, Bayesian)"


def told(events: EventList, selection: Selection, live: Mapping[int, float], shape: Shape | None) -> str:
    """Return what 0 counts in a region, or in the whole list, mean: its live time is the mean by area."""
    if shape is None:
        return words(max(live.values(), default=0.0))
    # only who counted nothing needs the geometry of the CCDs
    from scripts.epic.area import live_area  # noqa: PLC0415
    from scripts.epic.ccd import Geometry  # noqa: PLC0415
    from scripts.epic.spectrum import exposure  # noqa: PLC0415

    area = live_area(shape, events, Geometry(events) if events.epic else None, selection.flags)
    return words(exposure({}, area, dict(live)))
