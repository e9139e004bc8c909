"""Many event lists on one grid: events are binned again, so that no count is lost or smeared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.exposure_map import TILE, ExposureMap
from scripts.epic.projection import Projection

Floats = NDArray[np.float64]

LARGEST = 64_000_000
"""Pixels of the largest mosaic."""

AREA = {"M1": 0.32, "M2": 0.32, "PN": 1.0}
"""Count rate of a source relative to the pn camera, so that exposures of different cameras add up; about right for a
power law of photon index 1.7 in 0.5 to 10 keV behind the same filter."""


@dataclass(frozen=True)
class Sky:
    """A gnomonic grid."""

    projection: Projection
    """CRPIX and CDELT are those of the grid's pixels."""
    shape: tuple[int, int]
    """Columns and rows."""

    def pixels(self, events: EventList, x: Floats, y: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return column and row (from 0) of X, Y; -1 for what cannot be projected."""
        column, row = self.projection.to_pixel(*events.projection.to_sky(x, y))
        with np.errstate(invalid="ignore"):
            i, j = (np.where(np.isfinite(axis), np.floor(axis - 0.5), -1).astype(np.int64) for axis in (column, row))
        return i, j

    def counts(self, events: EventList, keep: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the kept events per pixel, shape (rows, columns)."""
        nx, ny = self.shape
        i, j = self.pixels(events, events.column("X")[keep].astype(float), events.column("Y")[keep].astype(float))
        on = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        return np.bincount(j[on] * nx + i[on], minlength=nx * ny).reshape(ny, nx).astype(np.int32)

    def add_exposure(self, total: NDArray[np.float32], events: EventList, exposure: ExposureMap, weight: float) -> None:
        """Add a list's exposure to ``total``, in tiles of rows: of each pixel the mean over points 3 arcsec apart."""
        nx, ny = self.shape
        n = min(8, max(2, int(np.ceil(self.projection.unit / 3.0))))
        columns = 0.5 + (np.arange(nx * n) + 0.5) / n
        rows = max(1, TILE // (nx * n * n))
        for first in range(0, ny, rows):
            last = min(ny, first + rows)
            u, v = np.meshgrid(columns, first + 0.5 + (np.arange((last - first) * n) + 0.5) / n)
            x, y = events.projection.to_pixel(*self.projection.to_sky(u.ravel(), v.ravel()))
            x0, x1, y0, y1 = events.grid
            near = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
            if near.any():
                part = np.zeros(len(x), dtype=np.float32)
                part[near] = weight * exposure.vignetted(x[near], y[near])
                total[first:last] += part.reshape(last - first, n, nx, n).mean((1, 3))


def cover(ra: Floats, dec: Floats, pixel: float, *, whole: str) -> Sky:
    """Return the smallest grid with pixels of ``pixel`` arcsec on which all the places lie.

    :param ra: degrees, of what is to be covered, shape (n,).
    :param whole: what it is, for the message.
    :raises ScienceError: the grid would be too large, or the places do not fit one tangent plane.
    """
    a, d = np.radians(ra), np.radians(dec)
    mean = np.array([np.mean(np.cos(d) * np.cos(a)), np.mean(np.cos(d) * np.sin(a)), np.mean(np.sin(d))])
    centre = (
        float(np.degrees(np.arctan2(mean[1], mean[0]))) % 360,
        float(np.degrees(np.arctan2(mean[2], np.hypot(*mean[:2])))),
    )
    step = pixel / 3600
    plane = Projection(centre[0], centre[1], (0.0, 0.0), (-step, step))
    if float(np.min(plane.depth(ra, dec))) < np.cos(np.radians(10)):
        raise ScienceError(f"The datasets ({whole}) lie more than 10 degrees from their middle: too far for one image.")
    x, y = plane.to_pixel(ra, dec)
    left, low = np.floor(x.min()) - 1, np.floor(y.min()) - 1
    nx, ny = int(np.ceil(x.max()) + 1 - left), int(np.ceil(y.max()) + 1 - low)
    if nx * ny > LARGEST:
        raise ScienceError(
            f"A mosaic of {nx} x {ny} pixels is too large (at most {LARGEST / 1e6:g} million): raise PIXEL "
            f"(now {pixel:g} arcsec) or give a region."
        )
    return Sky(Projection(centre[0], centre[1], (-left, -low), (-step, step)), (nx, ny))
