"""The queue: what is sent is done; what is lost is known to be lost; and nothing fails because Redis is away."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

import pytest

import jobs.queue
from jobs.identity import Identity
from jobs.queue import Queue, RedisQueue, open_queue
from tests.production import Production
from tests.servers import RedisServer


def nobody(_process: Identity) -> bool:
    return False


def everybody(_process: Identity) -> bool:
    return True


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of its own, to be killed."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def done() -> tuple[Callable[[str, int], None], queue.Queue[tuple[str, int]]]:
    found: queue.Queue[tuple[str, int]] = queue.Queue()
    return lambda task_id, attempt: found.put((task_id, attempt)), found


def test_what_is_sent_is_done(installation: dict[str, str]) -> None:
    work, found = done()
    tasks = open_queue(work, installation.get("redis_url"))
    tasks.start(2)
    for number in range(5):
        assert tasks.send(f"t{number}", number)
    assert sorted(found.get(timeout=10) for _ in range(5)) == [(f"t{number}", number) for number in range(5)]
    assert tasks.working
    tasks.stop(5)


def test_another_process_does_what_is_sent(servers: Production) -> None:
    work, found = done()
    url = servers.settings()["redis_url"]
    sender, worker = RedisQueue(lambda *_: None, url), RedisQueue(work, url)
    assert sender.name == worker.name
    worker.start(1)
    assert sender.send("t", 1)
    assert found.get(timeout=10) == ("t", 1)
    worker.stop(5)
    sender.stop(5)


def test_a_queue_in_memory_is_lost_with_its_process() -> None:
    mine, other = Queue(lambda *_: None), Queue(lambda *_: None)
    assert mine.has_lost(None, everybody)
    assert not mine.has_lost(mine.name, nobody)
    assert not mine.has_lost(other.name, nobody)
    other.stop(1)
    assert mine.has_lost(other.name, everybody), "it was this process' own, and is closed"
    assert mine.has_lost("1@elsewhere:boot:ns/1/1", nobody)
    assert not mine.has_lost("1@elsewhere:boot:ns/1/1", everybody)
    assert mine.has_lost("redis 0123456789abcdef", everybody)
    mine.stop(1)


def test_a_flushed_redis_has_lost_what_it_had(redis: RedisServer) -> None:
    tasks = RedisQueue(lambda *_: None, redis.url())
    before = tasks.name
    assert not tasks.has_lost(before, everybody)
    assert tasks.has_lost(None, everybody)
    redis.client().flushdb()
    assert tasks.has_lost(before, everybody)
    assert tasks.name != before
    tasks.stop(1)


def test_redis_away_fails_nothing(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    work, found = done()
    tasks = RedisQueue(work, redis.url())
    tasks.start(1)
    name = tasks.name
    redis.kill()
    assert not tasks.send("t", 1)
    assert not tasks.check()
    assert not tasks.has_lost(name, everybody), "nothing could be sent instead"
    monkeypatch.setattr(jobs.queue, "PATIENCE", 0.0)
    redis.start()
    assert tasks.check()
    assert tasks.has_lost(name, everybody)
    assert tasks.send("t", 1)
    assert found.get(timeout=20) == ("t", 1), "the worker has found its way back"
    tasks.stop(5)


def test_a_redis_that_is_away_at_the_start(redis: RedisServer) -> None:
    redis.kill()
    tasks = RedisQueue(lambda *_: None, redis.url())
    assert not tasks.send("t", 1)
    redis.start()
    assert tasks.has_lost("", everybody)
    assert tasks.send("t", 1)
    tasks.stop(1)
