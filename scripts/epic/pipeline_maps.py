"""Images that the pipeline made of an exposure: of exposure (EXPMAP), background (BKGMAP), and its mask (DETMSK).

Each is found among a dataset's files by its kind, and its band by the digit in its name. A range of energies that is
made of several bands has several maps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from scripts.epic.errors import EventFileError
from scripts.epic.projection import Projection

Floats = NDArray[np.float64]
Files = Sequence[Mapping[str, Any]]

BANDS = {
    "1": (0.2, 0.5),
    "2": (0.5, 1.0),
    "3": (1.0, 2.0),
    "4": (2.0, 4.5),
    "5": (4.5, 12.0),
    "8": (0.2, 12.0),
}
"""The digit after the kind in the pipeline's file names, and its energies in keV."""

KINDS = {"EXPMAP": "exposure_map", "BKGMAP": "background_map", "DETMSK": "detector_mask"}
"""The kind in the pipeline's file names, and the kind of file of a dataset."""


class PipelineImage:
    """An image of the pipeline, looked up at the X, Y of an event list.

    :raises EventFileError: the file is not an image with a gnomonic projection, north up.
    """

    def __init__(self, path: Path, projection: Projection) -> None:
        self.path, self._events = path, projection
        try:
            with fits.open(path) as hdus:
                self.header, data = hdus[0].header, np.asarray(hdus[0].data, dtype=np.float64)
                numbers = [float(self.header[f"{key}{axis}"]) for key in ("CRVAL", "CRPIX", "CDELT") for axis in "12"]
                if data.ndim != 2 or "TAN" not in str(self.header["CTYPE1"]) or float(self.header.get("CROTA2", 0.0)):
                    raise ValueError("an image of two axes, gnomonic and north up, is needed")
        except (OSError, EOFError, KeyError, ValueError, TypeError) as error:
            raise EventFileError(
                f"{path.name}[PRIMARY]: is no map of the pipeline that can be used ({error})"
            ) from error
        ra, dec, x, y, dx, dy = numbers
        self._data, self._map = np.nan_to_num(data), Projection(ra, dec, (x, y), (dx, dy))

    @property
    def live(self) -> float:
        """The live time that it was made of, s; 0 where it does not say."""
        try:
            return float(self.header.get("LIVETIME", self.header.get("EXPOSURE", 0.0)) or 0.0)
        except (TypeError, ValueError):
            return 0.0

    @property
    def cell(self) -> float:
        """The area of a pixel in pixels of X, Y."""
        return abs(self._map.cdelt[0] * self._map.cdelt[1] / (self._events.cdelt[0] * self._events.cdelt[1]))

    def value(self, x: Floats, y: Floats) -> Floats:
        """Return the value of the pixel that X, Y lie in; 0 outside."""
        column, row = self._map.to_pixel(*self._events.to_sky(x, y))
        with np.errstate(invalid="ignore"):
            i, j = (np.nan_to_num(np.rint(axis), nan=-1.0).astype(np.int64) - 1 for axis in (column, row))
        ny, nx = self._data.shape
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        found = np.zeros(len(i))
        found[inside] = np.maximum(self._data[j[inside], i[inside]], 0.0)
        return found


def paths(files: Files, name: str) -> dict[str, Path]:
    """Return the files of a kind (EXPMAP, BKGMAP, DETMSK) by the digit of their band."""
    found: dict[str, Path] = {}
    for file in files:
        if file.get("kind") == KINDS[name]:
            path = Path(str(file.get("path", "")))
            digit = re.search(rf"{name}(\d)", path.name.upper())
            if digit is not None:
                found.setdefault(digit[1], path)
    return found


def bands(files: Files, name: str, band: tuple[float, float]) -> list[tuple[tuple[float, float], Path]]:
    """Return the energies and files of the maps that together make up a band; empty where one is missing."""
    there = paths(files, name)
    for digit, energies in BANDS.items():
        if np.allclose(energies, band) and digit in there:
            return [(energies, there[digit])]
    inside = {digit: low >= band[0] - 1e-6 and high <= band[1] + 1e-6 for digit, (low, high) in BANDS.items()}
    parts = [digit for digit in "12345" if inside[digit]]
    if not parts or not np.allclose((BANDS[parts[0]][0], BANDS[parts[-1]][1]), band):
        return []
    return [(BANDS[digit], there[digit]) for digit in parts] if all(digit in there for digit in parts) else []


def mask(files: Files, projection: Projection) -> PipelineImage | None:
    """Return the detector mask: above 0 where the pipeline looks for sources."""
    found = next(iter(paths(files, "DETMSK").values()), None)
    return None if found is None else PipelineImage(found, projection)


class Background:
    """The pipeline's background of a band: counts per pixel of its map without sources.

    :param live: the longest live time of a CCD in the selection that it is wanted for, s.
    """

    def __init__(self, maps: Sequence[PipelineImage], live: float) -> None:
        self._maps = [(one, live / one.live if one.live > 0 else 1.0) for one in maps]

    @property
    def origin(self) -> str:
        """What it was made from."""
        return " + ".join(f"pipeline map {one.path.name}, times {scale:.4f}" for one, scale in self._maps)

    def density(self, x: Floats, y: Floats) -> Floats:
        """Return the counts per (pixel of X, Y) squared."""
        return np.asarray(sum(scale * one.value(x, y) / one.cell for one, scale in self._maps), dtype=np.float64)


def background(files: Files, projection: Projection, live: float, band: tuple[float, float]) -> Background | None:
    """Return the pipeline's background of a band, or None where a map is missing.

    :raises EventFileError: one of the maps cannot be read.
    """
    found = bands(files, "BKGMAP", band)
    return Background([PipelineImage(path, projection) for _, path in found], live) if found else None
