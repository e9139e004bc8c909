"""The accounts of this installation: made, changed and removed by ``amora users``."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from jobs.errors import NotFoundError, ParameterError
from uws.passwords import hash_password
from uws.store import Account, AccountStore, Token

PREFIX = "amora_"
"""What each token begins with, so that one that got into a public place is recognised."""
MIN_PASSWORD = 8
MAX_NAME = 255
"""Characters in a name; the column of a job's owner has as many."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class Accounts:
    """What can be done with accounts and tokens."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    def add(self, name: str, password: str | None, *, admin: bool = False) -> None:
        """Add an account; without a password it has rights and tokens only.

        :raises ParameterError: the name or the password cannot be used, or the name is taken.
        """
        if not _NAME.fullmatch(name):
            raise ParameterError("NAME", name, "1 to 64 letters, digits and . _ @ + - are allowed")
        if not self._store.add(name, None if password is None else _hashed(password), admin=admin):
            raise ParameterError("NAME", name, "there is such an account already")

    def set_password(self, name: str, password: str) -> None:
        """Change the password of an account; the old one is refused from now on.

        :raises NotFoundError: there is no such account.
        :raises ParameterError: the password is too short.
        """
        if not self._store.set_password(name, _hashed(password)):
            raise _unknown(name)

    def set_admin(self, name: str, *, admin: bool) -> None:
        """Make an account one of an administrator, or take that back.

        :raises NotFoundError: there is no such account.
        """
        if not self._store.set_admin(name, admin=admin):
            raise _unknown(name)

    def remove(self, name: str) -> None:
        """Remove an account and its tokens; its jobs stay until their destruction.

        :raises NotFoundError: there is no such account.
        """
        if not self._store.remove(name):
            raise _unknown(name)

    def list(self) -> Iterator[Account]:
        """Yield all accounts by name."""
        return self._store.accounts()

    def get(self, name: str) -> Account | None:
        """Return the account of that name, if there is one."""
        # PostgreSQL refuses a text with NUL; no account has a name like that.
        return self._store.get(name) if len(name) <= MAX_NAME and name.isprintable() else None

    def add_token(self, name: str, days: int, label: str = "") -> str:
        """Make a token of 256 random bits for an account and return it; it is not kept and cannot be shown again.

        :raises NotFoundError: there is no such account.
        """
        if self.get(name) is None:
            raise _unknown(name)
        token = PREFIX + secrets.token_urlsafe(32)
        expires = datetime.now(UTC) + timedelta(days=days)
        self._store.add_token(secrets.token_hex(4), _digest(token), name, label, expires)
        return token

    def tokens(self, name: str | None = None) -> Iterator[Token]:
        """Yield the tokens of an account, or all.

        :raises NotFoundError: there is no such account.
        """
        if name is not None and self.get(name) is None:
            raise _unknown(name)
        return self._store.tokens(name)

    def revoke(self, id_: str) -> None:
        """Revoke a token; it is refused from now on.

        :raises NotFoundError: there is no such token.
        """
        if not self._store.revoke(id_):
            raise NotFoundError(f"there is no token {id_}; `amora users token list` shows them")

    def of_token(self, token: str) -> Account | None:
        """Return the account of a token, None where it is none, expired or revoked."""
        return self._store.use_token(_digest(token))


def _digest(token: str) -> str:
    # A hash without salt and without delay is enough: 256 random bits cannot be guessed.
    return hashlib.sha256(token.encode()).hexdigest()


def _hashed(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise ParameterError("PASSWORD", "*" * len(password), f"at least {MIN_PASSWORD} characters are wanted")
    return hash_password(password)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"there is no account {name}; `amora users list` shows them")
