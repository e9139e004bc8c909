"""POS in SODA 1.0 and SIA 2.0, with the circle and polygon of DALI 1.1 (3.3.6, 3.3.7): words between blanks."""

from __future__ import annotations

import re
from collections.abc import Callable

from index.errors import RegionError
from index.forms.words import finite, quoted
from index.shapes import Circle, Polygon, Range, Shape

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)


def read(text: str) -> Shape:
    """Read ``CIRCLE ra dec radius``, ``RANGE ra1 ra2 dec1 dec2`` or ``POLYGON ra1 dec1 ra2 dec2 ...``.

    The ends of a RANGE can be -Inf and +Inf; it goes across RA 0 if ra1 > ra2. Raises RegionError.
    """
    word, *numbers = text.split() or [""]
    form = FORMS.get(word.upper())
    if form is None:
        raise RegionError(f"it must begin with CIRCLE, RANGE or POLYGON, not {quoted(word)}")
    return form(numbers)


def _circle(words: list[str]) -> Circle:
    if len(words) != 3:
        raise RegionError(f"CIRCLE takes 3 numbers, ra dec radius, not {len(words)}")
    ra, dec, radius = map(finite, words)
    return Circle.of(ra, dec, radius)


def _range(words: list[str]) -> Range:
    if len(words) != 4:
        raise RegionError(f"RANGE takes 4 numbers, ra1 ra2 dec1 dec2, not {len(words)}")
    return Range.of(*(float(word) if _INFINITY.fullmatch(word) else finite(word) for word in words))


def _polygon(words: list[str]) -> Polygon:
    if len(words) < 6 or len(words) % 2:
        raise RegionError(
            f"POLYGON takes an even number of numbers, ra1 dec1 ra2 dec2 ..., for at least 3 points, not {len(words)}"
        )
    numbers = list(map(finite, words))
    return Polygon.of(list(zip(numbers[::2], numbers[1::2], strict=True)))


FORMS: dict[str, Callable[[list[str]], Shape]] = {"CIRCLE": _circle, "RANGE": _range, "POLYGON": _polygon}
