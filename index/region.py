"""What the user asks about: a part of the sky, kept as it was given and as a MOC.

The text forms are those of POS in SODA 1.0 and SIA 2.0, and of the circle and polygon of DALI 1.1 (3.3.6, 3.3.7).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from index.errors import RegionError
from index.healpix import MAX_ORDER, cell_size
from index.shapes import Circle, Polygon, Range, Shape

if TYPE_CHECKING:
    from mocpy import MOC

MAX_TEXT = 50_000
"""Characters."""
MAX_BORDER = 100_000
"""The most cells along the border of a coverage: some 0.2 s and 20 MB."""
MAX_TURNS = 20_000_000
"""The most border cells times vertices of a polygon, since each cell is held against each vertex: some 0.6 s."""
LEAST_ORDER = 12
"""Its cells (51 arcsec) are the coarsest that a region is given if it can be had."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """A circle, a polygon or a range."""

    text: str
    """In the form of POS; ``Region.parse`` reads it back."""
    geometry: Shape

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read ``CIRCLE ra dec radius``, ``RANGE ra1 ra2 dec1 dec2`` or ``POLYGON ra1 dec1 ra2 dec2 ra3 dec3 ...``.

        Degrees, ICRS. The ends of a RANGE can be -Inf and +Inf; it goes across RA 0 if ra1 > ra2. Raises
        RegionError.
        """
        _refuse_long(text)
        word, *numbers = text.split() or [""]
        form = _FORMS.get(word.upper())
        if form is None:
            raise RegionError(f"a region must begin with CIRCLE, RANGE or POLYGON, not {_quoted(word)}")
        return cls(text.strip(), form(numbers))

    @classmethod
    def circle(cls, text: str) -> Region:
        """Read ``ra dec radius`` in degrees, ICRS. Raises RegionError."""
        return cls.parse(f"CIRCLE {text.strip()}")

    @classmethod
    def polygon(cls, text: str) -> Region:
        """Read ``ra1 dec1 ra2 dec2 ra3 dec3 ...`` in degrees, ICRS. Raises RegionError."""
        return cls.parse(f"POLYGON {text.strip()}")

    @property
    def shape(self) -> str:
        """Give ``circle``, ``polygon`` or ``range``."""
        return self.geometry.name

    def as_dict(self) -> dict[str, Any]:
        """Give text, shape and its numbers, all finite: ra, dec and radius, or vertices, or ra and dec as pairs."""
        return {"text": self.text, "shape": self.shape, **self.geometry.as_dict()}

    @cached_property
    def order(self) -> int:
        """The order of the MOC: its cells are a 64th of the region's width, but at most 51 arcsec.

        A region with a very long border gets a coarser one. A circle comes out some 4 % larger than it is.
        """
        width = min(4 * self.geometry.area / max(self.geometry.perimeter, cell_size(MAX_ORDER)), 180)
        wanted = 6 + math.floor(math.log2(cell_size(0) / max(width, cell_size(MAX_ORDER))))
        return min(max(wanted, LEAST_ORDER), self.finest_order)

    @cached_property
    def finest_order(self) -> int:
        """The finest order that the region is built at."""
        border = MAX_BORDER
        if isinstance(self.geometry, Polygon):
            border = min(border, MAX_TURNS // len(self.geometry.vertices))
        return next(
            (order for order in range(MAX_ORDER, 0, -1) if self.geometry.perimeter / cell_size(order) <= border), 0
        )

    def moc(self, order: int | None = None) -> MOC:
        """Give the cells that the region touches, at the order given or ``self.order``.

        Slivers thinner than a quarter of a cell may be missing at the border of a circle. Raises RegionError if the
        order is not one, or would cost too much for a region of this size.
        """
        if order is None or order == self.order:
            return self._moc
        if not 0 <= order <= MAX_ORDER:
            raise RegionError(f"the order of a MOC must be from 0 to {MAX_ORDER}, not {order}")
        if order > self.finest_order:
            raise RegionError(
                f"a {self.shape} of this size can be cut into cells of order {self.finest_order} at most, not {order}"
            )
        return self._build(order)

    @cached_property
    def _moc(self) -> MOC:
        return self._build(self.order)

    def _build(self, order: int) -> MOC:
        try:
            moc = self.geometry.build(order)
        except BaseException as error:
            # a panic of mocpy is an exception that no module exports, and no Exception
            if not isinstance(error, ValueError | OSError) and type(error).__name__ != "PanicException":
                raise
            raise RegionError(f"the {self.shape} cannot be cut into cells of order {order}: {error}") from error
        if moc.empty():
            raise RegionError(f"the {self.shape} covers nothing at order {order}")
        return moc


def _circle(words: list[str]) -> Circle:
    if len(words) != 3:
        raise RegionError(f"CIRCLE takes 3 numbers, ra dec radius, not {len(words)}")
    ra, dec, radius = map(_finite, words)
    return Circle.of(ra, dec, radius)


def _range(words: list[str]) -> Range:
    if len(words) != 4:
        raise RegionError(f"RANGE takes 4 numbers, ra1 ra2 dec1 dec2, not {len(words)}")
    return Range.of(*(float(word) if _INFINITY.fullmatch(word) else _finite(word) for word in words))


def _polygon(words: list[str]) -> Polygon:
    if len(words) < 6 or len(words) % 2:
        raise RegionError(
            f"POLYGON takes an even number of numbers, ra1 dec1 ra2 dec2 ..., for at least 3 points, not {len(words)}"
        )
    numbers = list(map(_finite, words))
    return Polygon.of(list(zip(numbers[::2], numbers[1::2], strict=True)))


_FORMS: dict[str, Callable[[list[str]], Shape]] = {"CIRCLE": _circle, "RANGE": _range, "POLYGON": _polygon}


def _finite(word: str) -> float:
    number = float(word) if _NUMBER.fullmatch(word) else math.nan
    if not math.isfinite(number):
        raise RegionError(f"a coordinate must be a finite number of degrees, not {_quoted(word)}")
    return number


def _quoted(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:37] + "...")


def _refuse_long(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RegionError(f"the text of a region can have at most {MAX_TEXT} characters, not {len(text)}")
