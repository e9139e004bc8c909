"""What is told of jobs to whoever asks."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Row,
    and_,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from jobs.models import Census, Job, JobRef, JobState, Line, Product
from jobs.phases import Phase
from jobs.store.rows import (
    JOB,
    PAGE,
    PARAMETERS,
    PHASES,
    PRODUCTS,
    TASKS,
    from_ms,
    instant,
    ref_fields,
    to_parameter,
    to_task,
    unknown,
)
from jobs.store.transactions import Store
from jobs.tables import file_checksum, job, parameter, phase_change, product, record, task


@dataclass(frozen=True)
class Waiting:
    """The tasks of a job that wait for a worker."""

    job_id: str
    script: str
    created: datetime
    count: int


class Reading(Store):
    """Looks at jobs."""

    def get(self, job_id: str) -> Job:
        """Return a job with its parameters, tasks and products.

        :raises NotFoundError: there is no such job.
        """
        with self.database.read() as connection:
            key = {"key": job_id}
            row = connection.execute(JOB, key).one_or_none()
            if row is None:
                raise unknown(job_id)
            parameters = connection.execute(PARAMETERS, key).all()
            tasks = connection.execute(TASKS, key).all()
            products = connection.execute(PRODUCTS, key).all()
        return Job(
            **ref_fields(row),
            started=from_ms(row.started),
            ended=from_ms(row.ended),
            duration=row.duration,
            destruction=from_ms(row.destruction),
            quote=None,
            error=row.error,
            error_transient=bool(row.error_transient),
            version=row.version,
            parameters=tuple(map(to_parameter, parameters)),
            tasks=tuple(map(to_task, tasks)),
            products=tuple(Product(**row._mapping) for row in products),
        )

    def state(self, job_id: str) -> JobState:
        """Return a job's script, phase, version, owner and run id.

        :raises NotFoundError: there is no such job.
        """
        row = None if "\0" in job_id else self._state(job_id)  # PostgreSQL takes no NUL, not even in a question
        if row is None:
            raise unknown(job_id)
        script, phase, version, owner, run_id = row
        return JobState(script, Phase(phase), version, owner, run_id)

    def versions(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Return the versions of those of the jobs that still exist."""
        found: dict[str, int] = {}
        with self.database.read() as connection:
            for start in range(0, len(job_ids), 500):
                rows = connection.execute(
                    select(job.c.id, job.c.version).where(job.c.id.in_(job_ids[start : start + 500]))
                )
                found.update((row.id, row.version) for row in rows)
        return found

    def refs(
        self,
        script: str | None,
        phases: Collection[Phase],
        after: datetime | None,
        last: int | None,
        owners: Collection[str | None] | None = None,
        run_id: str | None = None,
    ) -> Iterator[JobRef]:
        """Yield the jobs that pass all filters, newest first (UWS 1.1, section 2.2.2.1), read a page at a time.

        Archived jobs are listed only when asked for by phase.

        :param owners: whose jobs, with None for anonymous ones; None alone for everybody's.
        """
        query = select(*job.c["serial", "id", "script", "phase", "run_id", "owner", "created"])
        if script is not None:
            query = query.where(job.c.script == script)
        if phases:
            query = query.where(job.c.phase.in_([phase.value for phase in phases]))
        else:
            query = query.where(job.c.phase != Phase.ARCHIVED.value)
        if after is not None:
            # As a float: an instant between two milliseconds must not round onto the one before it.
            query = query.where(job.c.created > after.timestamp() * 1000)
        if owners is not None:
            query = query.where(or_(false(), *(job.c.owner == owner for owner in owners)))
        if run_id is not None:
            query = query.where(job.c.run_id == run_id)
        query = query.order_by(job.c.created.desc(), job.c.serial.desc())
        left = sys.maxsize if last is None else last
        rows: Sequence[Row[Any]] = ()
        while left > 0:
            page = query.limit(min(left, PAGE))
            if rows:
                page = page.where(tuple_(job.c.created, job.c.serial) < (rows[-1].created, rows[-1].serial))
            # a statement for each page: a slow reader of the list keeps no connection, and no old state from going
            with self.database.read() as connection:
                rows = connection.execute(page).all()
            for row in rows:
                created = datetime.fromtimestamp(row.created / 1000, UTC)
                yield JobRef(row.id, row.script, PHASES[row.phase], row.run_id, row.owner, created)
            left = left - len(rows) if len(rows) == PAGE else 0

    def trail(self, job_id: str) -> list[tuple[int | None, Phase, Phase, str]]:
        """Return every move of a job and its tasks in order: task number or None, origin, target, reason."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(phase_change).where(phase_change.c.job_id == job_id).order_by(phase_change.c.id)
            ).all()
        return [(row.task, Phase(row.origin), Phase(row.target), row.reason) for row in rows]

    def records(self, job_id: str) -> dict[int, str]:
        """Return what each completed task used (:mod:`jobs.record`), by its number."""
        with self.database.read() as connection:
            rows = connection.execute(select(record.c.task, record.c.content).where(record.c.job_id == job_id)).all()
        return {row.task: row.content for row in rows}

    def file_checksum(self, path: str, size: int, changed: int) -> str | None:
        """Return the checksum of a file of the archive if it is known for this size and time of change."""
        with self.database.read() as connection:
            return connection.execute(
                select(file_checksum.c.checksum).where(
                    file_checksum.c.path == path, file_checksum.c.size == size, file_checksum.c.changed == changed
                )
            ).scalar_one_or_none()

    def keep_file_checksum(self, path: str, size: int, changed: int, checksum: str) -> None:
        """Write down the checksum of a file of the archive."""
        values = {"size": size, "changed": changed, "checksum": checksum}
        with self.database.write() as connection:
            if not connection.execute(
                update(file_checksum).where(file_checksum.c.path == path).values(**values)
            ).rowcount:
                with suppress(IntegrityError), connection.begin_nested():  # somebody else has just written it down
                    connection.execute(insert(file_checksum).values(path=path, **values))

    def counts(self) -> dict[Phase, int]:
        """Return how many jobs are in each phase."""
        with self.database.read() as connection:
            rows = connection.execute(select(job.c.phase, func.count()).group_by(job.c.phase)).all()
        return {Phase(phase): count for phase, count in rows}

    def kept_files(self) -> Iterator[tuple[str, str]]:
        """Yield the job and the key of each product and upload, read a page at a time."""
        for table in (product, parameter):
            last = ("", "")
            while True:
                query = (
                    select(table.c.job_id, table.c.key)
                    .where(table.c.key.is_not(None), tuple_(table.c.job_id, table.c.key) > last)
                    .order_by(table.c.job_id, table.c.key)
                    .limit(PAGE)
                )
                with self.database.read() as connection:
                    rows = [(job_id, key) for job_id, key in connection.execute(query)]
                yield from rows
                if len(rows) < PAGE:
                    break
                last = rows[-1]

    def newest_products(self, count: int) -> list[str]:
        """Return the keys of products of the jobs that ended last."""
        query = (
            select(product.c.key)
            .join(job, job.c.id == product.c.job_id)
            .where(job.c.phase == Phase.COMPLETED.value)
            .order_by(job.c.serial.desc())
            .limit(count)
        )
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def census(self) -> Census:
        """Count the jobs, and the tasks that wait and run."""
        first = (
            select(task.c.job_id, task.c.queue, func.count().label("number"))
            .where(task.c.phase == Phase.QUEUED.value)
            .group_by(task.c.job_id, task.c.queue)
            .subquery()
        )
        made_queued = and_(
            phase_change.c.job_id == first.c.job_id,
            phase_change.c.task.is_(None),
            phase_change.c.target == Phase.QUEUED.value,
        )
        queued = (
            select(first.c.queue, func.sum(first.c.number), func.min(phase_change.c.at))
            .join_from(first, phase_change, made_queued, isouter=True)
            .group_by(first.c.queue)
        )
        executing = (
            select(task.c.queue, func.count()).where(task.c.phase == Phase.EXECUTING.value).group_by(task.c.queue)
        )
        by_phase = select(job.c.script, job.c.phase, func.count()).group_by(job.c.script, job.c.phase)
        with self.database.read() as connection:
            jobs = {(script, phase): number for script, phase, number in connection.execute(by_phase)}
            waiting = {queue: (int(number), from_ms(at)) for queue, number, at in connection.execute(queued)}
            running = dict(map(tuple, connection.execute(executing)))
        queues = {
            name: Line(*waiting.get(name, (0, None)), running=running.get(name, 0))
            for name in waiting.keys() | running.keys()
        }
        return Census(jobs, queues)

    def run_times(self, script: str, count: int) -> list[float]:
        """Return how many seconds each of the ``count`` tasks of a script took that completed last."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.started, task.c.ended)
                .where(task.c.script == script, task.c.phase == Phase.COMPLETED.value)
                .order_by(task.c.ended.desc())
                .limit(count)
            ).all()
        return [(row.ended - row.started) / 1000 for row in rows]

    def backlog(self) -> list[Waiting]:
        """Return how many tasks wait in each job that has any."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.job_id, task.c.script, job.c.created, func.count())
                .join(job, job.c.id == task.c.job_id)
                .where(task.c.phase == Phase.QUEUED.value)
                .group_by(task.c.job_id, task.c.script, job.c.created)
            ).all()
        return [Waiting(job_id, script, instant(created), count) for job_id, script, created, count in rows]

    def running(self) -> list[tuple[str, str, datetime]]:
        """Return job, script and start of each task that is being done."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.job_id, task.c.script, task.c.started).where(task.c.phase == Phase.EXECUTING.value)
            ).all()
        return [(row.job_id, row.script, instant(row.started)) for row in rows]
