"""Bearer tokens of an OpenID Connect issuer (OpenID Connect Core 1.0, section 3.1.3.7; RFC 9068, section 4)."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import jwt

from jobs.errors import LimitError
from uws.client import BadTokenError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a key of the issuer that nobody else has. Never `none`; never HMAC, whose key would be public."""
LIFETIME = 3600.0
"""Seconds after which the issuer's keys are fetched again."""
PAUSE = 30.0
"""Seconds between two fetches at the least, whatever keys the tokens name."""
TIMEOUT = 5.0
"""Seconds that the issuer has to answer."""
MAX_DOCUMENT = 2**20
"""Bytes of the issuer's documents that are read."""


class Issuer:
    """Checks the tokens of one issuer. Its calls block and may come from any thread.

    :param address: the issuer's identifier, exactly as it stands in its tokens.
    :param audience: what the tokens must be meant for.
    :param claim: which claim is the user's name.
    :param leeway: seconds that the clocks may differ.
    """

    def __init__(self, address: str, audience: str, claim: str, leeway: float) -> None:
        self._address = address
        self._audience = audience
        self._claim = claim
        self._leeway = leeway
        self._lock = threading.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._tried = -LIFETIME

    def user(self, token: str) -> str:
        """Return the name of the user that a token speaks for.

        :raises BadTokenError: the token is not good; says why.
        :raises LimitError: the issuer cannot be asked for its keys.
        """
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._address,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud", self._claim]},
            )
        except (jwt.PyJWTError, RecursionError) as error:  # PyJWT reads JSON nested as deep as a stranger likes
            raise BadTokenError(f"The bearer token is not good: {error}") from error
        if self._claim == "email" and claims.get("email_verified") is not True:
            raise BadTokenError("The bearer token is not good: its issuer has not verified the email address")
        name = claims[self._claim]
        if not isinstance(name, str):
            raise BadTokenError(f"The bearer token is not good: its claim {self._claim} is no text")
        return name

    def _key(self, kid: object) -> jwt.PyJWK:
        """Return the issuer's key of that id; a token without an id is signed with the only key there is."""
        known = self._has(kid)
        if not known or time.monotonic() > self._fetched + LIFETIME:
            self._refresh(wait=not known)
        keys = self._keys
        if not keys:
            raise LimitError("The issuer of the bearer tokens cannot be reached; try again later")
        if not self._has(kid):
            raise jwt.InvalidKeyError("its issuer has no key of its id")
        return keys[kid] if isinstance(kid, str) else next(iter(keys.values()))

    def _has(self, kid: object) -> bool:
        return kid in self._keys if isinstance(kid, str) else kid is None and len(self._keys) == 1

    def _refresh(self, *, wait: bool) -> None:
        """Fetch the keys, which the issuer changes now and then; while it does not answer, those known stay.

        :param wait: whether there is nothing to go on with while another thread is fetching them.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if time.monotonic() >= self._tried + PAUSE:
                self._fetch()
        finally:
            self._lock.release()

    def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            with httpx.Client(timeout=TIMEOUT) as http:
                about = _document(http, f"{self._address.rstrip('/')}/.well-known/openid-configuration")
                if about.get("issuer") != self._address:  # OpenID Connect Discovery 1.0, section 4.3
                    return
                keys = jwt.PyJWKSet.from_dict(_document(http, str(about["jwks_uri"]))).keys
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, jwt.PyJWTError):
            return
        self._keys = {key.key_id: key for key in keys if key.public_key_use in (None, "sig")}
        self._fetched = time.monotonic()


def _document(http: httpx.Client, address: str) -> dict[str, Any]:
    content = b""
    with http.stream("GET", address) as response:
        response.raise_for_status()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > MAX_DOCUMENT:
                raise ValueError(f"{address} is larger than {MAX_DOCUMENT} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError(f"{address} is no JSON object")
    return document
