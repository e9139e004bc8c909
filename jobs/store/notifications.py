"""Who wants to be told of the end of which jobs, and what has been told: the statements of :mod:`jobs.notifications`.

A delivery is owed from the moment a job has ended, whoever ended it and whatever is killed then: it is found by looking
at the jobs, not by remembering to write it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from index.database import Database
from jobs.errors import QuotaError
from jobs.phases import Phase
from jobs.store.rows import from_ms, now
from jobs.tables import delivery, job, notification

ENDED = [phase.value for phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED)]
BATCH = 100
"""Ends of jobs that are written down at once."""


@dataclass(frozen=True)
class Notification:
    """Somebody who wants to be told."""

    id: str
    kind: str
    """``mail`` or ``webhook``."""
    target: str
    """The address to which it is sent."""
    created: datetime | None


@dataclass(frozen=True)
class Delivery:
    """Something that is to be told now."""

    id: int
    notification: Notification
    job_id: str
    tries: int
    """How many there have been, this one included."""


class NotificationStore:
    """All that is known about who is to be told of the end of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, id_: str, job_id: str | None, session_id: str | None, kind: str, target: str, most: int) -> None:
        """Have somebody told of the end of a job, or of each job of a session from now on.

        :param most: how many may be told of one job, or session.
        :raises QuotaError: there are as many.
        """
        own = notification.c.job_id == job_id if job_id is not None else notification.c.session_id == session_id
        with self._database.write() as connection:
            if connection.execute(select(func.count()).select_from(notification).where(own)).scalar_one() >= most:
                raise QuotaError(f"{most} notifications are asked for already, and no more are sent.")
            connection.execute(
                insert(notification).values(
                    id=id_, job_id=job_id, session_id=session_id, kind=kind, target=target, created=now()
                )
            )

    def listed(self, job_id: str | None, session_id: str | None) -> list[Notification]:
        """Return who is to be told of a job, or of those of a session."""
        own = notification.c.job_id == job_id if job_id is not None else notification.c.session_id == session_id
        query = select(notification).where(own).order_by(notification.c.created, notification.c.id)
        with self._database.read() as connection:
            return [
                Notification(row.id, row.kind, row.target, from_ms(row.created)) for row in connection.execute(query)
            ]

    def remove(self, id_: str, job_id: str | None, session_id: str | None) -> bool:
        """Tell somebody no more; False if he was not to be told."""
        own = notification.c.job_id == job_id if job_id is not None else notification.c.session_id == session_id
        with self._database.write() as connection:
            return bool(connection.execute(delete(notification).where(notification.c.id == id_, own)).rowcount)

    def owe(self) -> None:
        """Write down what is owed since jobs have ended."""
        of_job = notification.c.job_id == job.c.id
        of_session = and_(notification.c.session_id == job.c.run_id, job.c.created >= notification.c.created)
        known = exists().where(delivery.c.notification_id == notification.c.id, delivery.c.job_id == job.c.id)
        found: list[tuple[str, str]] = []
        with self._database.read() as connection:
            for condition in (of_job, of_session):
                query = (
                    select(notification.c.id, job.c.id.label("job_id"))
                    .join_from(notification, job, condition)
                    .where(job.c.phase.in_(ENDED), ~known)
                    .limit(BATCH)
                )
                found += [(row.id, row.job_id) for row in connection.execute(query)]
        for id_, job_id in found:
            with suppress(IntegrityError), self._database.write() as connection:  # another process has, or it is gone
                connection.execute(
                    insert(delivery).values(notification_id=id_, job_id=job_id, tries=0, due=now(), error="")
                )

    def due(self, patience: Sequence[float]) -> Delivery | None:
        """Take one delivery that is due; None if there is none. Until it is reported on, it is due again later.

        :param patience: seconds from each try to the next one.
        """
        while True:
            query = (
                select(delivery.c.id, delivery.c.tries, delivery.c.due, delivery.c.job_id)
                .add_columns(*notification.c["kind", "target", "created"], notification.c.id.label("notification_id"))
                .join_from(delivery, notification, delivery.c.notification_id == notification.c.id)
                .where(delivery.c.due <= now())
                .order_by(delivery.c.due)
                .limit(1)
            )
            with self._database.read() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                return None
            pause = patience[min(row.tries, len(patience) - 1)]
            with self._database.write() as connection:
                taken = connection.execute(
                    update(delivery)
                    .where(delivery.c.id == row.id, delivery.c.due == row.due)
                    .values(tries=row.tries + 1, due=now() + int(pause * 1000))
                ).rowcount
            if taken:
                whom = Notification(row.notification_id, row.kind, row.target, from_ms(row.created))
                return Delivery(row.id, whom, row.job_id, row.tries + 1)

    def delivered(self, id_: int) -> None:
        """Write down that somebody has been told."""
        with self._database.write() as connection:
            connection.execute(update(delivery).where(delivery.c.id == id_).values(due=None, delivered=now(), error=""))

    def failed(self, id_: int, why: str, *, last: bool) -> None:
        """Write down why somebody could not be told; after the ``last`` try it is given up."""
        values = {"error": why[:500]} | ({"due": None} if last else {})
        with self._database.write() as connection:
            connection.execute(update(delivery).where(delivery.c.id == id_).values(**values))

    def state(self, id_: str, job_id: str | None = None) -> list[tuple[str, int, datetime | None, str]]:
        """Return of which jobs somebody has been told: job, tries, when it arrived, why the last try failed."""
        query = select(delivery).where(delivery.c.notification_id == id_).order_by(delivery.c.id)
        if job_id is not None:
            query = query.where(or_(delivery.c.job_id == job_id))
        with self._database.read() as connection:
            return [(row.job_id, row.tries, from_ms(row.delivered), row.error) for row in connection.execute(query)]
