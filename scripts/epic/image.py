"""Images: counts per sky pixel.

Equal to SAS ``evselect`` with the same selection and bin size, pixel for pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.header import Header
from scripts.epic.region import EVERYWHERE, Shape


class Grid(NamedTuple):
    """The pixels of an image, laid over X, Y so that an uncropped one begins at TLMIN - 0.5."""

    origin: tuple[float, float]
    """X, Y at the lower left corner of the whole grid."""
    bin: float
    """X, Y units per pixel."""
    first: tuple[int, int]
    """Column and row of the whole grid at which the image begins, from 0."""
    shape: tuple[int, int]
    """Columns and rows."""


def grid(events: EventList, pixel: float, region: Shape | None) -> Grid:
    """Return the grid for pixels of ``pixel`` arcsec, cropped to the whole pixels around ``region``.

    :raises ScienceError: the region does not touch the grid.
    """
    x0, x1, y0, y1 = events.grid
    bin_size = pixel / events.projection.unit
    bin_size = round(bin_size, 9)
    origin = (x0 - 0.5, y0 - 0.5)
    nx, ny = (int(np.ceil((last - first + 1) / bin_size)) for first, last in ((x0, x1), (y0, y1)))
    if region is None:
        return Grid(origin, bin_size, (0, 0), (nx, ny))
    bounds = region.bounds
    if bounds == EVERYWHERE:
        # too wide to have an edge in the projection: look whether it is anywhere in the field
        x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(x0, x1, 65), np.linspace(y0, y1, 65)))
        bounds = EVERYWHERE if region.contains(x, y).any() else None
    if bounds is not None:
        u0, u1, v0, v1 = np.floor(
            np.clip((np.array(bounds) - np.repeat(origin, 2)) / bin_size, -1, max(nx, ny) + 1)
        ).astype(int)
        i0, i1, j0, j1 = max(u0, 0), min(u1, nx - 1), max(v0, 0), min(v1, ny - 1)
        if i0 <= i1 and j0 <= j1:
            return Grid(origin, bin_size, (int(i0), int(j0)), (int(i1 - i0 + 1), int(j1 - j0 + 1)))
    ra, dec = events.projection.ra, events.projection.dec
    raise ScienceError(
        f"The region '{region.text}' lies outside the field of {events.path.name}, "
        f"which is centred on RA {ra:.4f}, Dec {dec:.4f} degrees."
    )


def centres(where: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return X, Y at the centres of the pixels, each of shape (rows, columns)."""
    axes = (
        origin + (first + np.arange(number) + 0.5) * where.bin
        for origin, first, number in zip(where.origin, where.first, where.shape, strict=True)
    )
    x, y = np.meshgrid(*axes)
    return x, y


def counts(events: EventList, keep: NDArray[np.bool_], where: Grid) -> NDArray[np.int32]:
    """Return the image of the kept events, shape (rows, columns)."""
    nx, ny = where.shape
    x, y = (
        np.floor((events.column(axis)[keep] - origin) / where.bin) - first
        for axis, origin, first in zip("XY", where.origin, where.first, strict=True)
    )
    inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny)  # what has no place, NaN, is in no pixel
    flat = np.bincount(y[inside].astype(np.int64) * nx + x[inside].astype(np.int64), minlength=nx * ny)
    return flat.reshape(ny, nx).astype(np.int32)


def world_coordinates(header: Header, events: EventList, where: Grid) -> None:
    """Write the image's world coordinates: sky, and ``L`` for the event list's X, Y."""
    projection = events.projection
    # WCSAXES must stand before all other keywords of its coordinates (FITS standard 4.0, section 8.2)
    header["WCSAXESL"] = 2
    header["WCSNAMEL"] = ("PHYSICAL", "name of coordinates L")
    for i, axis in enumerate("XY"):
        n = i + 1
        start = where.origin[i] + where.first[i] * where.bin
        value = (projection.ra, projection.dec)[i]
        header[f"CTYPE{n}"] = (("RA---TAN", "DEC--TAN")[i], "gnomonic projection")
        header[f"CRPIX{n}"] = ((projection.crpix[i] - start) / where.bin + 0.5, "reference pixel")
        header[f"CRVAL{n}"] = (value, "[deg] position of the reference pixel")
        header[f"CDELT{n}"] = (projection.cdelt[i] * where.bin, "[deg] size of a pixel")
        header[f"CUNIT{n}"] = ("deg", "unit of CRVAL and CDELT")
        header[f"CTYPE{n}L"] = (axis, "column of the event list")
        header[f"CRPIX{n}L"] = 1.0
        header[f"CRVAL{n}L"] = (start + where.bin / 2, f"{axis} at the centre of the first pixel")
        header[f"CDELT{n}L"] = (where.bin, f"{axis} units per pixel")
        header[f"LTV{n}"] = 0.5 - start / where.bin
        header[f"LTM{n}_{n}"] = 1 / where.bin
