"""When a job is expected to be complete: the quote of UWS 1.1, section 2.1.10.

A task is expected to take the median of what the last tasks of its script took. What runs, what waits ahead of the
job and the job itself are shared out among the workers; nothing is foretold for a script that has never completed a
task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from jobs.models import Job
from jobs.phases import Phase
from jobs.store import JobStore, Waiting

SAMPLE = 21
"""How many past tasks of a script are looked at."""
LIFETIME = 2.0
"""Seconds for which what was found about the queue is used again: a job is asked for far more often than that."""


@dataclass(frozen=True)
class Outlook:
    """The queue at one moment."""

    typical: Mapping[str, float | None]
    """Seconds that a task of a script is expected to take; None if it has no past."""
    waiting: tuple[Waiting, ...] = ()
    running: tuple[tuple[str, str, datetime], ...] = ()
    """Job, script and start of each task that is being done."""
    workers: int = 1
    """How many tasks are done at once."""


@dataclass(frozen=True)
class Foreseen:
    """What a job would be that has not been made."""

    tasks: int
    seconds: float | None
    """Until its end if it were run now; None if nobody knows."""


class Quotes:
    """Foretells when jobs will be complete.

    :param workers: says how many tasks are done at once.
    """

    def __init__(self, store: JobStore, workers: Callable[[], int]) -> None:
        self._store = store
        self._workers = workers
        self._lock = threading.Lock()
        self._outlook: Outlook | None = None
        self._until = 0.0

    def of(self, job: Job) -> datetime | None:
        """Return when a job is expected to be complete; None if nobody knows or it has not been started."""
        if job.phase not in (Phase.QUEUED, Phase.EXECUTING):
            return None
        return foretell(job, self._look(job.script), datetime.now(UTC))

    def foresee(self, script: str, tasks: int) -> Foreseen:
        """Return what is to be expected of a job of so many tasks that would be run now."""
        outlook, now = self._look(script), datetime.now(UTC)
        own = outlook.typical.get(script)
        if own is None:
            return Foreseen(tasks, None)
        seconds = max(own, (_ahead(outlook, own, now) + tasks * own) / outlook.workers)
        return Foreseen(tasks, seconds)

    def _look(self, script: str) -> Outlook:
        with self._lock:
            # A script that has no past has one soon.
            if self._outlook is None or time.monotonic() > self._until or self._outlook.typical.get(script) is None:
                self._outlook = self._ask(script)
                self._until = time.monotonic() + LIFETIME
            return self._outlook

    def _ask(self, script: str) -> Outlook:
        waiting, running = tuple(self._store.backlog()), tuple(self._store.running())
        scripts = {script, *(part.script for part in waiting), *(script for _, script, _ in running)}
        times = {script: self._store.run_times(script, SAMPLE) for script in scripts}
        typical = {script: median(seconds) if seconds else None for script, seconds in times.items()}
        return Outlook(typical, waiting, running, max(1, self._workers()))


def foretell(job: Job, outlook: Outlook, now: datetime) -> datetime | None:
    """Return when a QUEUED or EXECUTING job is expected to be complete, by what is known of the queue.

    A script ahead of it without a past is expected to take as long as the job's own.
    """
    own = outlook.typical.get(job.script)
    if own is None:
        return None

    ahead = _ahead(outlook, own, now, job)
    mine = [_left(task.started, own, now) for task in job.tasks if task.phase is Phase.EXECUTING and task.started]
    queued = own * sum(task.phase is Phase.QUEUED for task in job.tasks)
    # Its last task ends no sooner than a task takes, however many workers there are.
    longest = max([*mine, own if queued else 0.0])
    seconds = max(longest, ((ahead if queued else 0.0) + sum(mine) + queued) / outlook.workers)
    return now + timedelta(seconds=seconds)


def _ahead(outlook: Outlook, own: float, now: datetime, job: Job | None = None) -> float:
    """Return the seconds of work that come before a job; before one that is not made yet, all that there is.

    :param own: what a task of a script is expected to take that has no past.
    """

    def take(script: str) -> float:
        seconds = outlook.typical.get(script)
        return own if seconds is None else seconds

    ahead = sum(
        part.count * take(part.script)
        for part in outlook.waiting
        if job is None or (part.job_id != job.id and part.created <= job.created)
    )
    return ahead + sum(
        _left(started, take(script), now)
        for job_id, script, started in outlook.running
        if job is None or job_id != job.id
    )


def _left(started: datetime, seconds: float, now: datetime) -> float:
    return max(0.0, seconds - (now - started).total_seconds())
