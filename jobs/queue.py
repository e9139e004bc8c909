"""Dramatiq behind one seam: workers are woken where there is something to do.

SQL is the truth about tasks, and it says which of them is next. So a message carries nothing: it means "there is work
in this resource class", and may get lost or come twice. Whoever gets one claims tasks until none waits any more; that
none is overlooked is up to the sweeper. Most of what Dramatiq does by default is wrong for scripts that run for
hours, and none of it is asked for here: no retries (20 by default), no time limit (10 minutes by default), no age
limit, no results.
"""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker


class Queue:
    """The calls for workers, in the memory of this process.

    :param work: does tasks of the resource class of that name, until none is left. It must not raise.
    """

    def __init__(self, work: Callable[[str], None]) -> None:
        self._broker = StubBroker(middleware=[])
        self._work = work
        self._actors: dict[str, dramatiq.Actor[[], None]] = {}
        self._threads = 1
        self._worker: dramatiq.Worker | None = None

    def wake(self, name: str, count: int) -> None:
        """Call workers to ``count`` tasks that wait in a resource class.

        No more calls are ever open than there are workers to hear them: one that has heard takes all there is.
        """
        actor = self._actor(name)
        for _ in range(min(count, self._threads) - self._broker.queues[name].qsize()):
            actor.send()

    def _actor(self, name: str) -> dramatiq.Actor[[], None]:
        if name not in self._actors:
            self._actors[name] = dramatiq.Actor(
                lambda: self._work(name), broker=self._broker, actor_name=name, queue_name=name, priority=0, options={}
            )
        return self._actors[name]

    def start(self, threads: int) -> None:
        """Start ``threads`` workers in this process, each doing one task at a time."""
        self._threads = threads
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=100)
        # By default twice as many: a call would wait behind an hour-long task while another worker is idle.
        self._worker.queue_prefetch = threads
        self._worker.start()

    def stop(self, seconds: float) -> None:
        """Stop the workers of this process; ``work`` must be about to return."""
        if self._worker is not None:
            self._worker.stop(timeout=int(seconds * 1000))
            self._worker = None
        self._broker.close()

    @property
    def working(self) -> bool:
        """Whether the workers of this process are all there."""
        return self._worker is not None and all(thread.is_alive() for thread in self._worker.workers)
