"""The client: who sent a request, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request


@dataclass(frozen=True)
class Client:
    """Whoever sent a request; anonymous without a name."""

    name: str | None = None
    admin: bool = False


ANONYMOUS = Client()


def client_of(request: Request) -> Client:
    """Return who sent the request."""
    client: Client = request.scope.get("user", ANONYMOUS)
    return client


def headers_for(client: Client) -> dict[str, str]:
    """Return the headers of each answer to a client: its name, if it has one, and that the answer is its alone."""
    if client.name is None:
        return {}
    name = client.name if client.name.isascii() else quote(client.name)
    return {"X-VO-Authenticated": name, "Cache-Control": "private"}
