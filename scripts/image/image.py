"""The script ``image``: counts per sky pixel of one dataset."""

from __future__ import annotations

from astropy.io import fits as astrofits

from scripts.epic import exposure, fits, image, preview, region, task
from scripts.epic.events import EventList
from scripts.epic.selection import select

CREATOR = "image 1.0"


def main(job: task.Task) -> None:
    """Make the image of one event list."""
    task.progress(0.05, "reading the event list")
    events = EventList(job.events)
    task.progress(0.4, "selecting events")
    selection = select(events, job.parameters)
    area = region.place(job.region, events.projection) if job.region else None
    grid = image.grid(events, job.parameters.real("PIXEL", 4.0), area)
    keep = selection.mask(events)
    if area is not None:
        keep[keep] = area.contains(events.column("X")[keep], events.column("Y")[keep])
    counts = image.counts(events, keep, grid)

    task.progress(0.7, "writing the image")
    hdu = astrofits.PrimaryHDU(counts)
    header = hdu.header
    fits.observation(header, events, CREATOR)
    header["HDUCLASS"] = ("OGIP", "format conforms to OGIP/GSFC conventions")
    header["HDUCLAS1"] = ("IMAGE", "file contains an image")
    header["HDUCLAS2"] = ("TOTAL", "gross counts")
    header["HDUVERS1"] = ("1.1.0", "version of the format")
    header["BUNIT"] = ("count", "unit of the pixels")
    image.world_coordinates(header, events, grid)
    fits.subspace(header, events, selection, area)
    live = exposure.live_times(events, selection.times)
    fits.live(header, selection, live)
    header["EXPOSURE"] = (max(live.values(), default=0.0), "[s] largest live time of a CCD")
    header["TOTCTS"] = (int(counts.sum()), "counts in the image")
    path = job.product("image.fits")
    fits.write(path, [hdu, *fits.gti_tables(events, selection), *fits.region_tables(area)])
    preview.picture(counts, job.product("image.png"), f"{events.keyword('OBJECT', '')} {job.slug}")
    print(f"{path.name}: {grid.shape[0]} x {grid.shape[1]} pixels, {counts.sum()} counts ({selection.expression})")
    task.done(simulated=events.simulated)


if __name__ == "__main__":
    task.run(main)
