"""What the sweeper wants to know: which tasks are held and wait, which jobs are over their time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    and_,
    cast,
    func,
    or_,
    select,
)

from jobs.phases import Phase
from jobs.store.rows import WAITING, now
from jobs.store.transactions import Store
from jobs.tables import job, task


@dataclass(frozen=True)
class Held:
    """A task that some worker holds, as the sweeper sees it."""

    id: str
    job_id: str
    number: int
    attempt: int
    worker: str
    lapsed: bool
    """Whether its lease is over."""


class Care(Store):
    """Looks for what is to be put right."""

    def is_void(self, task_id: str, attempt: int) -> bool:
        """Whether nothing that an attempt has made can count, now or later."""
        counts = and_(
            task.c.id == task_id,
            task.c.attempt == attempt,
            task.c.phase.in_([Phase.EXECUTING.value, Phase.COMPLETED.value]),
        )
        with self.database.read() as connection:
            return connection.execute(select(task.c.id).where(counts)).one_or_none() is None

    def held(self) -> list[Held]:
        """Return all tasks that workers hold."""
        columns = task.c["id", "job_id", "number", "attempt", "worker"]
        lapsed = (task.c.lease <= self.database.clock).label("lapsed")
        with self.database.read() as connection:
            rows = connection.execute(select(*columns, lapsed).where(task.c.phase == Phase.EXECUTING.value)).all()
        return [Held(**row._mapping) for row in rows]

    def waiting(self) -> dict[str, int]:
        """Return how many tasks wait in each resource class that has any."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.queue, func.count().label("number")).where(WAITING).group_by(task.c.queue)
            ).all()
        return {row.queue: row.number for row in rows}

    def overdue(self) -> list[tuple[str, int]]:
        """Return the jobs that have taken longer than their executionDuration, and that duration in seconds."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(job.c.id, job.c.duration).where(
                    job.c.phase == Phase.EXECUTING.value,
                    job.c.duration > 0,
                    # Both sides of PostgreSQL's INTEGER end at 24 days in milliseconds.
                    job.c.started + cast(job.c.duration, BigInteger) * 1000 <= now(),
                )
            ).all()
        return [(row.id, row.duration) for row in rows]

    def attempts(self) -> set[tuple[str, int, int]]:
        """Return job id, task number and attempt of all attempts that run or have handed back products.

        What the parts of a job handed on is of use only until the job has ended.
        """
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.job_id, task.c.number, task.c.attempt)
                .join(job, job.c.id == task.c.job_id)
                .where(
                    task.c.phase.in_([Phase.EXECUTING.value, Phase.COMPLETED.value]),
                    or_(task.c.role != "part", job.c.phase == Phase.EXECUTING.value),
                )
            ).all()
        return {(row.job_id, row.number, row.attempt) for row in rows}

    def expired(self) -> list[str]:
        """Return the jobs whose destruction time has come, those left out that are ARCHIVED already."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(job.c.id).where(job.c.destruction <= now(), job.c.phase != Phase.ARCHIVED.value)
            ).all()
        return [row.id for row in rows]
