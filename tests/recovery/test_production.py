"""Workers, Redis and PostgreSQL die, and machines share nothing but these and the storage."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.identity import Identity
from tests.production import Production
from tests.recovery.test_kill_9 import check_store, processes, running, until
from tests.s3 import S3Server
from tests.servers import RedisServer
from tests.service import Service


@pytest.fixture
def settings(servers: Production) -> Iterator[dict[str, str]]:
    found = servers.settings()
    yield found
    servers.postgresql.drop(found["database_url"])


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_two_machines_share_the_storage(settings: dict[str, str], tmp_path: Path, kind: str) -> None:
    """The web server and the worker have no folder in common but, in the first case, the storage."""
    with S3Server() as s3:
        url = f"file://{tmp_path}/shared" if kind == "file" else "s3://amora/products"
        homes = {"home": tmp_path / "web", "worker_home": tmp_path / "worker"}
        with Service(**homes, **settings, environment=s3.environment, STORAGE_URL=url) as service:
            job = service.post("probe", SECONDS="3", SIZE="100000")
            until(lambda: service.phase(job) == "EXECUTING", "the job runs")
            log = f"{job}/results/task_1.log"
            until(lambda: service.http.get(log).text != "", "its log is seen while it runs", 5)
            assert service.phase(job) == "EXECUTING"
            assert service.end(job) == "COMPLETED"
            product = f"{job}/results/probe_1.bin"
            whole = service.http.get(product)
            assert len(whole.content) == 100000
            tag = whole.headers["ETag"]
            assert whole.headers["Content-Type"] == "application/octet-stream"
            for wanted, expected in (
                ("bytes=10-19", whole.content[10:20]),
                ("bytes=-5", whole.content[-5:]),
                ("bytes=99990-", whole.content[99990:]),
            ):
                part = service.http.get(product, headers={"Range": wanted, "If-Range": tag})
                assert (part.status_code, part.content) == (206, expected)
            assert service.http.get(product, headers={"Range": "bytes=100000-"}).status_code == 416
            assert service.http.get(product, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
            head = service.http.head(product)
            assert (head.headers["Content-Length"], head.content) == ("100000", b"")
            assert service.http.delete(job).status_code == 303
            if kind == "s3":
                until(lambda: s3.keys() == [], "the files are gone")
            else:
                until(lambda: not list((tmp_path / "shared").iterdir()), "the files are gone")
            for home in homes.values():
                assert not (home / "jobs").exists()
                assert not list((home / "work").iterdir())


def test_a_bucket_that_is_away_costs_no_work(settings: dict[str, str], tmp_path: Path) -> None:
    with (
        S3Server() as s3,
        Service(tmp_path, **settings, environment=s3.environment, STORAGE_URL="s3://amora", LEASE="3") as service,
    ):
        job = service.post("probe", SECONDS="1")
        running(service, job, 1)
        s3.failing = 10**6
        until(lambda: not processes(service.home), "the script has ended", 10)
        assert not available(service)
        assert service.phase(job) == "EXECUTING"
        time.sleep(4)  # longer than the lease
        s3.failing = 0
        assert service.end(job) == "COMPLETED"
        assert service.detail(job)["tasks"][0]["attempt"] == 1
        s3.failing = 10**6
        answer = service.http.get(f"{job}/results/probe_1.vot")
        assert answer.status_code == 503
        assert "storage" in answer.text
        assert "amora/" not in answer.text, "where it lies is nobody's business"
        s3.failing = 0


def available(service: Service) -> bool:
    return "available>true<" in service.http.get("/availability").text


def worker_of(service: Service) -> int:
    assert service.worker is not None
    return service.worker.pid


@pytest.mark.parametrize("same_machine", [True, False])
def test_kill_9_of_a_worker(settings: dict[str, str], tmp_path: Path, same_machine: bool) -> None:
    """Another worker takes the task up; what the first one ran is gone before. How soon is in the benchmarks."""
    with Service(tmp_path, **settings, LEASE="3") as service:
        job = service.post("probe", SECONDS="60")
        running(service, job, 1)
        before = processes(tmp_path)
        other = service.start("worker")
        try:
            service.said(other, "Amora does")
            if not same_machine:
                # Whoever sees it now takes the worker for one of another machine: only the lease tells that it is dead.
                _rename_worker(settings["database_url"], "elsewhere:boot:ns/1/1")
            os.kill(worker_of(service), signal.SIGKILL)
            until(lambda: bool(processes(tmp_path) - before), "it runs again")
            assert not processes(tmp_path) & before
            assert service.detail(job)["tasks"][0]["attempt"] == 2
            service.http.post(f"{job}/phase", data={"PHASE": "ABORT"})
            until(lambda: not processes(tmp_path), "no process is left")
        finally:
            other.terminate()
            other.wait(30)
    assert check_store(service, job.rpartition("/")[2]).count("the worker that ran it was lost") == 1


def _rename_worker(url: str, name: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE task SET worker = %s WHERE phase = 'EXECUTING'", (name,))


def test_redis_killed_flushed_and_away(settings: dict[str, str], tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        settings = settings | {"redis_url": redis.url()}
        with Service(tmp_path / "home", **settings, WORKERS="1") as service:
            first = service.post("probe", SECONDS="2")
            running(service, first, 1)
            waiting = [service.post("probe") for _ in range(3)]
            redis.client().flushdb()
            redis.kill()
            away = [service.post("probe") for _ in range(3)]
            assert not available(service)
            long = service.post("probe", SECONDS="60")
            assert service.http.post(f"{long}/phase", data={"PHASE": "ABORT"}).status_code == 303
            assert [service.end(job) for job in (first, *waiting, *away)] == ["COMPLETED"] * 7
            redis.start()
            until(lambda: available(service), "all is well again")
            assert service.end(service.post("probe")) == "COMPLETED"
            redis.client().flushdb()
            assert service.end(service.post("probe")) == "COMPLETED"


def test_postgresql_killed_while_a_task_runs(servers: Production, settings: dict[str, str], tmp_path: Path) -> None:
    with Service(tmp_path, **settings) as service:
        job = service.post("probe", SECONDS="2")
        running(service, job, 1)
        servers.postgresql.kill()
        assert service.http.get(job).status_code == 503
        servers.postgresql.start()
        until(lambda: service.http.get(f"{job}/phase").status_code == 200, "it answers again")
        assert service.end(job) == "COMPLETED"
        assert service.detail(job)["tasks"][0]["attempt"] == 1


def test_a_web_server_without_a_worker_says_so(settings: dict[str, str], tmp_path: Path) -> None:
    with Service(tmp_path, **settings) as service:
        assert available(service)
        assert service.worker is not None
        service.worker.terminate()
        assert service.worker.wait(20) == 0
        assert not available(service)
        assert "No worker runs." in service.http.get("/availability").text
        job = service.post("probe")
        assert service.phase(job) == "QUEUED"


def test_one_process_sweeps_for_all(settings: dict[str, str], tmp_path: Path) -> None:
    """And another one when it is gone."""
    import psycopg

    def holder() -> int:
        with psycopg.connect(settings["database_url"]) as connection:
            rows = connection.execute("SELECT holder FROM office WHERE name = 'sweeper'").fetchall()
        return Identity.parse(rows[0][0]).pid if rows else 0

    with Service(tmp_path, **settings) as service:
        pids = {process.pid for process in service.processes}
        assert holder() in pids
        gone = holder()
        os.kill(gone, signal.SIGKILL)
        until(lambda: holder() in pids - {gone}, "the other one sweeps")
