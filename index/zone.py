"""The cells of a zone, the part of the sky between two meridians and two parallels.

mocpy 0.21 has ``from_zone``, but where a zone reaches the polar caps it leaves out cells without a word (of random
zones about one in fifty, up to a sixth of their area).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.healpix import Ints, Ranges, merged, shift

Floats = NDArray[np.floating[Any]]

# Gorski et al. 2005, eqs 10-12: where the southernmost corner of each base cell lies, in units of the side of a
# base cell counted from the north pole, and of 45 degrees counted eastward
_ROW = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
_COLUMN = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])


def zone_ranges(west: float, width: float, south: float, north: float, order: int) -> Ranges:
    """Give the cells that a zone touches, up to the order given; degrees.

    Cells are split from the base cells down for as long as they lie neither inside nor outside, so the time follows
    the number of cells at the border. A cell is bounded by meridians and parallels exactly: along its sides both
    latitude and longitude grow or fall throughout, so that the corners are the extremes.
    """
    base = np.arange(12)
    number, x, y = base, np.zeros(12, np.int64), np.zeros(12, np.int64)
    begin: list[Ints] = []
    end: list[Ints] = []
    for level in range(order + 1):
        cell_west, cell_east, cell_south, cell_north = _bounds(base, x, y, level)
        from_west = (cell_west - west) % 360
        reach = from_west + (cell_east - cell_west)
        touched = (cell_south < north) & (cell_north > south) & ((from_west < width) | (reach > 360))
        inside = (cell_south >= south) & (cell_north <= north) & ((reach <= width) | (width >= 360))
        done = touched & (inside | (level == order))
        begin.append(number[done] << shift(level))
        end.append((number[done] + 1) << shift(level))
        base, number, x, y = (np.repeat(column[touched & ~done], 4) for column in (base, number, x, y))
        child = np.arange(len(base)) % 4
        number, x, y = 4 * number + child, 2 * x + (child & 1), 2 * y + (child >> 1)
    return merged(np.concatenate(begin), np.concatenate(end))


def _bounds(base: Ints, x: Ints, y: Ints, order: int) -> tuple[Floats, ...]:
    """Give the meridians (west may be below 0) and parallels that bound cells, in degrees."""
    side = float(2.0**-order)
    west, _ = _corner(base, x * side, (y + 1) * side)
    east, _ = _corner(base, (x + 1) * side, y * side)
    _, south = _corner(base, x * side, y * side)
    _, north = _corner(base, (x + 1) * side, (y + 1) * side)
    return west, east, south, north


def _corner(base: Ints, x: Floats, y: Floats) -> tuple[Floats, ...]:
    """Give longitude and latitude of a place in a base cell, 0 to 1 north-east and north-west of its south corner."""
    row = _ROW[base] - x - y
    ring = np.minimum(np.minimum(row, 4 - row), 1)  # 1 at the equator, shrinking to 0 at the poles
    scale = np.where(ring > 0, ring, 1)
    longitude = 45 * (_COLUMN[base] + (x - y) / scale)
    # by half angles, since 1 - sin(latitude) has no digits left near a pole
    polar = 90 - 2 * np.degrees(np.arcsin(ring / np.sqrt(6)))
    equatorial = np.degrees(np.arcsin(np.clip((2 - row) * 2 / 3, -1, 1)))
    latitude = np.where(row < 1, polar, np.where(row > 3, -polar, equatorial))
    return longitude, latitude
