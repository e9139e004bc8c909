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
from jobs.tables import task, user_limit


def next_task(user_running: int) -> Select[Any]:
    """The query of whose turn it is in a resource class: the task's ``id``, ``first`` and ``turn`` of its user's first.

    Both steps are the first entry of an index, however many tasks wait. ``most`` is how many tasks of the user may run.

    :param user_running: how many of a user without a limit of his own; 0 for any number.
    """
    queue = task.c.queue == bindparam("key")
    runs = task.c.phase == Phase.EXECUTING.value
    running = select(func.count()).where(runs, task.c.owner == user_limit.c.owner).scalar_subquery()
    full = select(user_limit.c.owner).where(user_limit.c.running > 0, running >= user_limit.c.running)
    turns = select(task.c.id, task.c.owner, task.c.turn).where(WAITING, queue, task.c.owner.not_in(full))
    if user_running:
        own = select(user_limit.c.owner).where(user_limit.c.running.is_not(None))
        busy = select(task.c.owner).where(runs, task.c.owner.not_in(own)).group_by(task.c.owner)
        turns = turns.where(task.c.owner.not_in(busy.having(func.count() >= user_running)))
    first = turns.order_by(task.c.turn, task.c.place).limit(1).subquery()
    next_own = select(task.c.id).where(WAITING, queue, task.c.owner == first.c.owner).order_by(task.c.place).limit(1)
    limit = select(user_limit.c.running).where(user_limit.c.owner == first.c.owner).scalar_subquery()
    most = func.coalesce(limit, user_running).label("most")
    return select(next_own.scalar_subquery().label("id"), first.c.id.label("first"), first.c.turn, most)


def place_in_line(at_turn: Select[Any]) -> Select[Any]:
    """The query of where a session lines up."""
    return select(
        select(at_turn.subquery().c.turn).scalar_subquery().label("turn"),
        func.max(task.c.turn).label("last_turn"),
        func.min(task.c.place).label("place"),
        func.max(case((task.c.session == bindparam("session"), task.c.place))).label("last_place"),
    ).where(WAITING, task.c.queue == bindparam("key"), task.c.owner == bindparam("owner"))
