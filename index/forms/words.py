"""Numbers, and lengths and places with their units, as all forms of regions write them."""

from __future__ import annotations

import math
import re

from index.errors import RegionError

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(r"(?P<number>.*?)\s*(?P<unit>arcsec|arcmin|deg|rad|[\"'dr])?", re.IGNORECASE)
_LONGEST = 64
"""Characters of a length with its unit."""
_DEGREES = {
    '"': 1 / 3600,
    "ARCSEC": 1 / 3600,
    "'": 1 / 60,
    "ARCMIN": 1 / 60,
    "D": 1.0,
    "DEG": 1.0,
    "R": math.degrees(1),
    "RAD": math.degrees(1),
}
_ANGLE = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3})(?P<mark>[:hd])(?P<minutes>\d{1,2})(?:[:m](?P<seconds>\d{1,2}(?:\.\d*)?)s?|m?)",
    re.ASCII | re.IGNORECASE,
)


def quoted(word: str) -> str:
    """Give a word as messages show it."""
    return repr(word if len(word) <= 40 else word[:37] + "...")


def is_number(word: str) -> bool:
    """Tell whether a word is a number; Python itself would take 1_000 and foreign digits too."""
    return _NUMBER.fullmatch(word) is not None


def finite(word: str) -> float:
    """Read a finite number of degrees. Raises RegionError."""
    number = float(word) if is_number(word) else math.nan
    if not math.isfinite(number):
        raise RegionError(f"a coordinate must be a finite number of degrees, not {quoted(word)}")
    return number


def length(word: str) -> float:
    """Read a length in degrees, or with its unit: arcsec ``"`` arcmin ``'`` deg d rad r. Raises RegionError."""
    parts = _LENGTH.fullmatch(word.strip()) if len(word) <= _LONGEST else None
    number, unit = (parts["number"], parts["unit"]) if parts else (word, None)
    if not is_number(number):
        raise RegionError(
            f"a length must be a number of degrees, or one with arcsec (\"), arcmin ('), deg or rad, not {quoted(word)}"
        )
    return finite(number) * _DEGREES[(unit or "d").upper()]


def unit_factor(word: str) -> float:
    """Give the degrees of a unit. Raises RegionError."""
    factor = _DEGREES.get(word.upper()) if len(word) > 1 else None
    if factor is None:
        raise RegionError(f"the unit must be deg, arcmin, arcsec or rad, not {quoted(word)}")
    return factor


def is_sexagesimal(word: str) -> bool:
    """Tell whether a word is meant as hours or degrees with minutes."""
    return re.match(r"[+-]?\d+[:hd]\d", word, re.IGNORECASE | re.ASCII) is not None


def right_ascension(word: str, *, hours: bool = True) -> float:
    """Read a longitude: decimal degrees, ``hh:mm:ss.s``, ``02h23m11.4s`` or ``35d49m44s``. Raises RegionError.

    :param hours: what a colon means; galactic longitudes are degrees.
    """
    if not is_sexagesimal(word):
        return finite(word)
    value, mark = _sexagesimal(word)
    by_hours = mark == "h" or (mark == ":" and hours)
    if by_hours and value >= 24:
        raise RegionError(f"a right ascension must be less than 24 hours, not {quoted(word)}")
    return 15 * value if by_hours else value


def declination(word: str) -> float:
    """Read a latitude: decimal degrees, ``+dd:mm:ss.s`` or ``+43d02m08s``. Raises RegionError."""
    if not is_sexagesimal(word):
        return finite(word)
    value, mark = _sexagesimal(word)
    if mark == "h":
        raise RegionError(f"a declination is in degrees, not in hours: {quoted(word)}")
    return value


def _sexagesimal(word: str) -> tuple[float, str]:
    """Give the value, in whole hours or degrees, and ``:``, ``h`` or ``d``."""
    parts = _ANGLE.fullmatch(word)
    if parts is None or int(parts["minutes"]) >= 60 or float(parts["seconds"] or 0) >= 60:
        raise RegionError(
            f"a sexagesimal coordinate is like 02:23:11.4, 02h23m11.4s or +43d02m08s, with less than 60 minutes and "
            f"seconds, not {quoted(word)}"
        )
    value = int(parts["whole"]) + int(parts["minutes"]) / 60 + float(parts["seconds"] or 0) / 3600
    return (-value if parts["sign"] == "-" else value), parts["mark"].lower()
