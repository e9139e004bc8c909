"""A form written as a JSON object: ``{"EMIN": 0.5, "ID": ["a", "b"], "PHASE": "RUN"}``."""

from __future__ import annotations

import json
from typing import NoReturn

from jobs.errors import RequestError

CONTENT_TYPE = "application/json"
_ALLOWED = "a text, a number, true, false, null or a list of these is allowed"


class _Object(list[tuple[str, object]]):
    """A JSON object with its names in order, repeated ones too."""


def pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the names and values of the object in ``body``; a list repeats its name, null is left out.

    Numbers are kept as they are written: what a client gave is what the job shows.

    :raises RequestError: the body is no such object; says why.
    """
    try:
        found = json.loads(
            body.decode(), object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=_no_number
        )
    except RecursionError as error:
        raise RequestError("The JSON body cannot be read: it is nested too deeply") from error
    except ValueError as error:  # UnicodeDecodeError is one too
        raise RequestError(f"The JSON body cannot be read: {error}") from error
    if not isinstance(found, _Object):
        raise RequestError("The JSON body must be an object of names and values")
    return [
        (name, _text(name, item))
        for name, value in found
        for item in (value if type(value) is list else [value])
        if item is not None
    ]


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise RequestError(f"The value of {name[:64]!r} in the JSON body is an object or a list in a list; {_ALLOWED}")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")
