"""Where the events of a list came from, for maps of the whole archive: ``AMORA_POSITIONS``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.epic import selection
from scripts.epic.events import EventList
from scripts.epic.task import Parameters

BAND = {"EMIN": 0.5, "EMAX": 10.0}
"""keV: what the script ``image`` counts by default."""


def positions(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination, ICRS degrees, of the events that ``image`` counts by default.

    :raises scripts.epic.errors.ScienceError: the list cannot be used; says why.
    """
    events = EventList(path)
    keep = selection.select(events, Parameters(BAND), blind=True).mask(events)
    x, y = (events.column(axis)[keep].astype(np.float64) for axis in "XY")
    return events.projection.to_sky(x, y)
