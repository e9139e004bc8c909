"""The page of one's sessions, ``/sessions``: plain forms to make, name, share, copy and delete them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from jobs.errors import RequestError
from jobs.sessions import Access, digest
from jobs.store.sessions import Holder
from uws import access, context, crosssite, dali, visitors
from uws.client import client_of
from uws.context import call, see_other
from uws.page import page

DAYS = 90
"""For how long a link is good at most where the form says so."""


async def show(request: Request, link: str | None = None) -> Response:
    """List one's own sessions, with the links to them, and those that links have shown one."""
    here, client = context.of(request), client_of(request)
    sessions = here.engine.sessions

    def gather() -> list[tuple[object, ...]]:
        return [
            (session, right, sessions.shares(session.id) if right is Access.OWNER else [])
            for session, right in sessions.listed(access.holder_of(client))
        ]

    answer = page(
        request,
        "sessions.html",
        found=await call(gather),
        link=link,
        now=datetime.now(UTC),
        token=crosssite.token(here.signer, client),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def act(request: Request) -> Response:
    """Do what a form of the page asks for."""
    here, form = context.of(request), await dali.read(request)
    crosssite.require_token(here.signer, client_of(request), form.one(crosssite.FIELD))
    action = form.one("ACTION") or ""
    if action == "new":
        return await _new(request, form)
    if action not in ACTIONS:
        raise RequestError(f"There is no action {action[:64]!r} here")
    wanted, do = ACTIONS[action]
    request.path_params["session"] = form.one("SESSION") or ""
    await access.enter(request, wanted)
    return await do(request, form)


async def _new(request: Request, form: dali.Form) -> Response:
    access.creator(request)
    sessions, values = context.of(request).engine.sessions, {"name": form.one("NAME") or ""}
    return await _made(request, lambda holder: sessions.create(holder, values).id)


async def _copy(request: Request, _form: dali.Form) -> Response:
    access.creator(request)
    sessions, (session, _) = context.of(request).engine.sessions, access.session_of(request)
    return await _made(request, lambda holder: sessions.copy(session, holder).id)


async def _made(request: Request, make: Callable[[Holder], str]) -> Response:
    here, client = context.of(request), client_of(request)
    secret = visitors.cookies(request.scope)[0] or visitors.new_visitor()
    holder = Holder(client.name) if client.name is not None else Holder(visitor=digest(secret))
    response = see_other(here.addresses.session(await call(make, holder)))
    if client.name is None:
        visitors.make_visitor(response, here.settings, secret)
    return response


async def _rename(request: Request, form: dali.Form) -> Response:
    here, (session, _) = context.of(request), access.session_of(request)
    await call(here.engine.sessions.change, session.id, {"name": form.one("NAME") or ""})
    return see_other(here.addresses.at("sessions"))


async def _delete(request: Request, _form: dali.Form) -> Response:
    here, (session, _) = context.of(request), access.session_of(request)
    await call(here.engine.sessions.delete, session.id)
    return see_other(here.addresses.at("sessions"))


async def _share(request: Request, form: dali.Form) -> Response:
    here, (session, _) = context.of(request), access.session_of(request)
    until = datetime.now(UTC) + timedelta(days=form.integer("DAYS", 1, DAYS) or DAYS)
    _, secret = await call(here.engine.sessions.share, session, form.one("ACCESS"), until)
    return await show(request, here.addresses.share(secret))


async def _revoke(request: Request, form: dali.Form) -> Response:
    here, (session, _) = context.of(request), access.session_of(request)
    await call(here.engine.sessions.revoke, session.id, form.one("SHARE") or "")
    return see_other(here.addresses.at("sessions"))


ACTIONS: dict[str, tuple[Access, Callable[[Request, dali.Form], Awaitable[Response]]]] = {
    "copy": (Access.READ, _copy),
    "rename": (Access.OWNER, _rename),
    "delete": (Access.OWNER, _delete),
    "share": (Access.OWNER, _share),
    "revoke": (Access.OWNER, _revoke),
}
"""What can be done, what right it takes, and how it is done."""
