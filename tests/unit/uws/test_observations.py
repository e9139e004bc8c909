"""``/observations`` and the pages over an index with one simulated dataset of which little is known."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from astropy.io.votable import parse_single_table
from lxml import etree
from mocpy import MOC
from starlette.applications import Starlette

from jobs.engine import Engine
from tests.conftest import missing
from tests.schemas import valid
from uws.app import create_app
from uws.settings import Settings


def _cone() -> MOC:
    return MOC.from_cone(Longitude(10 * u.deg), Latitude(-20 * u.deg), radius=0.2 * u.deg, max_depth=12)


@dataclass(frozen=True)
class Found:
    """What a reader that knows little would yield."""

    obs_collection: str = "Toys"
    facility_name: None = None
    instrument_name: None = None
    obs_id: str = "0000000001"
    camera: str = "M1"
    exposure_id: str = "S001"
    target_name: str = "Sgr A✱ <b>"
    s_ra: float = 10.0
    s_dec: float = -20.0
    position_angle: None = None
    t_min: None = None
    t_max: None = None
    t_exptime: None = None
    filter: None = None
    mode: None = None
    simulated: bool = True
    approximate: bool = False
    files: tuple[tuple[str, Path, str], ...] = ()
    coverage: MOC = field(default_factory=_cone)


class Client:
    """Asks the application without a server between."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def get(self, path: str, params: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.get(path, params=params)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), public_url="https://amora.example/x")
    engine = Engine(settings)
    engine.index.add([Found()])
    yield Client(create_app(engine, settings))
    engine.stop()


def test_json(client: Client):
    answer = client.get("/observations", params={"POS": "CIRCLE 10 -20 0.05"}).json()
    assert answer["region"]["text"] == "CIRCLE 10 -20 0.05"
    (found,) = answer["observations"]
    assert answer["count"] == 1
    assert found["id"] == "0000000001/M1/S001"
    assert found["ivoid"] == found["obs_publisher_did"] == "ivo://amora.local/amora?0000000001/M1/S001"
    assert found["simulated"] is True
    assert found["filter"] is None
    assert found["region_fraction"] == 1.0
    assert 0 < found["overlap"] < found["area"]


def test_outside_is_empty_and_no_region_is_everything(client: Client):
    assert client.get("/observations", params={"CIRCLE": "50 50 1"}).json()["observations"] == []
    answer = client.get("/observations").json()
    assert (answer["region"], answer["count"]) == (None, 1)
    assert answer["observations"][0]["overlap"] is None


@pytest.mark.parametrize("given", ["0000000001/M1/S001", "ivo://amora.local/amora?0000000001/M1/S001"])
def test_by_id(client: Client, given: str):
    assert client.get("/observations", params={"id": given}).json()["count"] == 1


def test_csv(client: Client):
    (row,) = csv.DictReader(io.StringIO(client.get("/observations", params={"RESPONSEFORMAT": "csv"}).text))
    assert (row["id"], row["simulated"], row["filter"]) == ("0000000001/M1/S001", "true", "")


@pytest.mark.parametrize("region", [{}, {"CIRCLE": "10 -20 0.1"}])
def test_votable(client: Client, shared: Path, tmp_path: Path, region: dict[str, str]):
    content = client.get("/observations", params={**region, "RESPONSEFORMAT": "votable"}).content
    valid(content, shared, "VOTable1.4.xsd")
    table = parse_single_table(BytesIO(content)).to_table()
    assert table["target_name"][0] == "Sgr A✱ <b>"
    assert table["s_ra"].unit == u.deg
    stilts = shutil.which("stilts")
    if stilts is None:
        missing("the program stilts")
    file = tmp_path / "observations.vot"
    file.write_bytes(content)
    command = [str(stilts), "votlint", f"votable={file}", "ucd=true", "unit=true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout + done.stderr == ""


def test_pages_label_what_is_simulated_and_escape_what_is_not_theirs(client: Client):
    text = client.get("/observations?RESPONSEFORMAT=html&CIRCLE=10+-20+0.1").text
    (row,) = [row for row in etree.HTML(text).iter("tr") if row.findtext("td/code")]
    assert "simulated" in [label.text for label in row.iter("span")]
    assert "Sgr A✱ <b>" in [cell.text for cell in row.iter("td")]
    assert "https://amora.example/x/" in text
    assert "testserver" not in text


def test_a_page_of_an_error_is_a_page_with_the_form_as_it_was_filled_in(client: Client):
    answer = client.get("/observations", params={"RESPONSEFORMAT": "html", "circle": "10 <b>"})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    page = etree.HTML(answer.text)
    assert "CIRCLE takes 3 numbers" in "".join(page.find(".//main").itertext())
    assert page.find(".//input[@name='POS']").get("value") == "CIRCLE 10 <b>"


def test_a_page_without_datasets_offers_the_next_question(client: Client):
    page = etree.HTML(client.get("/observations?RESPONSEFORMAT=html&CIRCLE=200+60+0.1").text)
    assert page.findtext(".//h1") == "0 datasets"
    assert page.find(".//input[@name='POS']").get("value") == "CIRCLE 200 60 0.1"


def test_the_page_of_a_script_says_what_is_allowed_as_one_would(client: Client):
    page = etree.HTML(client.get("/scripts/image").text)
    (row,) = [row for row in page.iter("tr") if row.findtext("td/code") == "PATTERN" and len(row) > 2]
    assert "".join(row[4].itertext()).strip() == "from 0 to 31"
    headings = [heading.text for heading in page.iter("h2")]
    assert len(headings) == len(set(headings))
