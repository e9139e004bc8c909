"""``/observations`` and the pages, black-box."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from lxml import etree

from tests.protocol.client import Probe
from tests.schemas import valid

REGIONS = [
    {},
    {"POS": "CIRCLE 35.665 43.036 0.1"},
    {"pos": "POLYGON 35 43 36 43 36 44"},
    {"CIRCLE": "35.665 43.036 0.1"},
    {"POLYGON": "35 43 36 43 36 44"},
    {"POS": "STC Union ICRS (Circle 35.829 42.975 0.01 Not (Box 35.829 42.975 0.01 0.01))"},
    {"POS": "CIRCLE('GALACTIC', 140.2, -16.8, 0.1)"},
    {"POS": "fk5\nannulus(35.829,42.975,30\",1')\n"},
    {"POS": "02:23:18.96 +42:58:30 0.6'"},
    {"POS": '{"5": [99, 100]}'},
]
BAD = [
    {"POS": "CIRCLE 35.665 43.036 -1"},
    {"POS": "CIRCLE 35.665 NaN 1"},
    {"POS": "BANANA 1 2"},
    {"POS": ""},
    {"POS": "3/768"},
    {"POS": "TARGET no such target 1"},
    {"POS": "image; circle(1, 2, 3)"},
    {"POS": "Circle FK4 35.665 43.036 0.1"},
    {"CIRCLE": "35.665 43.036"},
    {"POLYGON": "35 43 36 43"},
    {"CIRCLE": "35.665 43.036 0.1", "POS": "CIRCLE 35.665 43.036 0.1"},
    {"RESPONSEFORMAT": "banana"},
    {"RELATION": "beside", "POS": "CIRCLE 1 2 3"},
    {"RELATION": "inside"},
    {"ORDER": "overlap"},
    {"ORDER": "size"},
    {"TIME": "52320 52310"},
    {"TIME": "yesterday"},
    {"TIME": "2002-13-01 2003-01-01"},
    {"EXPTIME": "1 2 3"},
    {"EXPTIME": "nan"},
    {"EXPTIME": ""},
    {"BAND": "+Inf +Inf"},
    {"CALIB": "5"},
    {"CALIB": "two"},
    {"CAMERA": ""},
    {"SIMULATED": "perhaps"},
    {"MAXREC": "-1"},
    {"OFFSET": "x"},
    {"AFTER": "x 1/2/3", "ORDER": "time"},
    {"AFTER": "1/2/3", "OFFSET": "3"},
    {"COUNT": "many"},
]


@pytest.mark.parametrize("region", REGIONS)
def test_42_each_format(probe: Probe, region: dict[str, str], shared: Path):
    response = probe.get("observations", **region)
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer["count"] == len(answer["observations"])
    for name in ("votable", "application/x-votable+xml", "text/xml"):
        response = probe.get("observations", **region, RESPONSEFORMAT=name)
        valid(response.content, shared, "VOTable1.4.xsd")
        if "/" in name:
            assert response.headers["content-type"].partition(";")[0] == name
    response = probe.get("observations", **region, RESPONSEFORMAT="csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert len(list(csv.reader(io.StringIO(response.text)))) == answer["count"] + 1
    page = probe.get("observations", **region, RESPONSEFORMAT="html")
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("region", BAD)
def test_a_bad_region_is_400_in_the_form_that_was_asked_for(probe: Probe, region: dict[str, str], shared: Path):
    response = probe.get("observations", **region)
    assert response.status_code == 400
    assert response.json()["error"]
    if "RESPONSEFORMAT" in region:
        return
    response = probe.get("observations", **region, RESPONSEFORMAT="votable")
    assert response.status_code == 400
    root = valid(response.content, shared, "VOTable1.4.xsd")
    (info,) = root.iter("{*}INFO")
    assert (info.get("name"), info.get("value")) == ("QUERY_STATUS", "ERROR")
    assert info.text


def test_pages(probe: Probe):
    job = probe.create(RUNID="<script>alert(1)</script>", PHASE="RUN")
    for path in ("", "scripts", "scripts/probe"):
        response = probe.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        root = etree.HTML(response.text)
        assert all(script.get("src") and not script.text for script in root.iter("script"))  # none of anybody else's
        for link in root.iterfind(".//*[@href]"):
            if link.get("href").startswith(probe.base) and link.get("href") != job.url:
                assert probe.http.get(link.get("href")).status_code in (200, 404)
    assert f"{probe.base}/jobs/{job.id}" in probe.get("").text


def test_scripts_as_json(probe: Probe):
    listed = probe.get("scripts", RESPONSEFORMAT="json").json()["scripts"]
    described = next(script for script in listed if script["name"] == "probe")
    assert described["jobs"] == probe.url
    assert {"SECONDS", "FAIL", "SIZE", "TASKS"} <= {parameter["name"] for parameter in described["parameters"]}
    alone = probe.get("scripts", "probe", RESPONSEFORMAT="application/json").json()
    assert alone.pop("readme").startswith("# Probe")
    assert alone == described
    assert "folder" not in described
