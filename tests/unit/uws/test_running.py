"""The run form, the pages of the work, and what serves them: without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lxml import etree
from starlette.testclient import TestClient

from jobs.engine import Engine
from uws import rows, snippets
from uws.addresses import Addresses
from uws.app import create_app
from uws.settings import Settings

BASE = "http://amora.example"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path, public_url=BASE, workers=1)
    engine = Engine(settings)
    engine.start()
    with TestClient(create_app(engine, settings), base_url=BASE, follow_redirects=False) as running:
        yield running
    engine.stop()


def field(page: str, name: str) -> etree._Element:
    (found,) = etree.HTML(page).xpath(f"//*[@name='{name}']")
    return found


def test_the_form_has_what_the_descriptor_has(client: TestClient) -> None:
    page = client.get("/run", params={"SCRIPT": "image", "EMIN": "1.5"}).text
    emin = field(page, "image.EMIN")
    assert (emin.get("type"), emin.get("min"), emin.get("max"), emin.get("value")) == ("number", "0", "32", "1.5")
    assert emin.get("data-default") == "0.5"
    assert emin.getparent().get("class") == "field changed"
    assert field(page, "image.EMAX").getparent().get("class") == "field"
    assert "".join(field(page, "image.GTI").itertext()).split()[:1] == ["none"]
    described = etree.HTML(page).xpath(f"//*[@id='{emin.get('aria-describedby')}']")[0]
    assert "Lowest photon energy" in "".join(described.itertext())
    assert "Image" in page


def test_a_value_is_meant_for_all_scripts_or_for_one(client: TestClient) -> None:
    given = {"SCRIPT": ["image", "spectrum"], "EMIN": "1", "spectrum.EMIN": "2"}
    page = client.get("/run", params=given).text
    assert field(page, "image.EMIN").get("value") == "1"
    assert field(page, "spectrum.EMIN").get("value") == "2"


def test_one_wrong_value_and_no_job_is_made(client: TestClient) -> None:
    given = {"SCRIPT": ["probe", "image"], "image.EMIN": "nonsense", "START": "1", "POS": "CIRCLE 1 2 3"}
    answer = client.post("/run", data=given)
    assert answer.status_code == 400
    wrong = field(answer.text, "image.EMIN")
    assert wrong.get("aria-invalid") == "true"
    assert wrong.get("value") == "nonsense"
    assert "EMIN" in "".join(etree.HTML(answer.text).xpath("//p[@role='alert']")[0].itertext())
    assert client.get("/api/jobs").json() == {"jobs": []}
    assert not etree.HTML(answer.text).xpath("//*[@name='RUNID']")
    assert client.get("/api/sessions").json() == {"sessions": []}


def test_a_job_holds_what_is_not_the_default_and_belongs_to_a_session(client: TestClient) -> None:
    answer = client.post("/run", data={"SCRIPT": "probe", "probe.TASKS": "2", "probe.SECONDS": "0.0", "START": "1"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{BASE}/jobs/")
    job_id = answer.headers["Location"].rpartition("/")[2]
    job = client.get(f"/api/jobs/{job_id}?WAIT=20").json()
    assert job["parameters"] == [{"name": "TASKS", "value": "2"}]
    assert client.get(f"/api/sessions/{job['run_id']}").json()["access"] == "owner"
    page = client.get(answer.headers["Location"]).text
    assert job_id in page

    again = client.post(f"/jobs/{job_id}", data={"ACTION": "AGAIN"})
    second = client.get(f"/api/jobs/{again.headers['Location'].rpartition('/')[2]}").json()
    assert (second["parameters"], second["run_id"]) == (job["parameters"], job["run_id"])
    edit = client.get("/run", params={"FROM": job_id}).text
    assert field(edit, "probe.TASKS").get("value") == "2"
    assert field(edit, "RUNID").get("value") == job["run_id"]
    compared = client.get("/jobs/compare", params={"A": job_id, "B": second["id"]})
    assert compared.status_code == 200
    assert client.get("/jobs/compare", params={"A": job_id}).status_code == 400
    assert client.post(f"/jobs/{job_id}", data={"ACTION": "BREAK"}).status_code == 400
    before = client.get(f"/api/jobs/{job_id}").json()["destruction"]
    client.post(f"/jobs/{job_id}", data={"ACTION": "EXTEND"})
    assert client.get(f"/api/jobs/{job_id}").json()["destruction"] > before
    assert client.post(f"/jobs/{job_id}", data={"ACTION": "DELETE"}).headers["Location"] == f"{BASE}/jobs"
    assert client.get(f"/jobs/{job_id}").status_code == 404


def test_a_file_is_used_again_unless_it_is_taken_out(client: TestClient) -> None:
    sent = {"probe.TABLE": ("a.bin", b"0123456789", "application/octet-stream")}
    answer = client.post("/run", data={"SCRIPT": "probe", "START": "1"}, files=sent)
    job_id = answer.headers["Location"].rpartition("/")[2]
    (former,) = client.get(f"/api/jobs/{job_id}").json()["parameters"]
    edit = client.get("/run", params={"FROM": job_id}).text
    assert field(edit, "KEEP").get("value") == "probe.TABLE"
    kept = {"SCRIPT": "probe", "START": "1", "FROM": job_id}
    for keep, expected in (({"KEEP": "probe.TABLE"}, [former["checksum"]]), ({}, [])):
        made = client.post("/run", data={**kept, **keep}).headers["Location"].rpartition("/")[2]
        found = client.get(f"/api/jobs/{made}").json()["parameters"]
        assert [item["checksum"] for item in found] == expected


def test_the_estimate_counts_tasks(client: TestClient) -> None:
    assert client.get("/api/scripts/probe/estimate", params={"TASKS": "3"}).json() == {"tasks": 3, "seconds": None}
    wrong = client.post("/api/scripts/probe/estimate", data={"TASKS": "0"})
    assert wrong.status_code == 400
    assert "TASKS" in wrong.json()["error"]
    assert client.get("/api/scripts/nothing/estimate").status_code == 404


def test_rows_of_fits_tables(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    columns = [
        fits.Column("X", "D", unit="keV", array=np.array([1.0, np.nan, 3.0])),
        fits.Column("NAME", "4A", array=["a", "b", "c"]),
        fits.Column("MANY", "20J", array=np.arange(60).reshape(3, 20)),
    ]
    fits.BinTableHDU.from_columns(columns, name="T").writeto(path)
    found = rows.READERS["application/fits"](path, 1, 5, None)
    assert (found["name"], found["total"], found["offset"]) == ("T", 3, 1)
    assert found["columns"][0] == {"name": "X", "unit": "keV", "description": "", "ucd": ""}
    assert found["rows"][0][:2] == [None, "b"]
    assert found["rows"][0][2].startswith("20 21")
    assert found["rows"][0][2].endswith("…")
    json.dumps(found, allow_nan=False)


def test_rows_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n5,6\n", encoding="utf-8")
    found = rows.READERS["text/csv"](path, 1, 1, None)
    assert (found["rows"], found["total"], [one["name"] for one in found["columns"]]) == ([["3", "4"]], 3, ["a", "b"])


def test_commands_quote_what_is_given(make_job) -> None:
    from jobs.models import Parameter

    job = make_job(parameters=(Parameter("POS", "CIRCLE 1 2 3"), Parameter("NOTE", "it's $(rm -rf /) `x`")))
    made = snippets.of_job(job, Addresses(BASE))
    assert "'NOTE=it'\"'\"'s $(rm -rf /) `x`'" in made.curl
    compile(made.python, "snippet", "exec")
    assert made.curl.endswith("--data PHASE=RUN")
