"""The script ``spectrum``: source and background spectrum of a region in one dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits as astrofits

from scripts.epic import area, exposure, fits, region, spectrum, task
from scripts.epic.ccd import Geometry
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.selection import Selection, select

CREATOR = "spectrum 1.0"


def main(job: task.Task) -> None:
    """Make the two spectra of one event list."""
    if job.region is None:
        raise ScienceError("A spectrum needs a region: give CIRCLE, POLYGON or POS.")
    task.progress(0.05, "reading the event list")
    events = EventList(job.events)
    task.progress(0.3, "selecting events")
    selection = select(events, job.parameters)
    source = region.place(job.region, events.projection)
    wanted = job.parameters.any("BACKGROUND")
    if isinstance(wanted, dict):
        background = region.place(wanted, events.projection)
    else:
        background = spectrum.automatic_background(events, source)
    keep = selection.mask(events)
    live = exposure.live_times(events, selection.times)
    task.progress(0.5, "measuring the live area")
    geometry = Geometry(events)
    measured = [
        area.live_area(shape, events, geometry, selection.flags) for shape in (source, background)
    ]
    spectrum.check_area(measured[0], events, source)
    spectrum.check_area(measured[1], events, background)

    task.progress(0.8, "writing the spectra")
    names = [job.product("spectrum.fits"), job.product("background.fits")]
    for path, shape, kind, live_area, other in (
        (names[0], source, "TOTAL", measured[0], names[1].name),
        (names[1], background, "BKG", measured[1], "none"),
    ):
        mine = keep.copy()
        mine[mine] = shape.contains(events.column("X")[mine], events.column("Y")[mine])
        hdu = _table(events, selection, mine, kind, live, live_area, other, shape)
        if kind == "TOTAL":
            fits.put_text(hdu.header, "BACKREG", background.text, "background region")
        primary = astrofits.PrimaryHDU()
        fits.observation(primary.header, events, CREATOR)
        fits.write(path, [primary, hdu, *fits.region_tables(shape), *fits.gti_tables(events, selection)])
        print(
            f"{path.name}: {hdu.header['TOTCTS']} counts in {hdu.header['EXPOSURE']:.1f} s, "
            f"BACKSCAL {hdu.header['BACKSCAL']:.0f} ({shape.text})"
        )
    task.progress(1.0, "done")


def _table(
    events: EventList,
    selection: Selection,
    keep: np.ndarray[Any, np.dtype[np.bool_]],
    kind: str,
    live: dict[int, float],
    live_area: dict[int, float],
    background: str,
    shape: region.Shape,
) -> Any:
    ccds, numbers = np.unique(events.column("CCDNR")[keep], return_counts=True)
    seconds = spectrum.exposure(
        {int(c): int(n) for c, n in zip(ccds, numbers, strict=True)}, live_area, live
    )
    hdu = spectrum.table(
        events,
        spectrum.counts(events, keep),
        spectrum.quality(events, selection.pi),
        kind,
        seconds,
        sum(live_area.values()),
        background,
    )
    fits.observation(hdu.header, events, CREATOR)
    fits.subspace(hdu.header, events, selection, shape)
    fits.live(hdu.header, selection, live)
    fits.put_text(hdu.header, "SKYREG", shape.text, "region, ICRS degrees")
    return hdu


if __name__ == "__main__":
    task.run(main)
