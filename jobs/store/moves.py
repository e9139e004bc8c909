"""The moves of jobs and tasks from phase to phase: each a compare-and-set through the table of :mod:`jobs.phases`.

The statement names the phases from which the move is allowed, and a row that is in another one is left alone. Each
move leaves a line in ``phase_change``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from jobs.errors import PhaseError
from jobs.phases import ACTIVE, FINAL, JOB_MOVES, TASK_MOVES, Phase, sources
from jobs.store.rows import KEY, PHASES, either, now, unknown
from jobs.tables import job, part, task

_PHASE_OF_JOB = select(job.c.phase).where(job.c.id == KEY).with_for_update()
TASK = select(task).where(task.c.id == KEY).with_for_update()
_TOUCH = update(job).where(job.c.id == KEY).values(version=job.c.version + 1)
# Two are enough to tell whether the gather task is the only one.
_UNFINISHED, _COMPLETED = (
    select(task.c.id, task.c.role, task.c.phase)
    .where(task.c.job_id == KEY, task.c.phase.in_([phase.value for phase in phases]))
    .limit(2)
    for phases in (ACTIVE, (Phase.COMPLETED,))
)
_GATHER = select(task.c.id, task.c.phase).where(task.c.job_id == KEY, task.c.role == "gather")


class StaleError(Exception):
    """The job has changed since it was looked at: look again."""


@cache
def _job_update(target: Phase, names: frozenset[str]) -> Update:
    """The move of a job from the phase ``origin``, if that is allowed, with new values for some columns."""
    return (
        update(job)
        .where(
            job.c.id == KEY,
            job.c.phase == bindparam("origin"),
            job.c.phase.in_([phase.value for phase in sources(JOB_MOVES, target)]),
        )
        .values(phase=target.value, version=job.c.version + 1, **{name: bindparam(f"new_{name}") for name in names})
    )


@cache
def _task_update(target: Phase, names: frozenset[str], new_attempt: bool) -> ReturningUpdate[Any]:
    """The same of a task and one of its attempts; it returns the row as it then is."""
    return (
        update(task)
        .where(
            task.c.id == KEY,
            task.c.attempt == bindparam("attempt"),
            task.c.phase == bindparam("origin"),
            task.c.phase.in_([phase.value for phase in sources(TASK_MOVES, target)]),
        )
        .values(
            phase=target.value,
            attempt=task.c.attempt + int(new_attempt),
            **{name: bindparam(f"new_{name}") for name in names},
        )
        .returning(task)
    )


def move_job(
    connection: Connection,
    job_id: str,
    target: Phase,
    reason: str,
    likely: Phase | None = None,
    **values: int | str | None,
) -> None:
    """Move a job if its phase allows it.

    :param likely: the phase that it most probably has; that it is looked up can be saved then.
    :raises PhaseError: it does not.
    """
    update_, new = _job_update(target, frozenset(values)), _new(values)
    if likely is not None and connection.execute(update_, {"key": job_id, "origin": likely.value} | new).rowcount:
        _note(connection, job_id, None, likely, target, reason)
        return
    origin = phase_of(connection, job_id)
    if not connection.execute(update_, {"key": job_id, "origin": origin.value} | new).rowcount:
        allowed = sources(JOB_MOVES, target)
        raise PhaseError(f"The job {job_id} is {origin}; it can become {target} only from {either(allowed)}.")
    _note(connection, job_id, None, origin, target, reason)


def _new(values: Mapping[str, int | float | str | None]) -> dict[str, int | float | str | None]:
    return {f"new_{name}": value for name, value in values.items()}


def phase_of(connection: Connection, job_id: str) -> Phase:
    """Return the phase of a job, which nobody else changes until the end of the transaction."""
    phase = connection.execute(_PHASE_OF_JOB, {"key": job_id}).scalar_one_or_none()
    if phase is None:
        raise unknown(job_id)
    return PHASES[phase]


def abort_all(connection: Connection, job_id: str, reason: str) -> None:
    """Abort a job and all its tasks that have not ended."""
    at = now()
    move_job(connection, job_id, Phase.ABORTED, reason, ended=at)
    rows = connection.execute(
        select(task.c.id).where(task.c.job_id == job_id, task.c.phase.not_in([phase.value for phase in FINAL]))
    ).all()
    for (task_id,) in rows:
        move_task(connection, task_id, Phase.ABORTED, reason, message=reason, ended=at)


def move_task(
    connection: Connection,
    task_id: str,
    target: Phase,
    reason: str,
    attempt: int | None = None,
    held_by: str | None = None,
    *,
    new_attempt: bool = False,
    **values: int | float | str | ColumnElement[int] | None,
) -> Row[Any] | None:
    """Move a task if its phase allows it, and its attempt and worker are those given; return the row as it then is."""
    row = connection.execute(TASK, {"key": task_id}).one_or_none()
    if row is None or attempt not in (None, row.attempt) or held_by not in (None, row.worker):
        return None
    origin = PHASES[row.phase]
    expressions = {name: value for name, value in values.items() if isinstance(value, ColumnElement)}
    plain = {name: value for name, value in values.items() if not isinstance(value, ColumnElement)}
    move = _task_update(target, frozenset(plain), new_attempt)
    moved = connection.execute(
        move.values(expressions) if expressions else move,
        {"key": task_id, "attempt": row.attempt, "origin": origin.value} | _new(plain),
    ).one_or_none()
    if moved is not None:
        _note(connection, row.job_id, row.number, origin, target, reason)
    return moved


def end_task(
    connection: Connection, task_id: str, target: Phase, reason: str, attempt: int, worker: str, **values: Any
) -> Row[Any] | None:
    """Move a task that a worker holds to its end; None if it does not hold it any more."""
    found = _end_update(target, frozenset(values))
    held = {"key": task_id, "tried": attempt, "holder": worker}
    moved = connection.execute(found, held | _new(values)).one_or_none()
    if moved is not None:
        _note(connection, moved.job_id, moved.number, Phase.EXECUTING, target, reason)
    return moved


@cache
def _end_update(target: Phase, names: frozenset[str]) -> ReturningUpdate[Any]:
    origins = sources(TASK_MOVES, target) & {Phase.EXECUTING}
    return (
        update(task)
        .where(
            task.c.id == KEY,
            task.c.attempt == bindparam("tried"),
            task.c.worker == bindparam("holder"),
            task.c.phase.in_([phase.value for phase in origins]),
        )
        .values(phase=target.value, **{name: bindparam(f"new_{name}") for name in names})
        .returning(task.c.job_id, task.c.number)
    )


def queue_again(
    connection: Connection, row: Row[Any], attempt: int, reason: str, held_by: str | None = None, **values: int
) -> bool:
    """Queue a claimed task again as a new attempt; False if it is not that attempt any more."""
    moved = move_task(
        connection,
        row.id,
        Phase.QUEUED,
        reason,
        attempt,
        held_by,
        new_attempt=True,
        worker=None,
        lease=None,
        started=None,
        progress=0.0,
        message=reason,
        **values,
    )
    if moved is not None:
        touch(connection, row.job_id)
    return moved is not None


def close_job(connection: Connection, job_id: str, *, transient: bool = False, completed: str | None = None) -> None:
    """End the job if its last task has ended: COMPLETED if any task was, else ERROR with the first reason.

    A task that gathers is queued when its parts have ended.

    :param completed: the role of the task that has just been completed, if one has.
    """
    key = {"key": job_id}
    unfinished = connection.execute(_UNFINISHED, key).all()
    # What a job with a gather task comes to is up to that task, once there is something to gather.
    if [(row.role, row.phase) for row in unfinished] == [("gather", Phase.PENDING.value)]:
        if connection.execute(_COMPLETED, key).first():
            move_task(connection, unfinished[0].id, Phase.QUEUED, "its parts have ended")
            touch(connection, job_id)
            return
        move_task(connection, unfinished[0].id, Phase.ABORTED, "there is nothing to gather", ended=now())
    elif unfinished:
        touch(connection, job_id)
        return
    if completed == "":  # there is nothing to gather
        move_job(connection, job_id, Phase.COMPLETED, "last task ended", Phase.EXECUTING, ended=now())
        return
    tasks = task.c.job_id == job_id
    gather = connection.execute(_GATHER, key).one_or_none()
    if gather is not None and gather.phase != Phase.ABORTED.value:
        tasks = task.c.id == gather.id
        connection.execute(delete(part).where(part.c.job_id == job_id))
    elif gather is not None:
        tasks = and_(tasks, task.c.role == "part")
    if connection.execute(select(task.c.id).where(tasks, task.c.phase == Phase.COMPLETED.value).limit(1)).first():
        move_job(connection, job_id, Phase.COMPLETED, "last task ended", Phase.EXECUTING, ended=now())
        return
    count = connection.execute(select(func.count()).where(tasks)).scalar_one()
    reason = connection.execute(
        select(task.c.message).where(tasks, task.c.phase == Phase.ERROR.value).order_by(task.c.number).limit(1)
    ).scalar_one()
    message = reason if count == 1 else f"All {count} tasks failed; the first one said: {reason}"
    move_job(
        connection,
        job_id,
        Phase.ERROR,
        "last task ended",
        Phase.EXECUTING,
        error=message,
        error_transient=int(transient),
        ended=now(),
    )


def touch(connection: Connection, job_id: str) -> None:
    """Give a job a new version."""
    connection.execute(_TOUCH, {"key": job_id})


def require(connection: Connection, job_id: str, version: int | None) -> None:
    """Raise StaleError if the job has another version; None is any."""
    if version is None:
        return
    found = connection.execute(select(job.c.version).where(job.c.id == job_id)).scalar_one_or_none()
    if found not in (version, None):
        raise StaleError(job_id)


def touch_pending(connection: Connection, job_id: str, **values: str | None) -> None:
    """The same, with new values for some columns, while it is PENDING."""
    done = connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.phase == Phase.PENDING.value)
        .values(version=job.c.version + 1, **values)
    )
    if not done.rowcount:
        phase = phase_of(connection, job_id)
        raise PhaseError(f"The job {job_id} is {phase}; its parameters can be changed only while it is PENDING.")


def _note(connection: Connection, job_id: str, number: int | None, origin: Phase, target: Phase, reason: str) -> None:
    """Have a move written down with the others of its transaction, at its end."""
    move = {"job_id": job_id, "task": number, "origin": origin.value, "target": target.value, "reason": reason}
    connection.info.setdefault("moves", []).append({**move, "at": now()})
