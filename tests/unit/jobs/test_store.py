"""The store: each move is a compare-and-set, and nothing is half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event

from index.database import Database
from jobs.errors import NotFoundError, PhaseError
from jobs.models import Parameter, Product, Upload, Usage
from jobs.phases import JOB_MOVES, TASK_MOVES, Phase
from jobs.store import Claim, JobStore, StaleError, new_id


@pytest.fixture
def changes() -> list[str]:
    return []


@pytest.fixture
def store(database_url: str, changes: list[str]) -> Iterator[JobStore]:
    database = Database(database_url)
    yield JobStore(database, changes.append)
    database.close()


def make(
    store: JobStore,
    *,
    script: str = "probe",
    parameters: tuple[Parameter, ...] = (),
    owner: str | None = None,
    run_id: str | None = None,
) -> str:
    return store.create(script, parameters, run_id=run_id, owner=owner, duration=60, destruction=None)


def claimed(store: JobStore, tasks: int = 1) -> tuple[str, list[Claim]]:
    job_id = make(store)
    ids = store.queue(job_id, [()] * tasks, "q")
    claims = [store.claim("q", "host/1/2", 30) for _ in ids]
    assert all(claims)
    return job_id, [claim for claim in claims if claim]


def product(job_id: str, name: str = "a.fits", task: int = 1) -> Product:
    return Product(job_id, task, None, name, "application/fits", 3, "0" * 64, "", f"{job_id}/{task}.1/{name}")


def test_a_new_job_is_pending_and_whole(store: JobStore) -> None:
    job_id = make(store, parameters=(Parameter("A", "1"), Parameter("A", "2"), Parameter("b", "")))
    job = store.get(job_id)
    assert (job.phase, job.started, job.ended, job.tasks, job.products) == (Phase.PENDING, None, None, (), ())
    assert job.parameters == (Parameter("A", "1"), Parameter("A", "2"), Parameter("b", ""))
    assert job.created.microsecond % 1000 == 0


def test_job_ids_cannot_be_guessed_and_fit_into_an_address() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(id_.isalnum() and len(id_) == 20 for id_ in ids)


def test_a_job_runs_to_completed(store: JobStore, changes: list[str]) -> None:
    job_id, (claim,) = claimed(store)
    assert store.get(job_id).phase is Phase.EXECUTING
    assert store.complete(claim, [product(job_id)])
    job = store.get(job_id)
    assert job.phase is Phase.COMPLETED
    assert job.ended is not None
    assert [item.name for item in job.products] == ["a.fits"]
    assert store.trail(job_id) == [
        (None, Phase.PENDING, Phase.QUEUED, "RUN"),
        (1, Phase.QUEUED, Phase.EXECUTING, "claimed by host/1/2"),
        (None, Phase.QUEUED, Phase.EXECUTING, "first task started"),
        (1, Phase.EXECUTING, Phase.COMPLETED, "script ended"),
        (None, Phase.EXECUTING, Phase.COMPLETED, "last task ended"),
    ]
    assert changes == [job_id] * 4


def test_some_failed_tasks_leave_a_completed_job(store: JobStore) -> None:
    job_id, (first, second) = claimed(store, 2)
    store.fail_task(first, "no events")
    assert store.get(job_id).phase is Phase.EXECUTING
    store.complete(second, [])
    job = store.get(job_id)
    assert (job.phase, job.error) == (Phase.COMPLETED, None)
    assert [task.message for task in job.tasks] == ["no events", ""]


def test_all_failed_tasks_make_an_error_with_the_first_reason(store: JobStore) -> None:
    job_id, (first, second) = claimed(store, 2)
    store.fail_task(second, "second reason")
    store.fail_task(first, "first reason")
    job = store.get(job_id)
    assert job.phase is Phase.ERROR
    assert job.error == "All 2 tasks failed; the first one said: first reason"


def test_a_task_is_claimed_once(store: JobStore) -> None:
    job_id = make(store)
    store.queue(job_id, [()], "q")
    got: list[Claim | None] = []
    threads = [threading.Thread(target=lambda n=n: got.append(store.claim("q", f"host/{n}/0", 30))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([claim for claim in got if claim]) == 1


def test_a_lost_attempt_can_neither_publish_nor_fail_nor_report(store: JobStore) -> None:
    job_id, (old,) = claimed(store)
    assert store.give_back(old.task.id, 1, "lost", lost=True, limit=3)
    new = store.claim("q", "host/3/4", 30)
    assert new is not None
    assert (new.task.id, new.task.attempt) == (old.task.id, 2)
    assert not store.complete(old, [product(job_id, "old")])
    assert not store.fail_task(old, "late")
    assert not store.report(old, 0.5, "late")
    store.beat("host/1/2", 2, [old], 3600)
    assert not store.holds(old)
    assert store.complete(new, [product(job_id, "new")])
    assert [item.name for item in store.get(job_id).products] == ["new"]


def test_a_task_lost_too_often_fails_its_job(store: JobStore) -> None:
    job_id, (claim,) = claimed(store)
    for attempt in (1, 2):
        assert store.give_back(claim.task.id, attempt, "lost", lost=True, limit=3)
        assert store.claim("q", "w/1/2", 30)
    assert not store.give_back(claim.task.id, 3, "lost", lost=True, limit=3)
    job = store.get(job_id)
    assert (job.phase, job.error_transient) == (Phase.ERROR, True)
    assert job.error == "given up after 3 tries: lost"


def test_handing_back_is_no_loss(store: JobStore) -> None:
    _, (claim,) = claimed(store)
    for attempt in range(1, 10):
        assert store.give_back(claim.task.id, attempt, "stopped", lost=False, limit=1 + 1)
        assert store.claim("q", "w/1/2", 30)


def test_abort_takes_the_tasks_along(store: JobStore) -> None:
    job_id, (claim,) = claimed(store)
    store.abort(job_id, "enough")
    job = store.get(job_id)
    assert job.phase is Phase.ABORTED
    assert [task.phase for task in job.tasks] == [Phase.ABORTED]
    assert not store.complete(claim, [product(job_id)])
    with pytest.raises(PhaseError, match="is ABORTED; it can become ABORTED only from EXECUTING or PENDING or QUEUED"):
        store.abort(job_id, "again")


def test_delete_leaves_nothing_but_the_trail(store: JobStore) -> None:
    job_id, (claim,) = claimed(store)
    store.delete(job_id)
    with pytest.raises(NotFoundError, match=job_id):
        store.get(job_id)
    assert not store.complete(claim, [product(job_id)])
    assert store.held() == []
    assert store.trail(job_id)
    with pytest.raises(NotFoundError):
        store.delete(job_id)


def test_parameters_are_set_only_while_pending(store: JobStore) -> None:
    job_id = make(store, parameters=(Parameter("A", "1"),))
    file = Parameter("F", "", Upload("text/csv", 3, "0" * 64, f"{job_id}/uploads/f"))
    store.set_parameters(job_id, [Parameter("B", "2"), file], 1, "run")
    with pytest.raises(StaleError):
        store.set_parameters(job_id, [Parameter("B", "too late")], 1, "late")
    job = store.get(job_id)
    assert (job.parameters, job.run_id) == ((Parameter("B", "2"), file), "run")
    store.set_parameters(job_id, job.parameters)
    assert store.get(job_id).run_id == "run"
    store.set_parameters(job_id, job.parameters, run_id="")
    assert store.get(job_id).run_id is None
    store.queue(job_id, [()], "q")
    with pytest.raises(PhaseError, match="is QUEUED; its parameters can be changed only while it is PENDING"):
        store.set_parameters(job_id, [])
    assert store.get(job_id).parameters == job.parameters


def test_what_all_attempts_took_is_added_up(store: JobStore) -> None:
    job_id, (first,) = claimed(store)
    store.spend(first, Usage(1.5, 2000))
    store.give_back(first.task.id, 1, "lost", lost=True, limit=3)
    second = store.claim("q", "host/1/2", 30)
    assert second is not None
    assert store.complete(second, [], Usage(0.25, 1000))
    assert store.get(job_id).usage == Usage(1.75, 2000)


def test_the_archive_keeps_the_row_alone(store: JobStore) -> None:
    job_id, (claim, other) = claimed(store, 2)
    assert store.complete(claim, [product(job_id)])
    store.archive(job_id, "expired")
    job = store.get(job_id)
    assert (job.phase, job.products, [task.phase for task in job.tasks]) == (
        Phase.ARCHIVED,
        (),
        [Phase.COMPLETED, Phase.ABORTED],
    )
    assert not store.holds(other)
    assert [(origin, target) for task, origin, target, _ in store.trail(job_id) if task is None][-2:] == [
        (Phase.EXECUTING, Phase.ABORTED),
        (Phase.ABORTED, Phase.ARCHIVED),
    ]
    assert list(store.refs(None, (), None, None)) == []
    assert [ref.id for ref in store.refs(None, (Phase.ARCHIVED,), None, None)] == [job_id]
    with pytest.raises(PhaseError):
        store.archive(job_id, "again")
    with pytest.raises(PhaseError, match="nothing of it can be changed"):
        store.set_duration(job_id, 5)
    store.delete(job_id)


def test_archived_jobs_do_not_expire_again(store: JobStore) -> None:
    job_id = make(store)
    store.set_destruction(job_id, datetime.now(UTC) - timedelta(seconds=1))
    assert store.expired() == [job_id]
    store.archive(job_id, "expired")
    assert store.expired() == []


def test_run_times_are_those_of_the_last_completed_tasks_of_the_script(store: JobStore) -> None:
    assert store.run_times("probe", 5) == []
    _, claims = claimed(store, 3)
    store.complete(claims[0], [])
    store.fail_task(claims[1], "x")
    assert len(store.run_times("probe", 5)) == 1
    assert store.run_times("image", 5) == []
    assert store.run_times("probe", 0) == []
    [(job_id, script, _)] = store.running()
    assert (job_id, script) == (claims[2].task.job_id, "probe")


def test_the_backlog_counts_what_waits(store: JobStore) -> None:
    ids = [make(store), make(store)]
    store.queue(ids[0], [()] * 3, "q")
    store.queue(ids[1], [()], "q")
    assert sorted((part.job_id, part.count) for part in store.backlog()) == sorted(zip(ids, (3, 1), strict=True))


def test_past_run_times_are_found_by_an_index(store: JobStore) -> None:
    if not store.database.quick:
        pytest.skip("PostgreSQL looks at so few rows one by one")
    with store.database.read() as connection:
        steps = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT started, ended FROM task WHERE script='x' AND phase='COMPLETED' "
            "ORDER BY ended DESC LIMIT 21"
        ).all()
    assert any("task_by_script" in step[3] for step in steps)
    assert not any("TEMP B-TREE" in step[3] for step in steps)


def test_a_job_is_queued_once(store: JobStore) -> None:
    job_id = make(store)
    store.queue(job_id, [()], "q")
    with pytest.raises(PhaseError, match="is QUEUED; it can become QUEUED only from PENDING"):
        store.queue(job_id, [()], "q")
    assert len(store.get(job_id).tasks) == 1


def test_list_filters_and_order(store: JobStore) -> None:
    ids = [make(store) for _ in range(5)]
    other = make(store, script="image")
    store.abort(ids[1], "")
    assert [ref.id for ref in store.refs("probe", (), None, None)] == ids[::-1]
    assert [ref.id for ref in store.refs(None, (), None, None)] == [other, *ids[::-1]]
    assert [ref.id for ref in store.refs("probe", (), None, 2)] == [ids[4], ids[3]]
    assert [ref.id for ref in store.refs("probe", (Phase.ABORTED,), None, 2)] == [ids[1]]
    created = store.get(ids[2]).created
    after = {ref.id for ref in store.refs("probe", (), created, None)}
    assert ids[2] not in after
    assert after == {id_ for id_ in ids if store.get(id_).created > created}
    between = created - timedelta(microseconds=500)
    assert ids[2] in {ref.id for ref in store.refs("probe", (), between, None)}


def test_a_list_is_of_some_owners_or_all(store: JobStore) -> None:
    made = {owner: make(store, owner=owner) for owner in (None, "alice", "bob")}

    def listed(*owners: str | None) -> set[str]:
        return {ref.id for ref in store.refs("probe", (), None, None, owners)}

    assert {ref.id for ref in store.refs("probe", (), None, None)} == set(made.values())
    assert listed() == set()
    for owner, job_id in made.items():
        assert listed(owner) == {job_id}
    assert listed(None, "bob") == {made[None], made["bob"]}


def test_overdue_and_expired(store: JobStore) -> None:
    job_id, _ = claimed(store)
    assert store.overdue() == []
    assert store.expired() == []
    store.set_destruction(job_id, datetime.now(UTC) - timedelta(seconds=1))
    assert store.expired() == [job_id]


def test_every_change_makes_a_new_version(store: JobStore) -> None:
    job_id = make(store)
    seen = [store.state(job_id).version]
    steps = (
        lambda: store.set_duration(job_id, 5),
        lambda: store.set_parameters(job_id, [], run_id="r"),
        lambda: store.queue(job_id, [()], "q"),
        lambda: store.claim("q", "w/1/2", 30),
        lambda: store.abort(job_id, ""),
    )
    for step in steps:
        step()
        seen.append(store.state(job_id).version)
    assert seen == sorted(set(seen))


def test_the_trail_shows_only_allowed_moves(store: JobStore) -> None:
    job_id, (claim,) = claimed(store)
    store.give_back(claim.task.id, 1, "lost", lost=True, limit=3)
    store.abort(job_id, "")
    for number, origin, target, _ in store.trail(job_id):
        assert target in (JOB_MOVES if number is None else TASK_MOVES)[origin]


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8, 1000])
def test_pages_of_the_list_fit_together(store: JobStore, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr("jobs.store.reading.PAGE", page)
    # by creation time, though the clock was set back; of one millisecond the one made last comes first
    created = [5, 5, 9, 9, 9, 2, 9]
    ids = []
    for instant in created:
        monkeypatch.setattr("jobs.store.orders.now", lambda instant=instant: instant)
        ids.append(make(store))
    expected = [ids[number] for number in (6, 4, 3, 2, 1, 0, 5)]
    assert [ref.id for ref in store.refs("probe", (), None, None)] == expected
    for last in range(1, 9):
        assert [ref.id for ref in store.refs("probe", (), None, last)] == expected[:last]


def test_every_change_locks_its_job_first(store: JobStore) -> None:
    """Two changes that lock a job and its tasks in different orders would wait for each other."""
    if store.database.quick:
        pytest.skip("SQLite has but one writer")
    seen: list[str] = []

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    @event.listens_for(store.database.engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            seen.append("BEGIN")

    job_id, (claim,) = claimed(store)
    store.report(claim, 0.5, "half")
    store.give_back(claim.task.id, 1, "lost", lost=True, limit=3)
    store.abort(job_id, "stop")
    store.delete(job_id)
    changes = [seen[number + 1] for number, statement in enumerate(seen) if statement == "BEGIN"]
    assert len(changes) == 7
    for first in changes:
        assert " ".join(first.split()).startswith("SELECT job.id, pg_notify(")
        assert first.endswith("FOR UPDATE")
