"""What whoever looks after the service asks of the jobs and tasks of all users, and which scripts take no new jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, delete, func, insert, or_, select

from index.database import Database
from jobs.models import JobRef, Task
from jobs.phases import ACTIVE, Phase
from jobs.store.rows import from_ms, instant, now, to_ms, to_task
from jobs.tables import job, parameter, product, script_switch, task, user_limit

ORDERS = ("created", "started", "ended", "script", "owner", "phase")
"""By what jobs can be ordered."""


@dataclass(frozen=True)
class Query:
    """Which jobs, or tasks, are wanted."""

    word: str = ""
    """Found in the id, the session, the owner, the script or the error, in either case."""
    script: str = ""
    phases: tuple[Phase, ...] = ()
    order: str = "created"
    """One of :data:`ORDERS`."""
    ascending: bool = False
    offset: int = 0
    count: int = 50


@dataclass(frozen=True)
class Listed(JobRef):
    """A job as the desk lists it."""

    started: datetime | None
    ended: datetime | None
    error: str | None
    tasks: int
    done: int


@dataclass(frozen=True)
class WorkingTask:
    """A task as the desk lists it."""

    task: Task
    script: str
    owner: str
    worker: str | None


@dataclass(frozen=True)
class Share:
    """What a user has at the moment; empty for all anonymous ones."""

    owner: str
    jobs: int
    waiting: int
    running: int
    disk: int
    """Bytes of products and sent files."""


@dataclass(frozen=True)
class Quota:
    """Limits of one user's own; None where those of everybody hold, 0 for any number."""

    running: int | None = None
    """Tasks that may run at once."""
    queued: int | None = None
    """Tasks that may wait."""
    disk: int | None = None
    """Bytes of products and sent files with which more jobs may still be run."""


@dataclass(frozen=True)
class Outcome:
    """How the tasks of a script have ended lately."""

    completed: int = 0
    failed: int = 0
    latest: datetime | None = None
    """When one failed last."""
    reason: str = ""
    """Why."""


class DeskStore:
    """The questions of the desk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self, query: Query) -> tuple[list[Listed], int]:
        """Return the page of jobs that is wanted, and how many there are on all pages."""
        tasks = select(func.count()).where(task.c.job_id == job.c.id).scalar_subquery()
        done = (
            select(func.count())
            .where(task.c.job_id == job.c.id, task.c.phase.not_in([phase.value for phase in ACTIVE]))
            .scalar_subquery()
        )
        wanted = _wanted(select(job, tasks.label("tasks"), done.label("done")), query)
        count = _wanted(select(func.count()).select_from(job), query)
        column = job.c[query.order]
        ordered = wanted.order_by(
            column.is_(None), column.asc() if query.ascending else column.desc(), job.c.serial.desc()
        )
        with self._database.read() as connection:
            total = connection.execute(count).scalar_one()
            rows = connection.execute(ordered.offset(query.offset).limit(query.count)).all()
        return [
            Listed(
                id=row.id,
                script=row.script,
                phase=Phase(row.phase),
                run_id=row.run_id,
                owner=row.owner,
                created=instant(row.created),
                started=from_ms(row.started),
                ended=from_ms(row.ended),
                error=row.error,
                tasks=row.tasks,
                done=row.done,
            )
            for row in rows
        ], total

    def tasks(self, query: Query) -> tuple[list[WorkingTask], int]:
        """Return the page of tasks that is wanted, the newest first, and how many there are on all pages."""
        conditions = []
        if query.word:
            columns = (task.c.id, task.c.owner, task.c.script, task.c.message, task.c.datasets, task.c.session)
            conditions.append(or_(*(column.icontains(query.word, autoescape=True) for column in columns)))
        if query.script:
            conditions.append(task.c.script == query.script)
        if query.phases:
            conditions.append(task.c.phase.in_([phase.value for phase in query.phases]))
        # what runs comes first, then what waits in its turn, then what has ended last
        rank = case((task.c.phase == Phase.EXECUTING.value, 0), (task.c.phase == Phase.QUEUED.value, 1), else_=2)
        ordered = (
            select(task)
            .where(*conditions)
            .order_by(rank, case((rank == 1, task.c.turn)), task.c.ended.desc(), task.c.started.desc(), task.c.id)
        )
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(task).where(*conditions)).scalar_one()
            rows = connection.execute(ordered.offset(query.offset).limit(query.count)).all()
        return [WorkingTask(to_task(row), row.script, row.owner, row.worker) for row in rows], total

    def failures(self, count: int, script: str = "") -> list[WorkingTask]:
        """Return the tasks that failed last."""
        query = select(task).where(task.c.phase == Phase.ERROR.value)
        if script:
            query = query.where(task.c.script == script)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(task.c.ended.desc(), task.c.id).limit(count)).all()
        return [WorkingTask(to_task(row), row.script, row.owner, row.worker) for row in rows]

    def outcomes(self, since: datetime) -> dict[str, Outcome]:
        """Return how the tasks of each script have ended since an instant."""
        ended = task.c.ended > to_ms(since)
        counted = (
            select(task.c.script, task.c.phase, func.count().label("number"), func.max(task.c.ended).label("latest"))
            .where(ended, task.c.phase.in_([Phase.COMPLETED.value, Phase.ERROR.value]))
            .group_by(task.c.script, task.c.phase)
        )
        found: dict[str, dict[str, Any]] = {}
        with self._database.read() as connection:
            for row in connection.execute(counted).all():
                values = found.setdefault(row.script, {})
                values["failed" if row.phase == Phase.ERROR.value else "completed"] = row.number
                if row.phase == Phase.ERROR.value:
                    values["latest"] = from_ms(row.latest)
                    values["reason"] = connection.execute(
                        select(task.c.message)
                        .where(task.c.script == row.script, task.c.phase == row.phase, task.c.ended == row.latest)
                        .limit(1)
                    ).scalar_one_or_none()
        return {script: Outcome(**values) for script, values in found.items()}

    def shares(self) -> list[Share]:
        """Return what each user has, whoever has the most jobs first."""
        owner = func.coalesce(job.c.owner, "").label("owner")
        counted = select(owner, func.count()).group_by(owner)
        busy = select(
            task.c.owner,
            func.sum(case((task.c.phase == Phase.QUEUED.value, 1), else_=0)),
            func.sum(case((task.c.phase == Phase.EXECUTING.value, 1), else_=0)),
        ).where(task.c.phase.in_([Phase.QUEUED.value, Phase.EXECUTING.value]))
        sizes = [
            select(owner, func.sum(table.c.size)).join_from(table, job, table.c.job_id == job.c.id).group_by(owner)
            for table in (product, parameter)
        ]
        with self._database.read() as connection:
            jobs = dict(map(tuple, connection.execute(counted)))
            tasks = {
                name: (int(waiting or 0), int(running or 0))
                for name, waiting, running in connection.execute(busy.group_by(task.c.owner))
            }
            disk: dict[str, int] = {}
            for query in sizes:
                for name, size in connection.execute(query):
                    disk[name] = disk.get(name, 0) + int(size or 0)
        return sorted(
            (Share(name, number, *tasks.get(name, (0, 0)), disk.get(name, 0)) for name, number in jobs.items()),
            key=lambda share: -share.jobs,
        )

    def kept(self) -> tuple[int, int]:
        """Return how many products there are, and their bytes."""
        with self._database.read() as connection:
            count, size = connection.execute(select(func.count(), func.sum(product.c.size))).one()
        return int(count), int(size or 0)

    def quotas(self) -> dict[str, Quota]:
        """Return the users with limits of their own; empty stands for all anonymous ones."""
        with self._database.read() as connection:
            rows = connection.execute(select(user_limit)).all()
        return {row.owner: Quota(row.running, row.queued, row.disk) for row in rows}

    def set_quota(self, owner: str, quota: Quota) -> None:
        """Give a user limits of his own, or take them back with an empty quota.

        They hold for the next task that a worker takes and for the next job that is run; what runs or waits stays.
        """
        with self._database.write() as connection:
            self._database.line_up(connection, "amora limits")  # a form may be sent twice at once
            connection.execute(delete(user_limit).where(user_limit.c.owner == owner))
            if quota != Quota():
                connection.execute(insert(user_limit).values(owner=owner, **vars(quota)))

    # ------------------------------------------------------------------ scripts that take no new jobs

    def switched_off(self) -> Mapping[str, str]:
        """Return the scripts that take no new jobs, and why."""
        with self._database.read() as connection:
            return {row.script: row.reason for row in connection.execute(select(script_switch))}

    def switch_off(self, script: str, reason: str) -> None:
        """Have a script take no new jobs."""
        with self._database.write() as connection:
            self._database.line_up(connection, "amora switches")  # as above
            connection.execute(delete(script_switch).where(script_switch.c.script == script))
            connection.execute(insert(script_switch).values(script=script, reason=reason, at=now()))

    def switch_on(self, script: str) -> bool:
        """Have a script take new jobs again; False if it does."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(script_switch).where(script_switch.c.script == script)).rowcount)


def _wanted(query: Select[Any], wanted: Query) -> Select[Any]:
    if wanted.word:
        columns = (job.c.id, job.c.run_id, job.c.owner, job.c.script, job.c.error)
        query = query.where(or_(*(column.icontains(wanted.word, autoescape=True) for column in columns)))
    if wanted.script:
        query = query.where(job.c.script == wanted.script)
    if wanted.phases:
        query = query.where(job.c.phase.in_([phase.value for phase in wanted.phases]))
    return query
