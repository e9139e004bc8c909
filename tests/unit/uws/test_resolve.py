"""Where coordinates and names lie on the sky."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import astropy.units as u
import httpx
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine import Engine
from jobs.errors import RequestError
from tests.unit.index.conftest import make_found
from uws.app import create_app
from uws.resolve import coordinates, in_name
from uws.settings import Settings

SESAME = """<?xml version="1.0"?><Sesame><Target option="SNV"><name>{name}</name><Resolver name="S=Simbad">
<jradeg>83.6324</jradeg><jdedeg>+22.0174</jdedeg><oname>M 1 &lt;script&gt;</oname></Resolver></Target></Sesame>"""


class _Cds(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - one for all, as the server is
    says = SESAME

    def do_GET(self) -> None:
        self.asked.append(unquote(self.path.partition("?")[2]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.says.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cds() -> Iterator[str]:
    """The address of a resolver that knows one place."""
    _Cds.asked, _Cds.says = [], SESAME
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cds)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/-ox?"
    server.shutdown()
    server.server_close()


class _House:
    def __init__(self, home: Path, **settings: object) -> None:
        chosen = Settings(home=home, **settings)
        self.engine = Engine(chosen)
        self.app = create_app(self.engine, chosen)

    def ask(self, text: str | None) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await http.get("/api/resolve", params={} if text is None else {"q": text})

        return asyncio.run(send())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[_House]:
    house = _House(tmp_path)
    house.engine.index.add([make_found("0002970201", 35.665, 43.0353)])
    yield house
    house.engine.stop()


@pytest.mark.parametrize(
    ("asked", "ra", "dec", "source"),
    [
        ("83.633 22.014", 83.633, 22.014, "coordinates"),
        ("83.633, -22.014", 83.633, -22.014, "coordinates"),
        ("83.633  +22", 83.633, 22, "coordinates"),
        ("0 0", 0, 0, "coordinates"),
        ("360 90", 0, 90, "coordinates"),
        ("05:34:31.94 +22:00:52.2", 83.6330833, 22.0145, "coordinates"),
        ("05 34 31.94 -22 00 52.2", 83.6330833, -22.0145, "coordinates"),
        ("05h34m31.94s +22d00m52.2s", 83.6330833, 22.0145, "coordinates"),
        ("05:34 -00:30", 83.5, -0.5, "coordinates"),
        ("4XMM J053431.9+220052", 83.6329167, 22.0144444, "name"),
        ("CXOU J0534.5-2200", 83.625, -22, "name"),
        ("PSR J0534+2200", 83.5, 22, "name"),
        ("3c66b", 35.665, 43.0353, "target"),
        ("3C  66B", 35.665, 43.0353, "target"),
        ("0002970201", 35.665, 43.0353, "observation"),
        ("0002970201/M1/S001", 35.665, 43.0353, "observation"),
    ],
)
def test_a_place_is_found_without_a_network(house: _House, asked: str, ra: float, dec: float, source: str):
    answer = house.ask(asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["ra"], found["dec"]) == pytest.approx((ra, dec), abs=1e-6)
    assert found["source"] == source


@given(st.floats(0, 359.9999), st.floats(-89.9999, 89.9999))
def test_it_reads_what_astropy_writes(ra: float, dec: float):
    place = SkyCoord(ra * u.deg, dec * u.deg)
    for text in (place.to_string("hmsdms", precision=5), place.to_string("hmsdms", sep=":", precision=5)):
        found = coordinates(text)
        assert found is not None, text
        assert SkyCoord(found.ra * u.deg, found.dec * u.deg).separation(place) < 1 * u.mas
    name = place.to_string("hmsdms", sep="", precision=5).replace(" ", "")
    found = in_name(f"X J{name}")
    assert found is not None
    assert SkyCoord(found.ra * u.deg, found.dec * u.deg).separation(place) < 1 * u.mas


@pytest.mark.parametrize("text", ["370 10", "10 91", "05:60:00 +22:00:00", "25:00:00 +10:00:00", "05:00:61 +10:00:00"])
def test_what_is_no_place_is_refused(text: str):
    with pytest.raises(RequestError):
        coordinates(text)


@pytest.mark.parametrize("asked", ["Crab", "<script>alert(1)</script>", "'; DROP TABLE dataset; --", "%", "x" * 200])
def test_what_nobody_knows_is_said(house: _House, asked: str):
    answer = house.ask(asked)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert "Coordinates are read" in answer.json()["error"]
    assert answer.json()["suggestions"] == []


def test_targets_are_suggested(house: _House):
    assert house.ask("3c 66").json()["suggestions"] == ["3C 66B"]


def test_nothing_asked_is_a_mistake(house: _House):
    for asked in (None, "", "  ", "x" * 201):
        assert house.ask(asked).status_code == 400


def test_a_resolver_is_asked_once(tmp_path: Path, cds: str):
    house = _House(tmp_path, resolver_url=cds)
    for asked in ("Crab Nebula", "crabnebula"):
        found = house.ask(asked).json()
        assert (found["ra"], found["dec"], found["source"]) == (83.6324, 22.0174, "Sesame")
        assert found["name"] == "M 1 <script>"
    assert house.ask("83.6 22").status_code == 200
    assert _Cds.asked == ["Crab Nebula"]
    house.engine.stop()


@pytest.mark.parametrize("says", ["no XML", "<a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "<a>" * 100_000])
def test_a_resolver_that_talks_nonsense_is_no_failure(tmp_path: Path, cds: str, says: str):
    _Cds.says = says
    house = _House(tmp_path, resolver_url=cds)
    assert house.ask("Crab").status_code == 404
    house.engine.stop()


def test_a_resolver_that_is_away_is_no_failure(tmp_path: Path):
    house = _House(tmp_path, resolver_url="http://127.0.0.1:9/?")
    answer = house.ask("Crab")
    assert answer.status_code == 404
    assert "does not answer now" in answer.json()["error"]
    house.engine.stop()
