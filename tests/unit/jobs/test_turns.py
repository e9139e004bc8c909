"""Whose turn it is: users take turns, and so do a user's sessions, however much each of them asks for."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.database import Database
from jobs.store import Claim, JobStore, UserLimits
from jobs.store.turns import next_task
from jobs.tables import metadata


def _store(path: Path | str, user_running: int = 0) -> JobStore:
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    return JobStore(database, limits=UserLimits(running=user_running))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = _store(tmp_path / "jobs.sqlite")
    yield store
    store.database.close()


def queue(store: JobStore, owner: str | None, tasks: int, session: str | None = None, name: str = "q") -> str:
    job_id = store.create("probe", (), run_id=session, owner=owner, duration=60, destruction=None)
    store.queue(job_id, [()] * tasks, name)
    return job_id


def claim(store: JobStore, name: str = "q") -> Claim:
    claim = store.claim(name, "host/1/2", 30)
    assert claim is not None
    return claim


def order(store: JobStore, jobs: dict[str, str], count: int) -> str:
    """Claim tasks and return the names of their jobs."""
    return "".join(jobs[claim(store).task.job_id] for _ in range(count))


def test_a_job_is_done_in_order(store: JobStore) -> None:
    job_id = queue(store, None, 5)
    assert [claim(store).task.id for _ in range(5)] == [f"{job_id}.{number}" for number in range(1, 6)]
    assert store.claim("q", "host/1/2", 30) is None


def test_a_user_with_one_task_does_not_wait_for_one_with_thousands(store: JobStore) -> None:
    jobs = {queue(store, "alice", 2000): "a"}
    assert order(store, jobs, 20) == "a" * 20
    jobs[queue(store, "bob", 1)] = "b"
    assert "b" in order(store, jobs, 2)


def test_users_take_turns_and_so_do_their_sessions(store: JobStore) -> None:
    jobs = {queue(store, "alice", 50, "s1"): "1", queue(store, "alice", 50, "s2"): "2", queue(store, "bob", 50): "b"}
    counted = Counter(order(store, jobs, 40))
    assert abs(counted["b"] - 20) <= 1
    assert abs(counted["1"] - counted["2"]) <= 2


def test_anonymous_jobs_without_a_session_take_turns(store: JobStore) -> None:
    jobs = {queue(store, None, 500): "a", queue(store, None, 3): "b"}
    assert order(store, jobs, 6).count("b") >= 2


def test_many_small_sessions_of_one_user_do_not_starve_another(store: JobStore) -> None:
    jobs = {queue(store, "alice", 1, f"s{number}"): "a" for number in range(60)}
    jobs[queue(store, "bob", 10)] = "b"
    assert order(store, jobs, 20).count("b") >= 9


def test_a_stream_of_newcomers_does_not_starve_who_came_first(store: JobStore) -> None:
    jobs = {queue(store, "alice", 30): "a"}
    served = ""
    for number in range(20):
        jobs[queue(store, f"user {number}", 1)] = "n"
        served += order(store, jobs, 2)
    assert served.count("a") >= 19


def test_who_was_idle_has_saved_nothing_up(store: JobStore) -> None:
    jobs = {queue(store, "alice", 200): "a", queue(store, "bob", 1): "b"}
    order(store, jobs, 100)
    jobs[queue(store, "bob", 50)] = "b"
    assert order(store, jobs, 20).count("b") in (9, 10)


def test_a_task_that_is_given_back_comes_first_again(store: JobStore) -> None:
    queue(store, None, 3)
    first = claim(store)
    claim(store)
    store.give_back(first.task.id, 1, "lost", lost=True, limit=3)
    assert claim(store).task.id == first.task.id


def test_resource_classes_are_apart(store: JobStore) -> None:
    job_id = queue(store, None, 1, name="large")
    assert store.claim("q", "host/1/2", 30) is None
    assert store.waiting() == {"large": 1}
    assert claim(store, "large").task.job_id == job_id
    assert store.waiting() == {}


def test_a_user_runs_no_more_tasks_at_once_than_allowed(tmp_path: Path) -> None:
    store = _store(tmp_path / "jobs.sqlite", user_running=2)
    jobs = {queue(store, "alice", 10): "a", queue(store, "bob", 1): "b"}
    claims = [claim(store) for _ in range(3)]
    assert Counter(jobs[item.task.job_id] for item in claims) == {"a": 2, "b": 1}
    assert store.claim("q", "host/1/2", 30) is None
    jobs[queue(store, "carol", 5)] = "c"
    assert order(store, jobs, 2) == "cc", "who may run none does not hold up the others"
    store.complete(next(item for item in claims if jobs[item.task.job_id] == "a"), [])
    assert order(store, jobs, 1) == "a"
    store.database.close()


def test_the_next_task_is_found_by_an_index_alone(store: JobStore) -> None:
    queue(store, None, 3)
    query = next_task(0).params(key="q")
    text = str(query.compile(store.database.engine, compile_kwargs={"literal_binds": True}))
    with store.database.read() as connection:
        steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert any("task_by_turn" in step for step in steps)
    assert any("task_by_place" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), steps


@given(
    backlogs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(5, 30)), min_size=2),
)
@settings(max_examples=25, deadline=None)
def test_shares_are_equal_whatever_is_waiting(backlogs: list[tuple[str, str, int]]) -> None:
    """While all of them have tasks waiting, no user is more than two tasks ahead of another, and no session of another
    of the same user.
    """
    folder = tempfile.TemporaryDirectory()
    store = _store(Path(folder.name) / "jobs.sqlite")
    owners: dict[str, tuple[str, str]] = {}
    left: Counter[tuple[str, str]] = Counter()
    for owner, session, tasks in backlogs:
        owners[queue(store, owner, tasks, session)] = (owner, session)
        left[owner, session] += tasks
    users, sessions = Counter({owner: 0 for owner, _ in left}), Counter(dict.fromkeys(left, 0))
    while all(left.values()):
        party = owners[claim(store).task.job_id]
        left[party] -= 1
        sessions[party] += 1
        users[party[0]] += 1
        assert max(users.values()) - min(users.values()) <= 2
        for owner in users:
            own = [count for (name, _), count in sessions.items() if name == owner]
            assert max(own) - min(own) <= 2
    store.database.close()
    folder.cleanup()
