"""The gnomonic projection of an event list's X, Y columns.

Own code, of twenty lines, because importing :mod:`astropy.wcs` costs more than making an image; a test holds
it against it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """A TAN projection (Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3) without rotation.

    Pixels are FITS pixels: the centre of the first one is 1.
    """

    ra: float
    """CRVAL, degrees."""
    dec: float
    crpix: tuple[float, float]
    cdelt: tuple[float, float]
    """Degrees per pixel; the first is negative."""

    @property
    def unit(self) -> float:
        """The size of a pixel in arcsec."""
        return abs(self.cdelt[1]) * 3600.0

    def depth(self, ra: Floats | float, dec: Floats | float) -> Floats:
        """Return the cosine of the angle to the tangent point; only what is above 0 can be projected."""
        a, d, d0 = np.radians(np.asarray(ra) - self.ra), np.radians(dec), np.radians(self.dec)
        return np.asarray(np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a), dtype=np.float64)

    def to_pixel(self, ra: Floats | float, dec: Floats | float) -> tuple[Floats, Floats]:
        """Return X, Y of sky positions in degrees; NaN at 90 degrees or more from the tangent point."""
        a, d, d0 = np.radians(np.asarray(ra) - self.ra), np.radians(dec), np.radians(self.dec)
        depth = self.depth(ra, dec)
        depth = np.where(depth > 1e-9, depth, np.nan)
        xi = np.cos(d) * np.sin(a) / depth
        eta = (np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)) / depth
        return self.crpix[0] + np.degrees(xi) / self.cdelt[0], self.crpix[1] + np.degrees(eta) / self.cdelt[1]

    def to_sky(self, x: Floats | float, y: Floats | float) -> tuple[Floats, Floats]:
        """Return right ascension in [0, 360) and declination, degrees, of pixels."""
        xi = np.radians((np.asarray(x) - self.crpix[0]) * self.cdelt[0])
        eta = np.radians((np.asarray(y) - self.crpix[1]) * self.cdelt[1])
        d0 = np.radians(self.dec)
        across = np.cos(d0) - eta * np.sin(d0)
        ra = self.ra + np.degrees(np.arctan2(xi, across))
        dec = np.degrees(np.arctan2(np.sin(d0) + eta * np.cos(d0), np.hypot(xi, across)))
        return np.mod(ra, 360.0), dec
