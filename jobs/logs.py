"""What the service writes to its log: one line or one JSON object for each event, with what it is about.

Whoever works on something says so once, ``with about(job=..., task=...)``, and every line that is written below it,
by whatever module, names it. No line can be forged: what clients and scripts say is escaped, so that one event never
looks like two. No line holds a secret: passwords in addresses and tokens are struck out wherever they come from.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

OURS = ("uws", "jobs", "index", "scripts")
"""The loggers whose level is the setting's; what libraries say is written from WARNING on."""

_about: ContextVar[dict[str, object]] = ContextVar("about", default={})  # noqa: B039 - it is never changed in place
_SECRETS = (
    (re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)"), r"\1:***"),
    (re.compile(r"\bamora_[A-Za-z0-9_-]{16,}"), "amora_***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Have every line that is written in the block name these things too."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def configure(form: Format, level: Level) -> None:
    """Have all that this process logs go to standard error in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    memory = _Memory(logging.WARNING)
    memory.setFormatter(TextFormatter())
    logging.root.handlers[:] = [handler, memory]
    logging.root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())


RECENT = 200
"""Lines that are remembered."""
_recent: deque[str] = deque(maxlen=RECENT)


class _Memory(logging.Handler):
    """Remembers the last lines that tell of trouble, for the operator's desk."""

    def emit(self, record: logging.LogRecord) -> None:
        _recent.append(self.format(record))


def recent() -> list[str]:
    """Return the last warnings and errors that this process has logged, newest first."""
    return list(reversed(_recent))


def redact(text: str) -> str:
    """Return a text without the secrets in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what it is about, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {
            "time": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **{name: redact(value) if isinstance(value, str) else value for name, value in _fields(record).items()},
        }
        if trace := _trace(record):
            fields["exception"] = redact(trace)
        return json.dumps(fields, ensure_ascii=False, default=str).translate(_LINE_ENDS)


_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029", 0x7F: "\\u007f"}
"""What some readers take for the end of a line, and JSON does not escape."""


class TextFormatter(logging.Formatter):
    """One line for an event, and lines that begin with a bar for its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        fields = "".join(f" {name}={_escape(redact(str(value)))}" for name, value in _fields(record).items())
        line = f"{_instant(record)} {record.levelname} {record.name}: {_escape(redact(record.getMessage()))}{fields}"
        trace = "".join(f"\n  | {_escape(part)}" for part in redact(_trace(record)).splitlines())
        return line + trace


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what a line is about: what surrounds it, and what its own ``extra={"about": {...}}`` says."""
    own: dict[str, object] = getattr(record, "about", {})
    return {**_about.get(), **own}


def _trace(record: logging.LogRecord) -> str:
    return "".join(traceback.format_exception(*record.exc_info)).rstrip() if record.exc_info else ""


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
