"""What workers do with tasks: they claim, complete, fail and give them back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    insert,
    select,
    update,
)

from jobs.errors import ConflictError
from jobs.models import NOTHING, Parameter, Part, Product, Task, Usage
from jobs.phases import Phase
from jobs.store.moves import TASK, close_job, end_task, move_job, move_task, queue_again, touch
from jobs.store.rows import JOB, PARAMETERS, TASKS, instant, now, to_parameter, to_task
from jobs.store.transactions import Store
from jobs.tables import part, product, record, task


@dataclass(frozen=True)
class Claim:
    """A task that a worker has claimed: while its lease holds, this attempt alone may publish."""

    task: Task
    worker: str
    script: str
    created: datetime
    """When its job was made."""
    parameters: tuple[Parameter, ...] = ()
    """Those of its job."""


class _FullError(Exception):
    """As many tasks of the user run as may; the claim is taken back."""


class Claims(Store):
    """Does to tasks what their workers want."""

    def claim(self, queue: str, worker: str, lease: float) -> Claim | None:
        """Claim the QUEUED task of a resource class whose turn it is, for ``lease`` seconds; None if none waits.

        Users take turns, and so do the sessions of a user; in a session the oldest job comes first.
        """
        while True:
            found = self._next(queue)
            if found is None:
                return None
            task_id, first, _, most = found
            with suppress(_FullError):  # others of the user's have just begun
                claim = self._claim(task_id, first, most, worker, lease)
                if claim is not None:  # else somebody else was faster
                    return claim

    def _claim(self, task_id: str, first: str, most: int, worker: str, lease: float) -> Claim | None:
        """Claim a task; None if it is not there to be had any more.

        :param first: the task of the same user whose turn it is, and which gets the claimed task's turn instead.
        :param most: how many tasks of the user may run; 0 for any number.
        """
        at = now()
        job_id = task_id.partition(".")[0]
        # Where a claim is lost with the machine, so is the worker that made it.
        with self._change(job_id, lasting=False) as connection:
            moved = move_task(
                connection,
                task_id,
                Phase.EXECUTING,
                f"claimed by {worker}",
                worker=worker,
                lease=self._after(lease),
                started=at,
                progress=0.0,
                message="",
            )
            if moved is None:
                return None
            if most:
                self._keep_limit(connection, moved.owner, most)
            if first != task_id:
                connection.execute(
                    update(task).where(task.c.id == first, task.c.phase == Phase.QUEUED.value).values(turn=moved.turn)
                )
            parent = connection.execute(JOB, {"key": moved.job_id}).one()
            if parent.phase == Phase.QUEUED.value:
                move_job(connection, moved.job_id, Phase.EXECUTING, "first task started", Phase.QUEUED, started=at)
            else:
                touch(connection, moved.job_id)
            parameters = connection.execute(PARAMETERS, {"key": job_id}).all()
        created = instant(parent.created)
        return Claim(to_task(moved), worker, parent.script, created, tuple(map(to_parameter, parameters)))

    def _keep_limit(self, connection: Connection, owner: str, most: int) -> None:
        """Make sure that a user has no more tasks running than he may, the one claimed just now included.

        :raises _FullError: he has.
        """
        self.database.line_up(connection, f"amora running {owner}")
        running = select(func.count()).where(task.c.phase == Phase.EXECUTING.value, task.c.owner == owner)
        if connection.execute(running).scalar_one() > most:
            raise _FullError

    def holds(self, claim: Claim) -> bool:
        """Whether a claim still holds."""
        held = (claim.task.attempt, claim.worker, Phase.EXECUTING.value)
        found = self._holder(claim.task.id)
        return found is not None and tuple(found) == held

    def report(self, claim: Claim, progress: float, message: str) -> bool:
        """Write down the progress of a task; False when the claim is lost."""
        with self._change(claim.task.job_id, lasting=False) as connection:
            done = connection.execute(
                update(task).where(is_held(claim)).values(progress=progress, message=message)
            ).rowcount
            if done:
                touch(connection, claim.task.job_id)
        return bool(done)

    def complete(
        self, claim: Claim, products: Sequence[Product], usage: Usage = NOTHING, message: str = "", used: str = ""
    ) -> bool:
        """End a task as COMPLETED with its products, and the job with its last task; False when the claim is lost.

        :param usage: what this attempt took.
        :param message: what its script said last, if anything.
        :param used: the record of what it used.
        :raises ConflictError: another task has handed back a product of the same name; nothing is changed.
        """
        total = claim.task.usage + usage
        with self._change(claim.task.job_id) as connection:
            values: dict[str, Any] = {"progress": 1.0} | _took(total) | ({"message": message} if message else {})
            if not self._end(connection, claim, Phase.COMPLETED, "script ended", **values):
                return False
            if claim.task.role == "part":
                rows = [
                    {"job_id": item.job_id, "task": item.task, "name": item.name, "key": item.key} for item in products
                ]
                if rows:
                    connection.execute(insert(part), rows)
            elif products:
                _insert_products(connection, claim.task.job_id, products)
            if used:
                connection.execute(
                    insert(record).values(job_id=claim.task.job_id, task=claim.task.number, content=used)
                )
            close_job(connection, claim.task.job_id, completed=claim.task.role)
        return True

    def parts(self, job_id: str) -> list[Part]:
        """Return what the parts of a job came to, in the order of their tasks."""
        files: dict[int, list[tuple[str, str]]] = {}
        with self.database.read() as connection:
            rows = connection.execute(TASKS, {"key": job_id}).all()
            for row in connection.execute(select(part).where(part.c.job_id == job_id).order_by(part.c.name)):
                files.setdefault(row.task, []).append((row.name, row.key))
        return [
            Part(
                item.number,
                item.attempt,
                item.dataset,
                item.phase is not Phase.COMPLETED,
                item.message,
                tuple(files.get(item.number, ())),
            )
            for item in map(to_task, rows)
            if item.role == "part"
        ]

    def spend(self, claim: Claim, usage: Usage) -> None:
        """Add up what an attempt took that did not complete its task, whatever has become of the task meanwhile."""
        total = claim.task.usage + usage
        with self._change(claim.task.job_id) as connection:
            connection.execute(update(task).where(task.c.id == claim.task.id).values(_took(total)))
            touch(connection, claim.task.job_id)

    def fail_task(self, claim: Claim, message: str, retries: int = 0) -> bool:
        """End a task as ERROR, and the job with its last task; False when the claim is lost.

        :param retries: how many times it is queued again instead.
        """
        with self._change(claim.task.job_id) as connection:
            if retries:
                row = connection.execute(TASK, {"key": claim.task.id}).one_or_none()
                if row is not None and row.failures < retries:
                    return queue_again(
                        connection, row, claim.task.attempt, message, claim.worker, failures=row.failures + 1
                    )
            if not self._end(connection, claim, Phase.ERROR, message, message=message):
                return False
            close_job(connection, claim.task.job_id)
        return True

    def _end(self, connection: Connection, claim: Claim, target: Phase, reason: str, **values: Any) -> bool:
        """Move a task to its end, if the claim holds."""
        held = claim.task
        moved = end_task(connection, held.id, target, reason, held.attempt, claim.worker, ended=now(), **values)
        return moved is not None

    def give_back(self, task_id: str, attempt: int, reason: str, *, lost: bool, limit: int) -> bool:
        """Queue a claimed task again as a new attempt; fail it when it was ``lost`` for the ``limit``-th time.

        Returns whether it was queued again.
        """
        job_id = task_id.partition(".")[0]
        with self._change(job_id) as connection:
            row = connection.execute(select(task).where(task.c.id == task_id)).one_or_none()
            if row is None:
                return False
            losses = row.losses + lost
            if losses >= limit:
                message = f"given up after {losses} tries: {reason}"
                if move_task(connection, task_id, Phase.ERROR, reason, attempt, message=message, ended=now()):
                    close_job(connection, row.job_id, transient=True)
                return False
            return queue_again(connection, row, attempt, reason, losses=losses)


def _took(usage: Usage) -> dict[str, float | int]:
    return {
        "cpu": usage.cpu,
        "memory": usage.memory,
        "bytes_read": usage.read,
        "bytes_written": usage.written,
    }


def _insert_products(connection: Connection, job_id: str, products: Sequence[Product]) -> None:
    names = [item.name for item in products]
    rows = connection.execute(
        select(product.c.name, product.c.task).where(product.c.job_id == job_id, product.c.name.in_(names))
    ).all()
    taken = {row.name: row.task for row in rows}
    for item in products:
        if item.name in taken:
            raise ConflictError(
                f"task {taken[item.name]} has handed back a product {item.name} already; {{dataset}} or {{task}} in a "
                "product's name keeps them apart."
            )
    connection.execute(insert(product), [vars(item) for item in products])


def is_held(claim: Claim) -> ColumnElement[bool]:
    """The condition under which a claim holds."""
    return and_(
        task.c.id == claim.task.id,
        task.c.attempt == claim.task.attempt,
        task.c.worker == claim.worker,
        task.c.phase == Phase.EXECUTING.value,
    )
