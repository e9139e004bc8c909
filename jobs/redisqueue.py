"""The calls for workers in Redis, where they reach the workers of all processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from dramatiq.brokers.redis import RedisBroker
from redis import ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.queue import Queue

log = logging.getLogger(__name__)

NAMESPACE = "amora"
"""What the names of all keys in Redis begin with."""
POLL = 25
"""Milliseconds between two looks of an idle worker into its queue in Redis, at most."""
PATIENCE = 3.0
"""Seconds that Redis may take to answer, and for which nothing is sent once it has not."""
CALLS = 64
"""How many calls to one resource class are open in Redis, at most."""


class RedisQueue(Queue):
    """The calls for workers in Redis, heard by the workers of all processes with the same address.

    :param url: ``redis://...``, ``rediss://...`` or ``unix://...``.
    """

    shared = True

    def __init__(self, work: Callable[[str], None], url: str) -> None:
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),  # the first try may find a connection that died long ago
        )
        self._redis = Redis(connection_pool=pool)
        broker = RedisBroker(client=self._redis, middleware=[], namespace=NAMESPACE)  # type: ignore[no-untyped-call]
        super().__init__(work, broker)
        self._threads = CALLS
        self._silent_until = 0.0

    def start(self, threads: int, names: Callable[[], Collection[str]], poll: int = POLL) -> None:
        """Start workers, as they are in memory."""
        super().start(threads, names, poll)
        self._threads = CALLS

    def wake(self, name: str, count: int) -> None:
        """Call workers; while Redis is away nobody is called, and nobody is kept waiting for that."""
        if time.monotonic() < self._silent_until:
            return
        try:
            super().wake(name, count)
        except RedisError as error:
            log.warning("Redis does not answer, tasks wait for the sweeper: %s", error)
            self._silent_until = time.monotonic() + PATIENCE

    def _open(self, name: str) -> int:
        return int(self._redis.llen(f"{NAMESPACE}:{name}"))

    def describe(self) -> dict[str, str]:
        """Return what Redis says of itself."""
        try:
            return {name: str(value) for name, value in self._redis.info("server").items()}
        except RedisError as error:
            raise OSError(str(error)) from error

    def check(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False
