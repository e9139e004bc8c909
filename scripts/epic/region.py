"""The regions of ``task.json`` on the X, Y pixels of an event list.

A circle is a circle in X, Y, as in SAS, CFITSIO and funtools; the projection's distortion is below 0.03
arcsec within half a degree. The great-circle edges of a polygon are straight lines in a gnomonic projection.
A range is tested in right ascension and declination. Every other shape, among them ``compound`` and ``moc``, is what
the cells of its MOC are, the file that ``moc`` of the region names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.epic.errors import ScienceError
from scripts.epic.projection import Projection

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

EVERYWHERE: Bounds = (-np.inf, np.inf, -np.inf, np.inf)
NEAR = 0.5
"""Cosine of the angle from the tangent point within which a region is drawn in the projection."""


class Outline(NamedTuple):
    """A row of a REGION extension: the shape's name and its numbers, in X, Y pixels."""

    shape: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    r: tuple[float, ...] = ()


class Shape(Protocol):
    """A region in the plane of X, Y."""

    @property
    def text(self) -> str:
        """What was asked, in ICRS degrees."""

    @property
    def bounds(self) -> Bounds | None:
        """Lowest and highest X, lowest and highest Y; None when it is on the other side of the sky."""

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """What a REGION extension can say of it: the first, without those that begin with ``!``; empty if nothing."""

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points lie in it."""


class Circle(NamedTuple):
    """A circle in X, Y."""

    text: str
    x: float
    y: float
    radius: float

    @property
    def bounds(self) -> Bounds:
        """The square around it."""
        return self.x - self.radius, self.x + self.radius, self.y - self.radius, self.y + self.radius

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """A CIRCLE."""
        return (Outline("CIRCLE", (self.x,), (self.y,), (self.radius,)),)

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points are at most the radius away from the centre."""
        near = _within(self.bounds, x, y)
        near[near] = np.hypot(x[near] - self.x, y[near] - self.y) <= self.radius
        return near


class Annulus(NamedTuple):
    """A ring in X, Y."""

    text: str
    x: float
    y: float
    inner: float
    outer: float

    @property
    def bounds(self) -> Bounds:
        """The square around it."""
        return self.x - self.outer, self.x + self.outer, self.y - self.outer, self.y + self.outer

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """An ANNULUS."""
        return (Outline("ANNULUS", (self.x,), (self.y,), (self.inner, self.outer)),)

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points lie between the circles."""
        near = _within(self.bounds, x, y)
        distance = np.hypot(x[near] - self.x, y[near] - self.y)
        near[near] = (distance > self.inner) & (distance <= self.outer)
        return near


class Polygon(NamedTuple):
    """A polygon in X, Y."""

    text: str
    x: Floats
    y: Floats

    @property
    def bounds(self) -> Bounds:
        """The rectangle around it."""
        return float(self.x.min()), float(self.x.max()), float(self.y.min()), float(self.y.max())

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """A POLYGON."""
        return (Outline("POLYGON", tuple(map(float, self.x)), tuple(map(float, self.y))),)

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points lie inside by the even-odd rule."""
        near = _within(self.bounds, x, y)
        u, v = x[near], y[near]
        odd = np.zeros(len(u), dtype=bool)
        for x0, y0, x1, y1 in zip(self.x, self.y, np.roll(self.x, -1), np.roll(self.y, -1), strict=True):
            if y0 != y1:
                odd ^= ((y0 > v) != (y1 > v)) & (u < (x1 - x0) * (v - y0) / (y1 - y0) + x0)
        near[near] = odd
        return near


class Range(NamedTuple):
    """A range of right ascension and declination."""

    text: str
    projection: Projection
    ra: tuple[float, float]
    dec: tuple[float, float]

    @property
    def _edge(self) -> tuple[Floats, Floats]:
        t = np.linspace(0, 1, 65)
        (a0, a1), (d0, d1) = self.ra, self.dec
        width = 360.0 if abs(a1 - a0) >= 360 else (a1 - a0) % 360
        ra = np.concatenate([a0 + width * t, np.full(65, a0 + width), a0 + width * t[::-1], np.full(65, a0)])
        dec = np.concatenate([np.full(65, d0), d0 + (d1 - d0) * t, np.full(65, d1), d1 + (d0 - d1) * t])
        return self.projection.to_pixel(ra, dec)

    @property
    def bounds(self) -> Bounds | None:
        """The rectangle around its edge, if all of the edge is near."""
        x, y = self._edge
        if np.isfinite(x).all():
            return float(x.min()), float(x.max()), float(y.min()), float(y.max())
        return EVERYWHERE

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """A POLYGON along its edge."""
        x, y = self._edge
        return (Outline("POLYGON", tuple(map(float, x)), tuple(map(float, y))),) if np.isfinite(x).all() else ()

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points lie in the range; both ends belong to it."""
        ra, dec = self.projection.to_sky(x, y)
        (a0, a1), (d0, d1) = self.ra, self.dec
        around = np.mod(ra - a0, 360.0) <= (a1 - a0) % 360.0 if abs(a1 - a0) < 360 else np.ones(len(ra), dtype=bool)
        return around & (dec >= d0) & (dec <= d1)


class Wide:
    """A region taken from its MOC: one too wide or too far away to be drawn in the projection, or of many parts."""

    bounds: Bounds | None = EVERYWHERE
    outlines: tuple[Outline, ...] = ()

    def __init__(self, text: str, projection: Projection, moc: Path) -> None:
        self.text, self.projection, self.moc = text, projection, moc

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which points lie in the MOC, to the size of its cells."""
        from astropy import units  # noqa: PLC0415 - slow to import and rarely needed

        ra, dec = self.projection.to_sky(x, y)
        inside: NDArray[np.bool_] = self._cells.contains_lonlat(ra * units.deg, dec * units.deg)
        return inside

    @cached_property
    def _cells(self) -> Any:
        from mocpy import MOC  # noqa: PLC0415 - as above

        return MOC.load(self.moc)


class Nowhere(NamedTuple):
    """A region too far from the field to touch it."""

    text: str
    bounds: Bounds | None = None
    outlines: tuple[Outline, ...] = ()

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell that no point lies in it."""
        return np.zeros(np.broadcast(x, y).shape, dtype=bool)


def _within(bounds: Bounds, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    return (x >= bounds[0]) & (x <= bounds[1]) & (y >= bounds[2]) & (y <= bounds[3])


def describe(region: Mapping[str, Any]) -> str:
    """Return a region as text, in ICRS degrees."""
    if region.get("text"):
        return str(region["text"])
    numbers: list[float] = []
    if region["shape"] == "circle":
        numbers = [region["ra"], region["dec"], region["radius"]]
    elif region["shape"] == "polygon":
        numbers = [number for vertex in region["vertices"] for number in vertex]
    else:
        numbers = [*region["ra"], *region["dec"]]
    return " ".join([str(region["shape"]).upper(), *(f"{number:.10g}" for number in numbers)])


def place(region: Mapping[str, Any], projection: Projection) -> Shape:
    """Draw a region of ``task.json`` in the plane of an event list.

    :raises ScienceError: the region is of no known shape, or too wide and without a MOC.
    """
    text, shape = describe(region), region.get("shape")
    if shape == "circle":
        ra, dec, radius = (float(region[key]) for key in ("ra", "dec", "radius"))
        distance = float(np.degrees(np.arccos(np.clip(projection.depth(ra, dec), -1, 1))))
        if distance > radius + 5:
            return Nowhere(text)
        if distance < 60 and radius < 30:
            x, y = projection.to_pixel(ra, dec)
            return Circle(text, float(x), float(y), radius / abs(projection.cdelt[1]))
    elif "vertices" in region:  # a polygon, or an ellipse with the polygon that stands for it
        vertices = np.array(region["vertices"], dtype=np.float64)
        if np.all(projection.depth(vertices[:, 0], vertices[:, 1]) > NEAR):
            x, y = projection.to_pixel(vertices[:, 0], vertices[:, 1])
            return Polygon(text, x, y)
    elif shape == "range":
        (a0, a1), (d0, d1) = region["ra"], region["dec"]
        return Range(text, projection, (float(a0), float(a1)), (float(d0), float(d1)))
    elif shape == "point":
        raise ScienceError(f"The region '{text}' is a point; one with an area is needed.")
    if "moc" in region:
        return Wide(text, projection, Path(region["moc"]))
    raise ScienceError(f"The region '{text}' cannot be used: a circle, a polygon or a range near the field is needed.")


def bounding_circle(shape: Shape) -> tuple[float, float, float]:
    """Return centre and radius of a circle around a shape, X, Y pixels.

    :raises ScienceError: the shape is on the other side of the sky, or has no outline in the projection.
    """
    if isinstance(shape, Circle):
        return shape.x, shape.y, shape.radius
    if shape.bounds is None:
        raise ScienceError(
            f"The region '{shape.text}' lies outside the field, in another part of the sky; take another dataset."
        )
    if not shape.outlines:
        raise ScienceError(
            f"The region '{shape.text}' is too wide for an automatic background; name one with BACKGROUND."
        )
    x, y = np.array(shape.outlines[0].x), np.array(shape.outlines[0].y)
    centre = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    return centre[0], centre[1], float(np.max(np.hypot(x - centre[0], y - centre[1])))
