"""Documents of jobs, made once for all who ask for the same version of a job."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from starlette.concurrency import run_in_threadpool

from jobs.models import JobState
from jobs.phases import FINAL
from uws.conditional import tag_of

KEPT = 4 * 2**20
"""Bytes of documents that are kept."""
FRESH = 1.0
"""Seconds that a document of a job that has not ended is kept: what it says of times to come moves by itself."""


@dataclass(frozen=True)
class Rendering:
    """A document of one version of a job."""

    version: int
    content: bytes
    tag: str
    made: float
    """On the monotonic clock."""


class Renderings:
    """The newest documents, for the coroutines of one event loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Rendering] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, str], asyncio.Task[Rendering]] = {}

    async def get(self, form: str, job_id: str, state: JobState, make: Callable[[], tuple[int, bytes]]) -> Rendering:
        """Return the document of a job in one of its forms, of the version that ``state`` tells or of a later one.

        :param make: returns a version and its document; it may block.
        """
        key = form, job_id
        found = self._kept.get(key)
        if found and found.version >= state.version and (state.phase in FINAL or monotonic() < found.made + FRESH):
            self._kept.move_to_end(key)
            return found
        while True:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = asyncio.ensure_future(self._make(key, make))
            made = await asyncio.shield(making)
            if made.version >= state.version:  # else it was begun for somebody who came before the change
                return made

    async def _make(self, key: tuple[str, str], make: Callable[[], tuple[int, bytes]]) -> Rendering:
        try:
            version, content = await run_in_threadpool(make)
        finally:
            del self._making[key]
        made = Rendering(version, content, tag_of(content), monotonic())
        before = self._kept.pop(key, None)
        self._kept[key] = made
        self._size += len(content) - (len(before.content) if before else 0)
        while self._size > KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.content)
        return made
