"""A circle around sexagesimal coordinates or around a target of the index."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from index.errors import RegionError
from index.forms.words import declination, length, quoted, right_ascension
from index.shapes import Circle

SPREAD = 0.25
"""Degrees that the pointings towards a target can lie from their middle; beyond, its name does not say where it is."""

Targets = Callable[[str], Sequence[tuple[float, float]]]
"""Gives the pointings of the datasets with a target, ICRS degrees, by its name in either case, blanks apart."""


def no_targets(_name: str) -> Sequence[tuple[float, float]]:
    """Know no target, where there is no index to ask. Raises RegionError."""
    raise RegionError("the name of a target cannot be used here; give its coordinates")


def place(text: str) -> Circle:
    """Read ``02:23:11.4 +43:02:08 6'``: hours, degrees, radius (degrees, or with its unit). Raises RegionError."""
    words = text.split(maxsplit=2)
    if len(words) != 3:
        raise RegionError(
            f"coordinates take a radius: ra dec radius, such as 02:23:11.4 +43:02:08 6', not {quoted(text)}"
        )
    return Circle.of(right_ascension(words[0]), declination(words[1]), length(words[2]))


def target(text: str, targets: Targets) -> Circle:
    """Read ``name radius``: a circle around the middle of the pointings towards a target. Raises RegionError."""
    name, _, radius = text.rpartition(" ")
    if not name.strip():
        raise RegionError(f"TARGET takes a name and a radius, such as TARGET 3C 66B 6', not {quoted(text)}")
    away = length(radius)
    pointings = targets(name.strip())
    if not pointings:
        raise RegionError(f"no dataset has the target {quoted(name.strip())}")
    middle = middle_of(pointings)
    if middle is None:
        raise RegionError(
            f"the {len(pointings)} pointings towards {quoted(name.strip())} lie too far apart to be one place; "
            "give coordinates"
        )
    return Circle.of(*middle, away)


def middle_of(pointings: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Give the middle of pointings, ICRS degrees; None where they lie too far apart to be one place."""
    vectors = [_vector(ra, dec) for ra, dec in pointings]
    middle = [math.fsum(column) for column in zip(*vectors, strict=True)]
    size = math.hypot(*middle)
    if size < 0.5 * len(vectors) or any(
        math.dist([m / size for m in middle], v) > math.radians(SPREAD) for v in vectors
    ):
        return None
    x, y, z = middle
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))


def _vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)
