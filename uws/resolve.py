"""Where a name or some coordinates lie on the sky: ``/api/resolve?q=``.

In this order: decimal degrees, sexagesimal coordinates, coordinates in a name (J-names), observations and targets of
the index, names found before, and Sesame of the CDS where the operator lets the service ask it. All but the last need
no network. (Decimals come first: a parser of hours would take 83.633 for some.)
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from index.forms.named import middle_of
from jobs.errors import RequestError
from uws import api, context, dali
from uws.context import Context, call
from uws.store import Place

SECONDS = 3.0
"""The longest that is waited for a resolver."""
KEPT = timedelta(days=30)
"""For how long what it says is remembered."""
MAX_NAME = 200
"""Characters."""
SUGGESTED = 8
"""Targets that are suggested."""

_DECIMALS = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)[\s,]+([+-]?(?:\d+(?:\.\d*)?|\.\d+))", re.ASCII)
_SEXAGESIMAL = re.compile(
    r"(\d{1,2})[\s:h](\d{1,2})(?:[\s:m](\d{1,2}(?:\.\d*)?)s?|m)?[\s,]*([+-])(\d{1,2})[\s:d°](\d{1,2})"
    r"(?:[\s:m'](\d{1,2}(?:\.\d*)?)[s\"]?|[m'])?",
    re.ASCII,
)
# IAU: JHHMMSS.ss+DDMMSS.s with fewer and fewer digits
_JNAME = re.compile(r"J(\d{2})(\d{2})(\d{2}(?:\.\d*)?|\.\d)?([+-])(\d{2})(\d{2})(\d{2}(?:\.\d*)?|\.\d)?", re.ASCII)


class Resolved(BaseModel):
    """A place on the sky."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ra: float
    """ICRS degrees."""
    dec: float
    """ICRS degrees."""
    name: str
    """What was asked for, as the source writes it."""
    source: str
    """Who says so: coordinates, name, observation, target or Sesame."""


@dataclass(frozen=True)
class Unresolved(Exception):  # noqa: N818 - it is an answer more than a fault
    """Nobody knows where it is."""

    message: str
    suggestions: tuple[str, ...] = ()


async def show(request: Request) -> Response:
    """Tell where something lies on the sky: coordinates, an observation, a target or a name."""
    here = context.of(request)
    asked = " ".join(((await dali.read(request)).one("Q") or "").split())
    if not asked or len(asked) > MAX_NAME:
        raise RequestError(f"q: a name or coordinates of 1 to {MAX_NAME} characters are wanted")
    try:
        return Response((await resolve(here, asked)).model_dump_json(), media_type=api.JSON)
    except Unresolved as error:
        return JSONResponse({"error": error.message, "suggestions": error.suggestions}, 404)


async def resolve(here: Context, asked: str) -> Resolved:
    """Return where something lies.

    :raises Unresolved: nobody knows.
    """
    if found := coordinates(asked) or in_name(asked):
        return found
    if found := await call(_of_index, here, asked):
        return found
    folded = "".join(asked.lower().split())
    if place := await call(here.kept.place, folded, datetime.now(UTC) - KEPT):
        return _told(place)
    trouble = ""
    if here.settings.resolver_url:
        try:
            if place := await sesame(here.settings.resolver_url, asked):
                await call(here.kept.keep_place, folded, place)
                return _told(place)
        except (OSError, TimeoutError, ParseError, ValueError):
            trouble = " The name resolver does not answer now."
    near = await call(here.engine.index.targets_like, folded, SUGGESTED)
    raise Unresolved(
        f"Nobody here knows where {asked!r} is.{trouble} Coordinates are read: 83.633 22.014, 05:34:32 +22:00:52.",
        tuple(near),
    )


def coordinates(text: str) -> Resolved | None:
    """Read decimal degrees, or hours and degrees with minutes and seconds.

    :raises RequestError: they are no place on the sky.
    """
    if match := _DECIMALS.fullmatch(text):
        return _place(float(match[1]), float(match[2]), text, "coordinates")
    if match := _SEXAGESIMAL.fullmatch(text):
        return _sexagesimal(match, text, "coordinates")
    return None


def in_name(text: str) -> Resolved | None:
    """Read the coordinates in the name of a source, such as 4XMM J022311.4+430208.

    :raises RequestError: they are no place on the sky.
    """
    match = _JNAME.search(text)
    return _sexagesimal(match, text, "name") if match else None


def _sexagesimal(match: re.Match[str], text: str, source: str) -> Resolved:
    hours, minutes, seconds, sign, degrees, arcminutes, arcseconds = match.groups()
    for word, most in ((minutes, 60), (arcminutes, 60), (seconds, 60), (arcseconds, 60)):
        if word and not word.startswith(".") and float(word) >= most:
            raise RequestError(f"q: {text!r} was given; minutes and seconds are below 60")
    ra = 15 * (float(hours) + _minutes(minutes, seconds))
    dec = float(degrees) + _minutes(arcminutes, arcseconds)
    return _place(ra, -dec if sign == "-" else dec, text, source)


def _minutes(minutes: str, seconds: str | None) -> float:
    """Return minutes and seconds as a part of an hour or a degree; ``.7`` is a part of the minute."""
    if seconds and seconds.startswith("."):
        return float(minutes + seconds) / 60
    return float(minutes) / 60 + float(seconds or 0) / 3600


def _place(ra: float, dec: float, name: str, source: str) -> Resolved:
    if not (0 <= ra < 360 or ra == 360) or not -90 <= dec <= 90:
        raise RequestError(
            f"q: {name!r} was given; right ascension is from 0 to 360, declination from -90 to 90 degrees"
        )
    return Resolved(ra=round(ra % 360, 7), dec=round(dec, 7), name=name, source=source)


def _of_index(here: Context, asked: str) -> Resolved | None:
    """Return where an observation or a target of the index is."""
    index = here.engine.index
    for pointings, source in ((index.observed(asked), "observation"), (index.pointings(asked), "target")):
        if pointings and (middle := middle_of(pointings)):
            return Resolved(ra=round(middle[0], 7), dec=round(middle[1], 7), name=asked, source=source)
    return None


def _told(place: Place) -> Resolved:
    return Resolved(ra=place.ra, dec=place.dec, name=place.label, source="Sesame")


async def sesame(url: str, name: str, seconds: float = SECONDS) -> Place | None:
    """Ask Sesame (CDS) for a name; None if it does not know it.

    :param url: of the service, up to the name.
    :raises OSError, TimeoutError, ParseError, ValueError: it does not answer as it should.
    """
    from xml.etree.ElementTree import fromstring  # noqa: PLC0415

    import httpx  # noqa: PLC0415 - 10 MB that a service which asks nobody does without

    try:
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds) as client:
            answer = await client.get(url + quote(name, safe=""))
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error)) from error
    if len(answer.content) > 1_000_000 or b"<!ENTITY" in answer.content:
        raise ValueError("no answer of Sesame is like that")
    root = fromstring(answer.content)  # noqa: S314 - without entities there is nothing to expand
    for resolver in root.iter("Resolver"):
        ra, dec = resolver.findtext("jradeg"), resolver.findtext("jdedeg")
        if ra and dec and math.isfinite(float(ra)) and math.isfinite(float(dec)):
            return Place(float(ra), float(dec), (resolver.findtext("oname") or name)[:MAX_NAME])
    return None
