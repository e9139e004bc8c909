"""The outline of a camera's field: the convex hull of what its CCDs see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

MAX_CORNERS = 24
"""A circle of 15 arcmin loses 8 arcsec between them."""

Floats = NDArray[np.float64]


def hull(polygons: Sequence[Floats]) -> Floats:
    """Return the corners of the convex hull of polygons in a plane, counter-clockwise, shape (n, 2).

    :param polygons: each of shape (n, 2).
    """
    points = np.concatenate(polygons)
    corners = np.asarray(points[ConvexHull(points).vertices], dtype=np.float64)
    while len(corners) > MAX_CORNERS:  # without the corner that cuts off least
        a, b = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - np.roll(corners, 1, axis=0)
        corners = np.delete(corners, int(np.argmin(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))), axis=0)
    return corners


def stcs(ra: Floats, dec: Floats) -> str:
    """Return a polygon in STC-S, ICRS degrees."""
    return "Polygon ICRS " + " ".join(f"{float(a):.5f} {float(d):.5f}" for a, d in zip(ra % 360, dec, strict=True))
