"""TAP 1.1 over HTTP: ``/tap/sync``; its jobs are those of any other script, at ``/tap/async``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from index.columns import Cell
from index.errors import StatementError, StatementTimeError
from jobs.errors import LimitError, RequestError
from uws import access, context, dali, errors
from uws.context import Context
from uws.tap.formats import document
from uws.tap.published import Published
from uws.tap.request import asked
from uws.tap.service import Answering
from uws.tap.tables import tables
from uws.traffic import BrokenOffError
from uws.uploads import sort_out
from uws.waiting import gone

if TYPE_CHECKING:
    from uws.dali import Format

AT_ONCE = 8
"""Queries of the blocking form that run at the same time; others wait for their turn."""
WAITING = 100

_places = CapacityLimiter(AT_ONCE)


def published(here: Context) -> Published:
    """Return the tables that can be asked about now."""
    scripts = here.jobs.scripts
    return tables(here.addresses, here.settings.authority, map(scripts.get, scripts.names()))


async def sync(request: Request) -> Response:
    """Answer a query with its result."""
    errors.set_form(request, "votable")
    here = context.of(request)
    access.creator(request)
    if _places.statistics().tasks_waiting >= WAITING:
        raise LimitError(f"{WAITING} queries are waiting; try again later, or ask as a job at /tap/async")
    with here.jobs.inbox() as inbox:
        form = await dali.read(request, inbox)
        form, files = await sort_out(form, inbox, here.settings)
        text, chosen, limit = asked(form, here.settings)
        answering = Answering(here.engine.index, published(here), limit, here.settings.tap_seconds)
        try:
            paths = {name: file.path for name, file in files.items()}
            rows = await _unless_gone(request, answering, partial(answering.ask, text, paths))
        except BaseException as error:
            answering.__exit__()
            if isinstance(error, StatementTimeError):
                raise RequestError(
                    f"{error}: {here.settings.tap_seconds:g} s are allowed here, more as a job at /tap/async"
                ) from error
            raise
    pieces = document(
        chosen, answering.columns, _said(rows, chosen), partial(_status, answering), text[:200], answering.page
    )
    return StreamingResponse(_stream(answering, pieces), media_type=chosen.content_type)


def _said(rows: Iterator[tuple[Cell, ...]], chosen: Format) -> Iterator[tuple[Cell, ...]]:
    """Yield rows; a VOTable ends early where the query fails, and says so, any other document breaks off."""
    try:
        yield from rows
    except StatementError as error:
        if not chosen.name.startswith("votable"):
            raise BrokenOffError(str(error)) from error


def _status(answering: Answering) -> tuple[str, str] | None:
    if answering.failure:
        return "ERROR", answering.failure
    return ("OVERFLOW", "") if answering.overflow else None


async def _stream(answering: Answering, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    end, ended = object(), False
    try:
        while True:
            piece = await to_thread.run_sync(next, pieces, end, limiter=_places)
            if piece is end:
                ended = True
                return
            yield piece  # type: ignore[misc]
    finally:
        with anyio.CancelScope(shield=True):
            if not ended:  # on PostgreSQL it could hit whatever runs next on the connection
                answering.cancel()
            await to_thread.run_sync(answering.__exit__)


async def _unless_gone(
    request: Request, answering: Answering, ask: partial[Iterator[tuple[Cell, ...]]]
) -> Iterator[tuple[Cell, ...]]:
    """Run a query in a thread, and stop it if its client goes away."""
    watch = asyncio.ensure_future(gone(request))
    watch.add_done_callback(lambda done: None if done.cancelled() else answering.cancel())
    try:
        return await to_thread.run_sync(ask, limiter=_places)
    except StatementTimeError:
        if watch.done():
            raise HTTPException(499, "The client has gone") from None
        raise
    finally:
        watch.cancel()
