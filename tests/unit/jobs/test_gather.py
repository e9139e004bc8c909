"""A job whose datasets are worked on one by one and then gathered; tasks that are done again; what a user may have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.database import Database
from jobs.errors import QuotaError
from jobs.models import Part, Product, Usage
from jobs.phases import Phase
from jobs.store import Claim, JobStore, UserLimits
from jobs.tables import metadata
from tests.unit.jobs.conftest import Found
from tests.unit.jobs.test_trouble import until
from tests.unit.jobs.test_worker import ALONE, HEAD, Do, do  # noqa: F401 - a fixture

GATHER = HEAD.replace("version", 'scope = "job"\neach = ["sh", "each.sh"]\nversion')


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    yield from _opened(tmp_path, UserLimits())


def _opened(folder: Path, limits: UserLimits) -> Iterator[JobStore]:
    database = Database(f"sqlite:///{folder / 'jobs.sqlite'}")
    metadata.create_all(database.engine)
    yield JobStore(database, limits=limits)
    database.close()


def _make(store: JobStore, parts: int = 2) -> str:
    job_id = store.create("mosaic", (), run_id=None, owner=None, duration=60, destruction=None)
    names = [f"{number}/M1/S001" for number in range(1, parts + 1)]
    store.queue(job_id, [*((name,) for name in names), tuple(names)], "q", gather=True)
    return job_id


def _claim(store: JobStore) -> Claim:
    claim = store.claim("q", "host/1/2", 30)
    assert claim is not None
    return claim


def _product(job_id: str, task: int, name: str = "a.fits") -> Product:
    return Product(job_id, task, None, name, "application/fits", 3, "0" * 64, "", f"{job_id}/{task}.1/{name}")


def test_the_gather_task_waits_for_all_parts(store: JobStore) -> None:
    job_id = _make(store)
    first, second = _claim(store), _claim(store)
    assert [item.task.role for item in (first, second)] == ["part", "part"]
    assert store.claim("q", "host/1/2", 30) is None
    # two parts may hand on files of one name
    store.complete(first, [_product(job_id, 1)], message="fine")
    assert store.claim("q", "host/1/2", 30) is None
    store.complete(second, [_product(job_id, 2)])
    assert store.get(job_id).products == ()
    gather = _claim(store)
    assert (gather.task.role, gather.task.number, len(gather.task.datasets)) == ("gather", 3, 2)
    assert store.parts(job_id) == [
        Part(1, 1, "1/M1/S001", failed=False, message="fine", files=(("a.fits", f"{job_id}/1.1/a.fits"),)),
        Part(2, 1, "2/M1/S001", failed=False, message="", files=(("a.fits", f"{job_id}/2.1/a.fits"),)),
    ]
    assert (job_id, 1, 1) in store.attempts()
    assert store.get(job_id).phase is Phase.EXECUTING
    store.complete(gather, [_product(job_id, 3)])
    job = store.get(job_id)
    assert (job.phase, [item.name for item in job.products]) == (Phase.COMPLETED, ["a.fits"])
    assert store.attempts() == {(job_id, 3, 1)}, "what the parts handed on is of no more use"
    assert [item.files for item in store.parts(job_id)] == [(), ()]


def test_some_parts_failed(store: JobStore) -> None:
    job_id = _make(store)
    store.fail_task(_claim(store), "no events")
    store.complete(_claim(store), [])
    assert [(item.failed, item.message) for item in store.parts(job_id)] == [(True, "no events"), (False, "")]
    store.fail_task(_claim(store), "nothing fits together")
    job = store.get(job_id)
    assert (job.phase, job.error) == (Phase.ERROR, "nothing fits together")


def test_all_parts_failed(store: JobStore) -> None:
    job_id = _make(store)
    store.fail_task(_claim(store), "first reason")
    store.fail_task(_claim(store), "second reason")
    job = store.get(job_id)
    assert (job.phase, job.error) == (Phase.ERROR, "All 2 tasks failed; the first one said: first reason")
    assert [task.phase for task in job.tasks] == [Phase.ERROR, Phase.ERROR, Phase.ABORTED]
    assert store.claim("q", "host/1/2", 30) is None


def test_an_abort_takes_the_gather_task_along(store: JobStore) -> None:
    job_id = _make(store)
    store.complete(_claim(store), [_product(job_id, 1)])
    store.abort(job_id, "enough")
    assert [task.phase for task in store.get(job_id).tasks] == [Phase.COMPLETED, Phase.ABORTED, Phase.ABORTED]
    assert store.attempts() == set()


@pytest.mark.parametrize("lost", ["part", "gather"])
def test_a_lost_task_is_done_again(store: JobStore, lost: str) -> None:
    job_id = _make(store, 1)
    claim = _claim(store)
    if lost == "gather":
        store.complete(claim, [_product(job_id, 1)])
        claim = _claim(store)
    store.give_back(claim.task.id, 1, "lost", lost=True, limit=3)
    again = _claim(store)
    assert (again.task.id, again.task.attempt) == (claim.task.id, 2)
    if lost == "gather":
        assert store.parts(job_id)[0].files


def test_a_failed_task_is_done_again_as_often_as_told(store: JobStore) -> None:
    job_id = store.create("probe", (), run_id=None, owner=None, duration=60, destruction=None)
    store.queue(job_id, [()], "q")
    for attempt in (1, 2):
        claim = _claim(store)
        assert claim.task.attempt == attempt
        assert store.fail_task(claim, "no luck", 2)
        assert not store.complete(claim, []), "it is another attempt now"
        assert store.get(job_id).phase is Phase.EXECUTING
    assert store.fail_task(_claim(store), "no luck at all", 2)
    assert (store.get(job_id).phase, store.get(job_id).error) == (Phase.ERROR, "no luck at all")


def test_what_all_attempts_read_and_wrote_is_added_up(store: JobStore) -> None:
    job_id = store.create("probe", (), run_id=None, owner=None, duration=60, destruction=None)
    store.queue(job_id, [()], "q")
    claim = _claim(store)
    store.spend(claim, Usage(1, 10, 100, 1000))
    store.fail_task(claim, "again", 1)
    store.complete(_claim(store), [], Usage(2, 5, 50, 500))
    assert store.get(job_id).usage == Usage(3, 10, 150, 1500)


@pytest.mark.parametrize("owner", [None, "alice"])
def test_what_one_user_may_have(tmp_path: Path, owner: str | None) -> None:
    (store,) = _opened(tmp_path, UserLimits(queued=3, disk=5))
    whose = "All anonymous users'" if owner is None else "Your"

    def queue(tasks: int, who: str | None = owner) -> str:
        job_id = store.create("probe", (), run_id=None, owner=who, duration=60, destruction=None)
        store.queue(job_id, [()] * tasks, "q")
        return job_id

    first = queue(2)
    with pytest.raises(QuotaError) as raised:
        queue(2)
    assert str(raised.value) == (
        f"{whose} tasks that wait are 2, and this job has 2; at most 3 may wait at once. Wait until some have run, or "
        "abort a job."
    )
    queue(2, "bob")
    for number in (1, 2):
        claim = _claim(store)
        while claim.task.job_id != first:
            claim = _claim(store)
        store.complete(claim, [_product(first, number, f"{number}.fits")])
    with pytest.raises(QuotaError) as raised:
        queue(1)
    assert str(raised.value) == (
        f"{whose} products and sent files have 6 bytes; with 5 or more no job is run. Delete jobs that are not needed "
        "any more."
    )
    store.delete(first)
    queue(1)


def test_parts_are_worked_on_and_gathered(do: Do, tmp_path: Path) -> None:  # noqa: F811
    events = tmp_path / "events.fits"
    events.write_bytes(b"events")
    files = (("events", events, "application/fits"),)
    found = tuple(Found(str(number), "M1", 10, 20, files) for number in (1, 2, 3))
    folder = tmp_path / "scripts" / "test"
    folder.mkdir(parents=True)
    (folder / "each.sh").write_text(
        "grep -q 2/M1 task.json && { echo not this one >&2; exit 1; }; pwd > products/part.txt; echo progress 1 did it"
    )
    job = do("cp task.json products/; cat parts/*/part.txt > products/all.txt", GATHER, found, pos="CIRCLE 10 20 0.1")
    assert job.phase is Phase.COMPLETED, job.error
    assert [task.phase for task in job.tasks] == [Phase.COMPLETED, Phase.ERROR, Phase.COMPLETED, Phase.COMPLETED]
    products = {product.name: tmp_path / "home" / "jobs" / product.key for product in job.products}
    assert set(products) == {"task.json", "all.txt"}
    told: dict[str, Any] = json.loads(products["task.json"].read_text())
    assert [dataset["id"] for dataset in told["datasets"]] == ["1/M1/S001", "2/M1/S001", "3/M1/S001"]
    assert told["parts"] == [
        {"dataset": "1/M1/S001", "task": 1, "folder": "parts/1", "failed": False, "message": "did it"},
        {"dataset": "2/M1/S001", "task": 2, "folder": None, "failed": True, "message": "not this one"},
        {"dataset": "3/M1/S001", "task": 3, "folder": "parts/3", "failed": False, "message": "did it"},
    ]
    assert len(set(products["all.txt"].read_text().split())) == 2
    # parts are no products and go with the job's end
    kept = tmp_path / "home" / "jobs" / job.id
    until(lambda: {path.name for path in kept.iterdir() if path.is_dir()} == {"4.1"})


def test_a_script_that_fails_now_and_then(do: Do, tmp_path: Path) -> None:  # noqa: F811
    program = "grep -q '\"attempt\": 1' task.json && { echo bad luck >&2; exit 1; }; echo well"
    job = do(program, ALONE.replace("version", "retry = 1\nversion"))
    assert (job.phase, job.tasks[0].attempt) == (Phase.COMPLETED, 2)
    assert (tmp_path / "home" / "jobs" / job.id / "1.log").read_text() == "bad luck\n--- attempt 2 ---\nwell\n"
