"""Sessions and the links to them as JSON, and what may be said to change them. The schemas are in ``/openapi.json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from jobs.errors import RequestError
from jobs.sessions import Access
from jobs.store import sessions as kept
from uws import dali, jsonform
from uws.addresses import Addresses
from uws.markup import is_clean
from uws.representation import Address, Instant


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Session(_Model):
    """A region, the datasets chosen in it and the jobs run on them."""

    id: str
    """The RUNID of its jobs."""
    name: str
    region: str | None
    """As it was given, in a form that POS takes; null where there is none yet."""
    datasets: list[str]
    """The ids of the datasets chosen."""
    owner: str | None
    """The user whose it is; null for an anonymous visitor."""
    created: Instant
    modified: Instant
    expires: Instant
    """When it is forgotten unless it is changed before."""
    access: Access
    """What the client may do: everything, run jobs in it, or read."""
    href: Address
    """Its page."""
    jobs: Address
    """Its jobs."""
    events: Address
    """What happens in it, as server-sent events."""


class SessionList(_Model):
    """Sessions, the last changed first."""

    sessions: list[Session]


class Share(_Model):
    """A link to a session; its secret is not kept."""

    id: str
    access: Access
    """Read, or run jobs too."""
    created: Instant
    expires: Instant
    revoked: Instant | None
    """When its owner took it back."""


class ShareList(_Model):
    """The links to a session, newest first."""

    shares: list[Share]


class NewShare(Share):
    """A link that has just been made."""

    href: Address
    """The link: it is shown this once."""


class Given(BaseModel):
    """What may be given of a session, or of a link to it; what is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str | None = None
    """At most 200 characters."""
    region: str | None = None
    """In a form that POS takes; null or an empty text for none."""
    datasets: list[str] | None = None
    """The ids of datasets."""
    expires: str | None = None
    """An instant in UTC; cut to the latest allowed."""
    access: str | None = None
    """Of a link: read, or run."""


async def given(request: Request, allowed: tuple[str, ...]) -> dict[str, object]:
    """Return what the body of a request gives, as JSON or as a form.

    :param allowed: the names that make sense here.
    :raises RequestError: it cannot be read, or gives something else; says what.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == jsonform.CONTENT_TYPE:
        body = await request.body()
        try:
            read = Given.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the JSON body"
            raise RequestError(f"{where}: {first['msg']}; allowed are {', '.join(allowed)}") from error
        values = {name: getattr(read, name) for name in read.model_fields_set}
    else:
        form = await dali.read(request)
        values = {}
        for name in {key.lower() for key, _ in form.pairs}:
            values[name] = form.all(name.upper()) if name == "datasets" else form.one(name.upper())
    for name, value in values.items():
        if name not in allowed:
            raise RequestError(f"{name[:64]!r} was given; allowed are {', '.join(allowed)}")
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not is_clean(text):
                raise RequestError(f"{name}: control characters are not allowed")
    if values.get("datasets", ()) is None:
        values["datasets"] = []
    return values


def of_session(session: kept.Session, access: Access, addresses: Addresses) -> Session:
    """Return a session as JSON."""
    return Session(
        id=session.id,
        name=session.name,
        region=session.region,
        datasets=list(session.datasets),
        owner=session.owner,
        created=session.created,
        modified=session.modified,
        expires=session.expires,
        access=access,
        href=addresses.session(session.id),
        jobs=addresses.at("api", "sessions", session.id, "jobs"),
        events=addresses.at("api", "sessions", session.id, "events"),
    )


def of_share(share: kept.Share) -> Share:
    """Return a link as JSON."""
    return Share(
        id=share.id,
        access=Access(share.access),
        created=share.created,
        expires=share.expires,
        revoked=share.revoked,
    )
