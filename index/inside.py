"""Which positions lie in a shape, exactly: for positions that are known better than the cells of a MOC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.combination import Combination
from index.figures import Cells, Ellipse
from index.orders import finest_order
from index.shapes import Circle, Polygon, Range, Shape, centre_of, unit_vectors

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def inside(shape: Shape, ra: Floats, dec: Floats) -> Mask:
    """Say of each position, in ICRS degrees, whether it lies in the shape.

    Circles, ranges, polygons, ellipses (as the polygon that stands for them) and what is combined of these are told
    exactly; a MOC is its cells, and a point the smallest cell that it is built at.
    """
    if isinstance(shape, Circle):
        # by chords, which keep their digits where the circle is small
        centre = unit_vectors(np.array([shape.ra]), np.array([shape.dec]))
        chord = np.linalg.norm(unit_vectors(ra, dec) - centre, axis=1)
        return np.asarray(chord <= 2 * np.sin(np.radians(shape.radius / 2)))
    if isinstance(shape, Range):
        across = (ra - shape.west) % 360 <= shape.width
        return np.asarray(across & (shape.south <= dec) & (dec <= shape.north))
    if isinstance(shape, Ellipse):
        return _in_polygon(shape.polygon, ra, dec)
    if isinstance(shape, Polygon):
        return _in_polygon(shape, ra, dec)
    if isinstance(shape, Combination):
        return _combined(shape, ra, dec)
    return _in_cells(shape, ra, dec)


def latitudes(shape: Shape) -> tuple[float, float]:
    """Give declinations between which a shape lies, degrees; not always the narrowest, and with a hair to spare."""
    if isinstance(shape, Circle):
        south, north = shape.dec - shape.radius, shape.dec + shape.radius
    elif isinstance(shape, Range):
        south, north = shape.south, shape.north
    elif isinstance(shape, Ellipse):
        return latitudes(shape.polygon)
    elif isinstance(shape, Polygon):
        # a circle around a centre that holds the vertices holds the sides between them
        centre = centre_of(shape.vectors)
        dec = float(np.degrees(np.arcsin(np.clip(centre[2], -1, 1))))
        reach = float(np.degrees(np.arccos(np.clip((shape.vectors @ centre).min(), -1, 1))))
        south, north = dec - reach, dec + reach
    elif isinstance(shape, Combination) and shape.operation in ("union", "intersection"):
        ends = [latitudes(part) for part in shape.parts]
        widest = shape.operation == "union"
        south = (min if widest else max)(end[0] for end in ends)
        north = (max if widest else min)(end[1] for end in ends)
    else:
        south, north = -90.0, 90.0
    return max(-90.0, south - _HAIR), min(90.0, north + _HAIR)


_HAIR = 1e-6
"""Degrees."""


def _combined(shape: Combination, ra: Floats, dec: Floats) -> Mask:
    masks = [inside(part, ra, dec) for part in shape.parts]
    if shape.operation == "not":
        return ~masks[0]
    if shape.operation == "difference":
        return masks[0] & ~masks[1]
    return np.asarray(np.logical_or.reduce(masks) if shape.operation == "union" else np.logical_and.reduce(masks))


def _in_polygon(polygon: Polygon, ra: Floats, dec: Floats) -> Mask:
    """Count the sides north of each position in the plane that touches the centre, where great circles are straight."""
    centre = centre_of(polygon.vectors)
    east = np.cross(centre, np.eye(3)[np.argmin(np.abs(centre))])
    plane = np.stack((east, np.cross(centre, east)), axis=1)

    def projected(vectors: Floats) -> Floats:
        return np.asarray(vectors @ plane / (vectors @ centre)[:, None])

    points = unit_vectors(ra, dec)
    near = points @ centre > 1e-9  # the other half of the sky is outside
    x, y = projected(points[near]).T
    a = projected(polygon.vectors)
    b = np.roll(a, -1, axis=0)
    found = np.zeros(len(x), dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(a, b, strict=True):
        if ax != bx:
            found ^= ((ax > x) != (bx > x)) & (y < (by - ay) * (x - ax) / (bx - ax) + ay)
    result = np.zeros(len(points), dtype=np.bool_)
    result[near] = found
    return result


def _in_cells(shape: Shape, ra: Floats, dec: Floats) -> Mask:
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415 - half a second that most do without

    cells = shape.build(shape.order if isinstance(shape, Cells) else finest_order(shape))
    return np.asarray(cells.contains_lonlat(Longitude(ra, unit="deg"), Latitude(dec, unit="deg")))
