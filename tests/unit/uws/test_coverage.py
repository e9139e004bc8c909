"""``/coverage``: the union of coverages, held against the one that mocpy makes of the MOCs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from mocpy import MOC

from index import mocs, union
from index.healpix import ranges_of
from jobs.engine import Engine
from tests.unit.uws.test_asking import Client, found
from uws.app import create_app
from uws.cli import amora
from uws.coverage import ORDER
from uws.settings import Settings


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[Client]:
    settings = Settings(home=tmp_path, public_url="https://amora.example/x")
    engine = Engine(settings)
    engine.index.add(map(found, range(120)))
    yield Client(create_app(engine, settings), engine)
    engine.stop()


def together(numbers: Any, order: int) -> MOC:
    first, *others = (found(number).coverage for number in numbers)
    whole = first.union(*others) if others else first
    return whole.degrade_to_order(order) if order < 10 else whole


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, range(120)),
        ({"CAMERA": "PN"}, range(2, 120, 3)),
        ({"CAMERA": ["m1", "m2"], "SIMULATED": "false"}, [n for n in range(120) if n % 3 < 2 and n % 2]),
        ({"ID": "0000000007/M2/S001"}, [7]),
        ({"CIRCLE": "10 -20 0.01", "RELATION": "contains"}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", [3, 8, 10])
def test_it_is_the_union(probe: Client, asked: dict[str, Any], numbers: Any, order: int):
    response = probe.get("coverage", ORDER=str(order), **asked)
    assert response.headers["content-type"] == "application/fits"
    moc = mocs.from_fits(response.content)
    if numbers is None:
        numbers = [int(row["obs_id"]) for row in probe.get("observations", **asked).json()["observations"]]
        assert 3 < len(numbers) < 12
    expected = together(numbers, order)
    assert ranges_of(moc).tolist() == ranges_of(expected).tolist()
    header = fits.open(io.BytesIO(response.content))[1].header
    assert header["MOCORD_S"] == order
    for form in ("json", "ascii"):
        text = probe.get("coverage", ORDER=str(order), RESPONSEFORMAT=form, **asked).text
        assert ranges_of(mocs.from_text(text)).tolist() == ranges_of(expected).tolist()


def test_a_union_in_many_pieces_is_the_same(probe: Client, monkeypatch: pytest.MonkeyPatch):
    whole = probe.get("coverage", ORDER="16", RESPONSEFORMAT="ascii").text
    probe.engine.index.remove(["0000000119/PN/S001"])
    probe.engine.index.add([found(119)])
    monkeypatch.setattr(union, "AT_ONCE", 100)
    assert probe.get("coverage", ORDER="16", RESPONSEFORMAT="ascii").text == whole


def test_it_is_kept_until_the_index_changes(probe: Client, monkeypatch: pytest.MonkeyPatch):
    made = []
    index = probe.engine.index
    make = index.union
    monkeypatch.setattr(index, "union", lambda *given: made.append(given) or make(*given))
    first = probe.get("coverage")
    tag = first.headers["etag"]
    assert probe.get("coverage").content == first.content
    assert probe._ask("GET", "/coverage", headers={"If-None-Match": tag}).status_code == 304
    assert len(made) == 1
    probe.get("coverage", CAMERA="M1")
    assert len(made) == 2
    index.remove([f"{n:010}/M1/S001" for n in range(0, 120, 3)])
    after = probe._ask("GET", "/coverage", headers={"If-None-Match": tag})
    assert after.status_code == 200
    moc = mocs.from_fits(after.content)
    assert ranges_of(moc).tolist() == ranges_of(together([n for n in range(120) if n % 3], ORDER)).tolist()


def test_a_region_can_be_a_file(probe: Client):
    response = probe._ask("POST", "/coverage", files={"REGION": ("r", b"10:0:0 1")}, data={"ORDER": "10"})
    assert response.status_code == 400
    region = b'fk5;circle(10,-20,36")'
    response = probe._ask("POST", "/coverage", files={"REGION": ("r", region)}, data={"ORDER": "10"})
    asked = probe.get("coverage", CIRCLE="10 -20 0.01", ORDER="10")
    assert response.content == asked.content != probe.get("coverage", ORDER="10").content


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"ORDER": "17"}, 400, "from 0 to 16"),
        ({"ORDER": "-1"}, 400, "ORDER"),
        ({"CAMERA": "none"}, 404, "No dataset"),
        ({"CIRCLE": "1 2"}, 400, "CIRCLE"),
        ({"RESPONSEFORMAT": "png"}, 400, "fits"),
    ],
)
def test_what_cannot_be_had_is_said(probe: Client, asked: dict[str, str], status: int, says: str):
    response = probe.get("coverage", **asked)
    assert response.status_code == status
    assert says in response.text


def test_the_command_writes_the_same(probe: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AMORA_HOME", str(tmp_path))
    file = tmp_path / "out.fits"
    amora(["index", "coverage", "--camera", "PN", "--order", "8", "-o", str(file)], standalone_mode=False)
    assert file.read_bytes() == probe.get("coverage", CAMERA="PN", ORDER="8").content
