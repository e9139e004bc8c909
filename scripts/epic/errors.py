"""What a script cannot do, said so that the one who asked understands it."""

from __future__ import annotations


class ScienceError(Exception):
    """The request cannot be met; the message is the sentence that a stranger reads."""


class EventFileError(ScienceError):
    """A file is not the event list it should be; the message names file, extension and what is wrong."""
