"""Many event lists on one grid: events are binned again, so that no count is lost or smeared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.epic import exposure, exposure_map, image, region
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.exposure_map import TILE
from scripts.epic.image import Grid
from scripts.epic.projection import Projection
from scripts.epic.selection import select
from scripts.epic.task import Task

Floats = NDArray[np.float64]

LARGEST = 64_000_000
"""Pixels of the largest mosaic."""

AREA = {"M1": 0.30, "M2": 0.30, "PN": 1.0}
"""Count rate of a source relative to the pn camera, so that exposures of different cameras add up. For a power law of
photon index 1.7 behind the same filter, in 0.5 to 12 keV, by the factors of ``ecf.toml`` (0.285 in 0.5 to 2 keV)."""


@dataclass(frozen=True)
class Sky:
    """A gnomonic grid."""

    projection: Projection
    """CRPIX and CDELT are those of the grid's pixels."""
    shape: tuple[int, int]
    """Columns and rows."""

    def pixels(self, projection: Projection, x: Floats, y: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return column and row (from 0) of X, Y of a list's projection; -1 for what cannot be projected."""
        column, row = self.projection.to_pixel(*projection.to_sky(x, y))
        with np.errstate(invalid="ignore"):
            i, j = (np.where(np.isfinite(axis), np.floor(axis - 0.5), -1).astype(np.int64) for axis in (column, row))
        return i, j

    def counts(self, portion: Portion) -> NDArray[np.int32]:
        """Return the events of a dataset per pixel, shape (rows, columns)."""
        nx, ny = self.shape
        i, j = self.pixels(portion.projection, portion.x.astype(float), portion.y.astype(float))
        on = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        return np.bincount(j[on] * nx + i[on], minlength=nx * ny).reshape(ny, nx).astype(np.int32)

    def add_exposure(self, total: NDArray[np.float32], portion: Portion, weight: float) -> None:
        """Add a dataset's exposure to ``total``, tile by tile: of each pixel the mean over points 3 arcsec apart."""
        nx, ny = self.shape
        n = min(8, max(2, int(np.ceil(self.projection.unit / 3.0))))
        columns = 0.5 + (np.arange(nx * n) + 0.5) / n
        rows = max(1, TILE // (nx * n * n))
        for first in range(0, ny, rows):
            last = min(ny, first + rows)
            u, v = np.meshgrid(columns, first + 0.5 + (np.arange((last - first) * n) + 0.5) / n)
            x, y = portion.projection.to_pixel(*self.projection.to_sky(u.ravel(), v.ravel()))
            part = weight * portion.exposed(x, y)
            total[first:last] += part.reshape(last - first, n, nx, n).mean((1, 3))


@dataclass(frozen=True)
class Portion:
    """What one dataset brings into a mosaic."""

    projection: Projection
    """Of X, Y."""
    x: NDArray[np.int32]
    """Of the selected events."""
    y: NDArray[np.int32]
    corners: Floats
    """Right ascension and declination around what is to be covered, shape (2, n)."""
    grid: Grid
    exposure: NDArray[np.float32]
    """Seconds on the axis, on ``grid``."""
    camera: str
    simulated: bool
    told: str
    """The selection and what the exposure was taken from."""

    def exposed(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        """Return the exposure of X, Y: that of the pixel of the grid; 0 outside."""
        nx, ny = self.grid.shape
        with np.errstate(invalid="ignore"):
            i, j = (
                np.floor(np.nan_to_num((axis - origin) / self.grid.bin, nan=-1e6)).astype(np.int64) - first
                for axis, origin, first in zip((x, y), self.grid.origin, self.grid.first, strict=True)
            )
        on = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        seconds = np.zeros(len(i), dtype=np.float32)
        seconds[on] = self.exposure[j[on], i[on]]
        return seconds

    def save(self, path: Path) -> None:
        """Write it for the gather task."""
        facts = {
            "projection": self.projection._asdict(),
            "grid": self.grid._asdict(),
            "camera": self.camera,
            "simulated": self.simulated,
            "told": self.told,
        }
        arrays = {"x": self.x, "y": self.y, "corners": self.corners, "exposure": self.exposure}
        np.savez(path, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> Portion:
        """Read what the task of a dataset wrote."""
        with np.load(path) as stored:
            facts = json.loads(str(stored["facts"]))
            arrays = {name: stored[name] for name in ("x", "y", "corners", "exposure")}
        plane, grid = facts.pop("projection"), facts.pop("grid")
        return Portion(
            projection=Projection(plane["ra"], plane["dec"], tuple(plane["crpix"]), tuple(plane["cdelt"])),
            grid=Grid(tuple(grid["origin"]), grid["bin"], tuple(grid["first"]), tuple(grid["shape"])),
            **arrays,
            **facts,
        )


def portion(job: Task) -> Portion:
    """Select the events of a dataset and sample its exposure.

    :raises ScienceError: the list cannot be used, or the region lies outside its field.
    """
    events = EventList(job.events)
    selection = select(events, job.parameters)
    keep = selection.mask(events)
    x, y = (events.column(axis) for axis in "XY")
    placed = events.placed
    keep &= placed
    area = None if job.region is None else region.place(job.region, events.projection)
    if area is not None:
        keep[keep] = area.contains(x[keep], y[keep])
    step = float(np.clip(job.parameters.real("PIXEL", 4.0) / 2, 1.0, 3.0))
    where = image.grid(events, step, area)
    x0, x1, y0, y1 = events.grid
    if area is not None and area.bounds is not None:
        x0, x1 = max(x0, area.bounds[0]), min(x1, area.bounds[1])
        y0, y1 = max(y0, area.bounds[2]), min(y1, area.bounds[3])
    elif placed.any():
        x0, x1, y0, y1 = (float(edge) for axis in (x[placed], y[placed]) for edge in (axis.min(), axis.max()))
    edge = np.linspace(0, 1, 9)
    across, up = x0 + (x1 - x0) * edge, y0 + (y1 - y0) * edge
    corners = events.projection.to_sky(
        np.concatenate([across, across, np.full(9, x0), np.full(9, x1)]),
        np.concatenate([np.full(9, y0), np.full(9, y1), up, up]),
    )
    live = exposure.live_times(events, selection.times)
    band = job.parameters.real("EMIN", 0.5), job.parameters.real("EMAX", 10.0)
    _, seconds = exposure_map.prepare(events, job.dataset.get("files", ()), live, selection.flags, band)
    return Portion(
        projection=events.projection,
        x=x[keep].astype(np.int32),
        y=y[keep].astype(np.int32),
        corners=np.array(corners),
        grid=where,
        exposure=exposure_map.image(seconds, where, 1),
        camera=events.camera.name,
        simulated=events.simulated,
        told=f"{selection.expression}; exposure {seconds.origin}",
    )


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
