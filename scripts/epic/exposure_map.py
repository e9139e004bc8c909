"""How long each place of the sky was observed: exposure maps, of the pipeline or modelled.

The pipeline's own map (EXPMAP) is taken where the dataset's files hold one of the band. Otherwise it is modelled: the
affine maps from the sky to the CCDs (:mod:`scripts.epic.ccd`), their bad pixels and live times, and the vignetting
(:mod:`scripts.epic.vignetting`). Which one was used stands in ``origin`` and is recorded in products.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from scripts.epic import vignetting
from scripts.epic.area import bad_pixels
from scripts.epic.ccd import Geometry
from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList
from scripts.epic.image import Grid
from scripts.epic.projection import Projection

Floats = NDArray[np.float64]

TILE = 250_000
"""Points that are looked up at once: it bounds the memory to some 30 MB, whatever the size of the map."""

PIPELINE_BANDS = {
    "1": (0.2, 0.5),
    "2": (0.5, 1.0),
    "3": (1.0, 2.0),
    "4": (2.0, 4.5),
    "5": (4.5, 12.0),
    "8": (0.2, 12.0),
}
"""The digit after EXPMAP in the pipeline's file names, and its energies in keV."""


class ExposureMap(Protocol):
    """The exposure of the sky in one camera and band."""

    @property
    def origin(self) -> str:
        """What it was made from, in words."""

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the effective exposure of X, Y in seconds on the axis; 0 where nothing was seen."""


class Modelled:
    """An exposure map from the event list alone."""

    def __init__(
        self, events: EventList, geometry: Geometry, live: Mapping[int, float], flags: str, band: tuple[float, float]
    ) -> None:
        self.events, self.geometry, self.flags = events, geometry, flags
        self.band = vignetting.band_of(*band)
        self._live = dict(live)
        self._dead = {chip.ccd: bad_pixels(events, chip, flags == "strict") for chip in geometry.chips}

    @property
    def origin(self) -> str:
        """What it was made from."""
        return "modelled: CCD geometry and bad pixels of the event list, vignetting fitted to PPS source lists"

    def live(self, x: Floats, y: Floats) -> Floats:
        """Return the live time of X, Y in seconds; 0 in gaps, on bad pixels and outside the field of view."""
        detx, dety = self.geometry.to_sky.inverse(x, y)
        seconds = np.zeros(len(detx))
        left = np.flatnonzero(self.geometry.in_field(detx, dety) if self.flags != "none" else np.ones(len(detx), bool))
        for chip in self.geometry.chips:
            x0, x1, y0, y1 = chip.window
            rawx, rawy = (np.rint(raw).astype(np.int64) for raw in chip.to_det.inverse(detx[left], dety[left]))
            live = (rawx >= x0) & (rawx <= x1) & (rawy >= y0) & (rawy <= y1)
            live[live] = ~self._dead[chip.ccd][rawx[live], rawy[live]]
            seconds[left[live]] = self._live.get(chip.ccd, 0.0)
            left = left[~live]
        return seconds

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the live time times the vignetting of the band."""
        seconds = self.live(x, y)
        seen = seconds > 0
        theta, azimuth = vignetting.off_axis(self.events, x[seen], y[seen])
        seconds[seen] *= vignetting.factor(self.events.camera.name, self.band, theta, azimuth)
        return seconds


class Pipeline:
    """An exposure map that the pipeline made.

    :param scale: what its seconds are to be multiplied by, as for good times other than those it was made with.
    :raises EventFileError: the file is not an image with a gnomonic projection.
    """

    def __init__(self, path: Path, projection: Projection, scale: float) -> None:
        self.path, self._events, self.scale = path, projection, scale
        try:
            with fits.open(path) as hdus:
                header, data = hdus[0].header, np.asarray(hdus[0].data, dtype=np.float64)
                numbers = [float(header[f"{key}{axis}"]) for key in ("CRVAL", "CRPIX", "CDELT") for axis in "12"]
                if data.ndim != 2 or "TAN" not in str(header["CTYPE1"]) or float(header.get("CROTA2", 0.0)):
                    raise ValueError("an image of two axes, gnomonic and north up, is needed")
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise EventFileError(f"{path.name}[PRIMARY]: is no exposure map that can be used ({error})") from error
        ra, dec, x, y, dx, dy = numbers
        self._data, self._map = data, Projection(ra, dec, (x, y), (dx, dy))

    @property
    def origin(self) -> str:
        """What it was made from."""
        return f"pipeline map {self.path.name}, times {self.scale:.4f}"

    def vignetted(self, x: Floats, y: Floats) -> Floats:
        """Return the value of the map's pixel that X, Y lie in."""
        column, row = self._map.to_pixel(*self._events.to_sky(x, y))
        with np.errstate(invalid="ignore"):
            i, j = (np.nan_to_num(np.rint(axis), nan=-1.0).astype(np.int64) - 1 for axis in (column, row))
        ny, nx = self._data.shape
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        seconds = np.zeros(len(i))
        seconds[inside] = np.nan_to_num(self._data[j[inside], i[inside]]) * self.scale
        return np.maximum(seconds, 0.0)


def find(
    files: Sequence[Mapping[str, Any]], modelled: Modelled, live: Mapping[int, float], band: tuple[float, float]
) -> ExposureMap:
    """Return the pipeline's map of the band where ``files`` of the dataset holds one, else the modelled one.

    A pipeline map is scaled from its own live time (LIVETIME of its header, or EXPOSURE) to that of the selection.
    """
    for file in files:
        digit = re.search(r"EXPMAP(\d)", str(file.get("path", "")).rpartition("/")[2].upper())
        if (
            file.get("kind") != "exposure_map"
            or digit is None
            or not np.allclose(PIPELINE_BANDS.get(digit[1], ()), band)
        ):
            continue
        path = Path(str(file["path"]))
        header = fits.getheader(path)
        own = float(header.get("LIVETIME", header.get("EXPOSURE", 0.0)) or 0.0)
        scale = max(live.values(), default=0.0) / own if own > 0 else 1.0
        return Pipeline(path, modelled.events.projection, scale)
    return modelled


def image(exposure: ExposureMap, where: Grid, samples: int = 2) -> NDArray[np.float32]:
    """Return the map on an image's grid, seconds on the axis, shape (rows, columns).

    Each pixel is the mean over ``samples`` x ``samples`` points. Rows are done in tiles, so that the memory is that of
    the image and of some 30 MB.
    """
    nx, ny = where.shape
    step = where.bin / samples
    x = where.origin[0] + where.first[0] * where.bin + (np.arange(nx * samples) + 0.5) * step
    out = np.empty((ny, nx), dtype=np.float32)
    rows = max(1, TILE // (nx * samples * samples))
    for first in range(0, ny, rows):
        last = min(ny, first + rows)
        bottom = where.origin[1] + where.first[1] * where.bin
        y = bottom + (np.arange(first * samples, last * samples) + 0.5) * step
        u, v = np.meshgrid(x, y)
        seconds = exposure.vignetted(u.ravel(), v.ravel())
        out[first:last] = seconds.reshape(last - first, samples, nx, samples).mean((1, 3))
    return out
