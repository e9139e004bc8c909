"""The script ``mosaic``: counts, exposure and rate of all datasets on one grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits as astrofits

from scripts.epic import exposure, exposure_map, fits, gather, mosaic, preview, region, task
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.selection import select

CREATOR = "mosaic 1.0"


def main(parts: list[gather.Part]) -> None:
    """Make the three images."""
    first = parts[0].task
    pixel = first.parameters.real("PIXEL", 4.0)
    sky = plan(parts, pixel)
    nx, ny = sky.shape
    counts, seconds = np.zeros((ny, nx), dtype=np.int32), np.zeros((ny, nx), dtype=np.float32)
    history: list[str] = []
    simulated, total, failures = False, 0, []
    for part in gather.each(parts, "binning"):
        try:
            events = EventList(part.task.events)
            selection = select(events, part.task.parameters)
            keep = selection.mask(events)
            # events without a place on the sky (X = TNULL) are in no image
            keep &= (events.column("X") > 0) & (events.column("Y") > 0)
            if first.region is not None:
                area = region.place(first.region, events.projection)
                keep[keep] = area.contains(events.column("X")[keep], events.column("Y")[keep])
            mine = sky.counts(events, keep)
            if int(mine.sum()) != int(np.count_nonzero(keep)):
                raise RuntimeError(f"{part.name}: {np.count_nonzero(keep)} events, but {mine.sum()} in the image")
            live = exposure.live_times(events, selection.times)
            band = part.task.parameters.real("EMIN", 0.5), part.task.parameters.real("EMAX", 10.0)
            files = part.task.dataset.get("files", ())
            _, found = exposure_map.prepare(events, files, live, selection.flags, band)
            sky.add_exposure(seconds, events, found, mosaic.AREA[events.camera.name])
            counts += mine
            total += int(mine.sum())
            simulated |= events.simulated
            history.append(f"{part.name}: {mine.sum()} counts; {selection.expression}; exposure {found.origin}")
            print(history[-1])
        except ScienceError as error:
            failures.append(str(error))
            history.append(f"{part.name}: LEFT OUT: {error}")
            print(history[-1])
    if len(failures) == len(parts):
        raise ScienceError(f"No dataset could be used. {failures[0]}")
    task.progress(0.9, "writing the images")
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seconds > 0, counts / seconds, np.nan).astype(np.float32)
    task.PRODUCTS.mkdir(exist_ok=True)
    for name, data, unit in (("counts", counts, "count"), ("exposure", seconds, "s"), ("rate", rate, "count/s")):
        hdu = astrofits.PrimaryHDU(data)
        describe(hdu.header, sky, history, simulated=simulated)
        hdu.header["BUNIT"] = (unit, "unit of the pixels")
        if name == "counts":
            hdu.header["TOTCTS"] = (total, "counts in the image")
        else:
            hdu.header["EXPOSCAM"] = ("PN", "exposures are scaled to this camera")
        fits.write(task.PRODUCTS / f"mosaic_{name}.fits", [hdu])
    preview.picture(rate, task.PRODUCTS / "mosaic_preview.png", "counts over exposure")
    print(f"mosaic: {nx} x {ny} pixels, {total} counts of {len(parts) - len(failures)} datasets")
    task.done(simulated=simulated)


def plan(parts: list[gather.Part], pixel: float) -> mosaic.Sky:
    """Return a grid over what all CCDs see, or over the region.

    :raises ScienceError: no event list can be read, or the region touches none.
    """
    corners: list[tuple[Any, Any]] = []
    failure = ""
    for part in parts:
        try:
            events = EventList(part.task.events)
        except ScienceError as error:
            failure = failure or str(error)
            continue
        x0, x1, y0, y1 = events.grid
        if part.task.region is not None:
            bounds = region.place(part.task.region, events.projection).bounds
            if bounds is None:
                continue
            x0, x1, y0, y1 = max(x0, bounds[0]), min(x1, bounds[1]), max(y0, bounds[2]), min(y1, bounds[3])
        else:
            x, y = (events.column(axis) for axis in "XY")
            placed = (x > 0) & (y > 0)
            if placed.any():
                x0, x1 = float(x[placed].min()), float(x[placed].max())
                y0, y1 = float(y[placed].min()), float(y[placed].max())
        if x0 <= x1 and y0 <= y1:
            edge = np.linspace(0, 1, 9)
            xs = np.concatenate([x0 + (x1 - x0) * edge, x0 + (x1 - x0) * edge, np.full(9, x0), np.full(9, x1)])
            ys = np.concatenate([np.full(9, y0), np.full(9, y1), y0 + (y1 - y0) * edge, y0 + (y1 - y0) * edge])
            corners.append(events.projection.to_sky(xs, ys))
    if not corners:
        raise ScienceError(failure or "The region lies outside the fields of all datasets.")
    ra, dec = (np.concatenate(axis) for axis in zip(*corners, strict=True))
    return mosaic.cover(ra, dec, pixel, whole=", ".join(part.name for part in parts[:4]))


def describe(header: astrofits.Header, sky: mosaic.Sky, history: list[str], *, simulated: bool) -> None:
    """Write the world coordinates, what was put in, and who made the image."""
    header["CREATOR"] = (f"Amora {CREATOR}", "program that made this file")
    header["DATE"] = (fits.date(), "[UTC] creation of the job")
    header["ORIGIN"] = "Amora"
    header["TELESCOP"] = "XMM"
    header["RADESYS"] = ("FK5", "coordinate system")
    header["EQUINOX"] = 2000.0
    projection = sky.projection
    for n, (kind, value) in enumerate((("RA---TAN", projection.ra), ("DEC--TAN", projection.dec)), 1):
        header[f"CTYPE{n}"] = (kind, "gnomonic projection")
        header[f"CRPIX{n}"] = (projection.crpix[n - 1], "reference pixel")
        header[f"CRVAL{n}"] = (value, "[deg] position of the reference pixel")
        header[f"CDELT{n}"] = (projection.cdelt[n - 1], "[deg] size of a pixel")
        header[f"CUNIT{n}"] = ("deg", "unit of CRVAL and CDELT")
    for line in history:
        header["HISTORY"] = line.encode("ascii", "replace").decode()
    if simulated:
        header["SIMULATE"] = (True, "simulated data, not an observation")


if __name__ == "__main__":
    gather.run(main)
