"""Tells whoever waits for a job that it has changed, without a thread or a connection for each of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType


class Watch:
    """Has something done in the running loop soon after each change of a job, for as long as it is entered."""

    # thousands of them are there at a time
    __slots__ = ("_changes", "_job", "act", "loop")

    def __init__(self, changes: Changes, job_id: str, act: Callable[[], None]) -> None:
        self._changes = changes
        self._job = job_id
        self.act = act
        self.loop = asyncio.get_running_loop()

    def __enter__(self) -> Watch:
        self._changes.add(self._job, self)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._changes.remove(self._job, self)


def _act(watches: Iterable[Watch]) -> None:
    for watch in watches:
        watch.act()


class Changes:
    """A change made in this process wakes the waiters at once; one made in another is found by ``poll``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, set[Watch]] = {}
        self._seen: dict[str, int] = {}
        self.closed = False
        """Whether nobody is to wait any more."""

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event of the running loop that is set at each change of the job.

        Look at the job only after entering: a change between the look and the entering would be missed.
        """
        event = asyncio.Event()
        with Watch(self, job_id, event.set):
            yield event

    def add(self, job_id: str, watch: Watch) -> None:
        """Have it told of the job's changes."""
        with self._lock:
            self._waiters.setdefault(job_id, set()).add(watch)

    def remove(self, job_id: str, watch: Watch) -> None:
        """Have it told no more."""
        with self._lock:
            waiters = self._waiters[job_id]
            waiters.discard(watch)
            if not waiters:
                del self._waiters[job_id]
                self._seen.pop(job_id, None)

    def publish(self, job_id: str) -> None:
        """Wake all who wait for the job; from any thread."""
        watches: dict[asyncio.AbstractEventLoop, list[Watch]] = {}
        with self._lock:
            for watch in self._waiters.get(job_id, ()):
                watches.setdefault(watch.loop, []).append(watch)
        for loop, waiting in watches.items():
            with suppress(RuntimeError):  # it has just been closed, and all who waited in it have gone
                loop.call_soon_threadsafe(_act, waiting)

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
