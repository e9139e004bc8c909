"""Who the client is: found out before anything else is done with a request, and said in its answer.

A client is whom a trusted proxy names, else whom its Authorization header proves it to be. Without either it is
anonymous, which costs a look at the names of its headers and nothing else. Credentials that are not good are
refused everywhere, also where none are needed: the client thinks that it is somebody, and would wonder why it
does not see its jobs.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.errors import CoverageError
from jobs.errors import AmoraError
from uws import crosssite, errors
from uws.accounts import MAX_NAME, PREFIX, Accounts
from uws.attempts import Attempts
from uws.client import (
    ANONYMOUS,
    AttemptsError,
    BadTokenError,
    Client,
    UnauthenticatedError,
    headers_for,
)
from uws.context import call
from uws.credentials import Basic, Bearer, parse
from uws.passwords import Passwords
from uws.settings import Settings
from uws.store import Account
from uws.visitors import digests

if TYPE_CHECKING:
    from uws.oidc import Issuer

_METRICS = "/metrics"
"""The one path at which other credentials than users' are good (:mod:`uws.metrics`)."""
_AUTHORIZATION = b"authorization"
_COOKIE = b"cookie"


class Identify:
    """The middleware that finds out who the client is."""

    def __init__(self, app: ASGIApp, settings: Settings, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts
        self._passwords = Passwords()
        self._attempts = Attempts()
        self._networks = settings.trusted_networks
        self._proxy_header = settings.proxy_header.lower().encode() if settings.proxy_header else b""
        self._names = {_AUTHORIZATION, _COOKIE, self._proxy_header} - {b""}
        self._origin = crosssite.origin_of(settings.base)
        self._issuer: Issuer | None = None
        if settings.oidc_issuer and settings.oidc_audience:
            from uws.oidc import Issuer  # noqa: PLC0415 - 20 MB that a service without an issuer does without

            self._issuer = Issuer(
                settings.oidc_issuer, settings.oidc_audience, settings.oidc_user_claim, settings.oidc_leeway
            )
        self._asking: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"] == _METRICS
            or not any(name in self._names for name, _ in scope["headers"])
        ):
            await self._app(scope, receive, send)
            return
        try:
            client = await self._identify(scope)
        except (AmoraError, CoverageError) as error:
            await (await errors.expected(Request(scope), error))(scope, receive, send)
            return
        scope["user"] = client
        await self._app(scope, receive, _signed(send, client))

    async def _identify(self, scope: Scope) -> Client:
        """Return who the client is.

        :raises UnauthenticatedError: its credentials are not good.
        :raises ForbiddenError: another site had a browser send them.
        """
        headers = Headers(scope=scope)
        client = await self._named(scope, headers)
        visitor, shares = digests(scope)
        if visitor is None and not shares:
            return client
        crosssite.refuse(scope, headers, self._origin)
        return replace(client, visitor=visitor, shares=shares)

    async def _named(self, scope: Scope, headers: Headers) -> Client:
        if self._proxy_header and self._trusts(_peer(scope)):
            names = headers.getlist(self._proxy_header.decode())
            if len(names) > 1:
                raise UnauthenticatedError("The proxy has given several names for the user")
            if names and names[0].strip():
                crosssite.refuse(scope, headers, self._origin)
                return await self._known(_utf8(names[0].strip()))
        given = headers.getlist("authorization")
        if not given:
            return ANONYMOUS
        if len(given) > 1:
            raise UnauthenticatedError("Several Authorization headers were given; one is allowed")
        credentials = parse(given[0].encode("latin-1"))
        if isinstance(credentials, Bearer):
            return await self._bearer(credentials)
        crosssite.refuse(scope, headers, self._origin)
        return await self._basic(credentials, self._address(scope, headers))

    async def _basic(self, given: Basic, address: str) -> Client:
        account = await call(self._accounts.get, given.user)
        stored = account.password if account else None
        if not self._passwords.remembers(stored, given.password):
            if pause := self._attempts.pause(given.user, address):
                raise AttemptsError(math.ceil(pause))
            if not await self._passwords.right(stored, given.password):
                self._attempts.failed(given.user, address)
                raise UnauthenticatedError("The user name or the password is wrong")
            self._attempts.succeeded(given.user, address)
        assert account is not None  # noqa: S101 - no password is right where there is no account
        return _client(account)

    async def _bearer(self, given: Bearer) -> Client:
        if given.token.startswith(PREFIX):
            account = await call(self._accounts.of_token, given.token)
            if account is None:
                raise BadTokenError("The bearer token is unknown, expired or revoked")
            return _client(account)
        if self._issuer is None:
            raise BadTokenError("The bearer token is none of this service")
        if self._asking is None:  # its threads are its own: they may wait for the issuer, nobody else shall
            self._asking = CapacityLimiter(4)
        return await self._known(await to_thread.run_sync(self._issuer.user, given.token, limiter=self._asking))

    async def _known(self, name: str) -> Client:
        """Return the client that somebody trusted names; it needs no account, but may have rights by one."""
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME or name != name.strip():
            raise UnauthenticatedError(f"A user's name has 1 to {MAX_NAME} printable characters; this one has not")
        account = await call(self._accounts.get, name)
        return _client(account) if account else Client(name)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _address(self, scope: Scope, headers: Headers) -> str:
        """Return where the client is: for a trusted proxy, where it says that its own client is."""
        peer = _peer(scope)
        forwarded = headers.getlist("x-forwarded-for")
        return forwarded[-1].rpartition(",")[2].strip() if forwarded and self._trusts(peer) else peer


def _client(account: Account) -> Client:
    return Client(account.name, account.admin)


def _peer(scope: Scope) -> str:
    peer: Sequence[str] | None = scope.get("client")
    return peer[0] if peer else ""


def _utf8(latin: str) -> str:
    try:
        return latin.encode("latin-1").decode()
    except UnicodeDecodeError as error:
        raise UnauthenticatedError("The user's name that the proxy gives is not UTF-8 text") from error


def _signed(send: Send, client: Client) -> Send:
    """Return ``send``, with the headers for the client on the answer."""

    async def signed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in headers_for(client).items():
                given = headers.get(name, value)
                # What says for whom it is goes into no cache that others share.
                shared = name == "Cache-Control" and not given.startswith(("private", "no-store"))
                headers[name] = f"{value}, {given}" if shared else given
        await send(message)

    return signed
