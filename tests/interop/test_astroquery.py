"""What ``TapPlus`` of astroquery 0.4.11 sends and reads."""

from __future__ import annotations

import io

import httpx
from astropy.table import Table
from lxml import etree

from tests.protocol.client import NAMES, Probe

HEADERS = {"Content-type": "application/x-www-form-urlencoded", "Accept": "text/plain"}
QUERY = {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "votable_gzip", "tapclient": "astroquery", "QUERY": "SELECT 1"}


def _launch(probe: Probe, **more: str) -> str:
    """Create a job and return its address: it goes by the Location of a 303 and by nothing else."""
    response = httpx.post(probe.url, data={**QUERY, **more}, headers=HEADERS)
    assert response.status_code == 303
    return response.headers["location"]


def _end(job: str) -> str:
    while (phase := httpx.get(job + "/phase", headers=HEADERS).text) in ("QUEUED", "EXECUTING"):
        httpx.get(job, params={"WAIT": "5", "PHASE": phase})  # it would sleep for half a second here
    return phase


def test_launch_job_async(probe: Probe):
    job = _launch(probe, PHASE="RUN")
    assert _end(job) == "COMPLETED"
    table = Table.read(io.BytesIO(httpx.get(job + "/results/result").content), format="votable")
    assert list(table["status"]) == ["COMPLETED"]
    refs = etree.fromstring(httpx.get(probe.url).content).iterfind("uws:jobref", NAMES)
    assert job.rpartition("/")[2] in {ref.get("id") for ref in refs}


def test_start_later(probe: Probe):
    job = _launch(probe)
    assert httpx.get(job + "/phase", headers=HEADERS).text == "PENDING"
    started = httpx.post(job + "/phase", data={"PHASE": "RUN"}, headers=HEADERS)
    assert started.status_code == 303
    assert _end(job) == "COMPLETED"


def test_an_error_is_read_from_error(probe: Probe):
    job = _launch(probe, PHASE="RUN", FAIL="The lens cap was on")
    assert _end(job) == "ERROR"
    assert "The lens cap was on" in httpx.get(job + "/error").text
