"""Puts right, again and again, what crashes and lost messages leave behind; and what time brings about.

Every step looks at SQL and changes it by compare-and-set, so any number of sweepers may run at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from jobs.changes import Changes
from jobs.errors import AmoraError
from jobs.identity import Identity
from jobs.queue import Queue
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.store import JobStore, now
from jobs.uploads import Inboxes
from jobs.worker import LOST

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks for changes that other processes made."""
SWEEP = 2.0
"""Seconds between two sweeps."""
CLEAR = 600.0
"""Seconds between two looks for files that nobody refers to."""


class Sweeper:
    """A thread that sweeps."""

    def __init__(
        self,
        store: JobStore,
        queue: Queue,
        storage: Storage,
        changes: Changes,
        settings: Settings,
        inboxes: Inboxes,
    ) -> None:
        self._store = store
        self._queue = queue
        self._storage = storage
        self._changes = changes
        self._settings = settings
        self._inboxes = inboxes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._cleared = 0.0
        self.last_sweep = 0.0
        """When the last sweep ended, on the monotonic clock."""

    def start(self) -> None:
        """Sweep once, then go on in a thread."""
        self.sweep()
        self._safely(self.clear_orphans)
        self._cleared = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            self._safely(self.look_around)
            self._safely(self.end_overdue)
            if time.monotonic() - self.last_sweep >= SWEEP:
                self.sweep()
            if time.monotonic() - self._cleared >= CLEAR:
                self._safely(self.clear_orphans)
                self._cleared = time.monotonic()

    def sweep(self) -> None:
        """Do each step once; one that fails does not keep the others from being done."""
        for step in (self.recover, self.call_again, self.destroy_expired):
            self._safely(step)
        self.last_sweep = time.monotonic()

    @staticmethod
    def _safely(step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # the database may be away for a while; the next sweep tries again
            log.exception("the sweeper could not %s", step.__name__)

    def look_around(self) -> None:
        """Tell those who wait here of the changes that other processes made."""
        self._changes.poll(self._store.versions)

    def recover(self) -> None:
        """Queue the tasks of lost workers again; what is left of their processes on this machine is gone before."""
        for held in self._store.held():
            worker = Identity.parse(held.worker)
            dead = worker.local and not worker.alive
            if not dead and held.lease > now():
                continue
            if _clear(self._storage.guardian(held.id, held.attempt), self._settings.grace):
                log.warning("task %s: %s, attempt %d", held.id, LOST, held.attempt)
                self._store.give_back(held.id, held.attempt, LOST, lost=True, limit=self._settings.attempts)
                self._storage.clear(held.job_id, held.id, held.number, held.attempt)

    def call_again(self) -> None:
        """Call workers to the tasks that wait: whoever was called to them may have died with the call."""
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

    def clear_orphans(self) -> None:
        """Remove files that no job refers to, and working folders of attempts that nobody holds."""
        self._inboxes.clear()
        # First what is there, then who holds it: an attempt is claimed before it makes its first file.
        workspaces, folders = list(self._storage.workspaces()), list(self._storage.attempts())
        jobs = list(self._storage.jobs())
        held = {(task.id, task.attempt) for task in self._store.held()}
        attempts = self._store.attempts()
        existing = self._store.versions(jobs)
        for task_id, attempt, path in workspaces:
            if (task_id, attempt) not in held:
                self._storage.discard(path)
        for job_id, task, attempt in folders:
            if (job_id, task, attempt) not in attempts:
                self._storage.withdraw(job_id, task, attempt)
        for job_id in jobs:
            if job_id not in existing:
                self._storage.forget(job_id)


def _clear(text: str | None, grace: float) -> bool:
    """Make sure that no process of an attempt is left on this machine; False if one cannot be got rid of.

    The guardian of a dead worker is stopping its script already; it needs the grace at most.

    :param text: the guardian's identity; None where there is none.
    """
    guardian = Identity.parse(text) if text else None
    if guardian is None or not guardian.local:
        return True
    for number, patience in ((signal.SIGTERM, grace + 2.0), (signal.SIGKILL, 2.0)):
        if not guardian.alive:
            break
        with suppress(ProcessLookupError):
            os.kill(guardian.pid, number)
        deadline = time.monotonic() + patience
        while guardian.alive and time.monotonic() < deadline:
            time.sleep(0.02)
    return not guardian.alive
