"""What the Authorization header says: Basic (RFC 7617) or Bearer (RFC 6750)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field

from uws.client import BadTokenError, UnauthenticatedError

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class Basic:
    """A user and a password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Bearer:
    """A token."""

    token: str = field(repr=False)


def parse(header: bytes) -> Basic | Bearer:
    """Return the credentials in the value of an Authorization header.

    :raises UnauthenticatedError: there are none that this service takes.
    """
    scheme, _, rest = header.decode("latin-1").strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "basic":
        return _basic(rest)
    if scheme.lower() == "bearer":
        if not _TOKEN.fullmatch(rest):
            raise BadTokenError("The bearer token cannot be read")
        return Bearer(rest)
    # What was given is not repeated: it may be a secret sent without its scheme.
    raise UnauthenticatedError("The Authorization header cannot be read; Basic and Bearer are allowed")


def _basic(encoded: str) -> Basic:
    try:
        raw = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError("The Basic credentials are not base64") from error
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # Python's requests sends it so, whatever the challenge says
    user, colon, password = text.partition(":")
    if not colon:
        raise UnauthenticatedError("The Basic credentials have no colon between the user name and the password")
    return Basic(user, password)
