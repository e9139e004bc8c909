"""The page of a script, and the same for programs, say all that the descriptor says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from starlette.testclient import TestClient

from jobs.engine import Engine
from jobs.settings import BUILT_IN_SCRIPTS
from uws.app import create_app
from uws.settings import Settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    broken = tmp_path / "scripts" / "broken"
    broken.mkdir(parents=True)
    (broken / "script.toml").write_text("?")
    settings = Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts"), public_url="http://amora.example")
    engine = Engine(settings)
    yield TestClient(create_app(engine, settings), base_url="http://amora.example")
    engine.stop()


def test_json_has_descriptor_parameters_and_readme(client: TestClient) -> None:
    found = client.get("/scripts/spectrum?RESPONSEFORMAT=json").json()
    assert found["readme"] == (BUILT_IN_SCRIPTS / "spectrum" / "README.md").read_text(encoding="utf-8")
    assert len(found["checksum"]) == 64
    assert [spec["name"] for spec in found["shared_parameters"]] == ["ID", "POS", "CIRCLE", "POLYGON"]
    emin = next(spec for spec in found["parameters"] if spec["name"] == "EMIN")
    assert (emin["unit"], emin["ucd"], emin["minimum"]) == ("keV", "em.energy;stat.min", 0.0)
    assert not {"folder", "command"} & set(found)
    probe = client.get("/scripts/probe?RESPONSEFORMAT=json").json()
    assert probe["shared_parameters"] == []


def test_the_list_tells_of_broken_scripts(client: TestClient) -> None:
    listed = client.get("/scripts?RESPONSEFORMAT=json").json()
    assert "is not TOML" in listed["broken"]["broken"]
    assert {"image", "probe", "spectrum"} <= {script["name"] for script in listed["scripts"]}
    assert "is not TOML" in client.get("/scripts").text


@pytest.mark.parametrize("name", ["spectrum", "image", "probe"])
def test_the_page_has_a_row_for_each_parameter_and_product(client: TestClient, name: str) -> None:
    found = client.get(f"/scripts/{name}?RESPONSEFORMAT=json").json()
    page = etree.HTML(client.get(f"/scripts/{name}").text)
    rows = {
        row[0].findtext("code"): " ".join(row.itertext()) for row in page.iter("tr") if row[0].find("code") is not None
    }
    for spec in [*found["shared_parameters"], *found["parameters"]]:
        for word in (spec["type"], spec.get("unit", ""), spec["description"], spec.get("ucd", "")):
            assert word in rows[spec["name"]], spec["name"]
    for product in found["products"]:
        assert product["description"] in rows[product["name"]]
    text = "".join(page.itertext())
    assert found["checksum"] in text
    for low, high in found["ordered"]:
        assert f"{low} must be smaller than {high}." in text
