"""Who may see what: the one place of the rule, asked before any handler of a job is.

An anonymous job is everybody's who knows its address, which cannot be guessed. A job with an owner is its owner's
and the administrators'. A list shows what is one's own: to an administrator all jobs, and the anonymous ones to
the anonymous where the setting ``anonymous_list`` lets it (UWS 1.1, section 3).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from starlette.requests import Request

from jobs.models import JobState
from uws import context
from uws.client import Client, ForbiddenError, UnauthenticatedError, client_of
from uws.context import call
from uws.settings import Settings


async def admit(request: Request) -> None:
    """Let a request for a job pass.

    :raises NotFoundError: there is no such job.
    :raises UnauthenticatedError: the job has an owner, and the client does not say who it is.
    :raises ForbiddenError: the job is somebody else's.
    """
    await look(request)
    owner, client = state_of(request).owner, client_of(request)
    if owner is not None and owner != client.name and not client.admin:
        if client.name is None:
            raise UnauthenticatedError("AuthenticationError: The job has an owner; say who you are")
        raise ForbiddenError("AuthorizationError: The job is somebody else's")


async def look(request: Request) -> None:
    """Look at the request's job again; what is known of it by then is kept for the handler.

    :raises NotFoundError: there is no such job (any more).
    """
    jobs, script, job_id = context.of(request).jobs, request.path_params.get("script"), request.path_params["job"]
    request.state.job = jobs.state(script, job_id) if jobs.quick else await call(jobs.state, script, job_id)


def state_of(request: Request) -> JobState:
    """Return what was known of the job when it was looked at last."""
    return cast(JobState, request.state.job)


def listed(request: Request) -> Collection[str | None] | None:
    """Return whose jobs a list shows to the client, with None for anonymous ones; None alone for everybody's."""
    client = client_of(request)
    if client.admin:
        return None
    if client.name is None and not context.of(request).settings.lists_anonymous:
        return ()
    return (client.name,)


def may_have_files(settings: Settings, client: Client) -> bool:
    """Whether a client may have the files of datasets."""
    return (
        client.admin
        or settings.dataset_files == "anybody"
        or (settings.dataset_files == "users" and client.name is not None)
    )


def admit_to_files(request: Request) -> None:
    """Let a request for a file of a dataset pass.

    :raises UnauthenticatedError: only users may have it, and the client does not say who it is.
    :raises ForbiddenError: the service hands out none.
    """
    settings, client = context.of(request).settings, client_of(request)
    if may_have_files(settings, client):
        return
    if settings.dataset_files == "users":
        raise UnauthenticatedError("AuthenticationError: Only users may have the files of datasets; say who you are")
    raise ForbiddenError("AuthorizationError: This service does not hand out the files of datasets")


def may_make_jobs(settings: Settings, client: Client) -> bool:
    """Whether a client may make jobs."""
    return settings.anonymous or client.name is not None


def creator(request: Request) -> str | None:
    """Return the owner of a job that the request makes.

    :raises UnauthenticatedError: the client is anonymous, and only users make jobs here.
    """
    client = client_of(request)
    if not may_make_jobs(context.of(request).settings, client):
        raise UnauthenticatedError("AuthenticationError: Only users make jobs here; say who you are")
    return client.name
