"""Dramatiq behind one seam: workers are woken where there is something to do.

SQL is the truth about tasks, and it says which of them is next. So a message carries nothing: it means "there is work
in this resource class", and may get lost or come twice. Whoever gets one claims tasks until none waits any more; that
none is overlooked is up to the sweeper. Most of what Dramatiq does by default is wrong for scripts that run for
hours, and none of it is asked for here: no retries (20 by default), no time limit (10 minutes by default), no age
limit, no results.

The calls are in the memory of the process, or in Redis, where they reach the workers of all processes. Nothing ever
fails because Redis is away: the sweeper calls again once it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import dramatiq
from dramatiq.brokers.stub import StubBroker


class Queue:
    """The calls for workers, in the memory of this process.

    :param work: does tasks of the resource class of that name, until none is left. It must not raise.
    """

    shared = False
    """Whether it reaches workers of other processes."""

    def __init__(self, work: Callable[[str], None], broker: dramatiq.Broker | None = None) -> None:
        self._broker = broker or StubBroker(middleware=[])
        self._work = work
        self._actors: dict[str, dramatiq.Actor[[], None]] = {}
        self._threads = 1
        self._names: Callable[[], Collection[str]] = list
        self._worker: dramatiq.Worker | None = None

    def wake(self, name: str, count: int) -> None:
        """Call workers to ``count`` tasks that wait in a resource class.

        No more calls are ever open than there are workers to hear them: one that has heard takes all there is.
        """
        actor = self._actor(name)
        for _ in range(min(count, self._threads) - self._open(name)):
            actor.send()

    def _open(self, name: str) -> int:
        """Return how many calls nobody has heard yet."""
        return self._broker.queues[name].qsize()  # type: ignore[no-any-return]

    def _actor(self, name: str) -> dramatiq.Actor[[], None]:
        if name not in self._actors:
            self._actors[name] = dramatiq.Actor(
                lambda: self._work(name), broker=self._broker, actor_name=name, queue_name=name, priority=0, options={}
            )
        return self._actors[name]

    def start(self, threads: int, names: Callable[[], Collection[str]], poll: int = 100) -> None:
        """Start ``threads`` workers in this process, each doing one task at a time.

        :param names: the resource classes whose calls they hear.
        :param poll: milliseconds between two looks for calls.
        """
        self._threads = threads
        self._names = names
        self.look()
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=poll)
        # By default twice as many: a call would wait behind an hour-long task while another worker is idle.
        self._worker.queue_prefetch = threads
        self._worker.start()

    def look(self) -> None:
        """Hear the calls to resource classes that were not there at the start, too."""
        for name in self._names():
            self._actor(name)

    def stop(self, seconds: float) -> None:
        """Stop the workers of this process; ``work`` must be about to return."""
        if self._worker is not None:
            self._worker.stop(timeout=int(seconds * 1000))
            self._worker = None
        self._broker.close()

    @property
    def working(self) -> bool:
        """Whether the workers of this process, if it has any, are all there."""
        return self._worker is None or all(thread.is_alive() for thread in self._worker.workers)

    def check(self) -> bool:
        """Whether calls can be sent now."""
        return True

    def describe(self) -> dict[str, str]:
        """Return what the broker says of itself.

        :raises OSError: it does not answer.
        """
        return {}


def open_queue(work: Callable[[str], None], url: str | None) -> Queue:
    """Return the queue in Redis, where an address is given, or else in memory."""
    if not url:
        return Queue(work)
    from jobs.redisqueue import RedisQueue  # noqa: PLC0415 - 5 MB that an embedded service does without

    return RedisQueue(work, url)
