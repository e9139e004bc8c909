"""The ids of datasets: short, ``OBS/CAMERA/EXPOSURE``, and full, ``ivo://AUTHORITY/amora?OBS/CAMERA/EXPOSURE``."""

from __future__ import annotations

import re

from index.errors import DatasetIdError

MAX_PART = 64
"""Characters of each of the three parts."""

_PART = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~-]{{0,{MAX_PART - 1}}}", re.ASCII)


class DatasetIds:
    """Reads and writes the ids of one authority (IVOA Identifiers 2.0)."""

    def __init__(self, authority: str) -> None:
        self._prefix = f"ivo://{authority}/amora?"

    def full(self, short: str) -> str:
        """Give the full id of a short one."""
        return self._prefix + short

    def short(self, text: str) -> str:
        """Give the short id of either form. Raises DatasetIdError."""
        given = text.strip()
        # the registry part of an IVOID is the same in either case, what follows it is not
        if given[: len(self._prefix)].lower() == self._prefix.lower():
            given = given[len(self._prefix) :]
        parts = given.split("/")
        if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
            shown = text if len(text) <= 100 else text[:97] + "..."
            raise DatasetIdError(
                f"the id of a dataset must be OBS/CAMERA/EXPOSURE or {self._prefix}OBS/CAMERA/EXPOSURE, each part up "
                f"to {MAX_PART} letters, digits and . _ ~ - that begin with a letter or digit, not {shown!r}"
            )
        return given
