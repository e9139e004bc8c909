"""The script ``events``: a part of an event list, cut out by region, energy and time."""

from __future__ import annotations

import re

from scripts.epic import exposure, fits, hdu, image, nothing, preview, region, task
from scripts.epic.events import EventList
from scripts.epic.hdu import HDU
from scripts.epic.selection import select
from scripts.epic.stream import Rows

CREATOR = "events 1.3"
SUBSPACE = re.compile(r"\d*DS(TYP|VAL|UNI|FORM|REF)\d+$")


def main(job: task.Task) -> None:
    """Cut out of one event list."""
    task.progress(0.05, "reading the event list")
    flares = job.parameters.text("GTI", "none") == "flare"
    events = EventList(job.events, [job.region] if job.region else [], hard=flares)
    task.progress(0.5, "selecting events")
    selection = select(events, job.parameters, blind=True)
    shape = region.place(job.region, events.projection) if job.region else None
    keep = selection.mask(events)
    if shape is not None:
        grid = image.grid(events, 4.0, shape)
        keep[keep] = shape.contains(events.column("X")[keep], events.column("Y")[keep])
    else:
        grid = image.grid(events, 4.0, None)
    rows = events.rows[keep]

    task.progress(0.7, "writing the event list")
    table = _table(events, rows)
    fits.observation(table.header, events, CREATOR)
    fits.subspace(table.header, events, selection, shape)
    live = exposure.live_times(events, selection.times)
    fits.live(table.header, selection, live)
    if live:
        table.header["LIVETIME"] = (max(live.values()), "[s] largest live time of a CCD")
    none = "" if keep.any() else nothing.told(events, selection, live, shape)
    if none:
        table.header["HISTORY"] = none
    primary = hdu.primary()
    fits.observation(primary.header, events, CREATOR)
    # frames, bad pixels and columns with offsets go along, so that the cut-out is worked on as the whole list is
    kinds = ("EXPOSU", "BADPIX") if job.parameters.text("FRAMES", "yes") == "yes" else ()
    names = [f"{kind}{ccd:02d}" for ccd in events.ccds for kind in kinds]
    companions = [one for name in ["OFFSETS", *names] if kinds and (one := events.table(name)) is not None]
    path = job.product("events.fits")
    fits.write(
        path, [primary, table, *companions, *fits.gti_tables(events, selection), *fits.region_tables(shape, events)]
    )
    picture = image.counts(events, keep, grid)
    preview.picture(picture, job.product("events.png"), f"{events.keyword('OBJECT', '')} {job.slug}")
    print(f"{path.name}: {len(rows)} of {events.header['NAXIS2']} events ({selection.expression})")
    if none:
        print(none)
    task.done(simulated=events.simulated)


def _table(events: EventList, rows: Rows) -> HDU:
    """Return EVENTS of some rows, with the columns and keywords of the list but those of its data subspace."""
    gone = ("CHECKSUM", "DATASUM", "SLCTEXPR", "LONGSTRN")
    header = events.header.copy(lambda name: not SUBSPACE.match(name) and name not in gone)
    header["NAXIS2"] = len(rows)
    header["PCOUNT"] = 0
    return HDU(header, rows.tobytes())


if __name__ == "__main__":
    task.run(main)
