"""The blocking form of a script (UWS 1.1, section 5; DALI 1.1, section 2.3)."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from astropy.io.votable import parse_single_table
from lxml import etree

from tests.conftest import missing
from tests.protocol.client import Job, Probe

VOTABLE = "application/x-votable+xml"
INFO = ".//{http://www.ivoa.net/xml/VOTable/v1.3}INFO[@name='QUERY_STATUS']"


@pytest.fixture
def sync(probe: Probe) -> str:
    return probe.url.removesuffix("async") + "sync"


def _job(probe: Probe, child: str) -> Job:
    return Job(probe.http, child.partition("?")[0].replace("/sync/", "/async/"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_65_a_task_ends_in_its_main_product(probe: Probe, sync: str, method: str):
    started = probe.http.request(method, sync, params={"SECONDS": "0.5"})
    assert started.status_code == 303
    child = started.headers["location"]
    assert child.startswith(sync + "/")
    ended = probe.http.get(child)
    assert ended.status_code == 303
    job = _job(probe, child)
    assert ended.headers["location"] == job.url + "/results/probe_1.vot"
    assert job.phase == "COMPLETED"
    product = probe.http.get(ended.headers["location"])
    assert parse_single_table(io.BytesIO(product.content)).array[0]["seconds"] >= 0.5
    assert probe.http.get(child).headers["location"] == ended.headers["location"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_65_several_tasks_end_in_the_product_list(probe: Probe, sync: str, method: str):
    response = probe.http.request(method, sync, params={"TASKS": "2"}, follow_redirects=True)
    assert response.headers["content-type"] == VOTABLE
    assert len(parse_single_table(io.BytesIO(response.content)).array) == 2
    listed = probe.http.request(method, sync, params={"TASKS": "2", "ResponseFormat": "csv"}, follow_redirects=True)
    assert listed.headers["content-type"].startswith("text/csv")
    assert listed.text.count("\n") == 3


@pytest.mark.parametrize("arguments", [("-G",), ()])
def test_65_curl_follows_to_the_product(sync: str, arguments: tuple[str, ...]):
    if shutil.which("curl") is None:
        missing("the program curl")
    done = subprocess.run(
        ["curl", "-sSL", *arguments, sync, "-d", "SIZE=5"], capture_output=True, timeout=60, check=True
    )
    assert parse_single_table(io.BytesIO(done.stdout)).array[0]["size"] == 5


def test_65_files_are_taken(probe: Probe, sync: str):
    response = probe.http.post(sync, files={"TABLE": ("x", b"12345")}, follow_redirects=True)
    assert parse_single_table(io.BytesIO(response.content)).array[0]["table_size"] == 5


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"SECONDS": "soon"}, 400, "SECONDS"),
        ({"KEEP": "perhaps"}, 400, "KEEP"),
        ({"RESPONSEFORMAT": "parquet"}, 400, "RESPONSEFORMAT"),
        ({"FAIL": "It broke"}, 500, "It broke"),
    ],
)
def test_65_errors_are_dali_documents(probe: Probe, sync: str, params: dict[str, str], code: int, says: str):
    response = probe.http.get(sync, params=params, follow_redirects=True)
    assert response.status_code == code
    assert response.headers["content-type"] == VOTABLE
    info = etree.fromstring(response.content).find(INFO)
    assert info.get("value") == "ERROR"
    assert says in info.text


def test_65_a_request_that_cannot_be_done_is_400(probe: Probe):
    response = probe.http.get(probe.base + "/scripts/image/sync", follow_redirects=True)
    assert response.status_code == 400
    assert "region" in etree.fromstring(response.content).find(INFO).text


def test_65_other_ways_in(probe: Probe, sync: str):
    before = probe.ids("?LAST=1")
    assert probe.http.head(sync).status_code == 405
    assert probe.http.get(sync + "/nosuch").status_code == 404
    assert probe.http.get(probe.base + "/scripts/nosuch/sync").status_code == 404
    assert probe.ids("?LAST=1") == before
    pending = probe.create(SECONDS="0")
    child = pending.url.replace("/async/", "/sync/")
    assert probe.http.get(child).status_code == 403
    assert probe.http.head(child).status_code == 200
    pending.run()
    assert probe.http.get(child).headers["location"] == pending.url + "/results/probe_1.vot"


def _leave(child: str) -> None:
    """Ask for the end of a job and go away before it."""
    parts = urlsplit(child)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_65_the_work_goes_with_its_client(probe: Probe, sync: str):
    child = probe.http.get(sync, params={"SECONDS": "60"}).headers["location"]
    _leave(child)
    job = _job(probe, child)
    started = time.monotonic()
    while job.phase != "ABORTED":
        assert time.monotonic() - started < 10
        job.get(WAIT="5", PHASE="EXECUTING")


@pytest.mark.parametrize("params", [{"KEEP": "true"}, None], ids=["KEEP", "made at the job list"])
def test_65_the_work_stays_if_it_is_to(probe: Probe, sync: str, params: dict[str, str] | None):
    if params is None:
        child = probe.create(SECONDS="2", PHASE="RUN").url.replace("/async/", "/sync/")
    else:
        child = probe.http.get(sync, params={"SECONDS": "2", **params}).headers["location"]
    _leave(child)
    assert _job(probe, child).until("COMPLETED")


def test_65_a_job_that_is_aborted_or_deleted_ends_the_wait(probe: Probe, sync: str):
    children = [probe.http.get(sync, params={"SECONDS": "60"}).headers["location"] for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(probe.http.get, child) for child in children]
        assert _job(probe, children[0]).post("phase", PHASE="ABORT").status_code == 303
        assert answers[0].result(20).status_code == 500
        assert b"ABORTED" in answers[0].result().content
        _job(probe, children[1]).delete()
        assert answers[1].result(20).status_code == 404
