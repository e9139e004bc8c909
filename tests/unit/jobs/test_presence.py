"""Who lives, who sweeps, and whose lease is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from index.database import Database
from jobs.identity import Identity
from jobs.presence import Presence
from jobs.store import Claim, JobStore

ELSEWHERE = "elsewhere:boot:ns/1/1"


@pytest.fixture
def store(database_url: str) -> Iterator[JobStore]:
    database = Database(database_url)
    yield JobStore(database)
    database.close()


def claimed(store: JobStore, lease: float) -> Claim:
    job_id = store.create("probe", [], run_id=None, owner=None, duration=60, destruction=None)
    store.queue(job_id, [()], "q")
    claim = store.claim("q", str(Identity.of()), lease)
    assert claim is not None
    return claim


def test_a_worker_is_there_until_it_leaves(store: JobStore) -> None:
    presence = Presence(store, 30)
    assert presence.slots() == 0
    presence.start(3)
    store.beat(ELSEWHERE, 2, [], 30)
    assert presence.slots() == 5
    assert [worker.slots for worker in store.workers(30) if worker.id == ELSEWHERE] == [2]
    presence.stop()
    assert presence.slots() == 2


def test_whose_scripts_run_in_a_sandbox(store: JobStore) -> None:
    presence = Presence(store, 30)
    presence.start(1, sandboxed=True)
    store.beat(ELSEWHERE, 2, [], 30)
    assert presence.sandboxed() == (1, 2)
    presence.stop()
    assert presence.sandboxed() == (0, 1)


def test_a_silent_worker_is_dead_and_in_the_end_forgotten(store: JobStore) -> None:
    store.beat(ELSEWHERE, 2, [], 30)
    assert store.workers(-1) == []
    store.forget_workers(60)
    assert len(store.workers(60)) == 1
    store.forget_workers(-1)
    assert store.workers(60) == []


def test_a_beat_keeps_the_leases_of_the_claims_that_hold(store: JobStore) -> None:
    presence = Presence(store, 30)
    claim = claimed(store, 0)
    assert store.held()[0].lapsed
    presence.beat()
    assert store.held()[0].lapsed, "nobody keeps it"
    with presence.keeping(claim):
        presence.beat()
        assert not store.held()[0].lapsed
    assert store.give_back(claim.task.id, 1, "lost", lost=True, limit=3)
    new = store.claim("q", ELSEWHERE, 0)
    assert new is not None
    with presence.keeping(claim):
        presence.beat()
    assert store.held()[0].lapsed, "it is another worker's now"


def test_a_task_whose_thread_has_ended_is_not_kept(store: JobStore) -> None:
    presence = Presence(store, 30)
    claim = claimed(store, 0)

    def die() -> None:
        with suppress(SystemExit), presence.keeping(claim):
            raise SystemExit

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    presence.beat()
    assert store.held()[0].lapsed


def nobody(_holder: str) -> bool:
    return False


def test_one_process_holds_an_office(store: JobStore) -> None:
    assert store.take_office("sweeper", "a", 60, nobody)
    assert store.take_office("sweeper", "a", 60, nobody), "it keeps it"
    assert not store.take_office("sweeper", "b", 60, nobody)
    assert store.take_office("sweeper", "b", 60, lambda holder: holder == "a"), "a is known to be dead"
    assert not store.take_office("sweeper", "a", 60, nobody)
    store.leave_office("sweeper", "a")
    assert not store.take_office("sweeper", "a", 60, nobody), "what others hold cannot be left"
    store.leave_office("sweeper", "b")
    # not 0: the machine's clock may be set back by a little in between
    assert store.take_office("sweeper", "a", -60, nobody)
    assert store.take_office("sweeper", "b", 60, nobody), "the time of a is over"


def test_of_many_who_want_an_office_at_once_one_gets_it(store: JobStore) -> None:
    barrier, taken = threading.Barrier(8), []

    def want(name: str) -> None:
        barrier.wait()
        if store.take_office("sweeper", name, 60, nobody):
            taken.append(name)

    threads = [threading.Thread(target=want, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
