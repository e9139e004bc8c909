"""The geometry literals of ADQL 2.1 (4.2.9 to 4.2.15): POINT, CIRCLE, BOX, POLYGON and REGION with STC-S."""

from __future__ import annotations

import re

from index.errors import RegionError
from index.forms import stcs
from index.forms.words import finite, quoted
from index.frames import ICRS, Frame
from index.shapes import Shape

NAMES = ("POINT", "CIRCLE", "BOX", "POLYGON", "REGION")

_CALL = re.compile(r"\s*(\w+)\s*\((.*)\)\s*;?\s*", re.ASCII | re.DOTALL)
_POINT = re.compile(r"POINT\s*\(([^()]*)\)", re.ASCII | re.IGNORECASE)
_SHAPES = {"POINT": "POSITION"}


def read(text: str) -> Shape:
    """Read ``CIRCLE('ICRS', ra, dec, radius)`` and the like, in degrees. Raises RegionError.

    The frame can be left out, and a POINT can stand where two coordinates do, as ADQL 2.1 has it.
    """
    call = _CALL.fullmatch(text)
    name = call[1].upper() if call else ""
    if call is None or name not in NAMES:
        raise RegionError(f"ADQL: a region must be one of {', '.join(NAMES)} with its values in parentheses")
    if name == "REGION":
        inner = call[2].strip()
        if len(inner) < 2 or inner[0] != "'" or inner[-1] != "'":
            raise RegionError("ADQL: REGION takes a text of STC-S in single quotes")
        return stcs.read(inner[1:-1])
    words = _words(call[2])
    frame, words = _frame(words) if words[0][:1] == "'" else (ICRS, words)
    numbers = list(map(finite, words))
    shape = _SHAPES.get(name, name)
    wanted = stcs.NUMBERS[shape]
    if wanted is None and (len(numbers) < 6 or len(numbers) % 2):
        raise RegionError(f"ADQL: POLYGON takes an even number of numbers, for at least 3 points, not {len(numbers)}")
    if wanted is not None and len(numbers) != wanted:
        raise RegionError(f"ADQL: {name} takes {wanted} numbers, not {len(numbers)}")
    return stcs.shape_of(shape, frame, numbers)


def _words(inner: str) -> list[str]:
    """Give the values; those of a POINT stand where it stood, its frame first of all."""
    frames: list[str] = []

    def coordinates(point: re.Match[str]) -> str:
        words = [word.strip() for word in point[1].split(",")]
        if words[0][:1] == "'":
            frames.append(words.pop(0))
        if len(words) != 2:
            raise RegionError(f"ADQL: POINT takes 2 numbers, not {len(words)}")
        return ",".join(words)

    words = [word.strip() for word in _POINT.sub(coordinates, inner).split(",")]
    if len({frame.upper() for frame in frames}) > 1:
        raise RegionError("ADQL: the points of a region must be in one frame")
    return [*frames[:1], *words] if frames and words[0][:1] != "'" else words


def _frame(words: list[str]) -> tuple[Frame, list[str]]:
    """Give the frame of the first word, such as ``'ICRS GEOCENTER'``, and the others."""
    first = words[0]
    if len(first) < 2 or first[-1] != "'":
        raise RegionError(f"ADQL: the frame must be in single quotes, not {quoted(first)}")
    named = first[1:-1].split()
    return (Frame.named(named[0]) if named else ICRS), words[1:]
