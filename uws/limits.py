"""How much of a request is read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uws.multipart import MEDIA_TYPE


class BodyLimit:
    """Refuses a body of more than ``limit`` bytes with 413, unread where the request says its length.

    :param files: how many bytes more a body may have that may hold files, which go to the disk.
    """

    def __init__(self, app: ASGIApp, limit: int, files: int) -> None:
        self.app = app
        self.limit = limit
        self.files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limit + self.files if may_hold_files(scope) else self.limit
        length = Headers(scope=scope).get("content-length", "")
        declared = int(length) if length.isascii() and length.isdigit() else 0
        read = 0

        async def limited() -> Message:
            nonlocal read
            if declared > limit:
                raise _refusal(limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _refusal(limit)
            return message

        await self.app(scope, limited, send)


def may_hold_files(scope: Scope) -> bool:
    """Whether the body of a request is of a kind in which files are sent."""
    content_type = Headers(scope=scope).get("content-type", "")
    return scope["method"] == "PUT" or content_type.strip().lower().startswith(MEDIA_TYPE)


def _refusal(limit: int) -> HTTPException:
    # Closed: a client that goes on sending would otherwise do so for ever.
    return HTTPException(
        413, f"The body of the request is too large; at most {limit} bytes are read", {"Connection": "close"}
    )
