"""The shapes beside those of DALI: a point, an ellipse, a box, and the cells of a ready MOC.

mocpy 0.21 refuses every box of STC-S and every ellipse that is a circle; both are polygons here, in the plane where
they are straight or at equal angles from their centre. Lengths and places are in degrees, ICRS.
"""

# ruff: noqa: PLC0415 - mocpy and astropy take half a second and 40 MB; who asks about no region does without them

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from index.errors import RegionError
from index.healpix import SKY_AREA, moc_of, ranges_of
from index.shapes import Circle, Polygon, latitude, longitude

if TYPE_CHECKING:
    from mocpy import MOC

CORNERS = 64
"""Of an ellipse, which lacks 0.16 % of its area as a polygon, and nowhere a tenth of a cell."""
MAX_AXIS = 85.0
"""The longest semi-axis of an ellipse and half the longest side of a box."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A position."""

    name: ClassVar[str] = "point"
    corners: ClassVar[int] = 1
    area: ClassVar[float] = 0.0
    perimeter: ClassVar[float] = 0.0

    ra: float
    dec: float

    @classmethod
    def of(cls, ra: float, dec: float) -> Point:
        """Give a sound point. Raises RegionError."""
        return cls(longitude(ra), latitude(dec))

    def as_dict(self) -> dict[str, Any]:
        """Give the position."""
        return {"ra": self.ra, "dec": self.dec}

    def build(self, order: int) -> MOC:
        """Give the cell that the point lies in."""
        from astropy.coordinates import Latitude, Longitude
        from mocpy import MOC

        return MOC.from_lonlat(Longitude([self.ra], unit="deg"), Latitude([self.dec], unit="deg"), max_norder=order)


@dataclass(frozen=True)
class Ellipse:
    """What lies within a distance of a centre that goes round with the direction as the radius of an ellipse."""

    name: ClassVar[str] = "ellipse"

    ra: float
    dec: float
    semi_major: float
    semi_minor: float
    angle: float
    """Of the major axis, north through east, [0, 180)."""

    @classmethod
    def of(cls, ra: float, dec: float, first: float, second: float, angle: float) -> Ellipse | Circle:
        """Give a sound ellipse of two semi-axes, the first one at the angle; a circle where they are the same.

        Raises RegionError.
        """
        for axis in (first, second):
            if not 0 < axis <= MAX_AXIS:
                raise RegionError(
                    f"a semi-axis must be a number of degrees larger than 0 and at most {MAX_AXIS:g}, not {axis:.15g}"
                )
        if first == second:
            return Circle.of(ra, dec, first)
        if first < second:
            first, second, angle = second, first, angle + 90
        ellipse = cls(longitude(ra), latitude(dec), first, second, _angle(angle) % 180)
        ellipse.polygon  # noqa: B018 - raises where the ellipse is too thin
        return ellipse

    @cached_property
    def polygon(self) -> Polygon:
        """The ellipse with corners."""
        t = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        along, across = self.semi_major * np.cos(t), self.semi_minor * np.sin(t)
        away, direction = np.hypot(along, across), np.degrees(np.arctan2(across, along)) + self.angle
        try:
            return Polygon.of(_at(self.ra, self.dec, away, direction))
        except RegionError as error:
            raise RegionError(f"the ellipse is too thin or too small: {error}") from error

    @property
    def corners(self) -> int:
        """Of the polygon that stands for it."""
        return self.polygon.corners

    @property
    def area(self) -> float:
        """Square degrees."""
        return self.polygon.area

    @property
    def perimeter(self) -> float:
        """Degrees."""
        return self.polygon.perimeter

    def as_dict(self) -> dict[str, Any]:
        """Give centre, semi-axes, angle, and the vertices of the polygon that stands for it."""
        axes = {"semi_major": self.semi_major, "semi_minor": self.semi_minor, "angle": self.angle}
        return {"ra": self.ra, "dec": self.dec, **axes, **self.polygon.as_dict()}

    def build(self, order: int) -> MOC:
        """Give the cells that the ellipse touches."""
        return self.polygon.build(order)


def box(ra: float, dec: float, width: float, height: float, angle: float = 0.0) -> Polygon:
    """Give a box with its width along the parallel and its height along the meridian of its centre.

    Its sides are the great circles at right angles to the arms of a cross at their ends (ADQL 2.1, 4.2.10). The angle
    turns it, north through east. Raises RegionError.
    """
    for side in (width, height):
        if not 0 < side <= 2 * MAX_AXIS:
            raise RegionError(
                f"a side of a box must be a number of degrees larger than 0 and at most {2 * MAX_AXIS:g}, "
                f"not {side:.15g}"
            )
    # great circles are straight in the plane that touches the centre
    x, y = math.tan(math.radians(width / 2)), math.tan(math.radians(height / 2))
    east, north = np.array([x, x, -x, -x]), np.array([-y, y, y, -y])
    away, direction = np.degrees(np.arctan(np.hypot(east, north))), np.degrees(np.arctan2(east, north))
    return Polygon.of(_at(longitude(ra), latitude(dec), away, direction + _angle(angle)))


@dataclass(frozen=True)
class Cells:
    """The cells of a MOC."""

    name: ClassVar[str] = "moc"
    corners: ClassVar[int] = 1
    perimeter: ClassVar[float] = 0.0
    """It costs nothing to build: the cells are there."""

    moc: MOC

    @property
    def order(self) -> int:
        """Of the MOC."""
        return int(self.moc.max_order)

    @property
    def area(self) -> float:
        """Square degrees."""
        return float(self.moc.sky_fraction) * SKY_AREA

    def as_dict(self) -> dict[str, Any]:
        """Give order and area; the cells would fill books."""
        return {"order": self.order, "area": self.area}

    def build(self, order: int) -> MOC:
        """Give the cells of an order that the MOC touches."""
        if order == self.order:
            return self.moc
        return self.moc.degrade_to_order(order) if order < self.order else moc_of(ranges_of(self.moc), order)


def _angle(angle: float) -> float:
    if not -720 <= angle <= 720:
        raise RegionError(f"an angle must be a number of degrees from -720 to 720, not {angle:.15g}")
    return angle


def _at(ra: float, dec: float, away: Floats, direction: Floats) -> list[tuple[float, float]]:
    """Give the places at distances from a place in directions, north through east; all in degrees."""
    distance, turn, pole = np.radians(away), np.radians(direction), math.radians(dec)
    north, east = np.sin(distance) * np.cos(turn), np.sin(distance) * np.sin(turn)
    outward = np.cos(distance) * math.cos(pole) - north * math.sin(pole)
    height = np.cos(distance) * math.sin(pole) + north * math.cos(pole)
    longitudes = (ra + np.degrees(np.arctan2(east, outward))) % 360
    latitudes = np.degrees(np.arctan2(height, np.hypot(outward, east)))
    return list(zip(longitudes.tolist(), latitudes.tolist(), strict=True))
