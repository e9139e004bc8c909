"""Puts the parts together, and starts and stops what runs by itself: the embedded workers and the sweeper."""

from __future__ import annotations

import logging
import time

from index.database import Database
from index.errors import DatabaseError
from index.service import Index
from jobs.changes import Changes
from jobs.database import upgrade
from jobs.queue import Queue
from jobs.registry import Registry
from jobs.service import Check, Jobs
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.store import JobStore
from jobs.sweeper import SWEEP, Sweeper
from jobs.uploads import Inboxes
from jobs.worker import Worker

log = logging.getLogger(__name__)


class Engine:
    """All of ``jobs`` and ``index`` for one process.

    :param settings: where everything is. The home folder and the database are made if they are not there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(settings.database)
        upgrade(self.database)
        self.index = Index(settings.folder / "index", self.database, settings.authority)
        self._changes = Changes()
        self._store = JobStore(self.database, self._changes.publish, settings.user_running)
        self._storage = Storage(settings.folder)
        self._inboxes = Inboxes(settings.folder, settings.upload_max, settings.upload_files)
        registry = Registry(settings.script_folders, settings.folder / "scripts")
        self._registry = registry
        self._worker = Worker(self._store, registry, self.index, self._storage, settings)
        self._queue = Queue(self._worker.work)
        self._sweeper = Sweeper(self._store, self._queue, self._storage, self._changes, settings, self._inboxes)
        self._started = False
        self.jobs = Jobs(
            self._store,
            registry,
            self.index,
            self._queue,
            self._storage,
            self._changes,
            settings,
            self._inboxes,
            checks=(self._check_database, self._check_storage, self._check_workers, self._check_sweeper),
        )

    def start(self) -> None:
        """Start the embedded workers and the sweeper, which first takes up what an earlier process left behind."""
        self._started = True
        self._registry.forget(self.settings.retention_max)
        self._queue.start(self.settings.workers)
        self._sweeper.start()

    def keep_workspaces(self, *, keep: bool) -> None:
        """Leave the working folders of ended tasks where they are, for whoever writes a script."""
        self._storage.keeping = keep

    def stop(self) -> None:
        """Stop running scripts and hand their tasks back; wake all who wait; close everything."""
        self._worker.stopping.set()
        self._changes.close()
        if self._started:
            self._sweeper.stop()
        self._queue.stop(self.settings.grace + 10)
        self.database.close()

    # ------------------------------------------------------------------ is all well?

    def _check_database(self) -> Check:
        try:
            self.database.check()
        except DatabaseError as error:  # where it lies is nobody's business
            log.error("%s", error)
            return Check("database", ok=False, message="The database does not answer.")
        return Check("database", ok=True, message="The database answers.")

    def _check_storage(self) -> Check:
        try:
            free = self._storage.check()
        except OSError as error:
            return Check("storage", ok=False, message=f"The products' folder cannot be written: {error.strerror}.")
        return Check(
            "storage", ok=free >= self.settings.min_free, message=f"{free / 2**30:.1f} GiB are free for products."
        )

    def _check_workers(self) -> Check:
        ok = self._queue.working
        return Check("workers", ok=ok, message=f"{self.settings.workers} workers" if ok else "No worker runs here.")

    def _check_sweeper(self) -> Check:
        ok = self._started and time.monotonic() - self._sweeper.last_sweep < 30 * SWEEP
        return Check("sweeper", ok=ok, message="The sweeper runs." if ok else "The sweeper does not run.")
