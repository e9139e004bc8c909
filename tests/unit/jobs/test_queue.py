"""The calls for workers: whoever is called comes; and nothing fails because Redis is away."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

import jobs.redisqueue
from jobs.queue import open_queue
from jobs.redisqueue import CALLS, RedisQueue
from tests.production import Production
from tests.servers import RedisServer


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of its own, to be killed."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def heard() -> tuple[Callable[[str], None], queue.Queue[str]]:
    calls: queue.Queue[str] = queue.Queue()
    return calls.put, calls


def test_a_call_is_heard(installation: dict[str, str]) -> None:
    work, calls = heard()
    tasks = open_queue(work, installation.get("redis_url"))
    tasks.start(2, lambda: ["default", "large"])
    for name in ("default", "large", "default"):
        tasks.wake(name, 1)
        assert calls.get(timeout=10) == name
    assert tasks.working
    assert tasks.check()
    tasks.stop(5)


def test_a_call_to_a_class_that_was_not_there_at_the_start(installation: dict[str, str]) -> None:
    work, calls = heard()
    names = ["default"]
    tasks = open_queue(work, installation.get("redis_url"))
    tasks.start(1, lambda: names)
    names.append("new")
    tasks.look()
    tasks.wake("new", 1)
    assert calls.get(timeout=10) == "new"
    tasks.stop(5)


def test_a_call_is_heard_in_another_process_and_only_by_whom_it_concerns(servers: Production) -> None:
    work, calls = heard()
    url = servers.settings()["redis_url"]
    sender, worker, other = RedisQueue(work, url), RedisQueue(work, url), RedisQueue(lambda _: None, url)
    other.start(1, lambda: ["large"])
    worker.start(1, lambda: ["default"])
    sender.wake("default", 1)
    assert calls.get(timeout=10) == "default"
    for each in (sender, worker, other):
        each.stop(5)


def test_calls_do_not_heap_up(servers: Production) -> None:
    work, calls = heard()
    url = servers.settings()["redis_url"]
    sender, worker = RedisQueue(work, url), RedisQueue(work, url)
    for _ in range(10):
        sender.wake("default", 100_000)
    worker.start(4, lambda: ["default"])
    for _ in range(CALLS):
        calls.get(timeout=10)
    assert calls.empty()
    worker.stop(5)
    sender.stop(5)


def test_who_is_at_work_keeps_no_call_from_others(servers: Production) -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def work(_name: str) -> None:
        started.release()
        go_on.wait(20)

    url = servers.settings()["redis_url"]
    workers = [RedisQueue(work, url) for _ in range(2)]
    for worker in workers:
        worker.start(1, lambda: ["default"])
        workers[0].wake("default", 1)
        assert started.acquire(timeout=10)
    go_on.set()
    for worker in workers:
        worker.stop(5)


def test_redis_away_fails_nothing(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    work, calls = heard()
    tasks = RedisQueue(work, redis.url())
    tasks.start(1, lambda: ["default"])
    redis.kill()
    tasks.wake("default", 1)
    assert not tasks.check()
    redis.start()
    assert tasks.check()
    monkeypatch.setattr(tasks, "_silent_until", 0.0)
    tasks.wake("default", 1)
    assert calls.get(timeout=20) == "default", "the worker has found its way back"
    tasks.stop(5)


def test_a_redis_that_does_not_answer_is_not_asked_for_each_job(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = RedisQueue(lambda _: None, redis.url())
    redis.kill()
    asked = []
    original = RedisQueue._open
    monkeypatch.setattr(RedisQueue, "_open", lambda self, name: asked.append(name) or original(self, name))
    for _ in range(100):
        tasks.wake("default", 1)
    assert len(asked) == 1
    monkeypatch.setattr(jobs.redisqueue, "PATIENCE", 0.0)
    monkeypatch.setattr(tasks, "_silent_until", 0.0)
    redis.start()
    tasks.wake("default", 1)
    assert redis.client().llen("amora:default") == 1
    tasks.stop(1)
