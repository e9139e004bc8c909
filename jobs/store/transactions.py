"""The transactions in which jobs are changed: whoever waits for a job is told once its change is committed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    insert,
    select,
)

from index.database import Database
from jobs.store.rows import new_id, now
from jobs.store.turns import next_task, place_in_line
from jobs.tables import job, phase_change, task

log = logging.getLogger("jobs.store")

_TRAIL = insert(phase_change)

CHANNEL = "amora_jobs"
"""Where PostgreSQL tells of changes: each message is the name of the store that made it and the job's id."""


@dataclass(frozen=True)
class UserLimits:
    """What one user may have at once; 0 stands for any number. All anonymous users count as one."""

    running: int = 0
    """Tasks that run."""
    queued: int = 0
    """Tasks that wait."""
    disk: int = 0
    """Bytes of products and sent files with which more jobs may still be run."""


class Store:
    """The transactions.

    :param changed: called with a job's id after each committed change of it.
    :param limits: what one user may have.
    """

    def __init__(
        self,
        database: Database,
        changed: Callable[[str], None] = lambda _: None,
        limits: UserLimits = UserLimits(),
    ) -> None:
        self.database = database
        self.name = new_id()
        """Of this object, like that of no other in any process."""
        self._limits = limits
        turn = next_task(limits.running)
        self._next = database.glance(turn)
        self._lines = place_in_line(turn)
        self._changed = changed
        self._open = threading.local()
        self._holder = database.glance(
            select(*task.c["attempt", "worker", "phase"]).where(task.c.id == bindparam("key"))
        )
        self._state = database.glance(
            select(*job.c["script", "phase", "version", "owner", "run_id"]).where(job.c.id == bindparam("key"))
        )

    @contextmanager
    def together(self, job_id: str) -> Iterator[None]:
        """Make all changes of one job in the block one transaction: all of them happen, or none."""
        with self._change(job_id) as connection:
            self._open.connection = connection
            try:
                yield
            finally:
                self._open.connection = None

    @contextmanager
    def _change(self, job_id: str, *, lasting: bool = True) -> Iterator[Connection]:
        """Give a transaction that changes one job; once it is committed, those who wait for the job are told.

        :param lasting: as for :meth:`index.database.Database.write`.
        """
        connection: Connection | None = getattr(self._open, "connection", None)
        if connection is not None:
            yield connection
            return
        with self.database.write(lasting=lasting) as connection:
            for left in ("moves", "also"):  # of a transaction that was not committed
                connection.info.pop(left, None)
            if not self.database.quick:
                # Whoever locks a job first and its tasks afterwards never waits for one who waits for him. In SQLite
                # there is but one writer.
                told = self.database.notice(CHANNEL, f"{self.name} {job_id}")
                connection.execute(select(job.c.id, told).where(job.c.id == job_id).with_for_update())
            yield connection
            moves = connection.info.pop("moves", ())
            also = connection.info.pop("also", None)
            if moves:
                connection.execute(_TRAIL, moves)
        for move in moves:
            fields = {"job": job_id} if move["task"] is None else {"job": job_id, "task": move["task"]}
            log.info("%s to %s: %s", move["origin"], move["target"], move["reason"], extra={"about": fields})
        self._changed(job_id)
        if also is not None:
            self._changed(also)

    def _tell_also(self, connection: Connection, name: str) -> None:
        """Have those who wait for that name told too, once the transaction is committed."""
        connection.info["also"] = name
        if self.database.tells:
            connection.execute(select(self.database.notice(CHANNEL, f"{self.name} {name}")))

    def _after(self, seconds: float) -> ColumnElement[int] | int:
        if self.database.quick:  # there is but one clock
            return now() + int(seconds * 1000)
        return self.database.clock + int(seconds * 1000)
