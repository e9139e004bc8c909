"""The accounts, and what the service keeps for its pages, in SQL: the one file of ``uws`` with statements in it.

Instants are milliseconds since 1970 in UTC.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from index.database import Database
from index.errors import DatabaseError
from jobs.store import from_ms, now, to_ms
from uws.tables import account, announcement, audit, place, service_key, token

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

    def set_admin(self, name: str, *, admin: bool) -> bool:
        """Make an account one of an administrator or take that back; False where there is none of that name."""
        with self._database.write() as connection:
            return bool(connection.execute(update(account).where(account.c.name == name).values(admin=admin)).rowcount)

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


@dataclass(frozen=True)
class Entry:
    """A line of the audit trail."""

    id: int
    at: datetime | None
    who: str
    action: str
    target: str
    detail: str


@dataclass(frozen=True)
class Announcement:
    """What is shown on each page."""

    text: str
    who: str
    at: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Place:
    """Where a name of the sky lies, ICRS degrees."""

    ra: float
    dec: float
    label: str


class ServiceStore:
    """What the service keeps for its pages: a key, places on the sky, the audit trail and an announcement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def key(self, name: str) -> str:
        """Return a key of 256 random bits in hexadecimal, the same to all processes; the first who asks makes it."""
        query = select(service_key.c.value).where(service_key.c.name == name)
        with self._database.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        if found is None:
            with suppress(IntegrityError), self._database.write() as connection:  # another one may be the first
                connection.execute(insert(service_key).values(name=name, value=secrets.token_hex(32)))
            with self._database.read() as connection:
                found = connection.execute(query).scalar_one()
        return str(found)

    def place(self, name: str, newer: datetime) -> Place | None:
        """Return where a name lies, if that has been found out after an instant."""
        query = select(place).where(place.c.name == name, place.c.found > to_ms(newer))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Place(row.ra, row.dec, row.label)

    def keep_place(self, name: str, found: Place) -> None:
        """Write down where a name lies."""
        with suppress(IntegrityError), self._database.write() as connection:  # another one has just written it
            connection.execute(delete(place).where(place.c.name == name))
            connection.execute(
                insert(place).values(name=name, label=found.label, ra=found.ra, dec=found.dec, found=now())
            )

    def record(self, who: str, action: str, target: str, detail: str = "") -> None:
        """Add a line to the audit trail."""
        with self._database.write() as connection:
            connection.execute(insert(audit).values(at=now(), who=who, action=action, target=target, detail=detail))

    def trail(self, count: int, before: int | None = None, word: str = "") -> list[Entry]:
        """Return lines of the audit trail, newest first.

        :param before: only those with smaller ids.
        :param word: only those in which it is found, in either case.
        """
        query = select(audit).order_by(audit.c.id.desc()).limit(count)
        if before is not None:
            query = query.where(audit.c.id < before)
        if word:
            columns = (audit.c.who, audit.c.action, audit.c.target, audit.c.detail)
            query = query.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
        with self._database.read() as connection:
            return [
                Entry(row.id, from_ms(row.at), row.who, row.action, row.target, row.detail)
                for row in connection.execute(query)
            ]

    def announcement(self) -> Announcement | None:
        """Return what is to be shown on each page now."""
        query = select(announcement).where(or_(announcement.c.until.is_(None), announcement.c.until > now()))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Announcement(row.text, row.who, from_ms(row.at), from_ms(row.until))

    def announce(self, text: str, who: str, until: datetime | None) -> None:
        """Have a text shown on each page in the place of any other; an empty one for none."""
        with self._database.write() as connection:
            connection.execute(delete(announcement))
            if text:
                values = {"id": 1, "text": text, "who": who, "at": now()}
                connection.execute(insert(announcement).values(**values, until=None if until is None else to_ms(until)))


def _account(row: Row[Any], tokens: int = 0) -> Account:
    return Account(row.name, row.admin, row.password, from_ms(row.created), tokens)
