"""The script ``detect``: the sources in the field of one dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic import (
    detection,
    ecf,
    exposure,
    exposure_map,
    image,
    pipeline_maps,
    preview,
    psf,
    region,
    table,
    task,
    vignetting,
)
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.psf import King
from scripts.epic.selection import select
from scripts.epic.table import Column

PIXEL = 4.0
"""Arcsec."""

COLUMNS = (
    Column("id", int, "meta.id;meta.main", "number of the source, the most likely first"),
    Column("ra", float, "pos.eq.ra;meta.main", "right ascension", "deg"),
    Column("dec", float, "pos.eq.dec;meta.main", "declination", "deg"),
    Column("position_error", float, "stat.error;pos", "1 sigma of each axis, statistical", "arcsec"),
    Column("likelihood", float, "stat.likelihood", "-ln of the chance that it is background"),
    Column("box_likelihood", float, "stat.likelihood", "the same of the sliding box"),
    Column("counts", float, "phot.count", "counts of the whole source", "ct"),
    Column("counts_error", float, "stat.error;phot.count", "1 sigma", "ct"),
    Column("rate", float, "arith.rate;phot.count", "rate on the axis, whole source", "ct/s"),
    Column("rate_error", float, "stat.error;phot.count", "1 sigma", "ct/s"),
    Column("flux", float, "phot.flux;em.X-ray", "flux of the assumed spectrum", "erg/s/cm**2"),
    Column("extent", float, "phys.angSize", "sigma of the Gaussian; 0 for a point", "arcsec"),
    Column("background", float, "phot.count;instr.background", "background per square arcsec", "ct.arcsec**-2"),
    Column("exposure", float, "time.duration;obs.exposure", "vignetted exposure", "s"),
    Column("off_axis", float, "pos.angDistance", "angle off the optical axis", "arcmin"),
)


def main(job: task.Task) -> None:
    """Find the sources of one event list."""
    events = EventList(job.events)
    parameters = job.parameters
    band = parameters.real("EMIN", 0.5), parameters.real("EMAX", 2.0)
    selection = select(events, parameters)
    area = region.place(job.region, events.projection) if job.region else None
    where = image.grid(events, PIXEL, None)
    if area is not None:
        image.grid(events, PIXEL, area)  # tells where the field is if the region is not in it
    counts = image.counts(events, selection.mask(events), where).astype(np.float64)
    task.progress(0.2, "making the exposure map")
    live = exposure.live_times(events, selection.times)
    files = job.dataset.get("files", ())
    _, seconds_map = exposure_map.prepare(events, files, live, selection.flags, band)
    seconds = exposure_map.image(seconds_map, where).astype(np.float64)
    if not seconds.any():
        raise ScienceError(
            f"{events.path.name}: no place of the field was exposed in the good times asked for ({seconds_map.origin})."
        )
    task.progress(0.4, "detecting")
    energy, camera = psf.mean_energy(*band), events.camera.name

    def pixel_to_xy(row: float, column: float) -> tuple[float, float]:
        i, j = (value + first + 0.5 for value, first in zip((column, row), where.first, strict=True))
        return where.origin[0] + i * where.bin, where.origin[1] + j * where.bin

    def theta(row: float, column: float) -> float:
        x, y = pixel_to_xy(row, column)
        return float(vignetting.off_axis(events, np.array([x]), np.array([y]))[0][0])

    def king_at(row: float, column: float) -> King:
        return psf.king(camera, energy, theta(row, column))

    known = None
    if parameters.text("BACKGROUND_MAP", "auto") == "auto":
        known = pipeline_maps.background(files, events.projection, max(live.values(), default=0.0), band)
    expected = (
        None if known is None else exposure_map.sampled(known.density, where, 1).astype(np.float64) * where.bin**2
    )
    least = parameters.real("LIKELIHOOD", 12.0)
    found, _ = detection.detect(counts, seconds, king_at, PIXEL, least, expected)
    task.progress(0.9, "writing the lists")
    factor = ecf.factor(camera, str(events.keyword("FILTER", "")), *band)
    rows: list[dict[str, Any]] = []
    regions: list[str] = []
    for one in found:
        x, y = pixel_to_xy(one.row, one.column)
        if area is not None and not area.contains(np.array([x]), np.array([y]))[0]:
            continue
        ra, dec = (float(value) for value in events.projection.to_sky(x, y))
        rate, error = one.counts / one.exposure, one.counts_error / one.exposure
        rows.append(
            {
                "id": len(rows) + 1,
                "ra": ra,
                "dec": dec,
                "position_error": one.position_error * PIXEL,
                "likelihood": one.likelihood,
                "box_likelihood": one.box_likelihood,
                "counts": one.counts,
                "counts_error": one.counts_error,
                "rate": rate,
                "rate_error": error,
                "flux": rate / factor if factor else None,
                "extent": one.extent * PIXEL,
                "background": one.background / PIXEL**2,
                "exposure": one.exposure,
                "off_axis": theta(one.row, one.column),
            }
        )
        regions.append(f'circle({ra:.6f},{dec:.6f},{max(15.0, 2 * one.extent * PIXEL):.1f}") # text={{{len(rows)}}}')
    facts = {
        "dataset": job.slug.replace("_", "/"),
        "energy_range": f"{band[0]:g} to {band[1]:g} keV",
        "likelihood": f"at least {parameters.real('LIKELIHOOD', 12.0):g}",
        "flux_model": ecf.model() if factor else "no flux: no conversion factor for this filter and energy range",
        "eef_table": psf.TABLES[camera],
        "exposure_map": seconds_map.origin,
        "background_map": "made from the image without its sources"
        if known is None
        else f"{known.origin}, scaled to the counts beside the sources",
        "selection": selection.expression,
        **({"SIMULATED": "made from a simulated event list, not an observation"} if events.simulated else {}),
    }
    path = job.product("sources.vot")
    table.write(path, "sources", f"Sources in {events.path.name}", COLUMNS, rows, facts)
    path.with_suffix(".reg").write_text("\n".join(["# Region file format: DS9", "fk5", *regions, ""]), encoding="utf-8")
    _draw(job, str(events.keyword("OBJECT", "")), counts, found, rows)
    print(f"{path.name}: {len(rows)} sources ({selection.expression})")
    task.done(simulated=events.simulated)


def _draw(
    job: task.Task, name: str, counts: NDArray[np.float64], found: list[detection.Found], rows: list[dict[str, Any]]
) -> None:
    """Draw the image with the sources marked, and how many are at least so bright."""
    angle = np.linspace(0, 2 * np.pi, 40)
    marks = [(one.column + 4 * np.cos(angle), one.row + 4 * np.sin(angle)) for one in found]
    preview.picture(counts, job.product("sources.png"), f"{len(rows)} sources", marks)
    plot = brightness(rows, f"{name} {job.slug}: sources by brightness")
    preview.write(plot, job.product("brightness.png"), job.product("brightness.json"))


def brightness(rows: list[dict[str, Any]], title: str) -> preview.Plot:
    """Return how many sources are at least so bright."""
    rates = np.sort([row["rate"] for row in rows])[::-1]
    axes = preview.Axis("rate on the axis", "count/s", log=True), preview.Axis("sources at least so bright", log=True)
    return preview.Plot(title, *axes, [preview.Series("sources", rates, np.arange(1, len(rates) + 1))])


if __name__ == "__main__":
    task.run(main)
