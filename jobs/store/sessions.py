"""The sessions in SQL, and the links by which they are shared: the one file with statements on these tables.

Instants are milliseconds since 1970 in UTC, as in :mod:`jobs.store`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, false, func, insert, or_, select, update

from index.database import Database
from jobs.errors import QuotaError
from jobs.store.rows import from_ms, now, to_ms
from jobs.tables import session, share

REMEMBERED = 30 * 86400 * 1000
"""Milliseconds for which a link that is no good any more is remembered, to tell whoever comes by it why."""


@dataclass(frozen=True)
class Holder:
    """By what somebody may have rights to sessions: a user's name, a visitor's secret, links."""

    name: str | None = None
    visitor: str | None = None
    """The digest of the secret by which an anonymous visitor is known."""
    shares: tuple[str, ...] = ()
    """The digests of the secrets of links."""


@dataclass(frozen=True)
class Session:
    """A region, the datasets chosen in it and, by its id as their run id, the jobs run on them."""

    id: str
    name: str
    region: str | None
    """As it was given."""
    datasets: tuple[str, ...]
    owner: str | None
    """The user whose it is; None for an anonymous visitor."""
    created: datetime
    modified: datetime
    expires: datetime


@dataclass(frozen=True)
class Share:
    """A link to a session, without its secret."""

    id: str
    session: str
    access: str
    """``read`` or ``run``."""
    created: datetime
    expires: datetime
    revoked: datetime | None


class SessionStore:
    """All that is known about sessions and the links to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ reading

    def get(self, session_id: str) -> tuple[Session, str | None] | None:
        """Return a session and the digest of its anonymous owner; None if there is none of that id."""
        if "\0" in session_id:  # PostgreSQL takes none, not even in a question
            return None
        with self._database.read() as connection:
            row = connection.execute(select(session).where(session.c.id == session_id)).one_or_none()
        return None if row is None else (_session(row), row.visitor)

    def shares_held(self, session_id: str, digests: Collection[str]) -> list[Share]:
        """Return those of some links that lead to a session, good or not."""
        query = select(share).where(share.c.session_id == session_id, share.c.digest.in_(digests))
        with self._database.read() as connection:
            return [_share(row) for row in connection.execute(query)]

    def listed(self, holder: Holder, last: int) -> list[tuple[Session, str]]:
        """Return the newest sessions that somebody has rights to, each with ``owner``, ``run`` or ``read``."""
        query = select(session).where(_own(holder)).order_by(session.c.modified.desc(), session.c.id).limit(last)
        at = now()
        with self._database.read() as connection:
            found = [(_session(row), "owner") for row in connection.execute(query)]
            if holder.shares:
                own = {item.id for item, _ in found}
                good = and_(share.c.digest.in_(holder.shares), share.c.expires > at, share.c.revoked.is_(None))
                rows = connection.execute(
                    # run comes after read: the better right of several links to one session is the one that stays
                    select(session, share.c.access).join_from(share, session).where(good).order_by(share.c.access)
                ).all()
                shared = {row.id: (_session(row), row.access) for row in rows if row.id not in own}
                found += shared.values()
        return sorted(found, key=lambda item: item[0].modified, reverse=True)[:last]

    def by_digest(self, digest: str) -> Share | None:
        """Return the link with that secret, good or not; None if there never was one, or long ago."""
        with self._database.read() as connection:
            row = connection.execute(select(share).where(share.c.digest == digest)).one_or_none()
        return None if row is None else _share(row)

    def count(self) -> int:
        """Return how many sessions there are."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(session)).scalar_one())

    def shares(self, session_id: str) -> list[Share]:
        """Return the links to a session, newest first."""
        query = select(share).where(share.c.session_id == session_id).order_by(share.c.created.desc(), share.c.id)
        with self._database.read() as connection:
            return [_share(row) for row in connection.execute(query)]

    # ------------------------------------------------------------------ changing

    def add(
        self,
        session_id: str,
        name: str,
        region: str | None,
        datasets: Sequence[str],
        holder: Holder,
        lifetime: int,
        limits: tuple[int, int],
    ) -> Session:
        """Add a session.

        :param lifetime: seconds until it expires.
        :param limits: how many one owner may have, and how many all anonymous ones together.
        :raises QuotaError: there are so many already.
        """
        at = now()
        values = {
            "id": session_id,
            "name": name,
            "region": region,
            "datasets": " ".join(datasets),
            "owner": holder.name,
            "visitor": None if holder.name is not None else holder.visitor,
            "created": at,
            "modified": at,
            "expires": at + lifetime * 1000,
        }
        of_owner, anonymous = limits
        own = Holder(holder.name) if holder.name is not None else Holder(visitor=holder.visitor)
        with self._database.write() as connection:
            count = select(func.count()).select_from(session)
            if connection.execute(count.where(_own(own))).scalar_one() >= of_owner:
                raise QuotaError(f"You have {of_owner} sessions, and no more are kept. Delete one that is not needed.")
            if holder.name is None and connection.execute(count.where(session.c.owner.is_(None))).scalar_one() >= (
                anonymous
            ):
                raise QuotaError(
                    f"All anonymous visitors have {anonymous} sessions together, and no more are kept. Log in, or try "
                    "again another day."
                )
            connection.execute(insert(session).values(**values))
        return Session(
            session_id,
            name,
            region,
            tuple(datasets),
            holder.name,
            _instant(at),
            _instant(at),
            _instant(at + lifetime * 1000),
        )

    def change(self, session_id: str, values: dict[str, str | None], lifetime: int, until: datetime | None) -> bool:
        """Change a session, which then lives for ``lifetime`` seconds at least, or ``until``; False if it is gone."""
        at = now()
        kept = at + lifetime * 1000
        with self._database.write() as connection:
            done = connection.execute(
                update(session)
                .where(session.c.id == session_id)
                .values(modified=at, expires=kept if until is None else min(to_ms(until), kept), **values)
            )
        return bool(done.rowcount)

    def remove(self, session_id: str) -> bool:
        """Forget a session and the links to it; False if it is gone already."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(session).where(session.c.id == session_id)).rowcount)

    def add_share(
        self, share_id: str, session_id: str, digest: str, access: str, expires: datetime, most: int
    ) -> Share:
        """Add a link to a session.

        :param most: how many good ones there may be.
        :raises QuotaError: there are so many already.
        """
        at = now()
        good = and_(share.c.session_id == session_id, share.c.expires > at, share.c.revoked.is_(None))
        with self._database.write() as connection:
            if connection.execute(select(func.count()).select_from(share).where(good)).scalar_one() >= most:
                raise QuotaError(f"{most} links lead to the session, and no more are kept. Revoke one first.")
            connection.execute(
                insert(share).values(
                    id=share_id,
                    session_id=session_id,
                    digest=digest,
                    access=access,
                    created=at,
                    expires=to_ms(expires),
                )
            )
        return Share(share_id, session_id, access, _instant(at), expires, None)

    def revoke(self, session_id: str, share_id: str) -> bool:
        """Take a link back; False if there is none of that id, or it has been taken back before."""
        with self._database.write() as connection:
            done = connection.execute(
                update(share)
                .where(share.c.session_id == session_id, share.c.id == share_id, share.c.revoked.is_(None))
                .values(revoked=now())
            )
        return bool(done.rowcount)

    def forget_expired(self) -> None:
        """Forget the sessions whose time is over, and the links that have been no good for long."""
        at = now()
        old = at - REMEMBERED
        gone = or_(share.c.expires < old, and_(share.c.revoked.is_not(None), share.c.revoked < old))
        with self._database.read() as connection:
            # a look first: a sweep that finds nothing takes no lock
            if not (
                connection.execute(select(session.c.id).where(session.c.expires <= at).limit(1)).first()
                or connection.execute(select(share.c.id).where(gone).limit(1)).first()
            ):
                return
        with self._database.write() as connection:
            connection.execute(delete(session).where(session.c.expires <= at))
            connection.execute(delete(share).where(gone))


def _own(holder: Holder) -> ColumnElement[bool]:
    """The condition under which a session is somebody's own."""
    own = [session.c.owner == holder.name] if holder.name is not None else []
    own += [session.c.visitor == holder.visitor] if holder.visitor is not None else []
    return or_(false(), *own)


def _instant(ms: int) -> datetime:
    found = from_ms(ms)
    assert found is not None  # noqa: S101 - of a number there always is one
    return found


def _session(row: Row[Any]) -> Session:
    return Session(
        row.id,
        row.name,
        row.region,
        tuple(row.datasets.split()),
        row.owner,
        _instant(row.created),
        _instant(row.modified),
        _instant(row.expires),
    )


def _share(row: Row[Any]) -> Share:
    return Share(row.id, row.session_id, row.access, _instant(row.created), _instant(row.expires), from_ms(row.revoked))
