"""Who may see what: the one place of the rule, asked before any handler of a job is.

An anonymous job is everybody's who knows its address, which cannot be guessed. A job with an owner is its owner's
and the administrators'. A list shows what is one's own: to an administrator all jobs, and the anonymous ones to
the anonymous where the setting ``anonymous_list`` lets it (UWS 1.1, section 3).

Whoever may read a session may read its jobs, whoever owns it may do anything with them, and nobody else changes an
anonymous job of a session but those who may run jobs in it (:mod:`jobs.sessions`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from starlette.requests import Request

from jobs.models import JobState
from jobs.sessions import Access, is_id
from jobs.store.sessions import Holder, Session
from uws import context
from uws.client import Client, ForbiddenError, UnauthenticatedError, client_of
from uws.context import call
from uws.crosssite import SAFE
from uws.settings import Settings

_AS_CHANGES = ("/sync/", "/notifications")
"""What only those may read who may change the job."""


async def admit(request: Request, *, reads: bool | None = None) -> None:
    """Let a request for a job pass.

    :param reads: whether the job is only looked at; by default the method says so.
    :raises NotFoundError: there is no such job.
    :raises UnauthenticatedError: the job has an owner, and the client does not say who it is.
    :raises ForbiddenError: the job is somebody else's.
    """
    await look(request)
    state, client = state_of(request), client_of(request)
    if state.owner is not None and state.owner == client.name:
        return
    if client.admin:
        if request.method not in SAFE:
            what = f"{request.method} {request.url.path}"
            await call(
                context.of(request).kept.record, client.name or "", "change job", request.path_params["job"], what
            )
        return
    # Whoever waits at /sync may take the job with him when he goes. Who is told of its end is not for every reader.
    if reads is None:
        path = request.scope["path"]  # request.url takes a tenth of a short answer to make
        reads = request.method in ("GET", "HEAD") and not any(part in path for part in _AS_CHANGES)
    if state.owner is None and reads:
        return
    in_session, access = await rights(request, state.run_id)
    if state.owner is None:
        if in_session and not (access and access.allows(Access.RUN)):
            raise ForbiddenError("AuthorizationError: The job belongs to a session in which you may run nothing")
        return
    if access and access.allows(Access.READ if reads else Access.OWNER):
        return
    if client.name is None and access is None:
        raise UnauthenticatedError("AuthenticationError: The job has an owner; say who you are")
    raise ForbiddenError("AuthorizationError: The job is somebody else's")


async def rights(request: Request, run_id: str | None) -> tuple[bool, Access | None]:
    """Return whether a run id is that of a session, and what the client may do with it."""
    if not is_id(run_id):
        return False, None
    found, access = await call(context.of(request).engine.sessions.rights, run_id, holder_of(client_of(request)))
    return found, Access.OWNER if found and client_of(request).admin else access


def holder_of(client: Client) -> Holder:
    """Return by what a client may have rights to sessions."""
    return Holder(client.name, client.visitor, client.shares)


async def enter(request: Request, wanted: Access) -> None:
    """Let a request for a session pass; what is known of the session is kept for the handler.

    :raises NotFoundError: there is no such session.
    :raises GoneError: the link to it has expired.
    :raises RevokedError: it has been revoked.
    :raises UnauthenticatedError: the session has an owner, and the client does not say who it is.
    :raises ForbiddenError: the client may not do with it what is wanted.
    """
    client = client_of(request)
    enter_session = context.of(request).engine.sessions.enter
    session, access = await call(enter_session, request.path_params["session"], holder_of(client), admin=client.admin)
    if access is None and session.owner is not None and client.name is None:
        raise UnauthenticatedError("AuthenticationError: The session has an owner; say who you are")
    if access is None:
        raise ForbiddenError("AuthorizationError: The session is somebody else's; its owner can make a link to it")
    if not access.allows(wanted):
        raise ForbiddenError(f"AuthorizationError: You may {access} here; this is for the owner of the session")
    request.state.session, request.state.access = session, access


def session_of(request: Request) -> tuple[Session, Access]:
    """Return the session that a request was let pass for, and what its client may do with it."""
    return request.state.session, request.state.access


async def join(request: Request, run_id: str | None) -> None:
    """Let a job be made with a run id.

    :raises ForbiddenError: it is that of a session in which the client may run nothing.
    """
    in_session, access = await rights(request, run_id)
    if in_session and not (access and access.allows(Access.RUN)):
        raise ForbiddenError(f"AuthorizationError: RUNID {run_id} is a session in which you may run nothing")


def require_admin(request: Request) -> None:
    """Let a request for the desk pass.

    :raises UnauthenticatedError: the client does not say who it is.
    :raises ForbiddenError: it is no administrator.
    """
    client = client_of(request)
    if client.name is None:
        raise UnauthenticatedError("AuthenticationError: The desk is for administrators; say who you are")
    if not client.admin:
        raise ForbiddenError(f"AuthorizationError: The desk is for administrators, and {client.name} is none")


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
