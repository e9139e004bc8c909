"""Instants as text: ISO 8601 in UTC with ``T`` and ``Z`` (UWS 1.1, section 2.2.1; DALI 1.1, section 3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from jobs.errors import ParameterError

_FORM = re.compile(
    r"(?P<year>\d{4})(?P<rest>-\d\d-\d\d|\d{4})?(?P<time>[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?", re.ASCII
)
_ALLOWED = "an instant in UTC is allowed, such as 2025-06-01T12:00:00.000Z, 2025-06-01T12:00 or 2025-06-01"


def format_instant(instant: datetime | None) -> str:
    """Return ``instant`` with milliseconds and ``Z``, or an empty text for None."""
    if instant is None:
        return ""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_instant(name: str, text: str) -> datetime:
    """Return the instant that the request parameter ``name`` gives, cut to the milliseconds that are stored.

    The civil forms of DALI are accepted, also without seconds, without punctuation in the date, with a blank
    for the ``T``, and a year alone; UTC is understood. An offset is not: it cannot be told from a blank.

    :raises ParameterError: ``text`` is no such instant.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or (match["time"] and not match["rest"]):
        raise ParameterError(name, text, _ALLOWED)
    try:
        instant = datetime.fromisoformat(match["year"] + (match["rest"] or "-01-01") + (match["time"] or ""))
    except ValueError as error:
        raise ParameterError(name, text, f"{_ALLOWED} ({error})") from error
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000, tzinfo=UTC)
