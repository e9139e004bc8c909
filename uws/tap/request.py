"""What a request to TAP asks for (TAP 1.1, section 2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobs.errors import ParameterError, RequestError
from uws import dali
from uws.dali import Form, Format
from uws.tap.formats import FORMATS

if TYPE_CHECKING:
    from uws.settings import Settings

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
_ALLOWED = "ADQL, ADQL-2.0 and ADQL-2.1 are allowed"


class Asked(NamedTuple):
    """A query, and in which form and how many of its rows are wanted."""

    text: str
    format: Format
    limit: int


def asked(form: Form, settings: Settings) -> Asked:
    """Read the parameters of a query.

    :raises RequestError: there is no query, or one of the others is not allowed.
    """
    request = form.one("REQUEST")
    if request is not None and request.lower() != "doquery":
        raise ParameterError("REQUEST", request, "doQuery is allowed")
    language = form.one("LANG")
    if language is None:
        raise RequestError(f"Parameter LANG is missing; {_ALLOWED}")
    if language.upper() not in LANGUAGES:
        raise ParameterError("LANG", language, _ALLOWED)
    text = form.one("QUERY")
    if not text:
        raise RequestError("Parameter QUERY is missing: it is the query, in ADQL")
    return Asked(text, chosen_format(form), row_limit(form, settings))


def chosen_format(form: Form) -> Format:
    """Return the format that RESPONSEFORMAT asks for, or FORMAT, as TAP 1.0 has it."""
    if form.one("RESPONSEFORMAT") is None and (old := form.one("FORMAT")):
        form = Form((("RESPONSEFORMAT", old),))
    return dali.response_format(form, FORMATS)


def row_limit(form: Form, settings: Settings) -> int:
    """Return the most rows that are handed out: MAXREC, as far as the service goes."""
    wanted = form.integer("MAXREC", 0, 2**63 - 1)
    return min(settings.tap_rows if wanted is None else wanted, settings.tap_rows_max)
