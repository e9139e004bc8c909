"""Coordinate frames of regions, turned into ICRS."""

# ruff: noqa: PLC0415 - mocpy and astropy take half a second and 40 MB; who asks about no region does without them

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from index.errors import RegionError
from index.shapes import latitude, longitude

_FRAMES = {"ICRS": "icrs", "FK5": "fk5", "J2000": "fk5", "GALACTIC": "galactic", "GALACTIC_II": "galactic"}
"""Those that are taken, and what astropy calls them; its fk5 has the equinox J2000."""
ALLOWED = "ICRS, FK5 (J2000) and GALACTIC"
OTHERS = frozenset({"FK4", "B1950", "ECLIPTIC", "GEO_C", "GEO_D", "UNKNOWNFRAME", "SUPER_GALACTIC"})
"""Frames that people name and that are not taken."""

Point = tuple[float, float]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A frame that a region is given in."""

    name: str

    @classmethod
    def named(cls, name: str) -> Frame:
        """Give a frame by its name in STC-S, ADQL or DS9. Raises RegionError."""
        if not cls.known(name):
            raise RegionError(f"the frame must be one of {ALLOWED}, not {name[:40]!r}")
        return cls(name.upper())

    @staticmethod
    def known(name: str) -> bool:
        """Tell whether a frame of that name is taken."""
        return name.upper() in _FRAMES

    @property
    def is_icrs(self) -> bool:
        """Whether nothing is to be turned."""
        return _FRAMES[self.name] == "icrs"

    def to_icrs(self, points: list[Point]) -> list[Point]:
        """Turn places, in degrees. Raises RegionError for one that is not on the sky."""
        points = [(longitude(lon), latitude(lat)) for lon, lat in points]
        if self.is_icrs:
            return points
        return _places(_vectors(points) @ _to_icrs(self.name).T)

    def angle_to_icrs(self, place: Point, angle: float) -> float:
        """Turn a direction at a place, degrees from the frame's north through its east."""
        if self.is_icrs:
            return angle
        # the direction of the frame's own pole, in ICRS
        (ra, dec), (pole_ra, pole_dec) = np.radians(self.to_icrs([place, (0.0, 90.0)]))
        east = np.cos(pole_dec) * np.sin(pole_ra - ra)
        north = np.sin(pole_dec) * np.cos(dec) - np.cos(pole_dec) * np.sin(dec) * np.cos(pole_ra - ra)
        return angle + float(np.degrees(np.arctan2(east, north)))


ICRS = Frame("ICRS")


@cache
def _to_icrs(name: str) -> Matrix:
    """Give the rotation into ICRS: where the axes of the frame point."""
    from astropy import units
    from astropy.coordinates import SkyCoord

    axes = SkyCoord([0.0, 90.0, 0.0] * units.deg, [0.0, 0.0, 90.0] * units.deg, frame=_FRAMES[name]).icrs
    return _vectors(list(zip(axes.ra.deg.tolist(), axes.dec.deg.tolist(), strict=True))).T


def _vectors(points: list[Point]) -> Matrix:
    ra, dec = np.radians(np.array(points, dtype=np.float64)).T
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=1)


def _places(vectors: Matrix) -> list[Point]:
    x, y, z = vectors.T
    ra, dec = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return list(zip(ra.tolist(), dec.tolist(), strict=True))
