"""Sessions: a region, the datasets chosen in it and the jobs run on them, of one owner, shared by links.

A session's id is the run id of its jobs (RUNID), and cannot be guessed. It belongs to a user, or to an anonymous
visitor who is known by a secret. A link to it holds a secret too; of either only the SHA-256 is kept. Who may do what:

==========  =====================================================================================
``owner``   everything, also to the jobs that others have made in it
``run``     read, make jobs in it, and control those of its jobs that are nobody's
``read``    see it, its jobs, their logs and products; copy it into a session of one's own
==========  =====================================================================================
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from index.errors import CoverageError
from index.service import Index
from jobs.errors import GoneError, NotFoundError, ParameterError, RevokedError
from jobs.settings import Settings
from jobs.store.rows import new_id
from jobs.store.sessions import Holder, Session, SessionStore, Share

MAX_NAME = 200
"""Characters in the name of a session."""
MAX_REGION = 2**18
"""Characters in the text of its region."""
MAX_DATASETS = 10_000
"""Datasets chosen in it."""
MAX_SHARES = 50
"""Links to it that are good."""
LISTED = 1000
"""The most sessions in a list."""

_ID = re.compile(r"[a-z2-9]{20}")
_DATASET = re.compile(r"[!-~]{1,255}")


class Access(StrEnum):
    """What somebody may do with a session."""

    READ = "read"
    RUN = "run"
    OWNER = "owner"

    def allows(self, wanted: Access) -> bool:
        """Whether this is as much as is wanted, or more."""
        order = list(Access)
        return order.index(self) >= order.index(wanted)


def is_id(run_id: str | None) -> bool:
    """Whether a run id looks like that of a session."""
    return run_id is not None and _ID.fullmatch(run_id) is not None


def digest(secret: str) -> str:
    """Return what is kept of a secret: without salt and delay, since 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Return a secret of 256 random bits."""
    return secrets.token_urlsafe(32)


class Sessions:
    """The sessions of this installation.

    :param changed: called with a session's id after each change of it.
    """

    def __init__(
        self, store: SessionStore, index: Index, settings: Settings, changed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._store = store
        self._index = index
        self._settings = settings
        self._changed = changed

    # ------------------------------------------------------------------ who may do what

    def enter(self, session_id: str, holder: Holder, *, admin: bool = False) -> tuple[Session, Access | None]:
        """Return a session and what somebody may do with it; None for nothing.

        :param admin: whether he may do anything with each.
        :raises NotFoundError: there is no such session.
        :raises GoneError: the link by which he may do something has expired, and he has nothing else.
        :raises RevokedError: it has been revoked.
        """
        found = self._store.get(session_id)
        if found is None:
            raise NotFoundError(f"There is no session {session_id[:64]}; it may have expired, or been deleted.")
        session, visitor = found
        own = session.owner is not None and session.owner == holder.name
        if admin or own or (visitor is not None and visitor == holder.visitor):
            return session, Access.OWNER
        held = self._store.shares_held(session_id, holder.shares) if holder.shares else []
        good = [share for share in held if _trouble(share) is None]
        if good:
            return session, Access.RUN if any(share.access == Access.RUN for share in good) else Access.READ
        if held and (trouble := _trouble(held[-1])):
            raise trouble
        return session, None

    def rights(self, run_id: str | None, holder: Holder) -> tuple[bool, Access | None]:
        """Return whether a run id is that of a session, and what somebody may do with it."""
        if run_id is None or not is_id(run_id):
            return False, None
        try:
            return True, self.enter(run_id, holder)[1]
        except NotFoundError:
            return False, None
        except (GoneError, RevokedError):
            return True, None

    def open(self, secret: str) -> Share:
        """Return the link with that secret.

        :raises NotFoundError: there is none.
        :raises GoneError: it has expired.
        :raises RevokedError: it has been revoked.
        """
        share = self._store.by_digest(digest(secret))
        if share is None:
            raise NotFoundError("This link leads nowhere: it is mistyped, or its session is no more.")
        if trouble := _trouble(share):
            raise trouble
        return share

    # ------------------------------------------------------------------ sessions

    def listed(self, holder: Holder) -> list[tuple[Session, Access]]:
        """Return the sessions that somebody has rights to, the last changed first."""
        return [(session, Access(access)) for session, access in self._store.listed(holder, LISTED)]

    def create(self, holder: Holder, values: Mapping[str, object]) -> Session:
        """Make a session with some of ``name``, ``region`` and ``datasets``.

        :raises ParameterError: a value is not allowed.
        :raises QuotaError: there are too many.
        """
        given = self._checked(values)
        return self._store.add(
            new_id(),
            given.get("name") or f"Session of {datetime.now(UTC):%Y-%m-%d %H:%M}",
            given.get("region"),
            (given.get("datasets") or "").split(),
            holder,
            self._settings.session_retention,
            (self._settings.sessions_user, self._settings.sessions_anonymous),
        )

    def change(self, session_id: str, values: Mapping[str, object]) -> None:
        """Change some of ``name``, ``region``, ``datasets`` and ``expires``; each change lets it live on.

        :raises ParameterError: a value is not allowed; nothing is changed.
        :raises NotFoundError: there is no such session.
        """
        until = values.get("expires")
        if isinstance(until, datetime) and until <= datetime.now(UTC):
            raise ParameterError("expires", f"{until:%Y-%m-%dT%H:%M:%SZ}", "an instant in the future is wanted.")
        checked = self._checked({key: value for key, value in values.items() if key != "expires"})
        if checked.get("name") == "":
            raise ParameterError("name", "", f"a name has 1 to {MAX_NAME} characters.")
        if not self._store.change(
            session_id, checked, self._settings.session_retention, until if isinstance(until, datetime) else None
        ):
            raise NotFoundError(f"There is no session {session_id}.")
        self._changed(session_id)

    def delete(self, session_id: str) -> None:
        """Forget a session and the links to it; its jobs stay until their own destruction.

        :raises NotFoundError: there is no such session.
        """
        if not self._store.remove(session_id):
            raise NotFoundError(f"There is no session {session_id}.")
        self._changed(session_id)

    def copy(self, session: Session, holder: Holder) -> Session:
        """Make a session of one's own with the region and the datasets of another; its jobs stay where they are.

        :raises QuotaError: there are too many.
        """
        name = session.name[: MAX_NAME - 7] + " (copy)"
        return self.create(holder, {"name": name, "region": session.region, "datasets": session.datasets})

    def _checked(self, values: Mapping[str, object]) -> dict[str, str | None]:
        """Return the columns that values come to.

        :raises ParameterError: one is not allowed.
        """
        found: dict[str, str | None] = {}
        for key, value in values.items():
            if key == "name":
                found[key] = _name(str(value or ""))
            elif key == "region":
                found[key] = self._region(value)
            elif isinstance(value, Sequence):
                found[key] = " ".join(_datasets([str(item) for item in value]))
        return found

    def _region(self, value: object) -> str | None:
        text = str(value or "").strip()
        if not text:
            return None
        if len(text) > MAX_REGION:
            raise ParameterError("region", text, f"at most {MAX_REGION} characters are taken.")
        try:
            self._index.region(text)
        except CoverageError as error:
            raise ParameterError("region", text, f"a region as POS takes it is wanted. {error}") from error
        return text

    # ------------------------------------------------------------------ links

    def share(self, session: Session, access: str | None, expires: datetime | None) -> tuple[Share, str]:
        """Make a link to a session; return it and its secret, which is not kept.

        :param expires: by default as late as is allowed.
        :raises ParameterError: a value is not allowed.
        :raises QuotaError: there are too many.
        """
        if access not in (None, Access.READ, Access.RUN):
            raise ParameterError("access", access, "read or run is allowed.")
        now = datetime.now(UTC)
        if expires is not None and expires <= now:
            raise ParameterError("expires", f"{expires:%Y-%m-%dT%H:%M:%SZ}", "an instant in the future is wanted.")
        latest = now + timedelta(seconds=self._settings.session_retention)
        until = latest if expires is None else min(expires, latest)
        secret = new_secret()
        until = until.replace(microsecond=until.microsecond // 1000 * 1000)
        made = self._store.add_share(
            secrets.token_hex(4), session.id, digest(secret), access or Access.READ, until, MAX_SHARES
        )
        return made, secret

    def count(self) -> int:
        """Return how many sessions there are."""
        return self._store.count()

    def forget_expired(self) -> None:
        """Forget the sessions whose time is over."""
        self._store.forget_expired()

    def shares(self, session_id: str) -> list[Share]:
        """Return the links to a session, newest first, also those that are no good any more."""
        return self._store.shares(session_id)

    def one_share(self, session_id: str, share_id: str) -> Share:
        """Return a link to a session.

        :raises NotFoundError: there is none of that id.
        """
        for share in self.shares(session_id):
            if share.id == share_id:
                return share
        raise NotFoundError(f"The session has no link {share_id[:64]}.")

    def revoke(self, session_id: str, share_id: str) -> None:
        """Take a link back; whoever came by it is refused from now on.

        :raises NotFoundError: there is none of that id that is good.
        """
        if not self._store.revoke(session_id, share_id):
            raise NotFoundError(f"The session has no link {share_id[:64]}, or it has been revoked before.")
        self._changed(session_id)


def _trouble(share: Share) -> GoneError | RevokedError | None:
    """Return why a link is no good; None if it is."""
    if share.revoked is not None:
        return RevokedError("This link has been revoked by the owner of the session.")
    if share.expires <= datetime.now(UTC):
        return GoneError(f"This link has expired on {share.expires:%Y-%m-%d at %H:%M} UTC; ask for another one.")
    return None


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > MAX_NAME or not name.isprintable():
        raise ParameterError("name", text, f"at most {MAX_NAME} printable characters are taken.")
    return name


def _datasets(ids: Sequence[str]) -> list[str]:
    if len(ids) > MAX_DATASETS:
        raise ParameterError("datasets", f"{len(ids)} datasets", f"at most {MAX_DATASETS} are taken.")
    for id_ in ids:
        if not _DATASET.fullmatch(id_):
            raise ParameterError("datasets", id_, "the id of a dataset is wanted, OBS/CAMERA/EXPOSURE or its IVOA id.")
    return list(dict.fromkeys(ids))
