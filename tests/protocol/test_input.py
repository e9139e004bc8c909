"""Whatever comes in, the answer is a clear 4xx and the service goes on."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.protocol.client import NAMES, Probe
from tests.schemas import valid

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="A"\r\n\r\n1\r\n'
BOMB = (
    "<!DOCTYPE a ["
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x"}">' for n in range(10))
    + "]><a>&e9;</a>"
)
"""A billion letters, for whoever expands its entities."""


@pytest.mark.parametrize(
    ("content_type", "body", "code", "says"),
    [
        (FORM, b"Foo=\xff\xfe", 400, "UTF-8"),
        (FORM, b"Foo=%FF%FE", 400, "UTF-8"),
        (FORM, b"Foo=a%00b", 400, "Foo"),
        (FORM, b"Foo=%EF%BF%BF", 400, "Foo"),
        (FORM, b"=novalue", 400, "name"),
        (FORM, b"%0A=x", 400, "name"),
        (FORM, b"N" * 1000 + b"=x", 400, "name"),
        (FORM, b"&".join(b"A%d=1" % i for i in range(10_000)), 400, "too many"),
        (FORM, b"Foo=" + b"x" * 1_000_000, 400, "Foo"),
        (FORM, b"Foo=" + b"x" * 1_100_000, 413, "too large"),
        ("application/json", b"{}", 415, "application/json"),
        ("text/xml", BOMB.encode(), 415, "text/xml"),
        ("", b"Foo=x", 415, "Content-Type"),
        ("multipart/form-data", b"--b\r\n", 400, "boundary"),
        ("multipart/form-data; boundary=" + "b" * 500, b"--b\r\n", 400, "multipart"),
        (MULTIPART, b"", 400, "multipart"),
        (MULTIPART, PART * 10_000 + b"--b--\r\n", 400, "multipart"),
        (MULTIPART, b"garbage", 400, "multipart"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="Foo"\r\n\r\nx', 400, "closing boundary"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="Foo"\r\n\r\nx\r\n', 400, "closing boundary"),
        (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", 400, "name"),
        (MULTIPART, b"--b\r\n\r\nx\r\n--b--\r\n", 400, "multipart"),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="Foo"\r\n\r\n\xff\r\n--b--\r\n', 400, "UTF-8"),
        (
            MULTIPART,
            b'--b\r\nContent-Disposition: form-data; name="Foo"; filename="x"\r\n\r\nx\r\n--b--\r\n',
            400,
            "FOO",
        ),
    ],
)
def test_bad_bodies(probe: Probe, content_type: str, body: bytes, code: int, says: str):
    before = probe.ids("?LAST=1")
    headers = {"Content-Type": content_type} if content_type else {}
    response = probe.http.post(probe.url, content=body, headers=headers)
    assert response.status_code == code, response.text
    assert says in response.text
    assert len(response.text) < 1000
    assert probe.ids("?LAST=1") == before


def test_a_body_without_end_is_cut_off(probe: Probe):
    response = probe.http.post(probe.url, content=(b"x" * 65536 for _ in range(64)), headers={"Content-Type": FORM})
    assert response.status_code == 413
    assert response.headers["Connection"] == "close"  # or a client might go on sending for ever


@pytest.mark.parametrize("content_type", [FORM, MULTIPART, "application/json", "text/xml"])
@pytest.mark.parametrize("place", ["/scripts/probe/async", "/api/scripts/probe/jobs"])
def test_a_gigabyte_is_not_swallowed(probe: Probe, service: tuple[str, int | None], content_type: str, place: str):
    before = _memory(service[1])
    body = (b"x" * 2**20 for _ in range(2**10))
    with suppress(httpx.WriteError):  # a service may hang up on such a client; otherwise it must say what is wrong
        response = probe.http.post(probe.base + place, content=body, headers={"Content-Type": content_type})
        assert response.status_code in (400, 413, 415)
    assert probe.get("healthz").status_code == 200
    assert _memory(service[1]) - before < 64 * 2**20


def _memory(process: int | None) -> int:
    """The resident memory of the service in bytes; 0 where it cannot be seen."""
    status = Path(f"/proc/{process}/status")
    if process is None or not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_entities_in_a_value_are_text(probe: Probe, shared: Path):
    job = probe.create(QUERY=BOMB)
    root = valid(job.get().content, shared, "UWS-v1.1.xsd")
    assert root.findtext("uws:parameters/uws:parameter", namespaces=NAMES) == BOMB


def test_a_body_that_is_said_to_be_huge_is_refused_unread(probe: Probe):
    parts = urlsplit(probe.base)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(
            b"POST /scripts/probe/async HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "query",
    [
        "WAIT=1e99",
        "WAIT=-2",
        "WAIT=x",
        "WAIT=",
        "WAIT=1&WAIT=1",
        "WAIT=" + "9" * 100,
        "WAIT=1&PHASE=BOGUS",
        "WAIT=%FF",
        "WAIT=٣",
    ],
)
def test_54_bad_wait_is_400(probe: Probe, query: str):
    job = probe.create()
    assert probe.http.get(f"{job.url}?{query}").status_code == 400
    job.delete()


@pytest.mark.parametrize(
    "path", ["/scripts/probe/async/%00", "/scripts/probe/async/%FF", "/scripts/%2e%2e/async", "//"]
)
def test_odd_paths_are_404(probe: Probe, path: str):
    assert probe.http.get(probe.base + path).status_code == 404


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("executionduration", {"EXECUTIONDURATION": "-1"}),
        ("executionduration", {"EXECUTIONDURATION": "soon"}),
        ("executionduration", {"EXECUTIONDURATION": "99999999999999999999"}),
        ("executionduration", {}),
        ("destruction", {"DESTRUCTION": "yesterday"}),
        ("destruction", {"DESTRUCTION": "2001-01-01T00:00:00Z"}),
        ("destruction", {"DESTRUCTION": ""}),
        ("destruction", {}),
        ("phase", {"PHASE": "BOGUS"}),
        ("phase", {}),
    ],
)
def test_bad_control_is_400_and_changes_nothing(probe: Probe, path: str, data: dict[str, str]):
    job = probe.create()
    before = job.get().content
    response = job.post(path, **data)
    assert response.status_code == 400
    assert path.upper() in response.text
    assert job.get().content == before
