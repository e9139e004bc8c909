"""A WAIT ends with its client, its time or the service, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from jobs.engine import Engine
from uws.app import create_app
from uws.settings import Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(Settings(home=tmp_path))
    yield engine
    engine.stop()


def _wait(engine: Engine, ends: Callable[[Starlette, asyncio.Event], None]) -> list[dict[str, Any]]:
    """Ask a job with WAIT=20, have ``ends`` called while it waits, and return what was sent."""
    app = create_app(engine, Settings(home=engine.settings.home))
    job = engine.jobs.create("probe", [])
    sent = []

    async def run() -> None:
        gone, asked = asyncio.Event(), [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if asked:
                return asked.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/scripts/probe/async/{job.id}",
            "query_string": b"WAIT=20",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        waiting = asyncio.ensure_future(app(scope, receive, send))
        while not engine._changes._waiters:
            await asyncio.sleep(0.01)
        ends(app, gone)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(run())
    assert not engine._changes._waiters
    return sent


def test_it_ends_when_its_client_goes(engine: Engine):
    _wait(engine, lambda _, gone: gone.set())


def test_it_ends_when_the_service_ends(engine: Engine):
    sent = _wait(engine, lambda app, _: app.state.context.jobs.let_go())
    assert sent[0]["status"] == 200
    assert b"PENDING" in sent[1]["body"]
