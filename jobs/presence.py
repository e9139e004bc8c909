"""Says again and again that this process lives: for itself, and for the tasks that it does.

One thread renews the leases of all its claims and its row among the workers, whatever the threads that do the tasks
are busy with: a product that takes minutes on its way to the storage costs no lease. A claim whose thread has come to
an end, however it did, is not renewed.

Another thread looks at the clock. A process that cannot reach the database for the length of a lease must take its
tasks for somebody else's: it stops their scripts by itself, however long the network keeps it waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from index.errors import DatabaseError
from jobs.identity import Identity
from jobs.store import Claim, JobStore

log = logging.getLogger(__name__)

PATIENCE = 3
"""A process beats so many times within a lease."""


@dataclass
class _Hold:
    """A claim that is kept."""

    claim: Claim
    since: float
    """When it was made, on the monotonic clock."""
    stop: Callable[[], None] | None = None
    """Stops its script."""
    over: bool = False
    """Whether its lease ran out unrenewed."""


class Presence:
    """The presence of this process among the workers.

    :param lease: seconds after which its silence is taken for its death.
    """

    def __init__(self, store: JobStore, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._identity = str(Identity.of())
        self._slots = 0
        self._sandboxed = False
        self._holds: dict[str, _Hold] = {}
        self._heard = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, claim: Claim) -> Iterator[None]:
        """Keep the lease of a claim for the length of the block, unless it is lost."""
        hold = self._holds[claim.task.id] = _Hold(claim, time.monotonic())
        try:
            yield
        finally:
            if self._holds.get(claim.task.id) is hold:
                del self._holds[claim.task.id]

    def guard(self, claim: Claim, stop: Callable[[], None]) -> None:
        """Have the script of a kept claim stopped, by any thread, when its lease is over."""
        if (hold := self._holds.get(claim.task.id)) is not None:
            hold.stop = stop
            if hold.over:
                stop()

    def is_over(self, claim: Claim) -> bool:
        """Whether the lease of a kept claim ran out because the database could not be reached."""
        hold = self._holds.get(claim.task.id)
        return hold is not None and hold.over

    def look_at_the_clock(self) -> None:
        """Stop the scripts whose leases nobody has renewed; a file on this machine is never cut off."""
        if self._store.database.quick:
            return
        now = time.monotonic()
        for hold in list(self._holds.values()):
            if not hold.over and now - max(hold.since, self._heard) >= self._lease:
                hold.over = True
                log.warning("task %s is stopped: the database was away for the length of its lease", hold.claim.task.id)
                if hold.stop is not None:
                    hold.stop()

    def start(self, slots: int, *, sandboxed: bool = False) -> None:
        """Begin to tell, of a process that does so many tasks at once, and whether its scripts run in a sandbox."""
        self._slots, self._sandboxed = slots, sandboxed
        self.beat()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="leases", daemon=True).start()

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
        asked = time.monotonic()
        try:
            claims = [hold.claim for hold in list(self._holds.values())]
            self._store.beat(self._identity, self._slots, claims, self._lease, sandboxed=self._sandboxed)
            self._heard = asked
        except DatabaseError as error:
            log.warning("nobody hears that this worker lives: %s", error)

    def _watch(self) -> None:
        while not self._stop.wait(self._lease / 20):
            self.look_at_the_clock()

    def _run(self) -> None:
        while not self._stop.wait(self._lease / PATIENCE):
            try:
                self.beat()
            except Exception:  # whatever it was: silence would cost all tasks of this process
                log.exception("a beat failed")

    def slots(self) -> int:
        """Return how many tasks all workers that live do at once."""
        return sum(worker.slots for worker in self._store.workers(self._lease))

    def sandboxed(self) -> tuple[int, int]:
        """Return how many workers run their scripts in a sandbox, and how many there are."""
        workers = self._store.workers(self._lease)
        return sum(worker.sandboxed for worker in workers), len(workers)
