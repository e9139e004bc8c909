"""Who may see what: asked before any handler of a job is."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from jobs.models import JobState
from uws import context
from uws.context import call


async def admit(request: Request) -> None:
    """Let a request for a job pass; what is known of the job by then is kept for the handler.

    :raises NotFoundError: there is no such job.
    """
    script, job_id = request.path_params.get("script"), request.path_params["job"]
    request.state.job = await call(context.of(request).jobs.state, script, job_id)


def state_of(request: Request) -> JobState:
    """Return what was known of the job when the request was let pass."""
    return cast(JobState, request.state.job)
