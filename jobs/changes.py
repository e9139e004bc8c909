"""Tells whoever waits for a job that it has changed, without a thread or a connection for each of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


def _set(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        event.set()


class Changes:
    """A change made in this process wakes the waiters at once; one made in another is found by ``poll``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, set[_Waiter]] = {}
        self._seen: dict[str, int] = {}
        self.closed = False
        """Whether nobody is to wait any more."""

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event of the running loop that is set at each change of the job.

        Look at the job only after entering: a change between the look and the entering would be missed.
        """
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiters.setdefault(job_id, set()).add(waiter)
        try:
            yield waiter[1]
        finally:
            with self._lock:
                waiters = self._waiters[job_id]
                waiters.discard(waiter)
                if not waiters:
                    del self._waiters[job_id]
                    self._seen.pop(job_id, None)

    def publish(self, job_id: str) -> None:
        """Wake all who wait for the job; from any thread."""
        events: dict[asyncio.AbstractEventLoop, list[asyncio.Event]] = {}
        with self._lock:
            for loop, event in self._waiters.get(job_id, ()):
                events.setdefault(loop, []).append(event)
        for loop, waiting in events.items():
            with suppress(RuntimeError):  # it has just been closed, and all who waited in it have gone
                loop.call_soon_threadsafe(_set, waiting)

    def poll(self, versions_of: Callable[[Sequence[str]], dict[str, int]]) -> None:
        """Look for changes made by other processes to the jobs that somebody waits for.

        :param versions_of: returns the versions of those of some jobs that still exist.
        """
        with self._lock:
            watched = list(self._waiters)
        if not watched:
            return
        versions = versions_of(watched)
        for job_id in watched:
            version = versions.get(job_id, -1)  # -1: it has been deleted
            with self._lock:
                before = self._seen.get(job_id)
                if job_id in self._waiters:
                    self._seen[job_id] = version
            if before != version:
                self.publish(job_id)

    def close(self) -> None:
        """Wake everybody for the last time: the service is about to stop."""
        self.closed = True
        with self._lock:
            watched = list(self._waiters)
        for job_id in watched:
            self.publish(job_id)
