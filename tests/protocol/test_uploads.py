"""Files that come with a request (UWS 1.1, sections 2.1.11 and 2.2.3.1.1; DALI 1.1, section 3.4.5)."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from astropy.io.votable import parse_single_table

from tests.protocol.client import NAMES, Job, Probe
from tests.schemas import valid
from tests.service import Service

CONTENT = b"ra,dec\r\n35.665,43.035\r\n" + bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def _post(probe: Probe, files: object, **query: str) -> httpx.Response:
    return probe.http.post(probe.url, params=query, files=files)


def _job(probe: Probe, response: httpx.Response) -> Job:
    assert response.status_code == 303, response.text
    return Job(probe.http, response.headers["location"])


def _told(job: Job) -> tuple[int, str]:
    """What the script says has arrived."""
    row = parse_single_table(io.BytesIO(job.get("results", "probe_1.vot").content)).array[0]
    return row["table_size"], row["table_checksum"]


@pytest.mark.parametrize(
    "files",
    [
        {"TABLE": ("my table.csv", CONTENT, "text/csv")},
        [("UPLOAD", (None, "table,param:p1")), ("p1", ("x", CONTENT, "text/csv"))],
        [("p1", ("x", CONTENT, "text/csv")), ("upload", (None, "Table,param:P1;"))],
    ],
    ids=["inline", "UPLOAD before", "UPLOAD after"],
)
def test_41_a_file_reaches_the_script(probe: Probe, shared: Path, files: object):
    job = _job(probe, _post(probe, files, PHASE="RUN"))
    job.until("COMPLETED")
    assert _told(job) == (len(CONTENT), SHA256)
    root = valid(job.get("parameters").content, shared, "UWS-v1.1.xsd")
    [parameter] = root
    assert (parameter.get("id"), parameter.get("byReference")) == ("TABLE", "true")
    assert parameter.text == job.url + "/parameters/TABLE"
    for address in (parameter.text, job.url + "/parameters/table"):
        sent = probe.http.get(address)
        assert sent.content == CONTENT
        assert sent.headers["content-type"].startswith("text/csv")
        assert sent.headers["content-disposition"].startswith("attachment")


def test_41_what_stilts_sends(probe: Probe):
    """A part with a type and no file name, after the parameter that names it."""
    body = (
        b"--b\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Disposition: form-data; "
        b'name="UPLOAD"\r\n\r\nTABLE,param:TABLE\r\n'
        b'--b\r\nContent-Type: application/x-votable+xml\r\nContent-Disposition: form-data; name="TABLE"\r\n\r\n'
        + CONTENT
        + b"\r\n--b--\r\n"
    )
    response = probe.http.post(
        probe.url + "?PHASE=RUN", content=body, headers={"Content-Type": 'multipart/form-data; boundary="b"'}
    )
    assert _told(_job(probe, response).until("COMPLETED")) == (len(CONTENT), SHA256)


def test_41_a_part_without_a_file_name_can_be_named(probe: Probe):
    response = _post(probe, [("UPLOAD", (None, "TABLE,param:x")), ("x", (None, "a b"))], PHASE="RUN")
    job = _job(probe, response).until("COMPLETED")
    assert _told(job)[0] == 3
    assert [item.get("id") for item in job.document().iterfind("uws:parameters/uws:parameter", NAMES)] == ["TABLE"]


def test_41_a_file_is_replaced_while_pending_only(probe: Probe):
    job = _job(probe, _post(probe, {"TABLE": ("a", b"first", "text/plain")}))
    assert probe.http.post(job.url + "/parameters", files={"table": ("b", CONTENT)}).status_code == 303
    assert job.get("parameters", "TABLE").content == CONTENT
    assert probe.http.put(job.url + "/parameters/TABLE", content=b"third", headers={"Content-Type": "a/b"}).is_redirect
    sent = job.get("parameters", "TABLE")
    assert (sent.content, sent.headers["content-type"]) == (b"third", "a/b")
    assert job.post("parameters", SECONDS="0").status_code == 303
    job.run().until("COMPLETED")
    assert _told(job) == (5, hashlib.sha256(b"third").hexdigest())
    for late in (
        probe.http.post(job.url + "/parameters", files={"TABLE": ("b", b"late")}),
        probe.http.put(job.url + "/parameters/TABLE", content=b"late"),
    ):
        assert late.status_code == 403
    assert job.get("parameters", "TABLE").content == b"third"
    job.delete()
    assert job.get("parameters", "TABLE").status_code == 404


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([("UPLOAD", (None, "TABLE,param:nosuch")), ("x", ("x", b"1"))], "nosuch"),
        ([("UPLOAD", (None, "1TABLE,param:x")), ("x", ("x", b"1"))], "UPLOAD"),
        ([("UPLOAD", (None, "TABLE")), ("x", ("x", b"1"))], "UPLOAD"),
        ([("UPLOAD", (None, "TABLE,param:x;TABLE,param:x")), ("x", ("x", b"1"))], "twice"),
        ([("UPLOAD", (None, "TABLE,param:x")), ("x", ("x", b"1")), ("TABLE", ("y", b"2"))], "Two files"),
        ([("TABLE", ("x", b"1")), ("table", ("y", b"2"))], "Two files"),
        ([("UPLOAD", (None, "OTHER,param:x")), ("x", ("x", b"1"))], "OTHER"),
        ([("SECONDS", ("x", b"1"))], "SECONDS"),
        ([("TABLE", (None, "no file"))], "TABLE"),
        ([("UPLOAD", (None, "TABLE,http://example.org/t.vot"))], "fetches no files"),
        ([("UPLOAD", (None, "TABLE,file:///etc/passwd"))], "fetches no files"),
        ([(f"F{number}", ("x", b"1")) for number in range(40)], "files"),
    ],
)
def test_41_bad_uploads_are_refused(probe: Probe, files: object, says: str):
    before = probe.ids("?LAST=1")
    response = _post(probe, files)
    assert response.status_code in (400, 413), response.text
    assert says in response.text
    assert probe.ids("?LAST=1") == before


def test_41_no_files_where_none_are_taken(probe: Probe):
    job = probe.create()
    assert probe.http.post(job.url + "/phase", files={"PHASE": ("x", b"RUN")}).status_code == 400
    assert job.phase == "PENDING"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes 100,000 bytes of files, and fetches them from public hosts."""
    home = tmp_path_factory.mktemp("small") / "home"
    with Service(home, UPLOAD_MAX="100000", UPLOAD_FILES="3", UPLOAD_URLS="true", MAX_BODY="20000") as service:
        yield service


def _files(service: Service) -> list[Path]:
    """What there is of files that came in, anywhere in the home folder."""
    found = [path for path in service.home.rglob("*") if path.is_file() and "amora.sqlite" not in path.name]
    return [path for path in found if path.parent.name == "uploads" or "incoming" in path.parts]


def test_41_too_large_files_leave_nothing_behind(small: Service):
    url = "/scripts/probe/async"
    too_much = [
        {"TABLE": ("x", b"x" * 100_001)},
        [("TABLE", ("x", b"x" * 60_000)), ("B", ("y", b"y" * 60_000))],
        [(name, ("x", b"x")) for name in ("TABLE", "B", "C", "D")],
    ]
    for files in too_much:
        response = small.http.post(url, files=files)
        assert response.status_code == 413, response.text
    job = small.http.post(url, data={"SECONDS": "0"}).headers["location"]
    assert small.http.put(job + "/parameters/TABLE", content=b"x" * 100_001).status_code == 413
    assert small.http.post(url, files={"TABLE": ("x", b"x"), "SECONDS": (None, "-1")}).status_code == 400
    assert _files(small) == []


def test_41_a_broken_connection_leaves_nothing_behind(small: Service):
    parts = urlsplit(small.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(
            b"POST /scripts/probe/async HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b'Content-Length: 90000\r\n\r\n--b\r\nContent-Disposition: form-data; name="TABLE"; filename="x"\r\n\r\n'
            + b"x"
            * 50_000
        )
        while not _files(small):
            assert small.http.get("/healthz").status_code == 200
    while _files(small):
        assert small.http.get("/healthz").status_code == 200  # until the service has seen it
    assert [path for path in (small.home / "incoming").rglob("*") if path.is_file()] == []


def test_41_files_go_with_their_job(small: Service):
    address = small.http.post("/scripts/probe/async", files={"TABLE": ("x", b"x")}).headers["location"]
    [path] = _files(small)
    assert path.parent.parent.name == address.rpartition("/")[2]
    small.http.delete(address)
    assert _files(small) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://192.168.0.1/",
        "http://10.0.0.1/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://224.0.0.1/",
        "http://user:secret@127.0.0.1:{port}/",
        "http:///nohost",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "vos://example.org/x",
    ],
)
def test_41_only_public_hosts_are_asked(small: Service, url: str):
    url = url.format(port=urlsplit(small.base_url).port)
    response = small.http.post("/scripts/probe/async", data={"UPLOAD": f"TABLE,{url}"})
    assert response.status_code == 400
    assert "public" in response.text or "http" in response.text
    assert _files(small) == []


def test_41_files_of_a_killed_service_are_removed_at_the_next_start(tmp_path: Path):
    with Service(tmp_path) as service:
        parts = urlsplit(service.base_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(b"PUT /scripts/probe/async/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde")
            assert b" 405 " in connection.recv(4096)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(
                b"POST /scripts/probe/async HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                b"Content-Length: 900000\r\n\r\n"
                b'--b\r\nContent-Disposition: form-data; name="TABLE"; filename="x"\r\n\r\n' + b"x" * 500_000
            )
            while not _files(service):
                assert service.http.get("/healthz").status_code == 200
            service.kill()
    assert _files(service)
    with Service(tmp_path) as service:
        assert _files(service) == []


def test_32_the_same_in_json(probe: Probe):
    job = _job(probe, _post(probe, {"TABLE": ("x", CONTENT, "text/csv")}))
    details = json.loads(probe.http.get(job.document().findtext("uws:jobInfo/amora/details", namespaces=NAMES)).text)
    [parameter] = details["parameters"]
    assert parameter == {
        "name": "TABLE",
        "address": job.url + "/parameters/TABLE",
        "content_type": "text/csv",
        "size": len(CONTENT),
        "checksum": SHA256,
    }
