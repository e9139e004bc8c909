"""What Prometheus reads, and who may."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from index.errors import DatabaseError
from jobs.engine import Engine
from jobs.store import JobStore
from uws.app import create_app
from uws.settings import Settings

TOKEN = "a token of the operator"  # noqa: S105


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(Settings(home=tmp_path_factory.mktemp("metrics")))
    yield engine
    engine.stop()


def ask(engine: Engine, path: str = "/metrics", peer: str = "127.0.0.1", headers: object = None, **changes: object):
    app = create_app(engine, Settings(home=engine.settings.home, **changes))

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(peer, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            return await http.get(path, headers=headers)

    return asyncio.run(send())


def figures(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(told: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float | None:
    return told.get((name, frozenset(labels.items())))


def test_jobs_and_queues_are_counted_in_sql(engine: Engine):
    jobs = engine.jobs
    jobs.create("probe", [])
    jobs.create("probe", [("TASKS", "3")], run=True)
    jobs.create("probe", [("TASKS", "2")], run=True)
    answer = ask(engine)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    told = figures(answer.text)
    assert figure(told, "amora_jobs", script="probe", phase="PENDING") == 1
    assert figure(told, "amora_jobs", script="probe", phase="QUEUED") == 2
    assert figure(told, "amora_tasks", queue="default", phase="QUEUED") == 5
    assert figure(told, "amora_tasks", queue="default", phase="EXECUTING") == 0
    assert 0 <= (figure(told, "amora_queue_age_seconds", queue="default") or 0) < 60
    assert figure(told, "amora_up", part="database") == 1
    assert (figure(told, "process_resident_memory_bytes") or 0) > 1e6


def test_the_oldest_waiting_task_tells_the_age(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    engine.jobs.create("probe", [], run=True)
    before = figure(figures(ask(engine).text), "amora_queue_age_seconds", queue="default")
    later = time.time() + 1000
    monkeypatch.setattr("uws.metrics.time.time", lambda: later)
    after = figure(figures(ask(engine).text), "amora_queue_age_seconds", queue="default")
    assert before is not None
    assert after is not None
    assert 999 < after - before < 1060


def test_requests_are_counted_by_route_and_not_by_address(engine: Engine):
    for path in ("/scripts/probe", "/scripts/spectrum", "/made/up/1", "/made/up/2", "/scripts/probe/async/x?wait=3"):
        ask(engine, path)
    told = figures(ask(engine).text)
    assert (figure(told, "amora_http_seconds_count", method="GET", route="/scripts/{script}", status="200") or 0) >= 2
    assert (figure(told, "amora_http_seconds_count", method="GET", route="other", status="404") or 0) >= 2
    waiting = figure(
        told, "amora_http_seconds_count", method="GET", route="/scripts/{script}/async/{job}?WAIT", status="404"
    )
    assert (waiting or 0) >= 1
    assert "made/up" not in ask(engine).text


def test_searches_are_timed(engine: Engine):
    before = figure(figures(ask(engine).text), "amora_index_search_seconds_count") or 0
    ask(engine, "/observations?POS=CIRCLE+1+2+0.1")
    assert figure(figures(ask(engine).text), "amora_index_search_seconds_count") == before + 1


def test_without_a_database_it_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(JobStore, "census", away)
    monkeypatch.setattr(engine.database, "check", away)
    answer = ask(engine)
    assert answer.status_code == 200
    assert figure(figures(answer.text), "amora_up", part="database") == 0


BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = {"metrics_token": TOKEN}


@pytest.mark.parametrize(
    ("peer", "headers", "changes", "allowed"),
    [
        ("127.0.0.1", {}, {}, True),
        ("::ffff:127.0.0.1", {}, {}, True),
        ("192.0.2.9", {}, {}, False),
        ("192.0.2.9", {}, {"metrics_networks": "192.0.2.0/24"}, True),
        ("127.0.0.1", {}, {"metrics_networks": ""}, False),
        # a proxy on the same machine passes strangers on
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, {}, False),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.9"}, {"proxy_networks": "127.0.0.1/32"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1, 192.0.2.9"}, {"proxy_networks": "127.0.0.1/32"}, False),
        ("192.0.2.7", {"X-Forwarded-For": "127.0.0.1"}, {"proxy_networks": "192.0.2.7/32"}, True),
        ("192.0.2.7", {"Via": "1.1 x"}, {"proxy_networks": "192.0.2.7/32"}, False),
        ("192.0.2.9", BEARER, OPEN, True),
        ("192.0.2.9", {"Authorization": "Bearer another"}, OPEN, False),
        ("127.0.0.1", {"Authorization": "Bearer another"}, OPEN, False),
        ("192.0.2.9", BEARER, {}, False),
        ("192.0.2.9", {"Authorization": "Basic YTpi"}, OPEN, False),
    ],
)
def test_who_may_read_them(engine: Engine, peer: str, headers: object, changes: dict[str, object], allowed: bool):
    answer = ask(engine, peer=peer, headers=headers, **changes)
    assert answer.status_code == (200 if allowed else 403)
    assert ("amora_jobs" in answer.text) is allowed
    assert TOKEN not in answer.text


def test_the_token_is_good_for_nothing_else(engine: Engine):
    assert ask(engine, "/scripts", headers=BEARER, **OPEN).status_code == 401


class TestRequests:
    """Ids and lines of requests."""

    def test_a_request_is_named(self, engine: Engine):
        given = ask(engine, "/scripts", headers={"X-Request-ID": "proxy-1.2_3"})
        assert given.headers["X-Request-ID"] == "proxy-1.2_3"
        made = [ask(engine, "/scripts").headers["X-Request-ID"] for _ in range(2)]
        assert made[0] != made[1]

    @pytest.mark.parametrize("hostile", ["", "a b", "a" * 65, "-x", "a\tb", "{}"])
    def test_a_name_that_would_do_harm_is_not_taken(self, engine: Engine, hostile: str):
        assert ask(engine, "/scripts", headers={"X-Request-ID": hostile}).headers["X-Request-ID"] != hostile

    def test_it_has_a_line(self, engine: Engine, caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.INFO, "uws")
        ask(engine, "/scripts/probe/async/x/phase?TOKEN=secret", access_log=True)
        (line,) = [record for record in caplog.records if record.name == "uws.traffic"]
        assert line.about["status"] == 404
        assert line.about["job"] == "x"
        assert "secret" not in line.getMessage() + str(line.about)

    def test_by_default_with_json_alone(self):
        assert Settings(log_format="json").logs_access
        assert not Settings().logs_access
        assert not Settings(log_format="json", access_log=False).logs_access

    def test_a_fault_is_logged_with_the_name_it_is_answered_with(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ):
        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(type(engine.jobs.scripts), "names", fail)
        answer = ask(engine, "/scripts", headers={"X-Request-ID": "complaint"})
        assert answer.status_code == 500
        assert answer.headers["X-Request-ID"] == "complaint"
        assert any(record.exc_info for record in caplog.records if record.name == "uws.traffic")
