"""Which processes do tasks, and which one sweeps for all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from jobs.store.claims import Claim, is_held
from jobs.store.rows import instant, now
from jobs.store.transactions import Store
from jobs.tables import office, task, worker


@dataclass(frozen=True)
class Present:
    """A process that does tasks and lives, as far as its last word tells."""

    id: str
    slots: int
    """How many tasks it does at once."""
    since: datetime
    silent: float
    """Seconds since its last word."""
    sandboxed: bool
    """Whether its scripts run in a sandbox."""


class Attendance(Store):
    """Keeps the roll of the workers, and the offices."""

    def beat(
        self, worker_id: str, slots: int, claims: Collection[Claim], lease: float, *, sandboxed: bool = False
    ) -> None:
        """Write down that a process that does tasks lives, and renew the leases of its claims that still hold."""
        seen = self.database.clock
        with self.database.write(lasting=False) as connection:
            known = connection.execute(
                update(worker).where(worker.c.id == worker_id).values(slots=slots, seen=seen, sandboxed=int(sandboxed))
            ).rowcount
            if not known:
                values = {"id": worker_id, "slots": slots, "since": now(), "seen": seen, "sandboxed": int(sandboxed)}
                connection.execute(insert(worker).values(values))
            for claim in claims:
                connection.execute(update(task).where(is_held(claim)).values(lease=self._after(lease)))

    def leave(self, worker_id: str) -> None:
        """Forget a process that does tasks no more."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == worker_id))

    def workers(self, patience: float) -> list[Present]:
        """Return the processes that do tasks and have not been silent for more than ``patience`` seconds."""
        silent = self.database.clock - worker.c.seen
        with self.database.read() as connection:
            rows = connection.execute(
                select(*worker.c["id", "slots", "since", "sandboxed"], silent.label("silent"))
                .where(silent <= int(patience * 1000))
                .order_by(worker.c.since, worker.c.id)
            ).all()
        return [Present(row.id, row.slots, instant(row.since), row.silent / 1000, bool(row.sandboxed)) for row in rows]

    def forget_workers(self, patience: float) -> None:
        """Forget the processes that have been silent for longer."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(self.database.clock - worker.c.seen > int(patience * 1000)))

    def take_office(self, name: str, holder: str, seconds: float, gone: Callable[[str], bool]) -> bool:
        """Take, or keep, for some seconds what only one process at a time is to do; False while another has it.

        :param gone: whether the process with that identity is known to be dead.
        """
        try:
            with self.database.write(lasting=False) as connection:
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
