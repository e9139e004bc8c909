"""Puts right, again and again, what crashes and lost messages leave behind; and what time brings about.

Each process sweeps before its own door: what dead processes of this machine left running, or lying about, only another
process of this machine can see. What is the same seen from anywhere is done by one of all processes, which holds the
office of the sweeper in SQL for some seconds and keeps it while it lives. Every step changes SQL by compare-and-set, so
nothing is done twice even where two should take themselves for the holder.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from index.errors import DatabaseError
from jobs.errors import AmoraError
from jobs.identity import Identity
from jobs.meters import FAILURES
from jobs.queue import Queue
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.store import JobStore
from jobs.uploads import Inboxes
from jobs.worker import LOST
from jobs.workspaces import YOUNG

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks for jobs that have taken too long."""
SWEEP = 2.0
"""Seconds between two sweeps; fewer where a lease is short."""
OFFICE = "sweeper"
TENURE = 10.0
"""Seconds after which another process takes over the office of a silent one of another machine."""
FORGOTTEN = 3600.0
"""Seconds after which a silent worker is not remembered any more."""
UNHELD = 10.0
"""Seconds for which a working folder that nobody holds is left to the worker that may be about to remove it."""
CLEAR = 600.0
"""Seconds between two looks for files that nobody refers to."""


class Sweeper:
    """A thread that sweeps.

    :param further: what one process is to do for all at each sweep, besides.
    """

    def __init__(
        self,
        store: JobStore,
        queue: Queue,
        storage: Storage,
        settings: Settings,
        inboxes: Inboxes,
        further: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._store = store
        self._queue = queue
        self._storage = storage
        self._settings = settings
        self._inboxes = inboxes
        self._further = further
        self._identity = str(Identity.of())
        self._leading_until = 0.0
        self._recovered = False
        self._period = min(SWEEP, settings.lease / 6)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._cleared = 0.0
        self._unheld: dict[Path, float] = {}
        """Since when working folders have been seen that nobody holds, on the monotonic clock."""
        self.last_sweep = 0.0
        """When the last sweep ended, on the monotonic clock."""

    def start(self) -> None:
        """Sweep once, then go on in a thread."""
        self.sweep()
        self._safely(self.clear_workspaces, 0.0)
        self._safely(self.clear_orphans)
        self._cleared = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and let another process sweep."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.leading:
            with suppress(DatabaseError):  # after some seconds another one will take over
                self._store.leave_office(OFFICE, self._identity)

    def _run(self) -> None:
        while not self._stop.wait(min(TICK, self._period)):
            if self.leading:
                self._safely(self.end_overdue)
            if time.monotonic() - self.last_sweep >= self._period:
                self.sweep()
            if time.monotonic() - self._cleared >= CLEAR:
                self._safely(self.clear_orphans)
                self._cleared = time.monotonic()

    def sweep(self) -> None:
        """Do each step once; one that fails does not keep the others from being done."""
        for step in (self.lead, self.recover, self.clear_workspaces, self.call_again):
            self._safely(step)
        if self.leading:
            for step in (self.destroy_expired, *self._further):
                self._safely(step)
        self.last_sweep = time.monotonic()

    @property
    def leading(self) -> bool:
        """Whether this process is the one that sweeps for all."""
        return time.monotonic() < self._leading_until

    def lead(self) -> None:
        """Take the office of the sweeper, or keep it."""
        asked = time.monotonic()
        if asked > self._leading_until - TENURE / 2:
            taken = self._store.take_office(OFFICE, self._identity, TENURE, _dead)
            self._leading_until = asked + TENURE if taken else 0.0

    @staticmethod
    def _safely(step: Callable[..., None], *arguments: float) -> None:
        try:
            step(*arguments)
        except Exception:  # the database may be away for a while; the next sweep tries again
            log.exception("the sweeper could not %s", step.__name__)

    def recover(self) -> None:
        """Queue the tasks of lost workers again; what is left of their processes on this machine is gone before.

        Whether a worker of this machine is dead is seen at once; the silence of another's tells when its lease is over.
        """
        for held in self._store.held():
            if not (_dead(held.worker) or (held.lapsed and self.leading)):
                continue
            # The guardian of a dead worker is stopping its script already; it needs the grace at most.
            guardian = self._storage.guardian(held.id, held.attempt)
            if guardian is None or guardian.end(self._settings.grace + 2.0):
                log.warning("task %s: %s, attempt %d", held.id, LOST, held.attempt)
                FAILURES.labels("lost").inc()
                self._store.give_back(held.id, held.attempt, LOST, lost=True, limit=self._settings.attempts)
                self._recovered = True
                # Not if it was completed since we looked: a worker that was cut off may be back just now.
                if self._store.is_void(held.id, held.attempt):
                    self._storage.clear(held.job_id, held.id, held.number, held.attempt)

    def call_again(self) -> None:
        """Call workers to the tasks that wait: whoever was called to them may have died with the call.

        A queue that all share is looked after by one process; to one in memory each process calls its own workers.
        """
        self._queue.look()
        if self.leading or self._recovered or not self._queue.shared:
            self._recovered = False
            for name, count in self._store.waiting().items():
                self._queue.wake(name, count)

    def end_overdue(self) -> None:
        """Abort the jobs that have taken longer than their executionDuration (UWS 1.1, section 2.1.4)."""
        for job_id, duration in self._store.overdue():
            with suppress(AmoraError):  # it has just ended
                self._store.abort(job_id, f"The job took longer than its executionDuration of {duration} s.")

    def destroy_expired(self) -> None:
        """Forget the jobs whose destruction time has come, or archive them (UWS 1.1, sections 2.1.3 and 2.1.5)."""
        for job_id in self._store.expired():
            with suppress(AmoraError):  # somebody else has deleted it
                if self._settings.archive:
                    self._store.archive(job_id, "its destruction time has come")
                else:
                    self._store.delete(job_id)
            self._storage.forget(job_id)

    def clear_workspaces(self, patience: float = UNHELD) -> None:
        """Remove the working folders of attempts that nobody holds.

        Such an attempt was aborted and its worker killed: what still runs of it on this machine is ended first.
        """
        # First what is there, then who holds it: an attempt is claimed before it makes its first file.
        workspaces = list(self._storage.workspaces())
        held = {(task.id, task.attempt) for task in self._store.held()} if workspaces else set()
        now, seen = time.monotonic(), self._unheld
        self._unheld = {path: seen.get(path, now) for id_, attempt, path in workspaces if (id_, attempt) not in held}
        for task_id, attempt, path in workspaces:
            if path in self._unheld and now - self._unheld[path] >= patience:
                guardian = self._storage.guardian(task_id, attempt)
                if guardian is None or guardian.end(self._settings.grace):
                    self._storage.discard(path)

    def clear_orphans(self) -> None:
        """Remove files that no job refers to."""
        self._inboxes.clear()
        if not self.leading:
            return
        folders, jobs = list(self._storage.attempts()), list(self._storage.jobs(YOUNG))
        attempts = self._store.attempts()
        existing = self._store.versions(jobs)
        for job_id, task, attempt in folders:
            if (job_id, task, attempt) not in attempts:
                self._storage.withdraw(job_id, task, attempt)
        for job_id in jobs:
            if job_id not in existing:
                self._storage.forget(job_id)
        self._store.forget_workers(FORGOTTEN)


def _dead(worker: str) -> bool:
    """Whether a process belonged to this machine and is no more."""
    process = Identity.parse(worker)
    return process.local and not process.alive
