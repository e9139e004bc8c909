"""Changes that a page of another site has a browser ask for are refused.

Browsers send Basic credentials and cookies by themselves, whoever wrote the page that asks; a bearer token they do not.
They say where a request comes from (Sec-Fetch-Site, or Origin in old ones); programs say neither, and go on as before.
A form of the service's own pages holds a token besides, which no other site can know.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from uws.client import Client, ForbiddenError
from uws.signing import Signer

FIELD = "TOKEN"
"""The field of a form that holds the token."""

SAFE = ("GET", "HEAD", "OPTIONS")
_BLOCKING = "/sync"
"""The end of the paths at which a GET, too, makes a job."""


def origin_of(base: str) -> str:
    """Return the origin of the service's own pages."""
    public = urlsplit(base)
    return f"{public.scheme}://{public.netloc}".lower()


def refuse(scope: Scope, headers: Headers, origin: str) -> None:
    """Refuse a change that a page of another site had a browser ask for.

    :param origin: that of the service.
    :raises ForbiddenError: it is one.
    """
    if scope["method"] in SAFE and not scope["path"].endswith(_BLOCKING):
        return
    site, given = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none") or (site is None and given not in (None, origin)):
        raise ForbiddenError(
            f"A page of another site asked for this in your name; pages of {origin} may, "
            "and programs, which send neither Sec-Fetch-Site nor Origin"
        )


def token(signer: Signer, client: Client, days_ago: int = 0) -> str:
    """Return what a form that is shown to a client holds, to be taken from this client today and tomorrow."""
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    return signer.sign("form", f"{client.name or ''}\0{client.visitor or ''}\0{day}")


def require_token(signer: Signer, client: Client, given: str | None) -> None:
    """Refuse a form that is none of the service's pages.

    :raises ForbiddenError: it is not.
    """
    if given is None or given not in (token(signer, client), token(signer, client, 1)):
        raise ForbiddenError("This form is too old, or none of this service; load the page again and repeat it")
