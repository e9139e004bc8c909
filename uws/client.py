"""The client: who sent a request, as far as it is known, and what it is refused for it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request

from jobs.errors import AmoraError, LimitError


@dataclass(frozen=True)
class Client:
    """Whoever sent a request; anonymous without a name."""

    name: str | None = None
    admin: bool = False
    visitor: str | None = None
    """The digest of the secret by which a browser is known (:mod:`uws.visitors`)."""
    shares: tuple[str, ...] = ()
    """The digests of the secrets of the links that it came by."""

    @property
    def known(self) -> bool:
        """Whether an answer to it may be one for it alone."""
        return bool(self.name is not None or self.visitor or self.shares)


ANONYMOUS = Client()


def client_of(request: Request) -> Client:
    """Return who sent the request."""
    client: Client = request.scope.get("user", ANONYMOUS)
    return client


def headers_for(client: Client) -> dict[str, str]:
    """Return the headers of each answer to a client: its name, if it has one, and that the answer is its alone."""
    if client.name is None:
        return {"Cache-Control": "private"} if client.known else {}
    name = client.name if client.name.isascii() else quote(client.name)
    return {"X-VO-Authenticated": name, "Cache-Control": "private"}


CHALLENGES = ('Basic realm="Amora", charset="UTF-8"', 'Bearer realm="Amora"')
"""How a client may say who it is (RFC 7617, RFC 6750)."""


class UnauthenticatedError(AmoraError):
    """Nobody knows who the client is, and must."""

    challenges = CHALLENGES


class BadTokenError(UnauthenticatedError):
    """The client's bearer token is not good."""

    challenges = (CHALLENGES[0], CHALLENGES[1] + ', error="invalid_token"')


class ForbiddenError(AmoraError):
    """The client may not do this, whoever it is."""


class AttemptsError(LimitError):
    """Too many wrong passwords have come.

    :param seconds: how long to wait for the next attempt.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"Too many attempts with a wrong password; try again in {seconds} s")
