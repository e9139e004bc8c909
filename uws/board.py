"""The announcement that each page shows, looked up every few seconds and not for each page."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from index.errors import DatabaseError
from uws.store import Announcement, ServiceStore

FRESH = 2.0
"""Seconds for which what was found is taken for what there is."""


class Board:
    """What is announced now, as far as this process knows."""

    def __init__(self, store: ServiceStore) -> None:
        self._store = store
        self._shown: Announcement | None = None
        self._looked = -FRESH

    def shown(self) -> Announcement | None:
        """Return what is to be shown; a database that does not answer changes nothing."""
        if monotonic() - self._looked >= FRESH:
            self._looked = monotonic()
            with suppress(DatabaseError):
                self._shown = self._store.announcement()
        return self._shown

    def forget(self) -> None:
        """Look again with the next page."""
        self._looked = -FRESH
