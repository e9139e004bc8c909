"""Who may see what: asked before any handler of a job is."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from jobs.models import JobState
from uws import context
from uws.context import call, job_of


async def admit(request: Request) -> None:
    """Let a request for a job pass.

    :raises NotFoundError: there is no such job.
    """
    await look(request)


async def look(request: Request) -> None:
    """Look at the request's job again; what is known of it by then is kept for the handler.

    :raises NotFoundError: there is no such job (any more).
    """
    jobs = context.of(request).jobs
    request.state.job = jobs.state(*job_of(request)) if jobs.quick else await call(jobs.state, *job_of(request))


def state_of(request: Request) -> JobState:
    """Return what was known of the job when it was looked at last."""
    return cast(JobState, request.state.job)
