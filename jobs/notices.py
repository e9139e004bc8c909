"""Hears of the changes that other processes make, and tells those who wait here.

PostgreSQL sends word with each commit (LISTEN and NOTIFY). While that cannot be heard, and with SQLite, which has no
such thing, the versions of the jobs that somebody waits for are looked at twice a second.
"""

from __future__ import annotations

import logging
import threading

from index.errors import DatabaseError
from jobs.changes import Changes
from jobs.store import CHANNEL, JobStore

log = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks, and between two tries to listen."""


class Notices:
    """Two threads: one listens, one looks around while the other does not hear."""

    def __init__(self, store: JobStore, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._stop = threading.Event()
        self._hearing = threading.Event()
        self._threads = [threading.Thread(target=self._look, name="looker", daemon=True)]
        if store.database.tells:
            self._threads.append(threading.Thread(target=self._listen, name="listener", daemon=True))

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what happens from now on is not told."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _look(self) -> None:
        while not self._stop.wait(LOOK):
            if not self._hearing.is_set():
                self.look_around()

    def look_around(self) -> None:
        """Tell those who wait here of what has changed since the last look."""
        try:
            self._changes.poll(self._store.versions)
        except DatabaseError as error:
            log.warning("no change is seen: %s", error)
        except Exception:  # those who wait must not wait for ever
            log.exception("a look for changes failed")

    def _listen(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                for message in self._store.database.listen(CHANNEL, self._stop):
                    if not self._hearing.is_set():  # it has just begun: what came before was missed
                        self._hearing.set()
                        self.look_around()
                    sender, _, job_id = (message or "").partition(" ")
                    if job_id and sender != self._store.name:  # our own changes have been told
                        self._changes.publish(job_id)
            except DatabaseError as error:
                log.warning("changes made elsewhere are heard of late: %s", error)
            except Exception:  # the same
                log.exception("listening failed")
            finally:
                self._hearing.clear()
