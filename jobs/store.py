"""The jobs in SQL: the one file of ``jobs`` with statements in it.

Every change of phase goes through the table of :mod:`jobs.phases` as a compare-and-set: the statement names the
phases from which the move is allowed, and a row that is in another one is left alone. Each change leaves a line
in ``phase_change``. Methods that change several rows do it in one transaction, so there is no half-done state
to mend after a crash.

Instants are integers, milliseconds since 1970 in UTC: the precision that is printed is the precision stored.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate

from index.database import Database
from jobs.errors import ConflictError, NotFoundError, PhaseError, QuotaError
from jobs.models import NOTHING, Census, Job, JobRef, JobState, Line, Parameter, Part, Product, Task, Upload, Usage
from jobs.phases import ACTIVE, FINAL, JOB_MOVES, TASK_MOVES, Phase, sources
from jobs.tables import file_checksum, job, office, parameter, part, phase_change, product, record, task, worker

log = logging.getLogger(__name__)


def now() -> int:
    """Return the present instant in milliseconds."""
    return to_ms(datetime.now(UTC))


def to_ms(instant: datetime) -> int:
    """Turn an aware datetime into milliseconds."""
    return int(instant.timestamp() * 1000 + 0.5)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def from_ms(instant: int | None) -> datetime | None:
    """Turn milliseconds into an aware datetime in UTC."""
    return None if instant is None else _instant(instant)


CHANNEL = "amora_jobs"
"""Where PostgreSQL tells of changes: each message is the name of the store that made it and the job's id."""

PAGE = 1000
"""Rows that are read at once."""

# Statements that are made over and over are built once: building one takes longer than having it done.
_KEY: BindParameter[str] = bindparam("key")
_JOB = select(job).where(job.c.id == _KEY)
_PARAMETERS = select(parameter).where(parameter.c.job_id == _KEY).order_by(parameter.c.id)
_TASKS = select(task).where(task.c.job_id == _KEY).order_by(task.c.number)
_PRODUCTS = select(product).where(product.c.job_id == _KEY).order_by(product.c.task, product.c.name)
_PHASE_OF_JOB = select(job.c.phase).where(job.c.id == _KEY).with_for_update()
_TASK = select(task).where(task.c.id == _KEY).with_for_update()
_TOUCH = update(job).where(job.c.id == _KEY).values(version=job.c.version + 1)
_TRAIL = insert(phase_change)
# Two are enough to tell whether the gather task is the only one.
_UNFINISHED, _COMPLETED = (
    select(task.c.id, task.c.role, task.c.phase)
    .where(task.c.job_id == _KEY, task.c.phase.in_([phase.value for phase in phases]))
    .limit(2)
    for phases in (ACTIVE, (Phase.COMPLETED,))
)
_GATHER = select(task.c.id, task.c.phase).where(task.c.job_id == _KEY, task.c.role == "gather")
_HELD = select(task.c.id).where(
    task.c.id == _KEY,
    task.c.attempt == bindparam("attempt"),
    task.c.worker == bindparam("worker"),
    task.c.phase == Phase.EXECUTING.value,
)

# As a literal: the indexes of what waits are used for no bound value.
_WAITING = task.c.phase == literal_column("'QUEUED'")
_PHASES = {phase.value: phase for phase in Phase}
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_id() -> str:
    """Return a job id that cannot be guessed (100 bits) and is easy to read aloud."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


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


@dataclass(frozen=True)
class Present:
    """A process that does tasks and lives, as far as its last word tells."""

    id: str
    slots: int
    """How many tasks it does at once."""
    since: datetime
    silent: float
    """Seconds since its last word."""


@dataclass(frozen=True)
class Waiting:
    """The tasks of a job that wait for a worker."""

    job_id: str
    script: str
    created: datetime
    count: int


@dataclass(frozen=True)
class UserLimits:
    """What one user may have at once; 0 stands for any number. All anonymous users count as one."""

    running: int = 0
    """Tasks that run."""
    queued: int = 0
    """Tasks that wait."""
    disk: int = 0
    """Bytes of products and sent files with which more jobs may still be run."""


class StaleError(Exception):
    """The job has changed since it was looked at: look again."""


class JobStore:
    """All that is known about jobs.

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
        self._next = _next(limits.running)
        self._lines = _lines(self._next)
        self._changed = changed
        self._open = threading.local()
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
    def _change(self, job_id: str) -> Iterator[Connection]:
        """Give a transaction that changes one job; once it is committed, those who wait for the job are told."""
        connection: Connection | None = getattr(self._open, "connection", None)
        if connection is not None:
            yield connection
            return
        with self.database.write() as connection:
            connection.info.pop("moves", None)  # of a transaction that was not committed
            if not self.database.quick:
                # Whoever locks a job first and its tasks afterwards never waits for one who waits for him. In SQLite
                # there is but one writer.
                told = self.database.notice(CHANNEL, f"{self.name} {job_id}")
                connection.execute(select(job.c.id, told).where(job.c.id == job_id).with_for_update())
            yield connection
            moves = connection.info.pop("moves", ())
        for number, origin, target, reason in moves:
            fields = {"job": job_id} if number is None else {"job": job_id, "task": number}
            log.info("%s to %s: %s", origin, target, reason, extra={"about": fields})
        self._changed(job_id)

    # ------------------------------------------------------------------ reading

    def get(self, job_id: str) -> Job:
        """Return a job with its parameters, tasks and products.

        :raises NotFoundError: there is no such job.
        """
        with self.database.read() as connection:
            key = {"key": job_id}
            row = connection.execute(_JOB, key).one_or_none()
            if row is None:
                raise _unknown(job_id)
            parameters = connection.execute(_PARAMETERS, key).all()
            tasks = connection.execute(_TASKS, key).all()
            products = connection.execute(_PRODUCTS, key).all()
        return Job(
            **_ref(row),
            started=from_ms(row.started),
            ended=from_ms(row.ended),
            duration=row.duration,
            destruction=from_ms(row.destruction),
            quote=None,
            error=row.error,
            error_transient=bool(row.error_transient),
            version=row.version,
            parameters=tuple(map(_parameter, parameters)),
            tasks=tuple(map(_task, tasks)),
            products=tuple(Product(**row._mapping) for row in products),
        )

    def state(self, job_id: str) -> JobState:
        """Return a job's script, phase, version, owner and run id.

        :raises NotFoundError: there is no such job.
        """
        row = None if "\0" in job_id else self._state(job_id)  # PostgreSQL takes no NUL, not even in a question
        if row is None:
            raise _unknown(job_id)
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
                yield JobRef(row.id, row.script, _PHASES[row.phase], row.run_id, row.owner, created)
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

    # ------------------------------------------------------------------ the client's changes

    def create(
        self,
        script: str,
        parameters: Sequence[Parameter],
        *,
        run_id: str | None,
        owner: str | None,
        duration: int,
        destruction: datetime | None,
        job_id: str | None = None,
        created: datetime | None = None,
    ) -> str:
        """Make a PENDING job and return its id.

        :param job_id: a :func:`new_id` under which files of the job are kept already.
        :param created: the instant of its creation, by default now.
        """
        job_id = job_id or new_id()
        with self._change(job_id) as connection:
            connection.execute(
                insert(job).values(
                    id=job_id,
                    script=script,
                    phase=Phase.PENDING.value,
                    run_id=run_id,
                    owner=owner,
                    created=now() if created is None else to_ms(created),
                    duration=duration,
                    destruction=None if destruction is None else to_ms(destruction),
                )
            )
            _insert_parameters(connection, job_id, parameters)
        return job_id

    def set_parameters(
        self, job_id: str, parameters: Sequence[Parameter], version: int | None = None, run_id: str | None = None
    ) -> None:
        """Replace all parameters of a PENDING job, and its run id where one is given; an empty one removes it.

        :param version: the version of the job that led to them.
        :raises PhaseError: the job is not PENDING any more.
        :raises StaleError: the job has another version by now.
        """
        with self._change(job_id) as connection:
            _require(connection, job_id, version)
            _touch_pending(connection, job_id, **({} if run_id is None else {"run_id": run_id or None}))
            connection.execute(delete(parameter).where(parameter.c.job_id == job_id))
            _insert_parameters(connection, job_id, parameters)

    def set_duration(self, job_id: str, seconds: int) -> None:
        """Set the executionDuration."""
        self._set(job_id, duration=seconds)

    def set_destruction(self, job_id: str, instant: datetime) -> None:
        """Set the destruction time."""
        self._set(job_id, destruction=to_ms(instant))

    def _set(self, job_id: str, **values: int) -> None:
        with self._change(job_id) as connection:
            done = connection.execute(
                update(job)
                .where(job.c.id == job_id, job.c.phase != Phase.ARCHIVED.value)
                .values(version=job.c.version + 1, **values)
            )
            if not done.rowcount:
                raise PhaseError(f"The job {job_id} is {_phase(connection, job_id)}; nothing of it can be changed.")

    def queue(
        self,
        job_id: str,
        work: Sequence[Sequence[str]],
        queue: str,
        version: int | None = None,
        *,
        gather: bool = False,
    ) -> list[str]:
        """Move a job from PENDING to QUEUED together with its tasks, one for each of ``work``; return their ids.

        :param work: the short ids of the datasets of each task.
        :param queue: the resource class whose workers are to do them.
        :param version: the version of the job whose parameters led to the datasets.
        :param gather: whether the last task is to wait for the others, and gathers what they hand on.
        :raises PhaseError: the job is not PENDING.
        :raises QuotaError: its user has too much waiting, or stored, already.
        :raises StaleError: the job has another version by now.
        """
        ids = [f"{job_id}.{number}" for number in range(1, len(work) + 1)]
        with self._change(job_id) as connection:
            _require(connection, job_id, version)
            _move_job(connection, job_id, Phase.QUEUED, "RUN")
            parent = connection.execute(select(job.c.script, job.c.owner, job.c.run_id).where(job.c.id == job_id)).one()
            owner, session = parent.owner or "", parent.run_id or job_id
            self._admit(connection, parent.owner, len(work))
            turn, place = self._line_up(connection, queue, owner, session)
            connection.execute(
                insert(task),
                [
                    {
                        "id": id_,
                        "job_id": job_id,
                        "script": parent.script,
                        "number": number,
                        "datasets": " ".join(ids_),
                        "phase": (Phase.PENDING if gather and number == len(ids) else Phase.QUEUED).value,
                        "role": ("gather" if number == len(ids) else "part") if gather else "",
                        "queue": queue,
                        "owner": owner,
                        "session": session,
                        "turn": turn + number,
                        "place": place + number,
                    }
                    for number, (id_, ids_) in enumerate(zip(ids, work, strict=True), 1)
                ],
            )
        return ids

    def _admit(self, connection: Connection, owner: str | None, tasks: int) -> None:
        """Make sure that a user may have so many more tasks.

        :raises QuotaError: he may not.
        """
        if self._limits.queued:
            waiting = connection.execute(
                select(func.count()).select_from(task).where(_WAITING, task.c.owner == (owner or ""))
            ).scalar_one()
            if waiting + tasks > self._limits.queued:
                raise QuotaError(
                    f"{_whose(owner)} tasks that wait are {waiting}, and this job has {tasks}; at most "
                    f"{self._limits.queued} may wait at once. Wait until some have run, or abort a job."
                )
        if self._limits.disk:
            own = select(job.c.id).where(job.c.owner.is_not_distinct_from(owner))
            used = sum(
                connection.execute(select(func.coalesce(func.sum(size), 0)).where(of.in_(own))).scalar_one()
                for size, of in ((product.c.size, product.c.job_id), (parameter.c.size, parameter.c.job_id))
            )
            if used >= self._limits.disk:
                raise QuotaError(
                    f"{_whose(owner)} products and sent files have {int(used)} bytes; with {self._limits.disk} or more "
                    "no job is run. Delete jobs that are not needed any more."
                )

    def fail(self, job_id: str, message: str, *, transient: bool = False, version: int | None = None) -> None:
        """End a job that has no tasks yet in ERROR.

        :param version: the version of the job whose parameters led to it.
        :raises PhaseError: the job's phase does not allow it.
        :raises StaleError: the job has another version by now.
        """
        with self._change(job_id) as connection:
            _require(connection, job_id, version)
            _move_job(
                connection,
                job_id,
                Phase.ERROR,
                message,
                error=message,
                error_transient=int(transient),
                ended=now(),
            )

    def abort(self, job_id: str, reason: str) -> None:
        """Move a job and all its unfinished tasks to ABORTED; their workers find that they have lost them.

        :raises PhaseError: the job has ended already.
        """
        with self._change(job_id) as connection:
            _abort(connection, job_id, reason)

    def archive(self, job_id: str, reason: str) -> None:
        """Keep no more than the memory of a job: work under way is aborted, the products are forgotten.

        :raises PhaseError: it is ARCHIVED already.
        """
        with self._change(job_id) as connection:
            if _phase(connection, job_id) in ACTIVE:
                _abort(connection, job_id, reason)
            _move_job(connection, job_id, Phase.ARCHIVED, reason)
            connection.execute(delete(product).where(product.c.job_id == job_id))

    def delete(self, job_id: str) -> None:
        """Forget a job and all that hangs on it; the trail of its moves stays."""
        with self._change(job_id) as connection:
            if not connection.execute(delete(job).where(job.c.id == job_id)).rowcount:
                raise _unknown(job_id)

    # ------------------------------------------------------------------ the worker's changes

    def claim(self, queue: str, worker: str, lease: float) -> Claim | None:
        """Claim the QUEUED task of a resource class whose turn it is, for ``lease`` seconds; None if none waits.

        Users take turns, and so do the sessions of a user; in a session the oldest job comes first.
        """
        while True:
            with self.database.read() as connection:
                found = connection.execute(self._next, {"queue": queue}).one_or_none()
            if found is None:
                return None
            claim = self._claim(found.id, found.first, worker, lease)
            if claim is not None:  # else somebody else was faster
                return claim

    def _claim(self, task_id: str, first: str, worker: str, lease: float) -> Claim | None:
        """Claim a task; None if it is not there to be had any more.

        :param first: the task of the same user whose turn it is, and which gets the claimed task's turn instead.
        """
        at = now()
        job_id = task_id.partition(".")[0]
        with self._change(job_id) as connection:
            moved = _move_task(
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
            if first != task_id:
                connection.execute(
                    update(task).where(task.c.id == first, task.c.phase == Phase.QUEUED.value).values(turn=moved.turn)
                )
            parent = connection.execute(_JOB, {"key": moved.job_id}).one()
            if parent.phase == Phase.QUEUED.value:
                _move_job(connection, moved.job_id, Phase.EXECUTING, "first task started", started=at)
            else:
                _touch(connection, moved.job_id)
            parameters = connection.execute(_PARAMETERS, {"key": job_id}).all()
        created = _instant(parent.created)
        return Claim(_task(moved), worker, parent.script, created, tuple(map(_parameter, parameters)))

    def _line_up(self, connection: Connection, queue: str, owner: str, session: str) -> tuple[int, int]:
        """Return the turn and the place behind which the next task of a session comes.

        Start-time fair queueing (Goyal, Vin and Cheng 1997, IEEE/ACM Transactions on Networking 5, 690), twice: a user
        lines up behind whoever's turn it is or behind the last of his own tasks, whichever is later; a session does
        the same among those of its user. Nothing is kept of whom nothing waits for.
        """
        found = connection.execute(self._lines, {"queue": queue, "owner": owner, "session": session}).one()
        return max(found.turn or 0, found.last_turn or 0), max(found.place or 0, found.last_place or 0)

    def holds(self, claim: Claim) -> bool:
        """Whether a claim still holds."""
        with self.database.read() as connection:
            return _holds(connection, claim)

    def report(self, claim: Claim, progress: float, message: str) -> bool:
        """Write down the progress of a task; False when the claim is lost."""
        with self._change(claim.task.job_id) as connection:
            done = connection.execute(
                update(task).where(_held(claim)).values(progress=progress, message=message)
            ).rowcount
            if done:
                _touch(connection, claim.task.job_id)
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
            _close(connection, claim.task.job_id)
        return True

    def parts(self, job_id: str) -> list[Part]:
        """Return what the parts of a job came to, in the order of their tasks."""
        files: dict[int, list[tuple[str, str]]] = {}
        with self.database.read() as connection:
            rows = connection.execute(_TASKS, {"key": job_id}).all()
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
            for item in map(_task, rows)
            if item.role == "part"
        ]

    def spend(self, claim: Claim, usage: Usage) -> None:
        """Add up what an attempt took that did not complete its task, whatever has become of the task meanwhile."""
        total = claim.task.usage + usage
        with self._change(claim.task.job_id) as connection:
            connection.execute(update(task).where(task.c.id == claim.task.id).values(_took(total)))
            _touch(connection, claim.task.job_id)

    def fail_task(self, claim: Claim, message: str, retries: int = 0) -> bool:
        """End a task as ERROR, and the job with its last task; False when the claim is lost.

        :param retries: how many times it is queued again instead.
        """
        with self._change(claim.task.job_id) as connection:
            if retries:
                row = connection.execute(_TASK, {"key": claim.task.id}).one_or_none()
                if row is not None and row.failures < retries:
                    return _again(connection, row, claim.task.attempt, message, claim.worker, failures=row.failures + 1)
            if not self._end(connection, claim, Phase.ERROR, message, message=message):
                return False
            _close(connection, claim.task.job_id)
        return True

    def _end(self, connection: Connection, claim: Claim, target: Phase, reason: str, **values: Any) -> bool:
        """Move a task to its end, if the claim holds."""
        moved = _move_task(
            connection, claim.task.id, target, reason, claim.task.attempt, claim.worker, ended=now(), **values
        )
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
                if _move_task(connection, task_id, Phase.ERROR, reason, attempt, message=message, ended=now()):
                    _close(connection, row.job_id, transient=True)
                return False
            return _again(connection, row, attempt, reason, losses=losses)

    # ------------------------------------------------------------------ the sweeper's questions

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
                select(task.c.queue, func.count().label("number")).where(_WAITING).group_by(task.c.queue)
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

    # ------------------------------------------------------------------ who is there

    def beat(self, worker_id: str, slots: int, claims: Collection[Claim], lease: float) -> None:
        """Write down that a process that does tasks lives, and renew the leases of its claims that still hold."""
        seen = self.database.clock
        with self.database.write() as connection:
            known = connection.execute(
                update(worker).where(worker.c.id == worker_id).values(slots=slots, seen=seen)
            ).rowcount
            if not known:
                connection.execute(insert(worker).values(id=worker_id, slots=slots, since=now(), seen=seen))
            for claim in claims:
                connection.execute(update(task).where(_held(claim)).values(lease=self._after(lease)))

    def leave(self, worker_id: str) -> None:
        """Forget a process that does tasks no more."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == worker_id))

    def workers(self, patience: float) -> list[Present]:
        """Return the processes that do tasks and have not been silent for more than ``patience`` seconds."""
        silent = self.database.clock - worker.c.seen
        with self.database.read() as connection:
            rows = connection.execute(
                select(worker.c.id, worker.c.slots, worker.c.since, silent)
                .where(silent <= int(patience * 1000))
                .order_by(worker.c.since, worker.c.id)
            ).all()
        return [Present(id_, slots, _instant(since), silent / 1000) for id_, slots, since, silent in rows]

    def forget_workers(self, patience: float) -> None:
        """Forget the processes that have been silent for longer."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(self.database.clock - worker.c.seen > int(patience * 1000)))

    def take_office(self, name: str, holder: str, seconds: float, gone: Callable[[str], bool]) -> bool:
        """Take, or keep, for some seconds what only one process at a time is to do; False while another has it.

        :param gone: whether the process with that identity is known to be dead.
        """
        try:
            with self.database.write() as connection:
                row = connection.execute(select(office).where(office.c.name == name).with_for_update()).one_or_none()
                until = self._after(seconds)
                if row is None:
                    connection.execute(insert(office).values(name=name, holder=holder, until=until))
                    return True
                mine = row.holder == holder or gone(row.holder)
                free = (office.c.holder == row.holder) if mine else (office.c.until <= self.database.clock)
                taken = update(office).where(office.c.name == name, free).values(holder=holder, until=until)
                return bool(connection.execute(taken).rowcount)
        except IntegrityError:  # another one was the first, at the same moment
            return False

    def leave_office(self, name: str, holder: str) -> None:
        """Let another process take over at once."""
        with self.database.write() as connection:
            connection.execute(delete(office).where(office.c.name == name, office.c.holder == holder))

    def _after(self, seconds: float) -> ColumnElement[int] | int:
        if self.database.quick:  # there is but one clock
            return now() + int(seconds * 1000)
        return self.database.clock + int(seconds * 1000)

    # ------------------------------------------------------------------ the past and the present, for the quote

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
        return [Waiting(job_id, script, _instant(created), count) for job_id, script, created, count in rows]

    def running(self) -> list[tuple[str, str, datetime]]:
        """Return job, script and start of each task that is being done."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(task.c.job_id, task.c.script, task.c.started).where(task.c.phase == Phase.EXECUTING.value)
            ).all()
        return [(row.job_id, row.script, _instant(row.started)) for row in rows]


# ---------------------------------------------------------------------- whose turn it is


def _next(user_running: int) -> Select[Any]:
    """The query of the task whose turn it is: ``id``, and ``first`` and ``turn`` as they put its user in front.

    Both steps are the first entry of an index, however many tasks wait.
    """
    queue = task.c.queue == bindparam("queue")
    turns = select(task.c.id, task.c.owner, task.c.turn).where(_WAITING, queue)
    if user_running:
        busy = select(task.c.owner).where(task.c.phase == Phase.EXECUTING.value).group_by(task.c.owner)
        turns = turns.where(task.c.owner.not_in(busy.having(func.count() >= user_running)))
    first = turns.order_by(task.c.turn, task.c.place).limit(1).subquery()
    own = select(task.c.id).where(_WAITING, queue, task.c.owner == first.c.owner).order_by(task.c.place).limit(1)
    return select(own.scalar_subquery().label("id"), first.c.id.label("first"), first.c.turn)


def _lines(at_turn: Select[Any]) -> Select[Any]:
    """The query of where a session lines up."""
    return select(
        select(at_turn.subquery().c.turn).scalar_subquery().label("turn"),
        func.max(task.c.turn).label("last_turn"),
        func.min(task.c.place).label("place"),
        func.max(case((task.c.session == bindparam("session"), task.c.place))).label("last_place"),
    ).where(_WAITING, task.c.queue == bindparam("queue"), task.c.owner == bindparam("owner"))


# ---------------------------------------------------------------------- the moves


@cache
def _job_update(target: Phase, names: frozenset[str]) -> Update:
    """The move of a job from the phase ``origin``, if that is allowed, with new values for some columns."""
    return (
        update(job)
        .where(
            job.c.id == _KEY,
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
            task.c.id == _KEY,
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


def _move_job(connection: Connection, job_id: str, target: Phase, reason: str, **values: int | str | None) -> None:
    origin = _phase(connection, job_id)
    done = connection.execute(
        _job_update(target, frozenset(values)), {"key": job_id, "origin": origin.value} | _new(values)
    )
    if not done.rowcount:
        allowed = sources(JOB_MOVES, target)
        raise PhaseError(f"The job {job_id} is {origin}; it can become {target} only from {_either(allowed)}.")
    _write_trail(connection, job_id, None, origin, target, reason)


def _new(values: Mapping[str, int | float | str | None]) -> dict[str, int | float | str | None]:
    return {f"new_{name}": value for name, value in values.items()}


def _phase(connection: Connection, job_id: str) -> Phase:
    phase = connection.execute(_PHASE_OF_JOB, {"key": job_id}).scalar_one_or_none()
    if phase is None:
        raise _unknown(job_id)
    return _PHASES[phase]


def _abort(connection: Connection, job_id: str, reason: str) -> None:
    at = now()
    _move_job(connection, job_id, Phase.ABORTED, reason, ended=at)
    rows = connection.execute(
        select(task.c.id).where(task.c.job_id == job_id, task.c.phase.not_in([phase.value for phase in FINAL]))
    ).all()
    for (task_id,) in rows:
        _move_task(connection, task_id, Phase.ABORTED, reason, message=reason, ended=at)


def _move_task(
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
    row = connection.execute(_TASK, {"key": task_id}).one_or_none()
    if row is None or attempt not in (None, row.attempt) or held_by not in (None, row.worker):
        return None
    origin = _PHASES[row.phase]
    expressions = {name: value for name, value in values.items() if isinstance(value, ColumnElement)}
    plain = {name: value for name, value in values.items() if not isinstance(value, ColumnElement)}
    move = _task_update(target, frozenset(plain), new_attempt)
    moved = connection.execute(
        move.values(expressions) if expressions else move,
        {"key": task_id, "attempt": row.attempt, "origin": origin.value} | _new(plain),
    ).one_or_none()
    if moved is not None:
        _write_trail(connection, row.job_id, row.number, origin, target, reason)
    return moved


def _again(
    connection: Connection, row: Row[Any], attempt: int, reason: str, held_by: str | None = None, **values: int
) -> bool:
    """Queue a claimed task again as a new attempt; False if it is not that attempt any more."""
    moved = _move_task(
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
        _touch(connection, row.job_id)
    return moved is not None


def _took(usage: Usage) -> dict[str, float | int]:
    return {
        "cpu": usage.cpu,
        "memory": usage.memory,
        "bytes_read": usage.read,
        "bytes_written": usage.written,
    }


def _whose(owner: str | None) -> str:
    return "All anonymous users'" if owner is None else "Your"


def _close(connection: Connection, job_id: str, *, transient: bool = False) -> None:
    """End the job if its last task has ended: COMPLETED if any task was, else ERROR with the first reason.

    A task that gathers is queued when its parts have ended.
    """
    key = {"key": job_id}
    unfinished = connection.execute(_UNFINISHED, key).all()
    # What a job with a gather task comes to is up to that task, once there is something to gather.
    if [(row.role, row.phase) for row in unfinished] == [("gather", Phase.PENDING.value)]:
        if connection.execute(_COMPLETED, key).first():
            _move_task(connection, unfinished[0].id, Phase.QUEUED, "its parts have ended")
            _touch(connection, job_id)
            return
        _move_task(connection, unfinished[0].id, Phase.ABORTED, "there is nothing to gather", ended=now())
    elif unfinished:
        _touch(connection, job_id)
        return
    tasks = task.c.job_id == job_id
    gather = connection.execute(_GATHER, key).one_or_none()
    if gather is not None and gather.phase != Phase.ABORTED.value:
        tasks = task.c.id == gather.id
        connection.execute(delete(part).where(part.c.job_id == job_id))
    elif gather is not None:
        tasks = and_(tasks, task.c.role == "part")
    if connection.execute(select(task.c.id).where(tasks, task.c.phase == Phase.COMPLETED.value).limit(1)).first():
        _move_job(connection, job_id, Phase.COMPLETED, "last task ended", ended=now())
        return
    count = connection.execute(select(func.count()).where(tasks)).scalar_one()
    reason = connection.execute(
        select(task.c.message).where(tasks, task.c.phase == Phase.ERROR.value).order_by(task.c.number).limit(1)
    ).scalar_one()
    message = reason if count == 1 else f"All {count} tasks failed; the first one said: {reason}"
    _move_job(
        connection,
        job_id,
        Phase.ERROR,
        "last task ended",
        error=message,
        error_transient=int(transient),
        ended=now(),
    )


def _touch(connection: Connection, job_id: str) -> None:
    connection.execute(_TOUCH, {"key": job_id})


def _require(connection: Connection, job_id: str, version: int | None) -> None:
    """Raise StaleError if the job has another version; None is any."""
    if version is None:
        return
    found = connection.execute(select(job.c.version).where(job.c.id == job_id)).scalar_one_or_none()
    if found not in (version, None):
        raise StaleError(job_id)


def _touch_pending(connection: Connection, job_id: str, **values: str | None) -> None:
    done = connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.phase == Phase.PENDING.value)
        .values(version=job.c.version + 1, **values)
    )
    if not done.rowcount:
        phase = _phase(connection, job_id)
        raise PhaseError(f"The job {job_id} is {phase}; its parameters can be changed only while it is PENDING.")


_OF_UPLOAD = ("content_type", "size", "checksum", "key")


def _insert_parameters(connection: Connection, job_id: str, parameters: Sequence[Parameter]) -> None:
    if parameters:
        rows = [
            {"job_id": job_id, "name": item.name, "value": item.value}
            | {name: getattr(item.upload, name, None) for name in _OF_UPLOAD}
            for item in parameters
        ]
        connection.execute(insert(parameter), rows)


def _parameter(row: Row[Any]) -> Parameter:
    upload = None if row.key is None else Upload(**{name: row._mapping[name] for name in _OF_UPLOAD})
    return Parameter(row.name, row.value, upload)


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


def _write_trail(
    connection: Connection, job_id: str, number: int | None, origin: Phase, target: Phase, reason: str
) -> None:
    connection.execute(
        _TRAIL,
        {
            "job_id": job_id,
            "task": number,
            "origin": origin.value,
            "target": target.value,
            "at": now(),
            "reason": reason,
        },
    )
    connection.info.setdefault("moves", []).append((number, origin, target, reason))


def _holds(connection: Connection, claim: Claim) -> bool:
    values = {"key": claim.task.id, "attempt": claim.task.attempt, "worker": claim.worker}
    return connection.execute(_HELD, values).one_or_none() is not None


def _held(claim: Claim) -> ColumnElement[bool]:
    """The condition under which a claim holds."""
    return and_(
        task.c.id == claim.task.id,
        task.c.attempt == claim.task.attempt,
        task.c.worker == claim.worker,
        task.c.phase == Phase.EXECUTING.value,
    )


def _ref(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "script": row.script,
        "phase": Phase(row.phase),
        "run_id": row.run_id,
        "owner": row.owner,
        "created": from_ms(row.created),
    }


def _task(row: Row[Any]) -> Task:
    return Task(
        id=row.id,
        job_id=row.job_id,
        number=row.number,
        datasets=tuple(row.datasets.split()),
        phase=Phase(row.phase),
        attempt=row.attempt,
        progress=row.progress,
        message=row.message,
        started=from_ms(row.started),
        ended=from_ms(row.ended),
        usage=Usage(row.cpu, row.memory, row.bytes_read, row.bytes_written),
        role=row.role,
    )


def _either(phases: Collection[Phase]) -> str:
    return " or ".join(sorted(phases)) if phases else "no phase"


def _unknown(job_id: str) -> NotFoundError:
    return NotFoundError(f"There is no job {job_id}.")
