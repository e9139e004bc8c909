"""The shapes that a region can have: what is a sound circle, range and polygon, their size, and their cells.

mocpy 0.21 panics on some bad shapes, aborts the process on others and takes the rest for something else, in silence;
so each shape is judged here, and only a sound one is built. Lengths and places are in degrees, ICRS.
"""

# ruff: noqa: PLC0415 - mocpy and astropy take half a second and 40 MB; who asks about no region does without them

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from index.cells import cap_ranges, zone_ranges
from index.errors import RegionError
from index.healpix import MAX_ORDER, PIXEL_AREA, SKY_AREA, Ranges, cell_size, moc_of, ranges_of

if TYPE_CHECKING:
    from mocpy import MOC

LONGITUDES = (-360.0, 720.0)
"""Longitudes outside 0 to 360 are what people and programs write for a shape across RA 0; these are turned back."""

MAX_VERTICES = 1000

Vectors = NDArray[np.float64]
"""Shape (n, 3)."""


class Shape(Protocol):
    """A sound shape."""

    name: ClassVar[str]

    @property
    def corners(self) -> int:
        """How many sides each border cell is held against; 1 for what has no corners."""

    @property
    def area(self) -> float:
        """Square degrees."""

    @property
    def perimeter(self) -> float:
        """Degrees."""

    def as_dict(self) -> dict[str, Any]:
        """Give the numbers, all finite."""

    def build(self, order: int) -> MOC:
        """Give the cells that the shape touches."""


def longitude(value: float) -> float:
    """Turn a right ascension into [0, 360). Raises RegionError."""
    if not LONGITUDES[0] <= value <= LONGITUDES[1]:
        low, high = LONGITUDES
        raise RegionError(f"a right ascension must be a number of degrees from {low:g} to {high:g}, not {value:.15g}")
    turned = value % 360.0
    return 0.0 if turned == 360 else turned  # the remainder of -1e-20 is 360


def latitude(value: float) -> float:
    """Give back a declination. Raises RegionError."""
    if not -90 <= value <= 90:
        raise RegionError(f"a declination must be a number of degrees from -90 to 90, not {value:.15g}")
    return value


@dataclass(frozen=True)
class Circle:
    """A cone around a position."""

    name: ClassVar[str] = "circle"
    corners: ClassVar[int] = 1

    ra: float
    dec: float
    radius: float

    @classmethod
    def of(cls, ra: float, dec: float, radius: float) -> Circle:
        """Give a sound circle. Raises RegionError."""
        if not 0 < radius <= 180:
            raise RegionError(
                f"the radius must be a number of degrees larger than 0 and at most 180, not {radius:.15g}"
            )
        return cls(longitude(ra), latitude(dec), radius)

    @property
    def area(self) -> float:
        """Square degrees."""
        return SKY_AREA * math.sin(math.radians(self.radius / 2)) ** 2

    @property
    def perimeter(self) -> float:
        """Degrees."""
        return 360 * math.sin(math.radians(self.radius))

    def as_dict(self) -> dict[str, Any]:
        """Give centre and radius."""
        return {"ra": self.ra, "dec": self.dec, "radius": self.radius}

    def build(self, order: int) -> MOC:
        """Give the cells that the circle touches."""
        return moc_of(circle_ranges(self, order), order)


@lru_cache(maxsize=16)  # a search is asked again: with its coverage, for its next page, as the region of a job
def circle_ranges(circle: Circle, order: int) -> Ranges:
    """Give the cells up to an order that a circle touches, as ranges that nobody may write to."""
    ranges = None
    if circle.radius <= 90:
        from mocpy import MOC, mocpy

        # the function behind MOC.from_cone, without the objects of astropy that take as long; and the border is
        # tried one order deeper, not two: half the time, for 4 % of a cell more
        found = ranges_of(MOC(mocpy.from_cone(circle.ra, circle.dec, circle.radius, order, 1)))
        excess = int((found[:, 1] - found[:, 0]).sum()) * PIXEL_AREA - circle.area
        # mocpy is fast, and goes wrong by whole cells if at all; the factor is 0.75 then, from 0.4 to 1.2
        cell = cell_size(order)
        if 0.35 * circle.perimeter * cell < excess < 1.3 * circle.perimeter * cell + 6 * cell**2:
            ranges = found
    if ranges is None:
        ranges = cap_ranges(circle.ra, circle.dec, circle.radius, order)
    ranges.flags.writeable = False
    return ranges


@dataclass(frozen=True)
class Range:
    """A zone between two meridians and two parallels; eastward from ``west``, so across RA 0 if that is the larger."""

    name: ClassVar[str] = "range"
    corners: ClassVar[int] = 1

    west: float
    east: float
    south: float
    north: float

    @classmethod
    def of(cls, west: float, east: float, south: float, north: float) -> Range:
        """Give a sound range; infinities leave it open on that side (DALI 1.1, 3.3.3). Raises RegionError."""
        if math.inf in (west, south) or -math.inf in (east, north):
            raise RegionError("a range can begin at -Inf and end at +Inf, not the other way round")
        west, east = 0.0 if west == -math.inf else west, 360.0 if east == math.inf else east
        south, north = -90.0 if south == -math.inf else south, 90.0 if north == math.inf else north
        if latitude(south) >= latitude(north):
            raise RegionError(
                f"the first declination of a range must be smaller than the second, not {south:.15g} and {north:.15g}"
            )
        if longitude(west) == longitude(east) and east - west < 360:
            raise RegionError(f"the right ascensions of a range must differ, and {west:.15g} and {east:.15g} do not")
        if east - west >= 360:
            return cls(0.0, 360.0, south, north)
        return cls(longitude(west), longitude(east) or 360.0, south, north)

    @property
    def width(self) -> float:
        """Degrees of right ascension."""
        return self.east - self.west + (360 if self.east < self.west else 0)

    @property
    def area(self) -> float:
        """Square degrees."""
        middle, half = math.radians((self.south + self.north) / 2), math.radians((self.north - self.south) / 2)
        return math.degrees(self.width) * 2 * math.cos(middle) * math.sin(half)

    @property
    def perimeter(self) -> float:
        """Degrees."""
        parallels = sum(math.cos(math.radians(dec)) for dec in (self.south, self.north)) * self.width
        return parallels + (2 * (self.north - self.south) if self.width < 360 else 0)

    def as_dict(self) -> dict[str, Any]:
        """Give the ends."""
        return {"ra": [self.west, self.east], "dec": [self.south, self.north]}

    def build(self, order: int) -> MOC:
        """Give the cells that the range touches."""
        return moc_of(zone_ranges(self.west, self.width, self.south, self.north, order), order)


@dataclass(frozen=True)
class Polygon:
    """The smaller side of a line of great circles that comes back to its beginning."""

    name: ClassVar[str] = "polygon"

    vertices: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> Polygon:
        """Give a sound polygon; it may be closed or not, and go round either way. Raises RegionError."""
        if len(points) > MAX_VERTICES:
            raise RegionError(f"a polygon can have at most {MAX_VERTICES} points, not {len(points)}")
        turned = [(longitude(ra), latitude(dec)) for ra, dec in points]
        distinct = tuple(
            point for point, before in zip(turned, turned[-1:] + turned[:-1], strict=True) if point != before
        )
        if len(set(turned)) < 3:
            raise RegionError(f"a polygon must have at least 3 different points, not {len(set(turned))}")
        polygon = cls(distinct)
        centre = centre_of(polygon.vectors)
        polygon._refuse_crossing(centre)
        if 4 * polygon.area <= cell_size(MAX_ORDER) * polygon.perimeter:
            raise RegionError("the points of a polygon must not lie on one line, and these do: it has no area")
        return polygon

    @cached_property
    def vectors(self) -> Vectors:
        """The vertices as unit vectors."""
        return unit_vectors(*np.array(self.vertices).T)

    @property
    def corners(self) -> int:
        """The number of vertices."""
        return len(self.vertices)

    @property
    def area(self) -> float:
        """Square degrees, by the excess of the triangles between a side and the centre (Eriksson 1990)."""
        centre, a = centre_of(self.vectors), self.vectors
        b = np.roll(a, -1, axis=0)
        # by differences, which keep their digits where the polygon is small
        volume = np.cross(a - centre, b - centre) @ centre
        excess = 2 * np.arctan2(volume, 1 + a @ centre + b @ centre + (a * b).sum(axis=1))
        return abs(float(excess.sum())) * math.degrees(1) ** 2

    @property
    def perimeter(self) -> float:
        """Degrees."""
        chord = np.linalg.norm(np.roll(self.vectors, -1, axis=0) - self.vectors, axis=1)
        return float(np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))).sum())

    def as_dict(self) -> dict[str, Any]:
        """Give the vertices."""
        return {"vertices": [list(vertex) for vertex in self.vertices]}

    def build(self, order: int) -> MOC:
        """Give the cells that the polygon touches."""
        from astropy.coordinates import Latitude, Longitude
        from mocpy import MOC

        ra, dec = np.array(self.vertices).T
        return MOC.from_polygon(lon=Longitude(ra, unit="deg"), lat=Latitude(dec, unit="deg"), max_depth=order)

    def _refuse_crossing(self, centre: NDArray[np.float64]) -> None:
        """Raise RegionError where two sides cross. Great circles are straight in the plane that touches the centre."""
        east = np.cross(centre, np.eye(3)[np.argmin(np.abs(centre))])
        plane = np.stack((east, np.cross(centre, east)), axis=1)
        a = (self.vectors - centre) @ plane / (self.vectors @ centre)[:, None]
        b = np.roll(a, -1, axis=0)

        along, off = (b - a)[:, None, :], a[None, :, :] - a[:, None, :]
        hand = np.sign(along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])  # of [side, vertex]
        parted = hand * np.roll(hand, -1, axis=1) < 0  # whether the line of [side] parts the ends of [side]
        crossing = np.argwhere(parted & parted.T)
        if len(crossing):
            first, second = sorted(crossing[0] + 1)
            raise RegionError(f"the sides of a polygon must not cross, and sides {first} and {second} do")


def unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Vectors:
    """Turn positions in degrees into unit vectors."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack((np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)), axis=1)


def centre_of(vectors: Vectors) -> NDArray[np.float64]:
    """Give a place from which all vertices are less than 90 degrees away. Raises RegionError if there is none."""
    # 1,000 steps of the perceptron find it wherever the polygon leaves two degrees of its half of the sky free
    centre = vectors.mean(axis=0)
    for _ in range(1000):
        worst = vectors[np.argmin(vectors @ centre)]
        if worst @ centre > 1e-3 * np.linalg.norm(centre):
            unit: NDArray[np.float64] = centre / np.linalg.norm(centre)
            return unit
        centre = centre + worst
    raise RegionError(
        "a polygon must fit into one half of the sky, with sides shorter than 180 degrees; this one does not, so that "
        "neither of its sides is the inner one"
    )
