"""The jobs in SQL: the one place in ``jobs`` with statements on them, a module for whoever they serve.

============================= ===================================================
:mod:`jobs.store.orders`       what clients do with jobs
:mod:`jobs.store.claims`       what workers do with tasks
:mod:`jobs.store.turns`        whose turn it is
:mod:`jobs.store.moves`        the moves from phase to phase, all of them
:mod:`jobs.store.reading`      what is told of jobs
:mod:`jobs.store.care`         what the sweeper wants to know
:mod:`jobs.store.attendance`   which processes are there
:mod:`jobs.store.transactions` what each change is wrapped in
:mod:`jobs.store.rows`         what the rows stand for
:mod:`jobs.store.sessions`     sessions and the links to them
:mod:`jobs.store.notifications` who is to be told of the end of jobs
:mod:`jobs.store.desk`         what is asked of the jobs of all users
============================= ===================================================

Methods that change several rows do it in one transaction, so there is no half-done state to mend after a crash.
"""

from __future__ import annotations

from jobs.store.attendance import Attendance, Present
from jobs.store.care import Care, Held
from jobs.store.claims import Claim, Claims
from jobs.store.moves import StaleError
from jobs.store.orders import Orders
from jobs.store.reading import Reading, Waiting
from jobs.store.rows import from_ms, new_id, now, to_ms
from jobs.store.transactions import CHANNEL, UserLimits

__all__ = [
    "CHANNEL",
    "Claim",
    "Held",
    "JobStore",
    "Present",
    "StaleError",
    "UserLimits",
    "Waiting",
    "from_ms",
    "new_id",
    "now",
    "to_ms",
]


class JobStore(Orders, Claims, Care, Attendance, Reading):
    """All that is known about jobs."""
