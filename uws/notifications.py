"""Who is to be told of the end of a job, or of each job of a session: ``/api/jobs/{job}/notifications`` and so on."""

from __future__ import annotations

import secrets

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from jobs.errors import NotFoundError, RequestError
from jobs.store.notifications import Notification as Kept
from jobs.store.notifications import NotificationStore
from uws import api, context, dali, notifier
from uws.client import client_of
from uws.context import call
from uws.representation import Instant

MOST = 5
"""How many are told of one job, or of one session."""
KINDS = ("mail", "webhook")


class Told(BaseModel):
    """A job of which somebody has been told, or could not be."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job: str
    tries: int
    delivered: Instant | None
    """When it arrived; null if it has not, or not yet."""
    error: str
    """Why the last try failed."""


class Notification(BaseModel):
    """Somebody who wants to be told of the end of a job, or of each job of a session."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    kind: str
    """mail or webhook."""
    target: str
    """The address to which it is sent."""
    created: Instant
    told: list[Told]


class NewNotification(Notification):
    """One that has just been asked for."""

    secret: str | None
    """What is sent to a webhook is signed with it; it is shown this once."""


class NotificationList(BaseModel):
    """All of them, the oldest first."""

    notifications: list[Notification]


async def show(request: Request) -> Response:
    """List who is to be told of the end of the job, or of the jobs of the session."""
    store, own = _of(request)

    def gather() -> NotificationList:
        return NotificationList(notifications=[_shown(store, item, own[0]) for item in store.listed(*own)])

    return Response((await call(gather)).model_dump_json(), media_type=api.JSON)


async def add(request: Request) -> Response:
    """Have somebody told of the end of the job, or of each job made in the session from now on: mail or webhook."""
    here, form = context.of(request), await dali.read(request)
    given = [(kind, target) for kind in KINDS if (target := form.one(kind.upper()))]
    if len(given) != 1:
        raise RequestError("mail, an address, or webhook, a URL, is wanted; one of them")
    [(kind, text)] = given
    target = notifier.check(kind, text.strip(), here.settings, anonymous=client_of(request).name is None)
    store, own = _of(request)
    id_ = secrets.token_hex(8)

    def make() -> NewNotification:
        store.add(id_, *own, kind, target, MOST)
        [kept] = [item for item in store.listed(*own) if item.id == id_]
        secret = notifier.secret_of(here.signer, id_) if kind == "webhook" else None
        return NewNotification(**dict(_shown(store, kept, own[0])), secret=secret)

    made = await call(make)
    return Response(made.model_dump_json(), 201, {"Cache-Control": "no-store"}, api.JSON)


async def show_one(request: Request) -> Response:
    """Show one of those who are to be told."""
    store, own = _of(request)
    found = [item for item in await call(store.listed, *own) if item.id == request.path_params["notification"]]
    if not found:
        raise _unknown(request)
    return Response((await call(_shown, store, found[0], own[0])).model_dump_json(), media_type=api.JSON)


async def remove(request: Request) -> Response:
    """Tell somebody no more."""
    store, own = _of(request)
    if not await call(store.remove, request.path_params["notification"], *own):
        raise _unknown(request)
    return Response(status_code=204)


def _of(request: Request) -> tuple[NotificationStore, tuple[str | None, str | None]]:
    store = NotificationStore(context.of(request).engine.database)
    return store, (request.path_params.get("job"), request.path_params.get("session"))


def _shown(store: NotificationStore, kept: Kept, job_id: str | None) -> Notification:
    told = [
        Told(job=job, tries=tries, delivered=delivered, error=error)
        for job, tries, delivered, error in store.state(kept.id, job_id)
    ]
    assert kept.created is not None  # noqa: S101 - each has been made at some time
    return Notification(id=kept.id, kind=kept.kind, target=kept.target, created=kept.created, told=told)


def _unknown(request: Request) -> NotFoundError:
    return NotFoundError(f"There is no notification {request.path_params['notification'][:64]}.")
