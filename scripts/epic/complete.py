"""Which rows are events: those that have a number in every column that one needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic.stream import Rows

NEEDED = ("TIME", "RAWX", "RAWY", "DETX", "DETY", "PI", "FLAG", "PATTERN", "CCDNR")
"""The columns without whose number an event is none; one without X, Y is an event without a place on the sky."""


class Complete:
    """Takes the rows of a list, part by part, and counts those that are left out."""

    def __init__(self) -> None:
        self.lacking: dict[str, int] = {}
        """How many events have no number in a column; each is counted for the first column that it lacks."""

    def rows(self, rows: Rows) -> NDArray[np.intp] | None:
        """Return which rows are events, None for all."""
        left: NDArray[np.bool_] | None = None
        for column in NEEDED:
            finite = _finite(rows, column)
            if finite is None:
                continue
            gone = ~finite if left is None else left & ~finite
            self.lacking[column] = self.lacking.get(column, 0) + int(np.count_nonzero(gone))
            left = finite if left is None else left & finite
        return None if left is None else np.flatnonzero(left)

    def told(self, name: str, number: int) -> list[str]:
        """Return in words what was left out of the ``number`` rows of the extension ``name``."""
        words = {"TIME": "time (TIME is not a number), so that they lie in no good time"}
        return [
            f"{name}: {lost} of {number} events have no {words.get(column, column)}: LEFT OUT"
            for column, lost in self.lacking.items()
        ]


def _finite(rows: Rows, column: str) -> NDArray[np.bool_] | None:
    """Tell which rows have a number in a column; None for all, which a look at one byte of each mostly tells.

    The exponent of what is not finite is all ones, and so are the seven lower bits of its first byte.
    """
    fields: Mapping[str, Any] = rows.dtype.fields or {}
    if column not in fields or not len(rows):
        return None
    form, offset = fields[column][:2]
    if form.kind != "f":
        return None
    byte = rows.view("u1").reshape(len(rows), -1)[:, offset]
    if not ((byte & 0x7F) == 0x7F).any():
        return None
    finite: NDArray[np.bool_] = np.isfinite(rows[column])
    return None if finite.all() else finite
