"""What clients do with jobs: they make, change, run, abort and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    delete,
    func,
    insert,
    select,
    update,
)

from jobs.errors import PhaseError, QuotaError
from jobs.models import Parameter
from jobs.phases import ACTIVE, Phase
from jobs.store.moves import abort_all, move_job, phase_of, require, touch_pending
from jobs.store.rows import WAITING, insert_parameters, new_id, now, to_ms, unknown
from jobs.store.transactions import Store
from jobs.tables import job, parameter, product, task, user_limit

_OWN_LIMITS = (user_limit.c.queued, user_limit.c.disk)


class Orders(Store):
    """Does to jobs what their users want."""

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
            insert_parameters(connection, job_id, parameters)
            if run_id is not None:
                self._tell_also(connection, run_id)
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
            require(connection, job_id, version)
            touch_pending(connection, job_id, **({} if run_id is None else {"run_id": run_id or None}))
            connection.execute(delete(parameter).where(parameter.c.job_id == job_id))
            insert_parameters(connection, job_id, parameters)

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
                raise PhaseError(f"The job {job_id} is {phase_of(connection, job_id)}; nothing of it can be changed.")

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
            require(connection, job_id, version)
            move_job(connection, job_id, Phase.QUEUED, "RUN", Phase.PENDING)
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
        user = owner or ""
        self.database.line_up(connection, f"amora waiting {user}")  # else two at once would find room for one
        own = [select(column).where(user_limit.c.owner == user).scalar_subquery() for column in _OWN_LIMITS]
        waiting, *given = connection.execute(
            select(func.count(), *own).select_from(task).where(WAITING, task.c.owner == user)
        ).one()
        most, room = (
            general if of_user is None else of_user
            for of_user, general in zip(given, (self._limits.queued, self._limits.disk), strict=True)
        )
        if most and waiting + tasks > most:
            raise QuotaError(
                f"{_whose(owner)} tasks that wait are {waiting}, and this job has {tasks}; at most "
                f"{most} may wait at once. Wait until some have run, or abort a job."
            )
        if room:
            jobs = select(job.c.id).where(job.c.owner.is_not_distinct_from(owner))
            used = sum(
                connection.execute(select(func.coalesce(func.sum(size), 0)).where(of.in_(jobs))).scalar_one()
                for size, of in ((product.c.size, product.c.job_id), (parameter.c.size, parameter.c.job_id))
            )
            if used >= room:
                raise QuotaError(
                    f"{_whose(owner)} products and sent files have {int(used)} bytes; with {room} or more "
                    "no job is run. Delete jobs that are not needed any more."
                )

    def fail(self, job_id: str, message: str, *, transient: bool = False, version: int | None = None) -> None:
        """End a job that has no tasks yet in ERROR.

        :param version: the version of the job whose parameters led to it.
        :raises PhaseError: the job's phase does not allow it.
        :raises StaleError: the job has another version by now.
        """
        with self._change(job_id) as connection:
            require(connection, job_id, version)
            move_job(
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
            abort_all(connection, job_id, reason)

    def archive(self, job_id: str, reason: str) -> None:
        """Keep no more than the memory of a job: work under way is aborted, the products are forgotten.

        :raises PhaseError: it is ARCHIVED already.
        """
        with self._change(job_id) as connection:
            if phase_of(connection, job_id) in ACTIVE:
                abort_all(connection, job_id, reason)
            move_job(connection, job_id, Phase.ARCHIVED, reason)
            connection.execute(delete(product).where(product.c.job_id == job_id))

    def delete(self, job_id: str) -> None:
        """Forget a job and all that hangs on it; the trail of its moves stays."""
        with self._change(job_id) as connection:
            if not connection.execute(delete(job).where(job.c.id == job_id)).rowcount:
                raise unknown(job_id)

    def _line_up(self, connection: Connection, queue: str, owner: str, session: str) -> tuple[int, int]:
        """Return the turn and the place behind which the next task of a session comes.

        Start-time fair queueing (Goyal, Vin and Cheng 1997, IEEE/ACM Transactions on Networking 5, 690), twice: a user
        lines up behind whoever's turn it is or behind the last of his own tasks, whichever is later; a session does
        the same among those of its user. Nothing is kept of whom nothing waits for.
        """
        found = connection.execute(self._lines, {"key": queue, "owner": owner, "session": session}).one()
        return max(found.turn or 0, found.last_turn or 0), max(found.place or 0, found.last_place or 0)


def _whose(owner: str | None) -> str:
    return "All anonymous users'" if owner is None else "Your"
