"""What one user may have is kept to the last task, however many processes ask for more at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from index.database import Database
from jobs.errors import QuotaError
from jobs.store import JobStore, UserLimits
from jobs.store.desk import DeskStore, Quota

AT_ONCE = 8
LIMITS = UserLimits(running=3, queued=10)


@pytest.fixture
def stores(database_url: str) -> Iterator[list[JobStore]]:
    """As many as there are processes."""
    stores = [JobStore(Database(database_url), limits=LIMITS) for _ in range(AT_ONCE)]
    yield stores
    for store in stores:
        store.database.close()


def _post(store: JobStore) -> int:
    """Post jobs of two tasks until no more are taken; return how many were."""
    for taken in range(20):
        job_id = store.create("probe", [], run_id=None, owner="alice", duration=60, destruction=None)
        try:
            store.queue(job_id, [(), ()], "q")
        except QuotaError:
            return taken
    return 20


def test_no_more_wait_and_no_more_run_than_may(stores: list[JobStore]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for round_ in range(5):
            taken = sum(pool.map(_post, stores))
            assert taken == 5, round_
            claims = [claim for claim in pool.map(lambda store: store.claim("q", "host/1/2", 30), stores) if claim]
            assert len(claims) == 3
            assert stores[0].waiting() == {"q": 7}
            for claim in claims:
                stores[0].complete(claim, [])
            while claim := stores[0].claim("q", "host/1/2", 30):
                stores[0].complete(claim, [])


def _claimed(stores: list[JobStore]) -> Counter[str]:
    """Claim all that may be claimed, by many at once; return how many tasks of each user."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found: list[str] = []
        while claims := [claim for claim in pool.map(lambda store: store.claim("q", "host/1/2", 30), stores) if claim]:
            found += [claim.task.job_id for claim in claims]
    return Counter(stores[0].get(job_id).owner or "" for job_id in found)


@pytest.mark.parametrize(
    ("everybody", "alices", "bobs", "anonymous", "run"),
    [
        (0, 2, None, None, {"alice": 2, "bob": 6, "": 6}),
        (3, 5, 1, None, {"alice": 5, "bob": 1, "": 3}),
        (1, 0, None, 2, {"alice": 6, "bob": 1, "": 2}),
    ],
)
def test_running_tasks_of_one_user_have_a_limit_of_their_own(
    database_url: str, everybody: int, alices: int, bobs: int | None, anonymous: int | None, run: dict[str, int]
) -> None:
    stores = [JobStore(Database(database_url), limits=UserLimits(running=everybody)) for _ in range(4)]
    try:
        desk = DeskStore(stores[0].database)
        for owner, most in (("alice", alices), ("bob", bobs), ("", anonymous)):
            desk.set_quota(owner, Quota(running=most))
            job_id = stores[0].create("probe", [], run_id=None, owner=owner or None, duration=60, destruction=None)
            stores[0].queue(job_id, [()] * 6, "q")
        assert _claimed(stores) == run
        desk.set_quota("alice", Quota(running=6))
        assert _claimed(stores) == Counter({"alice": 6 - run["alice"]}), "a limit that was raised holds at once"
        desk.set_quota("bob", Quota(running=1))
        assert _claimed(stores) == Counter()
    finally:
        for store in stores:
            store.database.close()


def test_another_user_has_limits_of_his_own(stores: list[JobStore]) -> None:
    assert _post(stores[0]) == 5
    job_id = stores[0].create("probe", [], run_id=None, owner="bob", duration=60, destruction=None)
    stores[0].queue(job_id, [()] * 10, "q")


def test_the_desk_may_be_told_the_same_twice_at_once(stores: list[JobStore]) -> None:
    desks = [DeskStore(store.database) for store in stores]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(10):
            list(pool.map(lambda desk, number=number: desk.set_quota("alice", Quota(queued=number)), desks))
            list(pool.map(lambda desk, number=number: desk.switch_off("probe", f"reason {number}"), desks))
            assert desks[0].quotas() == {"alice": Quota(queued=number)}
            assert desks[0].switched_off() == {"probe": f"reason {number}"}
            desks[0].set_quota("alice", Quota())
            assert desks[0].switch_on("probe")
    assert desks[0].quotas() == {}
