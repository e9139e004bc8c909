"""The cells of a zone and of a cap, by splitting cells from the base cells down.

mocpy 0.21 has both, and both are wrong now and then without a word. ``from_zone`` leaves out cells near the poles, of
one random zone in fifty. ``from_cone`` takes whole cells too many, up to ten times the area, around a centre that is
the very centre of a cell (0 0, 180 0, 157.5 0, ...), and loses base cells where the radius is more than some 143
degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.healpix import MAX_ORDER, Ints, Ranges, bits_of, merged, shift

Floats: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Judge: TypeAlias = Callable[[Ints, Floats, Floats, float], tuple[Flags, Flags]]
"""Told base cells, places of south corners in them, and the side: which cells are touched, and which lie inside."""

# Gorski et al. 2005, section 5: where the south corner of each base cell lies, in sides of a base cell from the north
# pole, and in units of 45 degrees eastward
_ROW = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
_COLUMN = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])


def zone_ranges(west: float, width: float, south: float, north: float, order: int) -> Ranges:
    """Give the cells up to an order that touch a zone between two parallels and two meridians; degrees.

    Cells are bounded by meridians and parallels: along their sides latitude and longitude grow or fall throughout,
    so that the corners are the extremes.
    """

    def judge(base: Ints, x: Floats, y: Floats, side: float) -> tuple[Flags, Flags]:
        cell_west, _ = _place(base, x, y + side)
        cell_east, _ = _place(base, x + side, y)
        _, cell_south = _place(base, x, y)
        _, cell_north = _place(base, x + side, y + side)
        from_west = (cell_west - west) % 360  # the west of base cell 4 is below 0
        reach = from_west + (cell_east - cell_west)
        touched = (cell_south < north) & (cell_north > south) & ((from_west < width) | (reach > 360))
        inside = (cell_south >= south) & (cell_north <= north) & ((reach <= width) | (width >= 360))
        return touched, touched & inside

    return _ranges(judge, order)


def cap_ranges(ra: float, dec: float, radius: float, order: int) -> Ranges:
    """Give the cells up to an order that touch a cap, and some more, less than a cell away; degrees."""
    centre = _vector(np.array(ra), np.array(dec))

    def judge(base: Ints, x: Floats, y: Floats, side: float) -> tuple[Flags, Flags]:
        middle = _vector(*_place(base, x + side / 2, y + side / 2))
        corners = ((x, y), (x + side, y), (x, y + side), (x + side, y + side))
        # a cell bulges out a little beyond its corners
        reach = 1.05 * np.max([_between(_vector(*_place(base, *corner)), middle) for corner in corners], axis=0)
        away = _between(middle, centre)
        return away < radius + reach, away + reach <= radius

    return _ranges(judge, order)


def places(ranges: Ranges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the corners of the cells of ranges, degrees, shape (n,) each; of the largest cells that make a range up."""
    begin, end = ranges[:, 0].copy(), ranges[:, 1]
    cells: list[tuple[Ints, int]] = []
    while len(begin):
        # as large as its place allows, and as the rest of the range does
        free = np.where(begin == 0, MAX_ORDER, _zeros(begin) // 2)
        room = (bits_of(end - begin) - 1) // 2
        up = np.minimum(np.minimum(free, room), MAX_ORDER)
        for level in np.unique(up).tolist():
            cells.append((begin[up == level] >> (2 * level), MAX_ORDER - level))
        begin = begin + (np.int64(1) << (2 * up))
        left = begin < end
        begin, end = begin[left], end[left]
    found = [_corners(number, order) for number, order in cells]
    return np.concatenate([ra for ra, _ in found]), np.concatenate([dec for _, dec in found])


def _corners(number: Ints, order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    base, rest = number >> (2 * order), number & ((1 << (2 * order)) - 1)
    x, y = np.zeros(len(number), np.int64), np.zeros(len(number), np.int64)
    for bit in range(order):
        x |= ((rest >> (2 * bit)) & 1) << bit
        y |= ((rest >> (2 * bit + 1)) & 1) << bit
    side = 0.5**order
    both = [_place(base, (x + dx) * side, (y + dy) * side) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
    longitudes, latitudes = (np.concatenate(one).astype(np.float64) for one in zip(*both, strict=True))
    return longitudes % 360, latitudes


def _zeros(values: Ints) -> Ints:
    """Give the number of zero bits at the end of positive integers."""
    return bits_of(values & -values) - 1


def _ranges(judge: Judge, order: int) -> Ranges:
    """Split cells for as long as they are touched but not inside; the time follows the number of those."""
    base = np.arange(12)
    number, x, y = base, np.zeros(12, np.int64), np.zeros(12, np.int64)
    begin: list[Ints] = []
    end: list[Ints] = []
    for level in range(order + 1):
        side = 0.5**level
        touched, inside = judge(base, x * side, y * side, side)
        done = touched if level == order else inside
        begin.append(number[done] << shift(level))
        end.append((number[done] + 1) << shift(level))
        base, number, x, y = (np.repeat(column[touched & ~done], 4) for column in (base, number, x, y))
        child = np.arange(len(base)) % 4
        number, x, y = 4 * number + child, 2 * x + (child & 1), 2 * y + (child >> 1)
    return merged(np.concatenate(begin), np.concatenate(end))


def _place(base: Ints, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Give longitude and latitude of places in base cells, 0 to 1 north-east and north-west of the south corner."""
    row = _ROW[base] - x - y
    ring = np.minimum(np.minimum(row, 4 - row), 1)  # 1 between the polar caps, shrinking to 0 at the poles
    longitude = 45 * (_COLUMN[base] + (x - y) / np.where(ring > 0, ring, 1))
    # by half angles, since 1 - sin(latitude) has no digits left near a pole
    polar = 90 - 2 * np.degrees(np.arcsin(ring / np.sqrt(6)))
    equatorial = np.degrees(np.arcsin(np.clip((2 - row) * 2 / 3, -1, 1)))
    return longitude, np.where(row < 1, polar, np.where(row > 3, -polar, equatorial))


def _vector(longitude: Floats, latitude: Floats) -> Floats:
    ra, dec = np.radians(longitude), np.radians(latitude)
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=-1)


def _between(a: Floats, b: Floats) -> Floats:
    """Give the angles between unit vectors, in degrees, small ones and large ones alike (Kahan)."""
    angle: Floats = 2 * np.degrees(np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))
    return angle
