"""Dramatiq behind one seam: tasks go in, ``work`` is called with them in some thread of some worker.

SQL is the truth about tasks, so a message carries only a task's id and attempt, and may get lost or come twice: the
claim in SQL drops the second one, the sweeper sends the lost one again. Most of what Dramatiq does by default is
wrong for scripts that run for hours, and none of it is asked for here: no retries (20 by default), no time limit
(10 minutes by default), no age limit, no results.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker

from jobs.identity import Identity

QUEUE = "tasks"

_numbers = itertools.count(1)
_open: set[str] = set()
"""The names of the open queues of this process."""


class Queue:
    """The queue of tasks, in the memory of this process.

    :param work: does the task with this id and attempt. It must not raise.
    """

    def __init__(self, work: Callable[[str, int], None]) -> None:
        self._broker = StubBroker(middleware=[])
        self.name = f"{next(_numbers)}@{Identity.of()}"
        """Which queue this is, for the rows of the tasks sent to it: a queue in memory dies with its process."""
        _open.add(self.name)
        self._actor = dramatiq.Actor(
            work, broker=self._broker, actor_name="task", queue_name=QUEUE, priority=0, options={}
        )
        self._worker: dramatiq.Worker | None = None

    def has_lost(self, name: str | None) -> bool:
        """Whether a message sent to the queue of that name will never arrive; None stands for one never sent."""
        if name is None:
            return True
        if name in _open:
            return False
        process = Identity.parse(name.partition("@")[2])
        return process.local and (process == Identity.of() or not process.alive)

    def send(self, task_id: str, attempt: int) -> None:
        """Send a task to whichever worker is free."""
        self._actor.send(task_id, attempt)

    def start(self, threads: int) -> None:
        """Start ``threads`` workers in this process, each doing one task at a time."""
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=100)
        # By default twice as many: a task would wait behind an hour-long one while another worker is idle.
        self._worker.queue_prefetch = threads
        self._worker.start()

    def stop(self, seconds: float) -> None:
        """Stop the workers of this process; ``work`` must be about to return."""
        if self._worker is not None:
            self._worker.stop(timeout=int(seconds * 1000))
            self._worker = None
        self._broker.close()
        _open.discard(self.name)

    @property
    def working(self) -> bool:
        """Whether the workers of this process are all there."""
        return self._worker is not None and all(thread.is_alive() for thread in self._worker.workers)
