"""A route that knows what answers at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


class Resource(Route):
    """One route for all methods of a resource: only so do 405 and OPTIONS tell which methods it has.

    :param handlers: what answers each method, for whoever describes the resource.
    :param page: whether it is for people, and so are its errors.
    """

    def __init__(self, path: str, dispatch: Handler, handlers: Mapping[str, Handler], *, page: bool = False) -> None:
        super().__init__(path, dispatch, methods=[*handlers, "OPTIONS"])
        self.handlers = handlers
        self.page = page
