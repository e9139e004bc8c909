"""The outline of a coverage as one polygon: what ObsCore calls ``s_region``."""

# ruff: noqa: PLC0415 - scipy.spatial takes a tenth of a second; only who reads files needs it

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.cells import places
from index.healpix import ranges_of

if TYPE_CHECKING:
    from mocpy import MOC

MAX_CORNERS = 24
MAX_RANGES = 5000
"""That are looked at; of a MOC with more, coarser cells are."""
MAX_REACH = 60.0
"""Degrees from the centre to the farthest place; what is larger has no outline here, but a circle or the sky."""

Floats = NDArray[np.float64]


def polygon(ra: Floats, dec: Floats) -> str | None:
    """Give the convex hull of places in STC-S, ICRS degrees; None if they are few, on one line, or too far apart.

    :param ra: shape (n,), degrees, as ``dec``.
    """
    centre, vectors = _centre(ra, dec)
    if centre is None or (vectors @ centre).min() < math.cos(math.radians(MAX_REACH)):
        return None
    east = np.array([-centre[1], centre[0], 0.0])
    east = east / np.linalg.norm(east) if np.linalg.norm(east) > 1e-12 else np.array([0.0, 1.0, 0.0])
    north = np.cross(centre, east)
    # great circles are straight in the plane that touches the centre, so that the hull there is that on the sky
    flat = (vectors @ np.stack((east, north), axis=1)) / (vectors @ centre)[:, None]
    corners = _thinned(_hull(flat))
    if len(corners) < 3:
        return None
    back = centre + corners[:, :1] * east + corners[:, 1:] * north
    longitudes = np.degrees(np.arctan2(back[:, 1], back[:, 0])) % 360
    latitudes = np.degrees(np.arctan2(back[:, 2], np.hypot(back[:, 0], back[:, 1])))
    words = (f"{longitude:.5f} {latitude:.5f}" for longitude, latitude in zip(longitudes, latitudes, strict=True))
    return f"Polygon ICRS {' '.join(words)}"


def of_moc(moc: MOC) -> str | None:
    """Give the convex hull of a MOC in STC-S; None for an empty one and for one that is too wide."""
    ranges = ranges_of(moc)
    for order in range(int(moc.max_order) - 1, 5, -1):
        if len(ranges) <= MAX_RANGES:
            break
        ranges = ranges_of(moc.degrade_to_order(order))
    return polygon(*places(ranges)) if len(ranges) else None


def _centre(ra: Floats, dec: Floats) -> tuple[Floats | None, Floats]:
    longitude, latitude = np.radians(ra), np.radians(dec)
    vectors = np.stack(
        (np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)), axis=1
    )
    middle: Floats = vectors.mean(axis=0)
    length = float(np.linalg.norm(middle))
    return (middle / length if length > 1e-3 else None), vectors


def _hull(points: Floats) -> Floats:
    """Give the corners of the convex hull, counter-clockwise; none if all points are on one line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):
        return np.zeros((0, 2))


def _thinned(corners: Floats) -> Floats:
    """Leave out the corners that cut off least, one by one, until few enough are left."""
    while len(corners) > MAX_CORNERS:
        before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
        a, b = corners - before, after - before
        cut = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
        corners = np.delete(corners, int(np.argmin(cut)), axis=0)
    return corners
