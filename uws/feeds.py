"""What happens to a job, told to all who listen: one look at each change for all of them together.

A feed begins with its first listener and ends with its last. It looks at its job when word comes of a change
(:mod:`jobs.changes`) and, while somebody reads logs and a task runs, once a second at those; in between it holds
neither a thread nor a connection to the database. What it has to tell is written once and handed to each listener, who
holds no more than what its client has not taken yet.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool as call

from jobs.errors import LimitError, NotFoundError
from jobs.models import Job, Task
from jobs.phases import ACTIVE, FINAL, Phase
from jobs.service import Jobs
from uws import representation
from uws.addresses import Addresses

log = logging.getLogger(__name__)

PAUSE = 0.2
"""Seconds between two looks at a job, at least; more for one that takes long to look at."""
LOOK = 60.0
"""Seconds after which it looks by itself."""
LOG_PERIOD = 1.0
"""Seconds between two looks at growing logs."""
JOB_RATE = 100_000
"""Bytes of a job's document a second; a large one is told less often, its tasks each time."""
BURST = 256 * 1024
"""Bytes of a log that are told at once; of more, only the end is."""
TAIL = 64 * 1024
"""How much the end is: the rest can be asked for."""
TAILS = 20
"""Of how many tasks the end of the log is told to whoever begins to listen."""
BACKLOG = 1000
"""What a listener may have waiting; one that falls behind is told the state anew."""
STREAMS = 2000
"""How many may listen at once."""


_POSITION = re.compile(r"\d{1,10}-\d{1,14}(\.\d{1,10}-\d{1,15}){0,1000}", re.ASCII)


@dataclass(frozen=True)
class Position:
    """How far a listener has come: what it has seen of the job and of its logs."""

    version: int
    at: int
    """When that was, in milliseconds since 1970."""
    offsets: dict[int, int] = field(default_factory=dict)
    """The byte of each growing log that comes next."""

    def __str__(self) -> str:
        logs = "".join(f".{task}-{offset}" for task, offset in sorted(self.offsets.items()))
        return f"{self.version}-{self.at}{logs}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Read a position as ``str()`` wrote it; None if it is none."""
        if not _POSITION.fullmatch(text):
            return None
        (version, at), *logs = [
            (int(one), int(other)) for one, _, other in (part.partition("-") for part in text.split("."))
        ]
        return cls(version, at, dict(logs))


@dataclass(frozen=True)
class Told:
    """Something on its way to a client."""

    frame: bytes
    listener: Listener | None = None
    """Whose it is alone; None for what everybody is told."""
    position: Position | None = None
    """How far the client is once it has it."""
    last: bool = False
    """Whether nothing more is told to that listener."""


class Mailbox:
    """What the client of a stream has not taken yet."""

    def __init__(self) -> None:
        self._waiting: deque[Told] = deque()
        self._event = asyncio.Event()
        self._behind = False

    def put(self, frame: bytes, listener: Listener | None = None, **more: Any) -> None:
        """Take something to tell. If too much waits, all of it is lost, and the state is to be told anew."""
        if len(self._waiting) >= BACKLOG:
            self._waiting.clear()
            self._behind = True
        if not self._behind:
            self._waiting.append(Told(frame, listener, **more))
        self._event.set()

    def close(self) -> None:
        """Have whoever takes from it look whether he is to go on."""
        self._event.set()

    async def taken(self, over: Callable[[], bool]) -> AsyncIterator[Told]:
        """Yield what is to be told, until it is ``over`` or the state is to be told anew."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._behind or over():
                return
            self._event.clear()
            await self._event.wait()


class Listener:
    """One who wants to hear of a job.

    :param logs: the task whose log is wanted, 0 for those of all, None for none.
    :param position: how far its client has come already.
    """

    def __init__(self, mailbox: Mailbox, logs: int | None, position: Position | None = None) -> None:
        self.mailbox = mailbox
        self.logs = logs
        self.position = position
        self.offsets: dict[int, int | None] = {}
        """The byte that comes next of each log that is read; None for near its end."""
        self.ended = False
        """Whether it has been told that nothing more will happen."""
        self.deleted = False
        """Whether that is because the job has been deleted."""

    def wants(self, task: int) -> bool:
        """Whether it reads the log of a task."""
        return self.logs is not None and self.logs in (0, task)


class Feeds:
    """The feeds of this process, for the coroutines of one event loop."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}
        self.streams = 0

    def require_room(self) -> None:
        """Open no more streams than there may be.

        :raises LimitError: there are as many.
        """
        if self.streams >= STREAMS:
            raise LimitError(f"{STREAMS} streams of events are open, and no more are; please try again in a minute")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a stream while it is open."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    @asynccontextmanager
    async def listen(
        self, jobs: Jobs, addresses: Addresses, key: tuple[str, str], listener: Listener
    ) -> AsyncIterator[Feed]:
        """Have a listener told of a job as it is, and of what happens to it from then on.

        :param key: its script and its id.
        """
        feed = self._feeds.get(key[1])
        if feed is None:
            feed = self._feeds[key[1]] = Feed(jobs, addresses, key)
        feed.holders += 1
        try:
            await feed.join(listener)
            yield feed
        finally:
            feed.listeners.discard(listener)
            feed.holders -= 1
            if not feed.holders:
                del self._feeds[key[1]]
                feed.stop()


class Feed:
    """What happens to one job."""

    def __init__(self, jobs: Jobs, addresses: Addresses, key: tuple[str, str]) -> None:
        self.holders = 0
        self.listeners: set[Listener] = set()
        self._jobs = jobs
        self._addresses = addresses
        self._key = key
        self._job: Job | None = None
        self._gone = False
        self._known = asyncio.Event()
        self._changed: asyncio.Event | None = None
        self._told = 0.0
        self._size = 0
        self._task = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        """End it."""
        self._task.cancel()

    async def join(self, listener: Listener) -> None:
        """Tell a listener of the job as it is, unless it knows, and of what happens from now on."""
        await self._known.wait()
        document, described = "", None
        while (job := self._job) is not described:
            # Nothing may happen between the document and the joining: an old state must not come after a newer one.
            if job is not None and (listener.position is None or listener.position.version != job.version):
                document = await call(self._document, job)
            described = job
        if document:
            listener.mailbox.put(frame("job", document))
        if job is not None:
            listener.offsets = _followed(job, listener)
        self.listeners.add(listener)
        if self._changed is not None:
            self._changed.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        with self._jobs.watch(self._key[1]) as changed:
            self._changed = changed
            while not self._jobs.closing:
                changed.clear()
                begin = loop.time()
                try:
                    await self._look()
                except Exception:  # the database may be away for a while, and whoever listens waits for the next look
                    log.exception("a look at a job failed", extra={"about": {"job": self._key[1]}})
                self._known.set()
                await asyncio.sleep(max(PAUSE, 10 * (loop.time() - begin)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOG_PERIOD if self._growing() else LOOK):
                        await changed.wait()
        self._known.set()
        for listener in self.listeners:
            listener.mailbox.close()

    def _growing(self) -> bool:
        """Whether somebody reads the log of a task that runs."""
        return any(listener.offsets for listener in self.listeners)

    async def _look(self) -> None:
        """Look at the job, and tell what has changed."""
        before = self._job
        try:
            state = await call(self._jobs.state, *self._key)
            if before is None or state.version != before.version:
                self._job = await call(self._jobs.get, *self._key)
        except NotFoundError:
            self._gone = True
        job, told = self._job, set()
        if job is not None and before is not None and job is not before:
            await self._tell_changes(before, job)
            told |= self.listeners
        if job is not None and not self._gone:
            told |= await self._tell_logs(job)
        for listener in told:
            position = _position(job, listener)
            listener.mailbox.put(frame(None, None, str(position)), listener, position=position)
        self._tell_end(job)

    def _tell_end(self, job: Job | None) -> None:
        if job is not None and job.phase in ACTIVE and not self._gone:
            return
        told = frame("end", json.dumps({"job": self._key[1], "phase": None if self._gone or not job else job.phase}))
        for listener in self.listeners:
            if not listener.ended and (self._gone or not listener.offsets):
                listener.ended, listener.deleted = True, self._gone
                listener.mailbox.put(told, listener, last=True)

    async def _tell_changes(self, before: Job, job: Job) -> None:
        known = {task.number: task for task in before.tasks}
        for task in job.tasks:
            earlier = known.get(task.number)
            if earlier == task:
                continue
            if task.started is not None and (earlier is None or earlier.started is None):
                for listener in self.listeners:
                    if listener.wants(task.number):
                        listener.offsets.setdefault(task.number, 0)
            self._tell(task_frame(job, task, self._addresses))
        now = asyncio.get_running_loop().time()
        if before.phase is not job.phase or now - self._told > max(PAUSE, self._size / JOB_RATE):
            self._tell(frame("job", await call(self._document, job)))
            self._told = now

    def _tell(self, told: bytes) -> None:
        for listener in self.listeners:
            listener.mailbox.put(told)

    def _document(self, job: Job) -> str:
        text = representation.of_job(job, self._addresses).model_dump_json()
        self._size = len(text)
        return text

    async def _tell_logs(self, job: Job) -> set[Listener]:
        """Tell what is new in the logs, each piece read once for all who want it; return who was told something."""
        heard = set()
        for task in job.tasks:
            readers: dict[int | None, list[Listener]] = {}
            for listener in self.listeners:
                if task.number in listener.offsets:
                    readers.setdefault(listener.offsets[task.number], []).append(listener)
            for offset, listeners in readers.items():
                begin, lines, end = await call(self._read, task, offset)
                told = log_frame(job.id, task.number, begin, lines, end)
                for listener in listeners:
                    listener.offsets[task.number] = end
                    if lines:
                        heard.add(listener)
                        listener.mailbox.put(told)
                    if task.phase in FINAL and not lines:
                        del listener.offsets[task.number]
        return heard

    def _read(self, task: Task, offset: int | None) -> tuple[int, list[str], int]:
        """Return where some lines of a log begin, the lines, and where the next one does."""
        begin, data = self._jobs.log_end(self._key[1], task.number, offset, BURST, TAIL)
        return _lines(begin, data, whole=task.phase in FINAL)


def _position(job: Job | None, listener: Listener) -> Position:
    at = int(datetime.now(UTC).timestamp() * 1000)
    offsets = {task: offset for task, offset in listener.offsets.items() if offset is not None}
    return Position(job.version if job else 0, at, offsets)


def _followed(job: Job, listener: Listener) -> dict[int, int | None]:
    """Return of which tasks the logs have something to tell to whoever begins to listen, and from which byte on."""
    since = listener.position
    tasks = [task for task in job.tasks if task.started is not None and listener.wants(task.number)]
    if since is not None:
        at = datetime.fromtimestamp(since.at / 1000, UTC)
        tasks = [task for task in tasks if task.number in since.offsets or task.ended is None or task.ended > at]
    running = [task for task in tasks if task.phase not in FINAL]
    ended = sorted((task for task in tasks if task.phase in FINAL), key=lambda task: task.ended or job.created)
    known = since.offsets if since else {}
    kept = ended[-max(0, TAILS - len(running)) :] if len(running) < TAILS else []
    return {task.number: known.get(task.number) for task in (*kept, *running)}


def _lines(offset: int, data: bytes, *, whole: bool) -> tuple[int, list[str], int]:
    """Return where whole lines in a piece of a log begin, the lines, and where the next one does.

    :param whole: whether the last line is one too, although nothing ends it yet.
    """
    end = len(data) if whole or len(data) >= TAIL else data.rfind(b"\n") + 1
    text = data[:end].decode(errors="replace")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return offset, [line.rstrip("\r") for line in lines], offset + end


def frame(event: str | None, data: str | None, position: str | None = None) -> bytes:
    """Return a server-sent event (HTML, section 9.2); ``data`` is one line."""
    fields = [f"id: {position}"] if position else []
    fields += [f"event: {event}"] if event else []
    fields += [f"data: {data}"] if data is not None else []
    return ("\n".join(fields) + "\n\n").encode()


def task_frame(job: Job, task: Task, addresses: Addresses) -> bytes:
    """Return the event that tells of a task: its state, and what it handed back if it has ended."""
    told = representation.of_task(task, addresses).model_dump(mode="json")
    told |= {"id": task.id, "job": job.id}
    if task.phase is Phase.COMPLETED:
        told["products"] = [
            representation.of_product(product, job, addresses).model_dump(mode="json")
            for product in job.products
            if product.task == task.number
        ]
    return frame("task", json.dumps(told))


def log_frame(job_id: str, task: int, offset: int, lines: list[str], end: int) -> bytes:
    """Return the event that tells of lines in the log of a task, and of the bytes of the log that they are."""
    return frame("log", json.dumps({"job": job_id, "task": task, "offset": offset, "next": end, "lines": lines}))
