"""Simple Cone Search 1.03: ``/scs`` finds the datasets whose coverage touches a cone.

RA, DEC and SR are ICRS degrees. The position of a row is the pointing, which may lie outside of a small cone that its
coverage touches (section 2.2 leaves that to the service). SR=0 and MAXREC=0 ask for the columns alone. VERB=1 gives the
fewest columns, 2 and 3 give all.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from index.columns import COLUMNS
from index.query import Query
from index.region import Region
from jobs.errors import ParameterError, RequestError
from uws import context, dali, discovery, errors
from uws.asking import MAX_ROWS
from uws.context import Context, call
from uws.dali import Form, Format

VOTABLE = Format("votable", errors.SCS_TYPE, ("text/xml", "application/xml", "application/x-votable+xml"))
FORMATS = (VOTABLE, *discovery.FORMATS[1:])

MAIN = {discovery.DID: "ID_MAIN", "s_ra": "POS_EQ_RA_MAIN", "s_dec": "POS_EQ_DEC_MAIN"}
"""The columns whose UCDs are those of UCD1, and which are these (section 2.2)."""
FIELDS = tuple(replace(column, ucd=MAIN.get(column.name, column.ucd)) for column in COLUMNS)
FEW = (
    *(discovery.DID, "s_ra", "s_dec", "target_name", "instrument_name", "t_min", "t_exptime"),
    *("access_url", "access_format"),
)
"""The columns of VERB=1."""
_KEPT = {1: tuple(number for number, column in enumerate(COLUMNS) if column.name in FEW), 2: None, 3: None}
MAX_RADIUS = 180.0
TITLE = "Datasets whose coverage touches the cone; positions are those of the pointings"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


async def search(request: Request) -> Response:
    """Find the datasets in a cone."""
    errors.set_form(request, "scs")
    form = await dali.read(request)
    return await call(_answer, context.of(request), form, dali.response_format(form, FORMATS))


def _answer(here: Context, form: Form, chosen: Format) -> Response:
    kept = _KEPT[form.integer("VERB", 1, 3) or 2]
    answer = here.engine.index.answer(query_of(form))
    columns = FIELDS if kept is None else [FIELDS[number] for number in kept]
    return discovery.respond(here, answer, chosen, "scs", TITLE, columns=columns, kept=kept)


def query_of(form: Form) -> Query:
    """Return what the form asks for.

    :raises RequestError: a parameter is missing, or its value is not allowed.
    """
    ra = _degrees(form, "RA", 0.0, 360.0)
    dec = _degrees(form, "DEC", -90.0, 90.0)
    radius = _degrees(form, "SR", 0.0, MAX_RADIUS)
    limit = form.integer("MAXREC", 0, MAX_ROWS)
    if radius == 0:
        return Query(limit=0)
    return Query(Region.circle(f"{ra!r} {dec!r} {radius!r}"), limit=limit)


def _degrees(form: Form, name: str, least: float, most: float) -> float:
    text = form.one(name)
    allowed = f"decimal degrees from {least:g} to {most:g} are allowed"
    if text is None or not text.strip():
        raise RequestError(f"Parameter {name} is missing: {allowed}")
    number = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not least <= number <= most:
        raise ParameterError(name, text, allowed)
    return number
