"""The script ``profile``: surface brightness against the distance from a source, beside its point spread function."""

from __future__ import annotations

import numpy as np

from scripts.epic import exposure, fits, hdu, nothing, preview, profile, psf, region, task, vignetting
from scripts.epic.bintable import Column, bintable
from scripts.epic.ccd import Geometry
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.exposure_map import Modelled
from scripts.epic.region import bounding_circle
from scripts.epic.selection import select

CREATOR = "profile 1.3"


def main(job: task.Task) -> None:  # noqa: PLR0915 - one step after the other
    """Make the profile of one source in one event list."""
    if job.region is None:
        raise ScienceError("A profile needs a region around its centre: give CIRCLE, POLYGON or POS.")
    reach, step = job.parameters.real("RADIUS", 120.0), job.parameters.real("STEP", 4.0)
    rings = int(np.floor(reach / step))
    if rings < 3:
        raise ScienceError(f"RADIUS = {reach:g} and STEP = {step:g} arcsec make {rings} rings; at least 3 are needed.")
    low, high = job.parameters.real("EMIN", 0.5), job.parameters.real("EMAX", 10.0)
    task.progress(0.05, "reading the event list")
    events = EventList(job.events)
    selection = select(events, job.parameters)
    x, y, _ = bounding_circle(region.place(job.region, events.projection))
    unit = events.projection.unit
    keep = selection.mask(events)
    distance = np.hypot(events.column("X")[keep] - x, events.column("Y")[keep] - y) * unit
    edges = np.arange(rings + 1, dtype=np.float64) * step
    counts = np.histogram(distance, edges)[0]

    task.progress(0.4, "measuring areas and live times")
    live = exposure.live_times(events, selection.times)
    seen = Modelled(events, Geometry(events), live, selection.flags, (low, high))
    fine = max(0.25, step / 8, reach / 300)
    grid = np.arange(-edges[-1] + fine / 2, edges[-1], fine)
    u, v = (axis.ravel() for axis in np.meshgrid(grid, grid))
    ring = np.floor(np.hypot(u, v) / step).astype(np.int64)
    inside = ring < rings
    seconds = seen.live(x + u[inside] / unit, y + v[inside] / unit)
    collected = np.bincount(ring[inside], seconds, rings) * fine**2
    share = np.bincount(ring[inside], seconds > 0, rings) / np.maximum(np.bincount(ring[inside], minlength=rings), 1)
    if not collected.any():
        ra, dec = events.projection.to_sky(x, y)
        raise ScienceError(
            f"{events.path.name}: nothing within {reach:g} arcsec of RA {ra:.5f}, Dec {dec:.5f} was observed."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        bright = np.where(collected > 0, counts / collected, np.nan)
        error = np.where(collected > 0, np.sqrt(np.maximum(counts, 1)) / collected, np.nan)

    theta = float(vignetting.off_axis(events, np.array([x]), np.array([y]))[0][0])
    energy = psf.mean_energy(low, high)
    king = psf.king(events.camera.name, energy, theta)
    area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
    shape = (king.encircled(edges[1:]) - king.encircled(edges[:-1])) / area
    (rate, level), (rate_error, level_error) = profile.fit(counts, np.asarray(collected, dtype=np.float64), shape)
    model = rate * shape + level

    task.progress(0.8, "writing the profile")
    middle = (edges[1:] + edges[:-1]) / 2
    values = [
        ("RADIUS", "arcsec", middle), ("R_LOW", "arcsec", edges[:-1]), ("R_HIGH", "arcsec", edges[1:]),
        ("COUNTS", "count", counts), ("BRIGHTNESS", "count/s/arcsec**2", bright),
        ("ERROR", "count/s/arcsec**2", error), ("MODEL", "count/s/arcsec**2", model), ("COVERED", "", share),
    ]  # fmt: skip
    table = bintable("PROFILE", [Column(name, "D", array, unit_) for name, unit_, array in values])
    fits.observation(table.header, events, CREATOR)
    fits.subspace(table.header, events, selection, None)
    fits.live(table.header, selection, live)
    centre = [float(value) for value in events.projection.to_sky(x, y)]
    for key, value, comment in (
        ("RA_CEN", centre[0], "[deg] centre"), ("DEC_CEN", centre[1], "[deg] centre"),
        ("KINGRATE", rate, "[ct/s] of the King"), ("KINGRERR", rate_error, "[ct/s] error of KINGRATE, 1 sigma"),
        ("KINGBKG", level, "[ct/s/arcsec2] constant"),
        ("KINGBERR", level_error, "[ct/s/arcsec2] error of KINGBKG, 1 sigma"),
        ("KINGCORE", king.core, "[arcsec] core radius"),
        ("KINGSLOP", king.slope, "slope"), ("KINGENER", energy, "[keV] energy of the profile"),
        ("OFFAXIS", theta, "[arcmin] from the optical axis"), ("PSFTABLE", psf.TABLES[events.camera.name], ""),
    ):  # fmt: skip
        if not isinstance(value, float) or np.isfinite(value):
            table.header[key] = (value, comment)
    if not counts.any():
        table.header["HISTORY"] = none = nothing.words(float(seconds[seconds > 0].mean()))
        print(none)
    primary = hdu.primary()
    fits.observation(primary.header, events, CREATOR)
    fits.write(job.product("profile.fits"), [primary, table, *fits.gti_tables(events, selection)])
    plot = preview.Plot(
        f"{events.keyword('OBJECT', '')} {job.slug}: King rate {rate:.4g} +- {rate_error:.2g} ct/s",
        preview.Axis("distance", "arcsec"),
        preview.Axis("surface brightness", "count/s/arcsec2", log=True),
        [
            preview.Series("observed", middle, bright, None, error),
            preview.Series("King profile and constant", middle, model, kind="line"),
        ],
    )
    preview.write(plot, job.product("profile.png"), job.product("profile.json"))
    print(
        f"{counts.sum()} counts in {rings} rings around RA {centre[0]:.6f}, Dec {centre[1]:.6f}; "
        f"King rate {rate:.4g} +- {rate_error:.2g} ct/s"
    )
    task.done(simulated=events.simulated)


if __name__ == "__main__":
    task.run(main)
