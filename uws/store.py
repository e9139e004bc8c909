"""The accounts in SQL: the one file of ``uws`` with statements in it. Instants are milliseconds since 1970 in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from index.database import Database
from index.errors import DatabaseError
from jobs.store import from_ms, now, to_ms
from uws.tables import account, token

COARSE = 3600 * 1000
"""Milliseconds between two notes of a token's use: not each request is to be a write."""


@dataclass(frozen=True)
class Account:
    """Who may come in."""

    name: str
    admin: bool
    password: str | None = field(repr=False)
    """The hash; None where nobody comes in by password."""
    created: datetime | None
    tokens: int = 0


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself is known only to whoever has it."""

    id: str
    account: str
    label: str
    created: datetime | None
    expires: datetime | None
    used: datetime | None


class AccountStore:
    """All that is known about accounts and their tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, password: str | None, *, admin: bool) -> bool:
        """Add an account; False where there is one of that name."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(account).values(name=name, password=password, admin=admin, created=now()),
                )
        except IntegrityError:
            return False
        return True

    def get(self, name: str) -> Account | None:
        """Return an account, None where there is none of that name."""
        with self._database.read() as connection:
            row = connection.execute(select(account).where(account.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def accounts(self) -> Iterator[Account]:
        """Yield all accounts by name, with the number of their tokens."""
        tokens = select(func.count()).where(token.c.account == account.c.name).scalar_subquery()
        with self._database.read() as connection:
            for row in connection.execute(select(account, tokens.label("tokens")).order_by(account.c.name)):
                yield _account(row, row.tokens)

    def set_password(self, name: str, password: str) -> bool:
        """Set the hash of an account's password; False where there is none of that name."""
        with self._database.write() as connection:
            done = connection.execute(update(account).where(account.c.name == name).values(password=password))
        return bool(done.rowcount)

    def remove(self, name: str) -> bool:
        """Remove an account and its tokens; False where there is none of that name."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(account).where(account.c.name == name)).rowcount)

    def add_token(self, id_: str, digest: str, name: str, label: str, expires: datetime) -> None:
        """Add a token to an account, which must be there."""
        row = {"id": id_, "digest": digest, "account": name, "label": label}
        with self._database.write() as connection:
            connection.execute(insert(token).values(**row, created=now(), expires=to_ms(expires)))

    def tokens(self, name: str | None) -> Iterator[Token]:
        """Yield the tokens of an account, or all, oldest first."""
        query = select(token).order_by(token.c.created, token.c.id)
        if name is not None:
            query = query.where(token.c.account == name)
        with self._database.read() as connection:
            for row in connection.execute(query):
                yield Token(
                    row.id, row.account, row.label, from_ms(row.created), from_ms(row.expires), from_ms(row.used)
                )

    def revoke(self, id_: str) -> bool:
        """Remove a token; False where there is none of that id."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(token).where(token.c.id == id_)).rowcount)

    def use_token(self, digest: str) -> Account | None:
        """Return the account of the token with that digest, None where there is none that is still good."""
        at = now()
        query = (
            select(account, token.c.used)
            .join_from(token, account)
            .where(token.c.digest == digest, token.c.expires > at)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.used is None or row.used < at - COARSE:
            # A note is not worth a refusal, where the database can be read only.
            with suppress(DatabaseError), self._database.write() as connection:
                connection.execute(update(token).where(token.c.digest == digest).values(used=at))
        return _account(row)


def _account(row: Row[Any], tokens: int = 0) -> Account:
    return Account(row.name, row.admin, row.password, from_ms(row.created), tokens)
