"""Sessions for programs and for the page: ``/api/sessions`` and below, and the links ``/s/{secret}`` to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from jobs.sessions import Access, digest
from jobs.store.sessions import Holder, Session
from uws import access, api, context, joblist, visitors
from uws.client import client_of
from uws.context import call
from uws.sessionmodels import NewShare, SessionList, ShareList, given, of_session, of_share
from uws.times import parse_instant

_SESSION = ("name", "region", "datasets", "expires")
_NEW = ("name", "region", "datasets")
_SHARE = ("access", "expires")


async def show_list(request: Request) -> Response:
    """List the client's own sessions and those that links have shown it, the last changed first."""
    here = context.of(request)
    found = await call(here.engine.sessions.listed, access.holder_of(client_of(request)))
    return _json(SessionList(sessions=[of_session(*item, here.addresses) for item in found]))


async def create(request: Request) -> Response:
    """Make a session. An anonymous client gets a cookie by which its own sessions are known."""
    access.creator(request)
    values, sessions = await given(request, _NEW), context.of(request).engine.sessions
    return await _made(request, lambda holder: sessions.create(holder, values))


async def copy(request: Request) -> Response:
    """Make a session of one's own with the region and the datasets of this one; its jobs stay where they are."""
    access.creator(request)
    await given(request, ())
    (session, _), sessions = access.session_of(request), context.of(request).engine.sessions
    return await _made(request, lambda holder: sessions.copy(session, holder))


async def show(request: Request) -> Response:
    """Show the session."""
    return _json(of_session(*access.session_of(request), context.of(request).addresses))


async def change(request: Request) -> Response:
    """Change what is given of the session; the rest stays as it is."""
    values = await given(request, _SESSION)
    values["expires"] = _instant(values.get("expires"))
    here, session_id = context.of(request), request.path_params["session"]
    await call(here.engine.sessions.change, session_id, values)
    client = client_of(request)
    found = await call(here.engine.sessions.enter, session_id, access.holder_of(client), admin=client.admin)
    return _json(of_session(found[0], found[1] or Access.READ, here.addresses))


async def delete(request: Request) -> Response:
    """Delete the session and the links to it; its jobs stay until their own destruction."""
    await call(context.of(request).engine.sessions.delete, request.path_params["session"])
    return Response(status_code=204)


async def jobs(request: Request) -> Response:
    """List the jobs of the session, whosever they are, newest first."""
    return await joblist.stream(request, None, api.list_as_json, api.JSON, run_id=request.path_params["session"])


async def shares(request: Request) -> Response:
    """List the links to the session, without their secrets, newest first."""
    found = await call(context.of(request).engine.sessions.shares, request.path_params["session"])
    return _json(ShareList(shares=[of_share(share) for share in found]))


async def share(request: Request) -> Response:
    """Make a link to the session. Its secret is in the answer, and nowhere else."""
    values, here = await given(request, _SHARE), context.of(request)
    wanted, expires = values.get("access"), _instant(values.get("expires"))
    session, _ = access.session_of(request)
    made, secret = await call(here.engine.sessions.share, session, None if wanted is None else str(wanted), expires)
    return _json(NewShare(**dict(of_share(made)), href=here.addresses.share(secret)), 201)


async def show_share(request: Request) -> Response:
    """Show a link to the session, without its secret."""
    found = await call(context.of(request).engine.sessions.one_share, *_share_of(request))
    return _json(of_share(found))


async def revoke(request: Request) -> Response:
    """Revoke a link to the session; whoever came by it is refused from now on."""
    await call(context.of(request).engine.sessions.revoke, *_share_of(request))
    return Response(status_code=204)


async def follow(request: Request) -> Response:
    """Follow a link to a session: have the browser keep what it allows, and go to the page of the session."""
    here, secret = context.of(request), request.path_params["secret"]
    found = await call(here.engine.sessions.open, secret)
    response = context.see_other(here.addresses.session(found.session))
    visitors.remember(response, here.settings, request.scope, secret)
    # The secret is in the address: no other site shall hear of it, no cache keep it.
    response.headers.update({"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
    return response


def _share_of(request: Request) -> tuple[str, str]:
    return request.path_params["session"], request.path_params["share"]


async def _made(request: Request, make: Callable[[Holder], Session]) -> Response:
    """Answer with a session that is made for the client, who gets a secret with the first one."""
    here, client = context.of(request), client_of(request)
    secret = visitors.cookies(request.scope)[0] or visitors.new_visitor()
    holder = Holder(client.name) if client.name is not None else Holder(visitor=digest(secret))
    made = await call(make, holder)
    response = _json(of_session(made, Access.OWNER, here.addresses), 201)
    response.headers["Location"] = here.addresses.at("api", "sessions", made.id)
    if client.name is None:
        visitors.make_visitor(response, here.settings, secret)
        response.headers["Cache-Control"] = "no-store"
    return response


def _instant(value: object) -> datetime | None:
    return None if value is None else parse_instant("expires", str(value))


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, media_type=api.JSON)
