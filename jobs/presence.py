"""Says again and again that this process lives: for itself, and for the tasks that it does.

One thread renews the leases of all its claims and its row among the workers, whatever the threads that do the tasks
are busy with: a product that takes minutes on its way to the storage costs no lease. A claim whose thread has come to
an end, however it did, is not renewed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from index.errors import DatabaseError
from jobs.identity import Identity
from jobs.store import Claim, JobStore

log = logging.getLogger(__name__)

PATIENCE = 3
"""A process beats so many times within a lease."""


class Presence:
    """The presence of this process among the workers.

    :param lease: seconds after which its silence is taken for its death.
    """

    def __init__(self, store: JobStore, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._identity = str(Identity.of())
        self._slots = 0
        self._claims: dict[str, Claim] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, claim: Claim) -> Iterator[None]:
        """Keep the lease of a claim for the length of the block, unless it is lost."""
        self._claims[claim.task.id] = claim
        try:
            yield
        finally:
            if self._claims.get(claim.task.id) is claim:
                del self._claims[claim.task.id]

    def start(self, slots: int) -> None:
        """Begin to tell, of a process that does so many tasks at once."""
        self._slots = slots
        self.beat()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that the process does no tasks any more."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        with suppress(DatabaseError):  # its silence will tell
            self._store.leave(self._identity)

    def beat(self) -> None:
        """Say it once."""
        try:
            self._store.beat(self._identity, self._slots, list(self._claims.values()), self._lease)
        except DatabaseError as error:
            log.warning("nobody hears that this worker lives: %s", error)

    def _run(self) -> None:
        while not self._stop.wait(self._lease / PATIENCE):
            try:
                self.beat()
            except Exception:  # whatever it was: silence would cost all tasks of this process
                log.exception("a beat failed")

    def slots(self) -> int:
        """Return how many tasks all workers that live do at once."""
        return sum(worker.slots for worker in self._store.workers(self._lease))
