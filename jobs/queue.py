"""Dramatiq behind one seam: tasks go in, ``work`` is called with them in some thread of some worker.

SQL is the truth about tasks, so a message carries only a task's id and attempt, and may get lost or come twice: the
claim in SQL drops the second one, the sweeper sends the lost one again. Most of what Dramatiq does by default is
wrong for scripts that run for hours, and none of it is asked for here: no retries (20 by default), no time limit
(10 minutes by default), no age limit, no results.

The queue is in the memory of the process, or in Redis, where it is shared by all processes. A request never fails
because Redis is away: its tasks are in SQL, and are sent once Redis is back.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from redis import ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.identity import Identity

log = logging.getLogger(__name__)

QUEUE = "tasks"
NAMESPACE = "amora"
"""What the names of all keys in Redis begin with."""
POLL = 25
"""Milliseconds between two looks of an idle worker into its queue in Redis, at most."""
PATIENCE = 3.0
"""Seconds that Redis may take to answer, and for which nothing is sent once it has not."""

_numbers = itertools.count(1)
_open: set[str] = set()
"""The names of the open queues in the memory of this process."""


class Queue:
    """The queue of tasks, in the memory of this process.

    :param work: does the task with this id and attempt. It must not raise.
    """

    def __init__(self, work: Callable[[str, int], None]) -> None:
        self._connect(work, StubBroker(middleware=[]))
        self._name = f"{next(_numbers)}@{Identity.of()}"
        _open.add(self._name)

    def _connect(self, work: Callable[[str, int], None], broker: dramatiq.Broker) -> None:
        self._broker = broker
        self._actor = dramatiq.Actor(
            work, broker=self._broker, actor_name="task", queue_name=QUEUE, priority=0, options={}
        )
        self._worker: dramatiq.Worker | None = None

    @property
    def name(self) -> str:
        """Which queue this is, for the rows of the tasks sent to it: a queue in memory dies with its process."""
        return self._name

    def has_lost(self, name: str | None, alive: Callable[[Identity], bool]) -> bool:
        """Whether a message sent to the queue of that name will never arrive; None stands for one never sent.

        :param alive: whether a process lives.
        """
        if name is None:
            return True
        if name in _open:
            return False
        try:
            process = Identity.parse(name.partition("@")[2])
        except ValueError:  # it was in Redis, which is used no more
            return True
        return process == Identity.of() or not alive(process)

    def send(self, task_id: str, attempt: int) -> bool:
        """Send a task to whichever worker is free; False if it could not be sent now."""
        self._actor.send(task_id, attempt)
        return True

    def start(self, threads: int) -> None:
        """Start ``threads`` workers in this process, each doing one task at a time; none for 0."""
        if not threads:
            return
        self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=self._poll)
        # By default twice as many: a task would wait behind an hour-long one while another worker is idle.
        self._worker.queue_prefetch = threads
        self._worker.start()

    _poll = 100

    def stop(self, seconds: float) -> None:
        """Stop the workers of this process; ``work`` must be about to return."""
        if self._worker is not None:
            self._worker.stop(timeout=int(seconds * 1000))
            self._worker = None
        self._broker.close()
        _open.discard(self._name)

    @property
    def working(self) -> bool:
        """Whether the workers of this process are all there."""
        return self._worker is None or all(thread.is_alive() for thread in self._worker.workers)

    def check(self) -> bool:
        """Whether the queue takes and gives messages."""
        return True


class RedisQueue(Queue):
    """The queue of tasks in Redis, shared by all processes with the same address.

    Its name changes when Redis loses what it had: it is kept there, beside the messages, and made anew by whoever
    first finds that it is gone. So the sweeper sees which messages went with the old one.

    :param url: ``redis://...``, ``rediss://...`` or ``unix://...``.
    """

    def __init__(self, work: Callable[[str, int], None], url: str) -> None:
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),  # the first try may find a connection that died long ago
        )
        self._redis = Redis(connection_pool=pool)
        broker = RedisBroker(client=self._redis, middleware=[], namespace=NAMESPACE)  # type: ignore[no-untyped-call]
        self._connect(work, broker)
        self._poll = POLL
        self._name = ""
        self._silent_until = 0.0
        self.check()

    def has_lost(self, name: str | None, alive: Callable[[Identity], bool]) -> bool:  # noqa: ARG002 - the seam's
        """Whether it was another queue's; while Redis is away nothing is lost, because nothing could be sent."""
        return self.check() and name != self._name

    def check(self) -> bool:
        """Whether Redis answers; finds out the present name of the queue."""
        try:
            mine = f"redis {secrets.token_hex(8)}"
            before = self._redis.set(f"{NAMESPACE}:name", mine, nx=True, get=True)
        except RedisError as error:
            self._be_silent(error)
            return False
        self._name = mine if before is None else before.decode() if isinstance(before, bytes) else str(before)
        self._silent_until = 0.0
        return True

    def send(self, task_id: str, attempt: int) -> bool:
        """Send a task; False, at once for some seconds, while Redis is away."""
        if time.monotonic() < self._silent_until:
            return False
        try:
            return super().send(task_id, attempt)
        except RedisError as error:
            self._be_silent(error)
            return False

    def _be_silent(self, error: RedisError) -> None:
        log.warning("Redis does not answer, tasks wait for the sweeper: %s", error)
        self._silent_until = time.monotonic() + PATIENCE


def open_queue(work: Callable[[str, int], None], url: str | None) -> Queue:
    """Return the queue in Redis, where an address is given, or else in memory."""
    return RedisQueue(work, url) if url else Queue(work)
