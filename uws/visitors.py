"""The cookies by which a browser without an account is known: its own secret, and those of links it came by.

Neither is made before it is needed: the first with the first session, the second with the first link. Both are out of
reach of scripts, and no other site has a browser send them along with a change (HttpOnly, SameSite=Lax).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from jobs.sessions import digest, new_secret
from uws.settings import Settings

VISITOR = "amora_visitor"
SHARES = "amora_shares"
MAX_AGE = 400 * 86400
"""Seconds that a cookie is kept; browsers keep none for longer."""
MAX_SHARES = 20
"""Links that are remembered; the oldest is forgotten first."""

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def cookies(scope: Scope) -> tuple[str | None, tuple[str, ...]]:
    """Return the visitor's secret and those of links, as far as a request has well-formed ones."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie" and b"amora_" in value:
            found.update(cookie_parser(value.decode("latin-1")))
    visitor = found.get(VISITOR, "")
    shares = found.get(SHARES, "").split(".")[-MAX_SHARES:]
    return (
        visitor if _SECRET.fullmatch(visitor) else None,
        tuple(secret for secret in shares if _SECRET.fullmatch(secret)),
    )


def digests(scope: Scope) -> tuple[str | None, tuple[str, ...]]:
    """Return the digests of the same."""
    visitor, shares = cookies(scope)
    return None if visitor is None else digest(visitor), tuple(map(digest, shares))


def make_visitor(response: Response, settings: Settings, secret: str) -> None:
    """Have the browser keep a visitor's secret."""
    _set(response, settings, VISITOR, secret)


def new_visitor() -> str:
    """Return a secret for a visitor that has none."""
    return new_secret()


def remember(response: Response, settings: Settings, scope: Scope, secret: str) -> None:
    """Have the browser keep the secret of a link beside those it has."""
    others = [other for other in cookies(scope)[1] if other != secret]
    _set(response, settings, SHARES, ".".join([*others, secret][-MAX_SHARES:]))


def _set(response: Response, settings: Settings, name: str, value: str) -> None:
    base = urlsplit(settings.base)
    response.set_cookie(
        name,
        value,
        max_age=MAX_AGE,
        path=base.path or "/",
        secure=base.scheme == "https",
        httponly=True,
        samesite="lax",
    )
