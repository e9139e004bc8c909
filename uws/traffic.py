"""Every request: its id, how long it took, and a line in the log if that is wanted.

A client, or a proxy, may give a request an id in ``X-Request-ID``; else it gets one. The id is in every line that is
logged on its behalf and comes back in the answer, so that one who complains can name it.
"""

from __future__ import annotations

import logging
import re
import secrets
import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.logs import about
from jobs.meters import HTTP_SECONDS
from uws.client import ANONYMOUS
from uws.protection import protected

log = logging.getLogger(__name__)


class BrokenOffError(Exception):
    """An answer under way cannot go on: the client sees that its connection ends before it does."""


_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WAIT = re.compile(r"(^|&)wait=", re.IGNORECASE)
_OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class Traffic:
    """The outermost middleware.

    :param lines: whether each request gets a line in the log.
    """

    def __init__(self, app: ASGIApp, *, lines: bool) -> None:
        self._app = app
        self._lines = lines
        self._meters: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        request = scope["amora.request"] = _request_id(scope)
        status, size = 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*protected(message.get("headers", ())), (b"x-request-id", request.encode())]
            else:
                size += len(message.get("body", b""))
            await send(message)

        with about(request=request):
            try:
                await self._app(scope, receive, counted)
            except BrokenOffError as error:
                log.warning("%s %s was broken off: %s", scope["method"], scope["path"], error)
                raise
            except Exception:
                status = status or 500  # the answer is made outside of all middleware
                log.exception("%s %s failed", scope["method"], scope["path"])
                raise
            finally:
                seconds = time.perf_counter() - begin
                # without an answer the client has gone away; nginx calls that 499 too
                self._count(scope, status or 499, seconds)
                if self._lines:
                    _tell(scope, status or 499, size, seconds)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        route = getattr(scope.get("route"), "path", _OTHER)  # of the routes alone: anybody can think of addresses
        if scope["query_string"] and _WAIT.search(scope["query_string"].decode("latin-1")):
            route += "?WAIT"
        key = (method, route, status)
        if (meter := self._meters.get(key)) is None:
            meter = self._meters[key] = HTTP_SECONDS.labels(method, route, str(status))
        meter.observe(seconds)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(8)


def _tell(scope: Scope, status: int, size: int, seconds: float) -> None:
    """Write the line; without the query, which may say where somebody looks, or hold a secret."""
    peer = scope.get("client")
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "bytes": size,
        "seconds": round(seconds, 6),
        "client": peer[0] if peer else "",
    }
    if job := scope.get("path_params", {}).get("job"):
        fields["job"] = job
    if (user := scope.get("user", ANONYMOUS).name) is not None:
        fields["user"] = user
    log.info("%s %s %d", scope["method"], scope["path"], status, extra={"about": fields})
