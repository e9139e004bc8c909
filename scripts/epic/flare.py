"""The filter against soft proton flares.

As the SAS thread "How to filter EPIC event lists for flaring background" has it: the rate of single events
above 10 keV in the whole camera, in bins of 100 s; times with too high a rate are dropped. Equal to
``evselect`` and ``tabgtigen`` to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic import gti
from scripts.epic.events import EventList
from scripts.epic.gti import Intervals

WIDTH = 100.0
"""Seconds per bin of the flare curve."""


class FlareCurve(NamedTuple):
    """The rate that betrays flares."""

    start: float
    """Of the first bin, s."""
    counts: NDArray[np.int64]
    """Per bin of :data:`WIDTH`."""

    @property
    def time(self) -> NDArray[np.float64]:
        """The bins' centres, s."""
        centres: NDArray[np.float64] = self.start + (np.arange(len(self.counts), dtype=np.float64) + 0.5) * WIDTH
        return centres

    @property
    def rate(self) -> NDArray[np.float64]:
        """Counts per second; the last, incomplete bin is divided by the full width too, as in SAS."""
        rate: NDArray[np.float64] = self.counts / WIDTH
        return rate

    def quiet(self, threshold: float) -> Intervals:
        """Return the times of all bins whose rate is at most ``threshold`` ct/s."""
        first = self.start + np.arange(len(self.counts)) * WIDTH
        last = self.start + np.arange(1, len(self.counts) + 1) * WIDTH
        return gti.normal(np.column_stack([first, last])[self.rate <= threshold])


def curve(events: EventList) -> FlareCurve:
    """Return the flare curve of an event list."""
    events = events.hard
    low, high = events.camera.flare_band
    energy = events.column("PI")
    keep = (energy >= low) & (events.column("PATTERN") == 0)
    if high is not None:
        keep &= energy <= high
    keep &= events.flagged_clear(events.camera.macro)
    start, stop = events.number("TSTART"), events.number("TSTOP")
    bins = max(1, int(np.ceil((stop - start) / WIDTH)))
    index = np.floor((events.column("TIME")[keep] - start) / WIDTH).astype(np.int64)
    index = index[(index >= 0) & (index < bins)]
    return FlareCurve(start, np.bincount(index, minlength=bins))
