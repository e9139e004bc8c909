"""What a product of a source is made of: its region, a background, the events of both, their live times and areas."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scripts.epic import area, background, exposure, nothing, region, task
from scripts.epic.ccd import Geometry
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.region import Shape
from scripts.epic.selection import Selection, select
from scripts.epic.spectrum import check_area
from scripts.epic.spectrum import exposure as exposure_of


class Extraction:
    """A source and its background in one event list."""

    def __init__(self, events: EventList, selection: Selection, source: Shape, background: Shape) -> None:
        self.events, self.selection = events, selection
        self.source, self.background = source, background

    @cached_property
    def keep(self) -> NDArray[np.bool_]:
        """The events that the selection leaves, shape (n,)."""
        return self.selection.mask(self.events)

    def inside(self, shape: Shape) -> NDArray[np.bool_]:
        """Tell which events are selected and lie in a region, shape (n,)."""
        mine = self.keep.copy()
        mine[mine] = shape.contains(self.events.column("X")[mine], self.events.column("Y")[mine])
        return mine

    @cached_property
    def live(self) -> dict[int, float]:
        """The live time of each CCD in the good times, s."""
        return exposure.live_times(self.events, self.selection.times)

    @property
    def areas(self) -> tuple[dict[int, float], dict[int, float]]:
        """The live areas of source and background by CCD, (0.05 arcsec)^2."""
        (source, _), (sky, _) = self._measured
        return source, sky

    @property
    def shares(self) -> tuple[float, float]:
        """How much of the source and of the background region is live detector."""
        source, sky = (min(1.0, sum(live.values()) / drawn) for live, drawn in self._measured)
        return source, sky

    @cached_property
    def _measured(self) -> list[tuple[dict[int, float], float]]:
        """The live area of source and background by CCD, and what is drawn of them.

        :raises ScienceError: one of them has none, or lies on CCDs without live time.
        """
        geometry = Geometry(self.events) if self.events.epic else None
        found: list[tuple[dict[int, float], float]] = []
        for shape, name in ((self.source, ""), (self.background, "BACKGROUND: ")):
            live_area, drawn = area.areas(shape, self.events, geometry, self.selection.flags)
            check_area(live_area, self.events, shape, name)
            if not exposure_of({}, live_area, self.live):
                raise ScienceError(
                    f"{name}{self.events.path.name}: the CCDs under the region '{shape.text}' have no live time in the "
                    "good times asked for (STDGTInn, EXPOSUnn, LIVETInn); take another exposure or other times."
                )
            found.append((live_area, drawn))
        return found

    @property
    def ratio(self) -> float:
        """The area of the source region over that of the background."""
        source, sky = (sum(one.values()) for one in self.areas)
        return source / sky

    @property
    def nothing(self) -> str:
        """What it means that the source region has no count."""
        return nothing.words(exposure_of({}, self.areas[0], self.live))


def prepare(job: task.Task) -> Extraction:
    """Read, select, and choose the background that a task asks for.

    :raises ScienceError: there is no region, it has no live area or no live time, or what the steps raise.
    """
    if job.region is None:
        raise ScienceError("This script needs a region: give CIRCLE, POLYGON or POS.")
    task.progress(0.05, "reading the event list")
    wanted = job.parameters.any("BACKGROUND")
    given = isinstance(wanted, dict)
    flares = job.parameters.text("GTI", "none") == "flare"
    events = EventList(job.events, [job.region, wanted] if given else [job.region], around=not given, hard=flares)
    task.progress(0.3, "selecting events")
    selection = select(events, job.parameters)
    source = region.place(job.region, events.projection)
    if given:
        sky: Shape = region.place(wanted, events.projection)
    else:
        sky = background.automatic(events, source, selection.mask(events))
    print(f"source region: {source.text}\nbackground region: {sky.text}")
    made = Extraction(events, selection, source, sky)
    if not any(made.live.values()):
        raise ScienceError(
            f"{events.path.name} has no live time in the good times asked for: they hold no frame (EXPOSUnn), or "
            "FRACEXP, TIMEDEL or LIVETInn is 0; take another exposure or other times."
        )
    if events.epic:
        for name, share in zip(("source", "background"), made.shares, strict=True):
            print(f"{100 * share:.1f} % of the {name} region lies on live detector")
    return made
