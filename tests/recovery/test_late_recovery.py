"""A worker that was taken for dead completes its task while the sweeper is about to give it to another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs.engine import Engine
from jobs.phases import Phase
from jobs.settings import Settings
from jobs.store import JobStore
from tests.recovery.test_crash_points import _end


def test_the_products_of_a_completed_task_stay(
    tmp_path: Path, installation: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(Settings(home=tmp_path / "home", **installation))
    engine.start(1)
    try:
        job = engine.jobs.create("probe", [("SECONDS", "1")], run=True)
        held = []
        while not held:  # it is claimed by another thread
            held = engine._store.held()
            threading.Event().wait(0.02)
        assert _end(engine, job.id).phase is Phase.COMPLETED
        with monkeypatch.context() as patch:
            patch.setattr(JobStore, "held", lambda _: held)  # as it looked before
            patch.setattr("jobs.sweeper._dead", lambda _: True)
            engine._sweeper.recover()
        after = engine.jobs.get("probe", job.id)
        assert after.phase is Phase.COMPLETED
        engine.jobs.product("probe", job.id, after.products[0].name)  # it is there
    finally:
        engine.stop()
