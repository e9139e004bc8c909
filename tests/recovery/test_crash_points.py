"""The worker dies at each step of a task: what it had begun is done again, once, and nothing of it is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import Engine
from jobs.phases import Phase
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.store import JobStore
from tests.unit.jobs.conftest import Found


class Crash(BaseException):
    """Not an Exception: nothing in the worker catches it, as nothing catches a kill -9."""


@pytest.fixture
def settings(tmp_path: Path, installation: dict[str, str]) -> Settings:
    return Settings(home=tmp_path / "home", lease=1.0, workers=1, **installation)


@pytest.fixture(autouse=True)
def _silent_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)


STEPS = [
    (JobStore, "queue", "after"),
    (JobStore, "claim", "before"),
    (JobStore, "claim", "after"),
    (Storage, "workspace", "after"),
    (Storage, "note_guardian", "before"),
    (Storage, "note_guardian", "after"),
    (Storage, "publish", "before"),
    (Storage, "publish", "after"),
    (JobStore, "complete", "before"),
    (JobStore, "complete", "after"),
]


@pytest.mark.parametrize(("owner", "name", "when"), STEPS, ids=lambda part: getattr(part, "__name__", part))
def test_crash(owner: type, name: str, when: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = "".join(_crash(owner, name, when, settings, monkeypatch))
    engine = Engine(settings)
    if engine.jobs.state("probe", job_id).phase is Phase.PENDING:
        engine.jobs.run("probe", job_id)  # the crash came before the client was told anything
    engine.start(1)
    try:
        job = _end(engine, job_id)
        assert job.phase is Phase.COMPLETED, job.error
        assert [product.name for product in job.products] == ["probe_1.vot"]
        home = settings.folder
        assert {path.name for path in (home / "jobs" / job_id).iterdir()} == {
            "1.log",
            job.products[0].key.split("/")[1],
        }
        _until(lambda: not list((home / "work").iterdir()))  # it goes after the job has ended
    finally:
        engine.stop()


def _crash(owner: type, name: str, when: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a probe in a worker that dies at the step; yield the job's id."""
    original = getattr(owner, name)
    crashed = threading.Event()

    def crash(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            original(*arguments, **named)
        crashed.set()
        raise Crash

    engine = Engine(settings)
    job = engine.jobs.create("probe", [])
    # Another machine's worker, as far as the next one can see: only the lease tells that it is dead.
    monkeypatch.setattr(engine._worker, "identity", "elsewhere:boot:ns/1/1")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        if name == "queue":
            with pytest.raises(Crash):
                engine.jobs.run("probe", job.id)
        else:
            engine.jobs.run("probe", job.id)
            with pytest.raises(Crash):
                engine._worker.work("default")
        assert crashed.is_set()
    engine.stop()
    yield job.id


def _end(engine: Engine, job_id: str) -> Any:
    _until(lambda: not engine.jobs.get("probe", job_id).active)
    return engine.jobs.get("probe", job_id)


def _until(condition: Callable[[], bool]) -> None:
    waiter = threading.Event()
    for _ in range(300):
        if condition():
            return
        waiter.wait(0.05)
    raise AssertionError("it does not come true")


GATHER = """
title = "Gather"
summary = "Adds up what its parts have counted."
version = "1"
scope = "job"
each = ["sh", "each.sh"]
command = ["sh", "run.sh"]
[accepts]
region = "none"
"""
GATHER_STEPS = [
    ("complete", "part", "after", JobStore),  # between the last part and the gather task
    ("claim", "gather", "after", JobStore),
    ("provide", "gather", "before", Storage),
    ("note_guardian", "gather", "after", Storage),
    ("publish", "gather", "before", Storage),
    ("publish", "gather", "after", Storage),
    ("complete", "gather", "before", JobStore),
    ("complete", "gather", "after", JobStore),
    ("withdraw", "gather", "before", Storage),  # published and told, and the parts not yet removed
    ("withdraw", "gather", "after", Storage),
]


@pytest.mark.parametrize(
    ("name", "role", "when", "owner"), GATHER_STEPS, ids=lambda part: getattr(part, "__name__", part)
)
def test_crash_of_a_gather_task(
    name: str, role: str, when: str, owner: type, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are done once, whatever becomes of the worker that gathers; nothing of theirs is left."""
    folder = tmp_path / "scripts" / "gather"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(GATHER)
    (folder / "README.md").write_text("# Gather")
    (folder / "each.sh").write_text("echo 1 > products/count")
    (folder / "run.sh").write_text("cat parts/*/count > products/counts")
    settings = settings.model_copy(update={"scripts": str(tmp_path / "scripts")})
    engine, crashed = Engine(settings), threading.Event()
    engine.index.add(Found(str(number), "M1", 10 + number, 20, ()) for number in (1, 2, 3))
    job = engine.jobs.create("gather", [("ID", f"{number}/M1/S001") for number in (1, 2, 3)], run=True)
    assert [task.role for task in job.tasks] == ["part", "part", "part", "gather"]
    monkeypatch.setattr(engine._worker, "identity", "elsewhere:boot:ns/1/1")
    original = getattr(owner, name)

    def crash(*arguments: Any, **named: Any) -> Any:
        tasks = engine.jobs.get("gather", job.id).tasks
        parts = sum(task.phase is Phase.COMPLETED for task in tasks if task.role == "part")
        here = (parts == 2 and name == "complete") if role == "part" else parts == 3
        if not here:
            return original(*arguments, **named)
        if when == "after":
            done = original(*arguments, **named)
            if name == "claim" and done is None:
                return None
        crashed.set()
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with pytest.raises(Crash):
            engine._worker.work("default")
    assert crashed.is_set()
    engine.stop()
    engine = Engine(settings)
    engine.start(1)
    try:
        _until(lambda: not engine.jobs.get("gather", job.id).active)
        job = engine.jobs.get("gather", job.id)
        assert job.phase is Phase.COMPLETED, job.error
        assert [(product.name, product.size) for product in job.products] == [("counts", 6)]
        assert [task.attempt for task in job.tasks if task.role == "part"] == [1, 1, 1]
        _until(lambda: not list((settings.folder / "work").iterdir()))
        engine._sweeper.clear_orphans()  # what is done every ten minutes
        left = {path.name for path in (settings.folder / "jobs" / job.id).iterdir() if path.suffix != ".log"}
        assert left == {job.products[0].key.split("/")[1]}
    finally:
        engine.stop()
