"""Passwords: kept as argon2id hashes (RFC 9106), compared with the same work whether the account exists or not."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections import OrderedDict

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from jobs.errors import LimitError

REMEMBERED = 60.0
"""Seconds for which a password that was right is known to be right without hashing it again."""
CAPACITY = 10_000
"""How many are remembered at most."""
AT_ONCE = 2
"""How many are compared at once: each takes 64 MiB and a core."""
QUEUE = 32
"""How many more may wait for their turn."""

_hasher = PasswordHasher()


def _of_no_password() -> str:
    """Return a hash such as ours that is drawn, not computed: that would hold up each start for 0.1 s and 64 MiB."""
    drawn = (secrets.token_bytes(size) for size in (_hasher.salt_len, _hasher.hash_len))
    salt, digest = (base64.b64encode(some).decode().rstrip("=") for some in drawn)
    return f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${salt}${digest}"


_NOBODY = _of_no_password()
"""What is compared with where there is no account, so that its absence takes as long to find out."""


def hash_password(password: str) -> str:
    """Return the hash of a password, with a salt of its own."""
    return _hasher.hash(password)


class Passwords:
    """Compares passwords with their hashes.

    A program that sends its password with each request is not to pay for a slow hash each time, so a right one is
    remembered for a minute: not the password, but a keyed hash of it together with the stored hash. A changed
    password has another stored hash, and is thereby forgotten at once, in every process.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._turns: CapacityLimiter | None = None
        self._inside = 0

    def remembers(self, stored: str | None, password: str) -> bool:
        """Whether the password has just been found to be the one with that hash."""
        return self._right.get(self._mark(stored or _NOBODY, password), 0.0) > time.monotonic()

    async def right(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one with that hash.

        :param stored: None where there is no account, or none with a password: False, after the same work.
        :raises LimitError: too many others are waiting for the same answer.
        """
        if self._turns is None:  # made here because it belongs to the running loop
            self._turns = CapacityLimiter(AT_ONCE)
        if self._inside >= AT_ONCE + QUEUE:
            raise LimitError("Too many passwords are being checked; try again in a few seconds")
        self._inside += 1
        try:
            right = await to_thread.run_sync(_verify, stored or _NOBODY, password, limiter=self._turns)
        finally:
            self._inside -= 1
        if stored is None or not right:
            return False
        self._right[self._mark(stored, password)] = time.monotonic() + REMEMBERED
        while len(self._right) > CAPACITY:
            self._right.popitem(last=False)
        return True

    def _mark(self, stored: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
