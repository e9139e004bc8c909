"""The script ``spectrum``: source and background spectrum of a region in one dataset."""

from __future__ import annotations

import numpy as np
from astropy.io import fits as astrofits

from scripts.epic import area, exposure, fits, region, spectrum, task
from scripts.epic.ccd import Geometry
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.selection import select

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
    measured = [area.live_area(shape, events, geometry, selection.flags) for shape in (source, background)]
    spectrum.check_area(measured[0], events, source)
    spectrum.check_area(measured[1], events, background)

    task.progress(0.8, "writing the spectra")
    for name, shape, kind, live_area, other in (
        ("spectrum.fits", source, "TOTAL", measured[0], job.product("background.fits").name),
        ("background.fits", background, "BKG", measured[1], "none"),
    ):
        mine = keep.copy()
        mine[mine] = shape.contains(events.column("X")[mine], events.column("Y")[mine])
        ccds, numbers = np.unique(events.column("CCDNR")[mine], return_counts=True)
        hdu = spectrum.table(
            spectrum.counts(events, mine),
            spectrum.quality(events, selection.pi),
            kind=kind,
            live_seconds=spectrum.exposure(dict(zip(ccds.tolist(), numbers.tolist(), strict=True)), live_area, live),
            area=sum(live_area.values()),
            background=other,
        )
        fits.observation(hdu.header, events, CREATOR)
        fits.subspace(hdu.header, events, selection, shape)
        fits.live(hdu.header, selection, live)
        fits.put_text(hdu.header, "SKYREG", shape.text, "region, ICRS degrees")
        if kind == "TOTAL":
            fits.put_text(hdu.header, "BACKREG", background.text, "background region")
        primary = astrofits.PrimaryHDU()
        fits.observation(primary.header, events, CREATOR)
        path = job.product(name)
        fits.write(path, [primary, hdu, *fits.region_tables(shape), *fits.gti_tables(events, selection)])
        print(
            f"{path.name}: {hdu.header['TOTCTS']} counts in {hdu.header['EXPOSURE']:.1f} s, "
            f"BACKSCAL {hdu.header['BACKSCAL']:.0f} ({shape.text})"
        )
    task.done(simulated=events.simulated)


if __name__ == "__main__":
    task.run(main)
