"""How much of a request is read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Refuses a body of more than ``limit`` bytes with 413, unread where the request says its length."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        declared = int(length) if length.isascii() and length.isdigit() else 0
        read = 0

        async def limited() -> Message:
            nonlocal read
            if declared > self.limit:
                raise self._refusal()
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise self._refusal()
            return message

        await self.app(scope, limited, send)

    def _refusal(self) -> HTTPException:
        # Closed: a client that goes on sending would otherwise do so for ever.
        return HTTPException(
            413,
            f"The body of the request is too large; at most {self.limit} bytes are read",
            {"Connection": "close"},
        )
