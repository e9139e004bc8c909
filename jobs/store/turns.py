"""Whose turn it is: the queries behind :meth:`jobs.store.JobStore.claim` and :meth:`jobs.store.JobStore.queue`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Select,
    bindparam,
    case,
    func,
    select,
)

from jobs.phases import Phase
from jobs.store.rows import WAITING
from jobs.tables import task


def next_task(user_running: int) -> Select[Any]:
    """The query of whose turn it is in a resource class: the task's ``id``, ``first`` and ``turn`` of its user's first.

    Both steps are the first entry of an index, however many tasks wait.
    """
    queue = task.c.queue == bindparam("key")
    turns = select(task.c.id, task.c.owner, task.c.turn).where(WAITING, queue)
    if user_running:
        busy = select(task.c.owner).where(task.c.phase == Phase.EXECUTING.value).group_by(task.c.owner)
        turns = turns.where(task.c.owner.not_in(busy.having(func.count() >= user_running)))
    first = turns.order_by(task.c.turn, task.c.place).limit(1).subquery()
    own = select(task.c.id).where(WAITING, queue, task.c.owner == first.c.owner).order_by(task.c.place).limit(1)
    return select(own.scalar_subquery().label("id"), first.c.id.label("first"), first.c.turn)


def place_in_line(at_turn: Select[Any]) -> Select[Any]:
    """The query of where a session lines up."""
    return select(
        select(at_turn.subquery().c.turn).scalar_subquery().label("turn"),
        func.max(task.c.turn).label("last_turn"),
        func.min(task.c.place).label("place"),
        func.max(case((task.c.session == bindparam("session"), task.c.place))).label("last_place"),
    ).where(WAITING, task.c.queue == bindparam("key"), task.c.owner == bindparam("owner"))
