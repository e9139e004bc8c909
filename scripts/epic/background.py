"""The automatic background: a ring around the source region, without the other sources in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic.events import EventList
from scripts.epic.region import Annulus, Outline, Shape, bounding_circle

Floats = NDArray[np.float64]

INNER, INNER_LEAST = 1.5, 45.0
OUTER, OUTER_LEAST = 2.5, 75.0
"""Radii of the ring: times the radius of the region, and at least so many arcsec."""
CELL, HOLE, EXCESS = 8.0, 20.0, 5.0
"""Arcsec of the cells that are searched for other sources, of the holes cut out, and the sigmas of what is cut out."""


class Ring(NamedTuple):
    """A ring with holes, X, Y pixels."""

    text: str
    ring: Annulus
    holes: tuple[tuple[float, float, float], ...] = ()
    """Centre and radius of each."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The square around it."""
        return self.ring.bounds

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """The ring, and what is not in it."""
        return *self.ring.outlines, *(Outline("!CIRCLE", (x,), (y,), (radius,)) for x, y, radius in self.holes)

    def contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points lie in the ring and in none of the holes."""
        inside = self.ring.contains(x, y)
        for hx, hy, radius in self.holes:
            inside[inside] = np.hypot(x[inside] - hx, y[inside] - hy) > radius
        return inside


def automatic(
    events: EventList, source: Shape, keep: NDArray[np.bool_], known: Sequence[tuple[float, float]] = ()
) -> Ring:
    """Return the ring around the bounding circle, of radius r, of a source: from max(1.5 r, 45") to max(2.5 r, 75").

    Circles of 20 arcsec are cut out of it around ``known`` places (X, Y) and each cell of 8 arcsec that has, with
    its neighbours, 5 sigmas (and 5 counts) more than the median of the ring; so long as half of the ring is left.

    :param keep: the events that are counted, shape (n,).
    """
    x, y, radius = bounding_circle(source)
    unit = events.projection.unit
    inner, outer = max(INNER * radius, INNER_LEAST / unit), max(OUTER * radius, OUTER_LEAST / unit)
    ra, dec = events.projection.to_sky(x, y)
    text = f"ANNULUS {float(ra):.8f} {float(dec):.8f} {inner * unit / 3600:.8f} {outer * unit / 3600:.8f}"
    ring = Annulus(text, x, y, inner, outer)
    hole = HOLE / unit
    places = [(u, v) for u, v in known if inner - hole < np.hypot(u - x, v - y) < outer + hole]
    places += _bright(ring, events, keep, CELL / unit)
    holes: list[tuple[float, float, float]] = []
    budget = 0.5 * (outer**2 - inner**2)
    for u, v in places:
        if (len(holes) + 1) * hole**2 > budget:
            break
        if all(np.hypot(u - a, v - b) > hole / 2 for a, b, _ in holes):
            holes.append((u, v, hole))
    words = [text]
    for u, v, size in holes:
        a, d = events.projection.to_sky(u, v)
        words.append(f"NOT CIRCLE {float(a):.8f} {float(d):.8f} {size * unit / 3600:.8f}")
    return Ring(" ".join(words), ring, tuple(holes))


def _bright(ring: Annulus, events: EventList, keep: NDArray[np.bool_], cell: float) -> list[tuple[float, float]]:
    """Find places in the ring that are far brighter than its median, the brightest first."""
    x, y = (events.column(axis)[keep].astype(np.float64) for axis in "XY")
    inside = ring.contains(x, y)
    if not inside.any():  # nor is there a source; a ring far larger than the field would have very many cells
        return []
    n = max(3, int(np.ceil(2 * ring.outer / cell)))
    i = np.clip(((x[inside] - ring.x + ring.outer) / cell).astype(int), 0, n - 1)
    j = np.clip(((y[inside] - ring.y + ring.outer) / cell).astype(int), 0, n - 1)
    image = np.bincount(j * n + i, minlength=n * n).reshape(n, n)
    wide = np.pad(image, 1)
    box = np.sum([wide[a : a + n, b : b + n] for a in range(3) for b in range(3)], axis=0)
    centre = (np.arange(n) + 0.5) * cell - ring.outer
    distance = np.hypot(*np.meshgrid(centre, centre))
    whole = (distance > ring.inner + 1.5 * cell) & (distance < ring.outer - 1.5 * cell)
    if not whole.any():
        whole = (distance > ring.inner) & (distance < ring.outer)
    level = float(np.median(box[whole])) if whole.any() else 0.0
    high = whole & (box > level + EXCESS * np.sqrt(max(level, 1.0)) + EXCESS)
    order = np.argsort(box[high], kind="stable")[::-1]
    rows, columns = np.nonzero(high)
    return [(ring.x + float(centre[columns[k]]), ring.y + float(centre[rows[k]])) for k in order]
