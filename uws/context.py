"""What every handler works with: the engine, the settings and the addresses; and how it calls the engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse

from uws.addresses import Addresses
from uws.board import Board
from uws.feeds import Feeds
from uws.fragments import Fragments, Rows
from uws.hammering import Hammering
from uws.renderings import Renderings
from uws.settings import Settings
from uws.signing import Signer
from uws.store import ServiceStore
from uws.unions import Unions

if TYPE_CHECKING:
    from jobs.engine import Engine
    from jobs.service import Jobs

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """One running service."""

    engine: Engine
    settings: Settings
    addresses: Addresses
    started: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of this process, like that of no other."""

    renderings: Renderings = field(default_factory=Renderings)
    hammering: Hammering = field(default_factory=Hammering)
    fragments: Fragments = field(default_factory=Fragments)
    rows: Rows = field(default_factory=Rows)
    unions: Unions = field(default_factory=Unions)
    feeds: Feeds = field(default_factory=Feeds)

    @cached_property
    def kept(self) -> ServiceStore:
        """What the service keeps for its pages."""
        return ServiceStore(self.engine.database)

    @cached_property
    def board(self) -> Board:
        """What is announced on each page."""
        return Board(self.kept)

    @cached_property
    def signer(self) -> Signer:
        """What signs for the service."""
        return Signer(self.kept)

    @property
    def jobs(self) -> Jobs:
        """The jobs of the engine."""
        return self.engine.jobs


def of(request: Request) -> Context:
    """Return the context of the service that answers ``request``."""
    return cast(Context, request.app.state.context)


def for_programs(request: Request) -> bool:
    """Whether the request is for a resource that speaks JSON, whatever becomes of it."""
    path: str = request.scope["path"]
    return path.startswith("/api/")


def job_of(request: Request) -> tuple[str, str]:
    """Return the script and the job of an admitted request; the path below /api names the job alone."""
    return request.state.job.script, request.path_params["job"]


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of the engine, which blocks, without blocking the event loop."""
    return await run_in_threadpool(function, *args, **kwargs)


def see_other(address: str) -> RedirectResponse:
    """Redirect with 303, the one code that UWS knows for this (UWS 1.1, section 2.2.3)."""
    return RedirectResponse(address, status_code=303)
