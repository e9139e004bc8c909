"""Scripts that misbehave, clients that interfere, a database that goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from index.errors import DatabaseError
from jobs.engine import Engine
from jobs.models import Job
from jobs.phases import Phase
from jobs.settings import Settings
from jobs.store import JobStore

DESCRIPTOR = """
title = "Odd"
summary = "Misbehaves."
version = "1"
command = ["sh", "odd.sh"]
tasks = "N"
[accepts]
region = "none"
datasets = false
[[parameters]]
name = "N"
type = "integer"
default = 1
description = "How many tasks."
[[parameters]]
name = "NOTE"
type = "text"
description = "What."
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts" / "odd"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(DESCRIPTOR)
    (folder / "README.md").write_text("# Odd")
    return folder / "odd.sh"


@pytest.fixture
def engine(tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("jobs.registry.CHECK", 0.0)  # a program that a test writes is seen at once
    engine = Engine(Settings(home=tmp_path / "home", scripts=str(script.parents[1]), workers=1))
    engine.start()
    yield engine
    engine.stop()


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)  # what is waited for happens in another thread or process
    raise AssertionError("it did not come")


def run(engine: Engine, **parameters: str) -> Job:
    job = engine.jobs.create("odd", list(parameters.items()), run=True)
    until(lambda: not engine.jobs.get("odd", job.id).active)
    return engine.jobs.get("odd", job.id)


def files(engine: Engine) -> list[str]:
    folder = engine.settings.folder / "jobs"
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("**/*"))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("rm -r products", "The script ended, but it removed its folder products/."),
        ("rm -r products; echo > products", "The script ended, but it removed its folder products/."),
        ("rm -r products; ln -s /etc products", "The script ended, but it removed its folder products/."),
        (
            "echo > products/task_1.log",
            "The script ended, but its product task_1.log has the name of the task's log; give it another one.",
        ),
    ],
)
def test_a_script_that_spoils_its_products(engine: Engine, script: Path, program: str, message: str) -> None:
    script.write_text(program)
    job = run(engine)
    assert (job.phase, job.error) == (Phase.ERROR, message)


def test_two_tasks_with_products_of_one_name(engine: Engine, script: Path) -> None:
    script.write_text("echo x > products/out.txt")
    job = run(engine, N="2")
    assert [product.key for product in job.products] == [f"{job.id}/1.1/out.txt"]
    assert job.tasks[1].message == (
        "The script ended, but task 1 has handed back a product out.txt already; "
        "{dataset} or {task} in a product's name keeps them apart."
    )
    assert [path for path in files(engine) if path.endswith(".1")] == [f"{job.id}/1.1"]


@pytest.mark.parametrize("number", ["0", "-1", "10001", "1000000000000"])
def test_a_number_of_tasks_that_makes_no_sense(engine: Engine, script: Path, number: str) -> None:
    script.write_text("true")
    job = run(engine, N=number)
    assert job.error == f"Parameter N: {number} was given; it is the number of tasks, from 1 to 10000."


def test_a_job_that_is_deleted_while_its_task_makes_files(
    engine: Engine, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.write_text("true")
    open_log, opened = engine._storage.open_log, threading.Event()

    def delete_first(*place: Any) -> Any:
        engine.jobs.delete("odd", place[0])
        opened.set()
        return open_log(*place)

    monkeypatch.setattr(engine._storage, "open_log", delete_first)
    engine.jobs.create("odd", [], run=True)
    assert opened.wait(10)
    until(lambda: not files(engine) and not list((engine.settings.folder / "work").iterdir()))


@pytest.mark.parametrize("step", ["claim", "beat", "holds", "complete"])
def test_a_database_that_goes_away_for_a_moment(
    engine: Engine, script: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The script's work is neither forgotten nor thrown away."""
    script.write_text("sleep 0.3; echo x > products/out.txt")
    original, failed = getattr(JobStore, step), threading.Event()

    def away(*arguments: Any, **named: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise DatabaseError("the database is locked")
        return original(*arguments, **named)

    monkeypatch.setattr(JobStore, step, away)
    monkeypatch.setattr("jobs.worker.RETRY", 0.01)
    if step == "beat":
        engine._presence.beat()
    job = run(engine)
    assert failed.is_set()
    assert (job.phase, job.tasks[0].attempt, len(job.products)) == (Phase.COMPLETED, 1, 1)


def test_parameters_that_are_set_while_the_job_is_being_run(
    engine: Engine, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks are those of the parameters that the job has."""
    script.write_text("true")
    job = engine.jobs.create("odd", [("N", "1")])
    queue = JobStore.queue

    def change_first(store: JobStore, job_id: str, *arguments: Any, **named: Any) -> list[str]:
        monkeypatch.setattr(JobStore, "queue", queue)
        engine.jobs.set_parameters("odd", job_id, [("N", "3")])
        return queue(store, job_id, *arguments, **named)

    monkeypatch.setattr(JobStore, "queue", change_first)
    engine.jobs.run("odd", job.id)
    assert len(engine.jobs.get("odd", job.id).tasks) == 3


def test_parameters_that_two_clients_set_at_once(engine: Engine, script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script.write_text("true")
    job = engine.jobs.create("odd", [])
    original = JobStore.set_parameters

    def other_first(store: JobStore, job_id: str, *arguments: Any) -> None:
        monkeypatch.setattr(JobStore, "set_parameters", original)
        engine.jobs.set_parameters("odd", job_id, [("NOTE", "theirs")])
        original(store, job_id, *arguments)

    monkeypatch.setattr(JobStore, "set_parameters", other_first)
    engine.jobs.set_parameters("odd", job.id, [("N", "2")])
    found = {item.name: item.value for item in engine.jobs.get("odd", job.id).parameters}
    assert found == {"N": "2", "NOTE": "theirs"}
