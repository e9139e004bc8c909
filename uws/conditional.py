"""Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

from uws.client import client_of

CACHE_CONTROL = "no-cache"
"""Keep it, and ask each time whether it is still so."""

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def tag_of(content: bytes) -> str:
    """Return the strong tag of some content: the same for the same bytes, and for no others."""
    return f'"{hashlib.blake2b(content, digest_size=15).hexdigest()}"'


def headers(request: Request, tag: str) -> dict[str, str]:
    """Return the headers of an answer that has that tag."""
    mine = client_of(request).known
    return {"ETag": tag, "Cache-Control": f"private, {CACHE_CONTROL}" if mine else CACHE_CONTROL}


def unchanged(request: Request, tag: str) -> Response | None:
    """Return the answer 304 if the client says that it has what the tag stands for, else None."""
    asked = ",".join(request.headers.getlist("if-none-match"))
    if not asked:
        return None
    # the weak comparison: what W/ says of the tags does not matter
    if asked.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(asked):
        return Response(status_code=304, headers=headers(request, tag))
    return None


def answer(request: Request, content: bytes, tag: str, media_type: str) -> Response:
    """Return the content, or 304 if the client has it already."""
    return unchanged(request, tag) or Response(content, media_type=media_type, headers=headers(request, tag))
