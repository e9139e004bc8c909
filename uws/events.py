"""What happens to a job, or to all jobs of a session, as server-sent events (HTML, section 9.2).

A stream begins with the state as it is and goes on with what changes; a client that has lost it says by Last-Event-ID
how far it had come. What it is made of is in :mod:`uws.feeds`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from index.errors import CoverageError
from jobs.errors import AmoraError, NotFoundError, ParameterError
from jobs.models import Job, JobRef
from jobs.phases import ACTIVE
from jobs.sessions import Access
from uws import access, context, dali, representation
from uws.addresses import Addresses
from uws.context import Context, call, job_of
from uws.feeds import Feeds, Listener, Mailbox, Position, frame
from uws.sessionmodels import of_session as session_model

KEEP_ALIVE = 15.0
"""Seconds after which a comment says that a silent stream is alive, and whether it may go on is looked at again."""
RETRY = 2000
"""Milliseconds after which a client that has lost the stream comes back."""
RECENT = 200
"""How many jobs of a session, the newest ones, its stream tells of."""
LOOK = 5.0
"""Seconds between two looks for jobs that another process has made in a session."""

Frames = AsyncGenerator[bytes, None]
Admitted = Callable[[], Coroutine[None, None, None]]
"""Raises once the client may not listen any more."""


class EventStream(Response):
    """Answers with events until they or the client end."""

    media_type = "text/event-stream"

    def __init__(self, feeds: Feeds, frames: Frames, admitted: Admitted) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feeds = feeds
        self._frames = frames
        self._admitted = admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        telling = asyncio.ensure_future(self._tell(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            with self._feeds.counted():
                await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": f"retry: {RETRY}\n\n".encode(), "more_body": True})
        loop = asyncio.get_running_loop()
        looked, frames = loop.time(), self._frames
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(frames))
                done, _ = await asyncio.wait((coming,), timeout=KEEP_ALIVE)
                if loop.time() - looked >= KEEP_ALIVE:
                    looked = loop.time()
                    await self._admitted()
                told = b": keep-alive\n\n"
                if done:
                    ended, coming = coming, None
                    told = ended.result()
                await send({"type": "http.response.body", "body": told, "more_body": True})
        except (StopAsyncIteration, AmoraError, CoverageError):  # it ends, or the client may not listen any more
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await coming
            await frames.aclose()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def of_job(request: Request) -> Response:
    """Tell what happens to the job, as server-sent events: job, task, log and end.

    With LOG=none without logs, with LOG=NUMBER with that of one task.
    """
    here, form = context.of(request), await dali.read(request)
    here.feeds.require_room()
    position = Position.parse(request.headers.get("last-event-id", ""))
    frames = _job_frames(here, job_of(request), _log(form.one("LOG")), position)
    return EventStream(here.feeds, frames, lambda: access.admit(request))


async def of_session(request: Request) -> Response:
    """Tell what happens to the session and to its jobs, as server-sent events: session, job, task and gone."""
    here = context.of(request)
    here.feeds.require_room()

    async def admitted() -> None:
        await access.enter(request, Access.READ)

    return EventStream(here.feeds, _session_frames(here, request, admitted), admitted)


def _log(given: str | None) -> int | None:
    if given is None or given.strip().lower() == "all":
        return 0
    if given.strip().lower() == "none":
        return None
    if given.strip().isascii() and given.strip().isdigit() and 0 < int(given) < 2**31:
        return int(given)
    raise ParameterError("LOG", given, "all, none or the number of a task is allowed")


async def _job_frames(here: Context, key: tuple[str, str], logs: int | None, position: Position | None) -> Frames:
    while not here.jobs.closing:
        mailbox = Mailbox()
        listener = Listener(mailbox, logs, position)
        async with here.feeds.listen(here.jobs, here.addresses, key, listener):
            async for told in mailbox.taken(lambda: here.jobs.closing):
                position = told.position or position
                yield told.frame
                if told.last:
                    return


async def _session_frames(here: Context, request: Request, admitted: Admitted) -> Frames:
    while not here.jobs.closing:
        mailbox, following = Mailbox(), Following(here)
        attending = asyncio.ensure_future(_attend(here, request, admitted, mailbox, following))
        attending.add_done_callback(partial(_close, mailbox))
        try:
            async for told in mailbox.taken(attending.done):
                if told.listener is None:
                    yield told.frame
                elif told.last and (deleted := await following.leave(told.listener)):
                    yield frame("gone", json.dumps({"job": deleted}))
            if attending.done():
                await attending  # raises what has ended it
        finally:
            attending.cancel()
            with suppress(asyncio.CancelledError, AmoraError, CoverageError):
                await attending
            await following.close()


def _close(mailbox: Mailbox, _ended: asyncio.Future[None]) -> None:
    mailbox.close()


async def _attend(here: Context, request: Request, admitted: Admitted, mailbox: Mailbox, following: Following) -> None:
    """Tell of the session whenever it changes, and follow each job that is made in it.

    :raises AmoraError: the client may not see the session any more, or it is gone.
    """
    session_id, session = request.path_params["session"], None
    with here.jobs.watch(session_id) as changed:
        while not here.jobs.closing:
            changed.clear()
            await admitted()
            found, right = access.session_of(request)
            if found != session:
                session = found
                mailbox.put(frame("session", session_model(found, right, here.addresses).model_dump_json()))
            for ref in await call(lambda: list(here.jobs.refs(last=RECENT, run_id=session_id))):
                await following.follow(ref, mailbox)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await changed.wait()


class Following:
    """The jobs of a session that its stream tells of."""

    def __init__(self, here: Context) -> None:
        self._here = here
        self._seen: set[str] = set()
        self._open: dict[Listener, tuple[str, AsyncExitStack]] = {}

    async def follow(self, ref: JobRef, mailbox: Mailbox) -> None:
        """Tell of a job, and of what happens to it from now on; of one that has been told of already, nothing."""
        here = self._here
        if ref.id in self._seen:
            return
        self._seen.add(ref.id)
        if ref.phase not in ACTIVE:
            with suppress(NotFoundError):
                job = await call(here.jobs.get, ref.script, ref.id)
                mailbox.put(frame("job", await call(_document, job, here.addresses)))
            return
        listener, stack = Listener(mailbox, None), AsyncExitStack()
        self._open[listener] = ref.id, stack
        feed = here.feeds.listen(here.jobs, here.addresses, (ref.script, ref.id), listener)
        await stack.enter_async_context(feed)

    async def leave(self, listener: Listener) -> str | None:
        """Follow a job no more; return its id if it has been deleted."""
        job_id, stack = self._open.pop(listener)
        await stack.aclose()
        return job_id if listener.deleted else None

    async def close(self) -> None:
        """Follow nothing any more."""
        while self._open:
            await self._open.popitem()[1][1].aclose()


def _document(job: Job, addresses: Addresses) -> str:
    return representation.of_job(job, addresses).model_dump_json()
