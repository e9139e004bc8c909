"""Region files of SAOImage DS9 (its reference manual, "Regions"), shapes on the sky.

The region is the union of the shapes, without those that have a minus before them; if all have one, it is the sky
without them. Comments, ``global`` lines and properties after ``#`` are passed over. At an angle of zero the first
axis lies along the parallel; a larger one turns it as north turns to east.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from index.combination import MAX_PARTS, Combination
from index.errors import RegionError
from index.figures import Ellipse, Point, box
from index.forms.words import declination, finite, length, quoted, right_ascension
from index.frames import OTHERS, Frame
from index.shapes import Circle, Polygon, Shape

SHAPES = ("circle", "ellipse", "box", "polygon", "annulus", "point")
_PIXELS = ("IMAGE", "PHYSICAL", "AMPLIFIER", "DETECTOR", "LINEAR", "WCS")
_SHAPE = re.compile(r"([+-]?)\s*([A-Za-z]\w*)\s*(?:\((.*)\)|(\S.*))\s*(?:\|\|)?", re.ASCII)
_FRAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


def read(text: str) -> Shape:
    """Read the content of a region file. Raises RegionError."""
    frame: Frame | None = None
    included: list[Shape] = []
    excluded: list[Shape] = []
    for statement in statements(text):
        if _FRAME.fullmatch(statement):
            frame = _frame(statement)
            continue
        parts = _SHAPE.fullmatch(statement)
        if parts is None or parts[2].lower() not in SHAPES:
            word = parts[2] if parts else statement
            raise RegionError(f"DS9: a shape must be one of {', '.join(SHAPES)}, not {quoted(word)}")
        if frame is None:
            raise RegionError(f"DS9: the {parts[2].lower()} has no frame: icrs, fk5 or galactic must stand before it")
        where = excluded if parts[1] == "-" else included
        where.append(_shape(parts[2].lower(), frame, _values(parts[3] or parts[4] or "")))
        if len(included) + len(excluded) > MAX_PARTS:
            raise RegionError(f"a region can have at most {MAX_PARTS} shapes")
    if not included and not excluded:
        raise RegionError("DS9: the file has no shape")
    if not excluded:
        return Combination.of("union", included)
    without = Combination.of("union", excluded)
    return Combination.of("difference", [Combination.of("union", included), without]) if included else _all_but(without)


def statements(text: str) -> Iterator[str]:
    """Give frames and shapes one after the other, without comments, properties and ``global`` lines."""
    for line in text.splitlines():
        plain = line.partition("#")[0]
        if plain.split()[:1] == ["global"]:
            continue
        yield from (statement.strip() for statement in plain.split(";") if statement.strip())


def _all_but(shape: Shape) -> Shape:
    return Combination.of("not", [shape])


def _frame(word: str) -> Frame:
    name = word.upper()
    if name in _PIXELS or name[:3] == "WCS":
        raise RegionError(f"DS9: {word} coordinates are pixels of an image; icrs, fk5 and galactic are on the sky")
    if name.lower() in SHAPES:
        raise RegionError(f"DS9: the {word} has no coordinates")
    if not Frame.known(name) and name not in OTHERS:
        raise RegionError(f"DS9: a frame or a shape is wanted, not {quoted(word)}")
    return Frame.named(word)


def _values(inner: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", inner.strip()) if word]


def _shape(name: str, frame: Frame, words: list[str]) -> Shape:
    if name == "polygon":
        if len(words) < 6 or len(words) % 2:
            raise RegionError(f"DS9: polygon takes an even number of values, for at least 3 points, not {len(words)}")
        return Polygon.of(frame.to_icrs([_place(frame, *pair) for pair in zip(words[::2], words[1::2], strict=True)]))
    wanted = {"point": (2,), "circle": (3,), "ellipse": (4, 5), "box": (4, 5), "annulus": range(4, 103)}[name]
    if len(words) not in wanted:
        allowed = "at least 4" if name == "annulus" else " or ".join(map(str, wanted))
        raise RegionError(f"DS9: {name} takes {allowed} values, not {len(words)}")
    here = _place(frame, words[0], words[1])
    ra, dec = frame.to_icrs([here])[0]
    if name == "point":
        return Point.of(ra, dec)
    if name in ("circle", "annulus"):
        radii = list(map(length, words[2:]))
        if name == "circle":
            return Circle.of(ra, dec, radii[0])
        if sorted(set(radii)) != radii:
            raise RegionError("DS9: the radii of an annulus must grow")
        outer = Circle.of(ra, dec, radii[-1])
        return outer if radii[0] == 0 else Combination.of("difference", [outer, Circle.of(ra, dec, radii[0])])
    first, second = length(words[2]), length(words[3])
    angle = frame.angle_to_icrs(here, finite(words[4]) if len(words) == 5 else 0.0)
    if name == "box":
        return box(ra, dec, first, second, angle)
    return Ellipse.of(ra, dec, first, second, angle + 90)


def _place(frame: Frame, longitude: str, latitude: str) -> tuple[float, float]:
    galactic = frame.name.startswith("GALACTIC")
    return right_ascension(longitude, hours=not galactic), declination(latitude)
