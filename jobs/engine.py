"""Puts the parts together, and starts and stops what runs by itself: the workers of this process and the sweeper."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from index.database import Database
from index.errors import DatabaseError
from index.service import Index
from jobs.changes import Changes
from jobs.database import require, upgrade
from jobs.native import Native
from jobs.notices import Notices
from jobs.presence import Presence
from jobs.queue import open_queue
from jobs.registry import Registry
from jobs.sandbox import Sandbox
from jobs.service import Check, Jobs
from jobs.sessions import Sessions
from jobs.settings import Settings
from jobs.storage import open_storage
from jobs.store import JobStore, Present, UserLimits
from jobs.store.desk import DeskStore
from jobs.store.sessions import SessionStore
from jobs.sweeper import SWEEP, Sweeper
from jobs.uploads import Inboxes
from jobs.worker import Worker

log = logging.getLogger(__name__)


class Engine:
    """All of ``jobs`` and ``index`` for one process.

    :param settings: where everything is. The home folder and a SQLite database are made if they are not there; a
        database that others use too must have been brought to this version (``amora db upgrade``).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(settings.database)
        if self.database.quick:
            upgrade(self.database)
        else:
            require(self.database)
        self.index = Index(settings.folder / "index", self.database, settings.authority)
        self._changes = Changes()
        limits = UserLimits(settings.user_running, settings.user_queued, settings.user_disk)
        self._store = JobStore(self.database, self._changes.publish, limits)
        self._storage = open_storage(settings.folder, settings.storage_url)
        self._inboxes = Inboxes(settings.folder, settings.upload_max, settings.upload_files)
        self.desk = DeskStore(self.database)
        registry = Registry(settings.script_folders, settings.folder / "scripts", self.desk.switched_off)
        self._registry = registry
        self._presence = Presence(self._store, settings.lease)
        self._notices = Notices(self._store, self._changes)
        hidden = (Path("amora.toml").resolve(), *filter(None, (self._storage.folder,)))
        self._sandbox = Sandbox(settings.sandbox, settings.folder, settings.sandbox_folders, hidden)
        self._worker = Worker(self._store, registry, self.index, self._storage, self._presence, settings, self._sandbox)
        self._queue = open_queue(self._worker.work, settings.redis_url)
        sessions = SessionStore(self.database)
        self.sessions = Sessions(sessions, self.index, settings, self._changes.publish)
        self._sweeper = Sweeper(
            self._store, self._queue, self._storage, settings, self._inboxes, further=(self.sessions.forget_expired,)
        )
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
            self._presence.slots,
            checks=(
                self._check_database,
                self._check_queue,
                self._check_storage,
                self._check_workers,
                self._check_sweeper,
                self._check_sandbox,
            ),
        )

    def start(self, slots: int | None = None) -> None:
        """Start the workers of this process and the sweeper, which first takes up what an earlier process left behind.

        :param slots: how many tasks it does at once; by default as many as ``amora serve`` does itself.
        :raises SandboxError: scripts are to run in a sandbox, and none works here.
        """
        self._sandbox.require()
        self._started = True
        self._registry.forget(self.settings.retention_max)
        slots = self.settings.embedded if slots is None else slots
        if slots:
            self._presence.start(slots, sandboxed=self._sandbox.protection.sandboxed)
            self._queue.start(slots, lambda: self._worker.queues)
        self._notices.start()
        self._sweeper.start()

    def offer(self, script: Native) -> None:
        """Offer a script that is part of the service."""
        self._registry.offer(script)

    def workers(self) -> list[Present]:
        """Return the processes that do tasks and live.

        :raises DatabaseError: the database does not answer.
        """
        return self._store.workers(self.settings.lease)

    def keep_workspaces(self, *, keep: bool) -> None:
        """Leave the working folders of ended tasks where they are, for whoever writes a script."""
        self._storage.keeping = keep

    def stop(self) -> None:
        """Stop running scripts and hand their tasks back; wake all who wait; close everything."""
        self._worker.stopping.set()
        self._changes.close()
        if self._started:
            self._notices.stop()
            self._sweeper.stop()
        self._queue.stop(self.settings.grace + 10)
        self._presence.stop()
        self.database.close()

    # ------------------------------------------------------------------ is all well?

    def _check_sandbox(self) -> Check:
        """Say what scripts are kept in: those of this process, or those of the workers that do its tasks."""
        protection = self._sandbox.protection
        if self.settings.embedded:
            return Check("sandbox", ok=protection.sandboxed or not protection.wanted, message=protection.message)
        try:
            inside, workers = self._presence.sandboxed()
        except DatabaseError:
            return Check("sandbox", ok=False, message="Whether scripts run in a sandbox is not known.")
        return Check(
            "sandbox",
            ok=inside == workers or self.settings.sandbox != "require",
            message=f"{inside} of {workers} workers run scripts in a sandbox."
            if workers
            else "No worker runs that could tell whether scripts run in a sandbox.",
        )

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
            "storage",
            ok=free >= self.settings.min_free,
            message=f"{free / 2**30:.1f} GiB are free for products.",
            figures={"free_bytes": ("Free disk for products.", free)},
        )

    def _check_queue(self) -> Check:
        ok = self._queue.check()
        return Check("queue", ok=ok, message="The queue answers." if ok else "The queue does not answer.")

    def _check_workers(self) -> Check:
        try:
            slots = self._presence.slots()
        except DatabaseError:
            return Check("workers", ok=False, message="Whether workers run is not known.")
        ok = slots > 0 and self._queue.working
        return Check(
            "workers",
            ok=ok,
            message=f"{slots} tasks can be done at once." if ok else "No worker runs.",
            figures={"workers": ("Tasks that can be done at once.", slots)},
        )

    def _check_sweeper(self) -> Check:
        ok = self._started and time.monotonic() - self._sweeper.last_sweep < 30 * SWEEP
        return Check("sweeper", ok=ok, message="The sweeper runs." if ok else "The sweeper does not run.")
