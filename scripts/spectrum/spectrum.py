"""The script ``spectrum``: source and background spectrum of a region in one dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.epic import extraction, fits, hdu, preview, response, spectrum, task
from scripts.epic.header import Header

CREATOR = "spectrum 1.3"


def main(job: task.Task) -> None:
    """Make the two spectra of one event list."""
    made = extraction.prepare(job)
    events, selection, live = made.events, made.selection, made.live
    source, background = made.source, made.background
    task.progress(0.5, "measuring the live area")
    measured = made.areas
    folded = response.choose(job.dataset.get("files", ()), events, source, events.camera.channels)
    least = job.parameters.integer("GROUP", 0)
    numbers: list[Any] = []
    headers: list[Header] = []

    task.progress(0.8, "writing the spectra")
    for name, shape, kind, live_area, other in (
        ("spectrum.fits", source, "TOTAL", measured[0], job.product("background.fits").name),
        ("background.fits", background, "BKG", measured[1], "none"),
    ):
        mine = made.inside(shape)
        ccds, shares = np.unique(events.column("CCDNR")[mine], return_counts=True)
        numbers.append(spectrum.counts(events, mine))
        table = spectrum.table(
            numbers[-1],
            spectrum.quality(events, selection.pi),
            kind=kind,
            live_seconds=spectrum.exposure(dict(zip(ccds.tolist(), shares.tolist(), strict=True)), live_area, live),
            area=sum(live_area.values()),
            background=other,
            least=least if kind == "TOTAL" else 0,
        )
        if kind == "TOTAL":
            response.link(table.header, folded, job.product)
        headers.append(table.header)
        fits.observation(table.header, events, CREATOR)
        fits.subspace(table.header, events, selection, shape)
        fits.live(table.header, selection, live)
        fits.put_text(table.header, "SKYREG", shape.text, "region, ICRS degrees")
        if kind == "TOTAL":
            fits.put_text(table.header, "BACKREG", background.text, "background region")
            if not mine.any():
                table.header["HISTORY"] = made.nothing
                print(made.nothing)
        primary = hdu.primary()
        fits.observation(primary.header, events, CREATOR)
        path = job.product(name)
        fits.write(path, [primary, table, *fits.region_tables(shape, events), *fits.gti_tables(events, selection)])
        print(
            f"{path.name}: {table.header['TOTCTS']} counts in {table.header['EXPOSURE']:.1f} s, "
            f"BACKSCAL {table.header['BACKSCAL']:.0f} ({shape.text})"
        )
    plot = spectrum.plot(numbers, headers, f"{events.keyword('OBJECT', '')} {job.slug}")
    preview.write(plot, job.product("spectrum.png"), job.product("spectrum.json"))
    task.done(simulated=events.simulated)


if __name__ == "__main__":
    task.run(main)
