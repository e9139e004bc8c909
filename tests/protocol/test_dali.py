"""What DALI 1.1 asks of every resource: RESPONSEFORMAT, MAXREC; and what web pages need: CORS and OPTIONS."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.protocol.client import Probe
from tests.service import Service

VOTABLE = "application/x-votable+xml"


def test_42_the_product_list_in_each_format(probe: Probe):
    job = probe.create(TASKS="2", PHASE="RUN").until("COMPLETED")
    for asked, content_type in (
        ("", VOTABLE),
        ("votable", VOTABLE),
        ("application/xml", "application/xml"),
        ("CSV", "text/csv;header=present"),
        ("text/csv", "text/csv;header=present"),
    ):
        response = job.get("results", "result", **({"RESPONSEFORMAT": asked} if asked else {}))
        assert response.headers["content-type"].replace("; charset=utf-8", "") == content_type
        assert response.text.count("probe_2.vot") >= 1
    assert job.get("results", "result", RESPONSEFORMAT="fits").status_code == 400


def test_42_a_job_keeps_the_format_it_was_made_with(probe: Probe):
    job = probe.create(RESPONSEFORMAT="csv", PHASE="RUN").until("COMPLETED")
    assert job.get("results", "result").headers["content-type"].startswith("text/csv")
    assert 'mime-type="text/csv;header=present"' in job.get("results").text
    assert job.get("results", "result", RESPONSEFORMAT="votable").headers["content-type"] == VOTABLE


def test_42_unknown_formats_are_refused_at_creation(probe: Probe):
    before = probe.ids("?LAST=1")
    assert probe.post(RESPONSEFORMAT="parquet").status_code == 400
    assert probe.ids("?LAST=1") == before
    assert probe.create().post("parameters", RESPONSEFORMAT="parquet").status_code == 400


@pytest.mark.parametrize("maxrec", ["-1", "many", "1e3", ""])
def test_42_bad_maxrec(probe: Probe, maxrec: str):
    response = probe.get("observations", MAXREC=maxrec, RESPONSEFORMAT="votable")
    assert response.status_code == 400
    assert "MAXREC" in response.text
    assert response.headers["content-type"] == VOTABLE


def test_42_maxrec_cuts_and_says_so(probe: Probe):
    everything = probe.get("observations").json()
    assert everything["overflow"] is False
    assert everything["count"] == len(everything["observations"])
    table = etree.fromstring(probe.get("observations", MAXREC="0", RESPONSEFORMAT="votable").content)
    assert list(table.iter("{*}TR")) == []
    assert len(list(table.iter("{*}FIELD"))) > 10
    states = [info.get("value") for info in table.iterfind(".//{*}INFO[@name='QUERY_STATUS']")]
    assert states == (["OK", "OVERFLOW"] if everything["count"] else ["OK"])
    assert probe.get("observations", MAXREC=str(everything["count"])).json() == everything


@pytest.mark.parametrize("path", ["observations", "capabilities", "scripts/probe/async", "scripts/probe/async/nosuch"])
def test_web_pages_may_read(probe: Probe, path: str):
    response = probe.http.get(f"{probe.base}/{path}", headers={"Origin": "https://aladin.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert "Location" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize(("method", "code"), [("GET", 200), ("POST", 200), ("DELETE", 400), ("PUT", 400)])
def test_web_pages_may_not_delete(probe: Probe, method: str, code: int):
    headers = {"Origin": "https://aladin.example", "Access-Control-Request-Method": method}
    assert probe.http.options(probe.url, headers=headers).status_code == code


def test_the_operator_says_which_web_pages(tmp_path: Path):
    with Service(tmp_path, CORS="https://a.example https://b.example") as service:
        for origin, allowed in (("https://a.example", True), ("https://c.example", False)):
            response = service.http.get("/observations", headers={"Origin": origin})
            assert (response.headers.get("access-control-allow-origin") == origin) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("scripts/probe/async", "GET, HEAD, POST, OPTIONS"),
        ("scripts/probe/sync", "GET, HEAD, POST, OPTIONS"),
        ("observations", "GET, HEAD, POST, OPTIONS"),
        ("capabilities", "GET, HEAD, OPTIONS"),
    ],
)
def test_18_options_tells_the_methods(probe: Probe, path: str, allowed: str):
    response = probe.http.options(f"{probe.base}/{path}")
    assert (response.status_code, response.headers["allow"]) == (204, allowed)


def test_18_methods_that_are_not_there(probe: Probe):
    job = probe.create()
    for method, url in (("DELETE", probe.url), ("PUT", job.url), ("PATCH", job.url), ("DELETE", job.url + "/phase")):
        assert probe.http.request(method, url).status_code == 405
    assert set(probe.http.options(job.url).headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
