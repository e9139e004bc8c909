"""Waiting for a job to change, as WAIT asks for it (UWS 1.1, section 2.2.1.2).

Whoever waits holds neither a thread nor a connection to the database nor a task of its own: the request waits for its
client to go away, until a time-out that a change of the job brings forward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from jobs.models import JobState
from uws import access, context
from uws.context import job_of


class _Alarm:
    """Ends a wait when it is rung, or the next one if nobody waits yet."""

    __slots__ = ("_timeout", "rung")

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self.rung = False

    def ring(self) -> None:
        self.rung = True
        if (timeout := self._timeout) is not None:
            self._timeout = None  # one that has been brought forward does not let itself be moved again
            timeout.reschedule(0)

    async def client_gone(self, request: Request, deadline: float) -> bool:
        """Wait for the alarm, the deadline or the client to go away; return whether the client went."""
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                if self.rung:
                    return False
                self._timeout = timeout
                await gone(request)
        except TimeoutError:
            return False
        finally:
            self._timeout = None
        return True


async def wait_while(request: Request, same: Callable[[JobState], bool], seconds: float) -> bool:
    """Return once the state of the request's job is not the ``same`` any more; False if its client has gone.

    It also returns when ``seconds`` are over, the client has gone, or the service is told to stop. What the request
    knows of its job is then the newest.

    :raises NotFoundError: the job has been deleted.
    """
    jobs, job_id = context.of(request).jobs, job_of(request)[1]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    alarm = _Alarm()
    with jobs.on_change(job_id, alarm.ring):
        while True:
            alarm.rung = False
            await access.look(request)
            if not same(access.state_of(request)) or jobs.closing or loop.time() >= deadline:
                return True
            if await alarm.client_gone(request, deadline):
                return False


async def gone(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
