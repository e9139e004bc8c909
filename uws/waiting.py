"""Waiting for a job to change, as WAIT asks for it (UWS 1.1, section 2.2.1.2).

Whoever waits holds neither a thread nor a connection to the database: only its own connection and one event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from jobs.models import JobState
from uws import access, context
from uws.context import job_of


async def wait_while(request: Request, same: Callable[[JobState], bool], seconds: float) -> bool:
    """Return once the state of the request's job is not the ``same`` any more; False if its client has gone.

    It also returns when ``seconds`` are over, the client has gone, or the service is told to stop. What the request
    knows of its job is then the newest.

    :raises NotFoundError: the job has been deleted.
    """
    jobs, job_id = context.of(request).jobs, job_of(request)[1]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with jobs.watch(job_id) as event:
        timer = loop.call_at(deadline, event.set)
        left = asyncio.ensure_future(gone(request))
        left.add_done_callback(lambda _: event.set())
        try:
            while True:
                event.clear()
                await access.look(request)
                if not same(access.state_of(request)) or jobs.closing or left.done() or loop.time() >= deadline:
                    return not left.done()
                await event.wait()
        finally:
            timer.cancel()
            left.cancel()


async def gone(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
