"""STC-S (IVOA Note, version 1.33), the part of it that regions such as ``s_region`` are written in.

::

    region  = shape | union | not
    shape   = (Circle | Ellipse | Box | Polygon | Position | PositionInterval | AllSky) [place] number* trailer
    union   = (Union | Intersection | Difference) [place] "(" region region ... ")"
    not     = Not [place] ["("] region [")"]
    place   = ["fillfactor" number] [frame] [reference position] ["SPHER2"]
    trailer = ["Position" number number] ["unit" unit] [("Error" | "Resolution" | "Size" | "PixSize") number*]

The order of a trailer's parts does not matter, nor does the fill factor; a part without a frame has that of what it
lies in, and the outermost ICRS. mocpy takes neither boxes nor other frames, drops the last of an odd number of
coordinates, and dies of deep nesting.
"""

from __future__ import annotations

import re

from index.combination import MAX_DEPTH, MAX_PARTS, Combination
from index.errors import RegionError
from index.figures import Ellipse, Point, box
from index.forms.words import finite, quoted, unit_factor
from index.frames import ICRS, OTHERS, Frame
from index.shapes import Circle, Polygon, Range, Shape

NUMBERS = {"CIRCLE": 3, "ELLIPSE": 5, "BOX": 4, "POSITION": 2, "POSITIONINTERVAL": 4, "ALLSKY": 0, "POLYGON": None}
"""How many numbers a shape takes; a polygon takes any even number."""
COMPOUNDS = ("UNION", "INTERSECTION", "DIFFERENCE", "NOT")
WORDS = frozenset({*NUMBERS, *COMPOUNDS})

_REFERENCES = (
    "TOPOCENTER",
    "BARYCENTER",
    "GEOCENTER",
    "HELIOCENTER",
    "EMBARYCENTER",
    "LSR",
    "LSRK",
    "LSRD",
    "GALACTIC_CENTER",
    "LOCAL_GROUP_CENTER",
    "UNKNOWNREFPOS",
    "RELOCATABLE",
)
_TRAILERS = ("ERROR", "RESOLUTION", "SIZE", "PIXSIZE")
_NUMERIC = tuple("+-.0123456789")
_TOKEN = re.compile(r"[()]|[^\s()]+")


def read(text: str) -> Shape:
    """Read a region. Raises RegionError."""
    parser = _Parser(_TOKEN.findall(text))
    shape = parser.region(ICRS, 0)
    if parser.word:
        raise RegionError(f"STC-S: nothing can follow the region, and {quoted(parser.word)} does")
    return shape


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def word(self) -> str:
        """The next token, empty at the end."""
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        word = self.word
        self._next += 1
        return word

    def took(self, *words: str) -> bool:
        """Whether the next token is one of these; it is passed."""
        if self.word.upper() not in words:
            return False
        self._next += 1
        return True

    def region(self, outer: Frame, depth: int) -> Shape:
        word = self.take()
        name = word.upper()
        if name not in WORDS:
            raise RegionError(f"STC-S: a region must begin with one of {_ALLOWED}, not {quoted(word)}")
        frame = self._place(outer)
        if name not in COMPOUNDS:
            return self._shape(name, frame, inner=depth > 0)
        if depth >= MAX_DEPTH:
            raise RegionError(f"regions can lie at most {MAX_DEPTH} deep in one another")
        return Combination.of(name.lower(), self._parts(name, frame, depth))

    def _parts(self, name: str, frame: Frame, depth: int) -> list[Shape]:
        if not self.took("("):
            if name == "NOT":
                return [self.region(frame, depth + 1)]
            raise RegionError(f"STC-S: {name.capitalize()} takes its regions in parentheses, not {quoted(self.word)}")
        parts = []
        while not self.took(")"):
            if not self.word:
                raise RegionError(f"STC-S: the parenthesis after {name.capitalize()} is not closed")
            parts.append(self.region(frame, depth + 1))
            if len(parts) > MAX_PARTS:
                raise RegionError(f"a region can have at most {MAX_PARTS} shapes")
        return parts

    def _place(self, outer: Frame) -> Frame:
        """Pass fill factor, frame, reference position and flavour; give the frame."""
        if self.took("FILLFACTOR") and not 0 < finite(self.take()) <= 1:
            raise RegionError("STC-S: a fillfactor must be larger than 0 and at most 1")
        frame = outer
        if Frame.known(self.word) or self.word.upper() in OTHERS:
            frame = Frame.named(self.take())
            self.took("J2000")  # the equinox of FK5
        self.took(*_REFERENCES)
        self.took("SPHER2", "SPHERICAL2")
        return frame

    def _shape(self, name: str, frame: Frame, *, inner: bool) -> Shape:
        numbers = self._numbers()
        factor = self._trailer(inner=inner)
        wanted = NUMBERS[name]
        if wanted is None and (len(numbers) < 6 or len(numbers) % 2):
            raise RegionError(
                f"STC-S: Polygon takes an even number of numbers, for at least 3 points, not {len(numbers)}"
            )
        if wanted is not None and len(numbers) != wanted:
            where = f" before {quoted(self.word)}" if self.word else ""
            raise RegionError(f"STC-S: {name.capitalize()} takes {wanted} numbers, not {len(numbers)}{where}")
        if name == "ELLIPSE":  # the position angle is in degrees whatever the unit
            numbers = [*(number * factor for number in numbers[:4]), numbers[4]]
        else:
            numbers = [number * factor for number in numbers]
        return shape_of(name, frame, numbers)

    def _numbers(self) -> list[float]:
        numbers = []
        while self.word[:1] in _NUMERIC or self.word.lower() in ("nan", "inf"):
            numbers.append(finite(self.take()))
        return numbers

    def _trailer(self, *, inner: bool) -> float:
        """Pass what can follow a shape; give the degrees of its unit."""
        factor = 1.0
        while self.word:
            if self.took("UNIT"):
                factor = unit_factor(self.take())
            # a position alone is one of reference, in a union it is a shape
            elif self.took(*_TRAILERS) or (not inner and self.took("POSITION")):
                self._numbers()
            else:
                break
        return factor


_ALLOWED = "Circle, Ellipse, Box, Polygon, Position, PositionInterval, AllSky, Union, Intersection, Difference, Not"


def shape_of(name: str, frame: Frame, numbers: list[float]) -> Shape:
    """Give the shape of a name of :data:`NUMBERS` with the numbers it takes, degrees. Raises RegionError."""
    if name in ("ALLSKY", "POSITIONINTERVAL"):
        if name == "POSITIONINTERVAL" and not frame.is_icrs:
            raise RegionError(f"PositionInterval is taken in ICRS only, not in {frame.name}; Polygon is taken there")
        west, south, east, north = numbers or (0.0, -90.0, 360.0, 90.0)
        return Range.of(west, east, south, north)
    if name == "POLYGON":
        return Polygon.of(frame.to_icrs(list(zip(numbers[::2], numbers[1::2], strict=True))))
    place = (numbers[0], numbers[1])
    ra, dec = frame.to_icrs([place])[0]
    if name == "POSITION":
        return Point.of(ra, dec)
    if name == "CIRCLE":
        return Circle.of(ra, dec, numbers[2])
    if name == "BOX":
        return box(ra, dec, numbers[2], numbers[3], frame.angle_to_icrs(place, 0.0))
    return Ellipse.of(ra, dec, numbers[2], numbers[3], frame.angle_to_icrs(place, numbers[4]))
