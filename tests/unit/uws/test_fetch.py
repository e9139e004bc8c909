"""Files fetched from addresses that strangers give."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import TooLargeError
from jobs.uploads import Inbox, Incoming
from uws.fetch import Address, FetchError, fetch, is_public

HOME = ip_address("127.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.1.2.3",
        "255.255.255.255",
        "224.0.0.251",
        "240.0.0.1",
        "192.88.99.1",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:db8::1",
        "3fff::1",
        "fec0::1",
        "5f00::1",
        "64:ff9b:1::1",
        "2001::1",
    ],
)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "130.79.128.5", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_that_are(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_disguise_makes_an_address_public(address: IPv4Address) -> None:
    number = int(address)
    disguises = ((0xFFFF << 32) | number, (0x0064FF9B << 96) | number, (0x2002 << 112) | (number << 80))
    for disguise in disguises:
        assert not is_public(IPv6Address(disguise)) or is_public(address)


class Answers(BaseHTTPRequestHandler):
    """Says in its answers what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append(self.headers["Host"])  # type: ignore[attr-defined]
        code, headers, body = {
            "/file": (200, {"Content-Type": "text/csv"}, b"ra,dec\n"),
            "/large": (200, {}, b"x" * 100_000),
            "/moved": (302, {"Location": "http://169.254.169.254/"}, b""),
            "/odd": (200, {"Content-Type": "a\tb; c"}, b"odd"),
        }.get(self.path, (404, {}, b""))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.path == "/slow":
            time.sleep(5)  # longer than the test lets the fetch take
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.seen = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _fetch(path: Path, url: str, addresses: list[list[Address]], limit: int = 1000, seconds: float = 5) -> Incoming:
    """Fetch while the name resolves to each of ``addresses`` in turn; loopback counts as public."""
    turns = iter(addresses)

    async def resolve(_host: str, _port: int) -> list[Address]:
        return next(turns)

    with Inbox(path, limit, 1) as inbox:
        file = asyncio.run(fetch(url, inbox, seconds, resolve, lambda address: address == HOME or is_public(address)))
        assert file.path.stat().st_size == file.size
        return file


def test_a_file_is_fetched(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    port = server.server_address[1]
    file = _fetch(tmp_path, f"http://archive.example:{port}/file", [[HOME]])
    assert (file.size, file.content_type) == (7, "text/csv")
    assert server.seen[-1] == f"archive.example:{port}"  # type: ignore[attr-defined]
    assert list(tmp_path.rglob("*")) == []


def test_a_name_is_resolved_once(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    """A second look would end in the StopIteration of the list."""
    assert _fetch(tmp_path, f"http://rebind.example:{server.server_address[1]}/file", [[HOME]]).size == 7


@pytest.mark.parametrize(
    ("path", "says"),
    [("moved", "redirects"), ("nosuch", "answered 404"), ("slow", "within")],
)
def test_what_is_not_a_file(tmp_path: Path, server: ThreadingHTTPServer, path: str, says: str) -> None:
    with pytest.raises(FetchError, match=says):
        _fetch(tmp_path, f"http://archive.example:{server.server_address[1]}/{path}", [[HOME]], seconds=0.5)
    assert list(tmp_path.rglob("*")) == []


def test_a_large_file_is_cut_off(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    with pytest.raises(TooLargeError):
        _fetch(tmp_path, f"http://archive.example:{server.server_address[1]}/large", [[HOME]], limit=99_999)
    assert list(tmp_path.rglob("*")) == []


def test_a_strange_media_type_is_not_handed_on(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    file = _fetch(tmp_path, f"http://archive.example:{server.server_address[1]}/odd", [[HOME]])
    assert file.content_type == "application/octet-stream"


def test_one_address_that_is_not_public_is_enough_to_refuse(tmp_path: Path) -> None:
    for addresses in ([ip_address("10.0.0.1")], [ip_address("8.8.8.8"), ip_address("10.0.0.1")], []):
        with pytest.raises(FetchError, match="not a public one"):
            _fetch(tmp_path, "http://archive.example/file", [addresses])


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.example/x", "http://", "http://[", "x", "http://u:p@h/"]
)
def test_what_is_not_an_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError):
        _fetch(tmp_path, url, [[HOME]])


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="could not be read"):
        _fetch(tmp_path, "http://archive.example:1/", [[HOME]])
