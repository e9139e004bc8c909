"""How fine the cells of a region are: from its size, and from what they cost before one of them is made."""

from __future__ import annotations

import math

from index.healpix import MAX_ORDER, cell_size
from index.shapes import Shape

MAX_BORDER = 100_000
"""The most cells along the border of a region: some 0.2 s and 20 MB."""
MAX_TURNS = 20_000_000
"""The most border cells times vertices of a polygon, since each cell is held against each vertex: some 0.6 s."""
LEAST_ORDER = 12
"""Its cells (51 arcsec) are the coarsest that a region is given if it can be had."""


def finest_order(shape: Shape, share: int = 1) -> int:
    """Give the finest order that a shape is built at, as one of ``share`` shapes that share the cost."""
    border = min(MAX_BORDER, MAX_TURNS // shape.corners) / share
    perimeter = shape.perimeter
    return next((order for order in range(MAX_ORDER, 0, -1) if perimeter / cell_size(order) <= border), 0)


def suited_order(area: float, perimeter: float) -> int:
    """Give the order whose cells are a 64th of the width of a region, but at most 51 arcsec.

    A circle comes out some 4 % larger than it is.
    """
    width = min(4 * area / max(perimeter, cell_size(MAX_ORDER)), 180)
    wanted = 6 + math.floor(math.log2(cell_size(0) / max(width, cell_size(MAX_ORDER))))
    return min(max(wanted, LEAST_ORDER), MAX_ORDER)
