"""TAP 1.1 over HTTP: what a client sends, what it gets, and what it is told when that cannot be."""

# ruff: noqa: S608 - the queries are what is tested

from __future__ import annotations

import pytest
from lxml import etree

from tests.protocol.client import Job, Probe

ONE = "SELECT schema_name FROM TAP_SCHEMA.schemas WHERE schema_name = 'ivoa'"


def _ask(probe: Probe, query: str | None = ONE, **more: str):
    data = {"LANG": "ADQL", **({} if query is None else {"QUERY": query}), **more}
    return probe.http.post(f"{probe.base}/tap/sync", data=data)


def _status(content: bytes) -> tuple[str, str]:
    info = etree.fromstring(content).findall(".//{*}INFO[@name='QUERY_STATUS']")[-1]
    return info.get("value", ""), info.text or ""


def test_a_query_by_get_and_by_post(probe: Probe) -> None:
    by_get = probe.get("tap/sync", lang="ADQL", query=ONE, request="doQuery")
    by_post = _ask(probe)
    assert by_get.status_code == by_post.status_code == 200
    assert by_get.content == by_post.content
    assert b"<TD>ivoa</TD>" in by_get.content


@pytest.mark.parametrize(
    ("given", "content_type"),
    [
        ({}, "application/x-votable+xml"),
        ({"RESPONSEFORMAT": "text/xml"}, "text/xml; charset=utf-8"),
        ({"RESPONSEFORMAT": "csv"}, "text/csv;header=present; charset=utf-8"),
        ({"FORMAT": "tsv"}, "text/tab-separated-values; charset=utf-8"),
        ({"RESPONSEFORMAT": "fits"}, "application/fits"),
        ({"RESPONSEFORMAT": "application/json"}, "application/json"),
        ({"RESPONSEFORMAT": "votable/b2"}, "application/x-votable+xml;serialization=BINARY2"),
    ],
)
def test_the_forms_of_a_result(probe: Probe, given: dict[str, str], content_type: str) -> None:
    response = _ask(probe, **given)
    assert response.status_code == 200
    assert response.headers["content-type"] == content_type


def test_each_form_that_the_capabilities_name_is_had_by_its_media_type(probe: Probe) -> None:
    forms = etree.fromstring(probe.get("tap/capabilities").content).findall(".//outputFormat")
    assert len(forms) > 5
    for form in forms:
        asked = form.findtext("mime")
        response = _ask(probe, RESPONSEFORMAT=asked)
        assert response.headers["content-type"].removesuffix("; charset=utf-8") == asked
        assert response.content == _ask(probe, RESPONSEFORMAT=form.findtext("alias")).content


@pytest.mark.parametrize(
    ("query", "given", "words"),
    [
        (None, {}, "QUERY is missing"),
        ("SELECT nosuch FROM ivoa.obscore", {}, "nosuch"),
        ("DROP TABLE dataset", {}, "SELECT"),
        (ONE, {"LANG": "SQL"}, "ADQL"),
        (ONE, {"REQUEST": "getThings"}, "doQuery"),
        (ONE, {"RESPONSEFORMAT": "parquet"}, "votable"),
        (ONE, {"MAXREC": "many"}, "MAXREC"),
        (ONE, {"UPLOAD": "a,param:b"}, "no part b"),
        ("SELECT * FROM ivoa.obscore WHERE 1=CONTAINS(POINT(0,0), CIRCLE(0,95,1))", {}, "95"),
        ("SELECT * FROM ivoa.obscore WHERE 1=INTERSECTS(s_region, CIRCLE(0,0,-1))", {}, "radius"),
    ],
)
def test_what_cannot_be_answered_is_a_dali_error(
    probe: Probe, query: str | None, given: dict[str, str], words: str
) -> None:
    response = _ask(probe, query, **given)
    assert response.status_code == 400
    status, text = _status(response.content)
    assert status == "ERROR"
    assert words in text


def test_maxrec_and_overflow(probe: Probe) -> None:
    query = "SELECT column_name FROM TAP_SCHEMA.columns"
    assert _status(_ask(probe, query, MAXREC="3").content)[0] == "OVERFLOW"
    assert _status(_ask(probe, query, MAXREC="0").content)[0] == "OVERFLOW"
    assert _status(_ask(probe, query).content)[0] == "OK"


def _create(probe: Probe, **data: str) -> Job:
    response = probe.http.post(f"{probe.base}/tap/async", data={"LANG": "ADQL", "QUERY": ONE, **data})
    assert response.status_code == 303, response.text
    return Job(probe.http, response.headers["location"])


def test_a_query_as_a_job(probe: Probe) -> None:
    job = _create(probe, RESPONSEFORMAT="csv", PHASE="RUN").until("COMPLETED")
    assert job.url.startswith(f"{probe.base}/tap/async/")
    result = job.get("results", "result")
    assert result.text.split() == ["schema_name", "ivoa"]
    assert result.headers["content-type"].startswith("text/csv")
    assert job.document().find(".//{*}result").get("id") == "result"
    assert job.id in probe.http.get(f"{probe.base}/tap/async").text
    assert job.delete().headers["location"].startswith(f"{probe.base}/tap/async")


def test_a_job_whose_query_is_wrong_says_so(probe: Probe) -> None:
    job = _create(probe, QUERY="SELECT nosuch FROM ivoa.obscore", PHASE="RUN").until("ERROR")
    status, text = _status(job.get("error").content)
    assert status == "ERROR"
    assert "nosuch" in text


def test_the_query_of_a_job_can_be_changed_until_it_runs(probe: Probe) -> None:
    job = _create(probe, QUERY="SELECT nosuch FROM ivoa.obscore")
    assert job.post("parameters", QUERY=ONE).status_code == 303
    assert "ivoa" in job.run().until("COMPLETED").get("results", "result").text


def test_a_query_that_runs_for_ever_is_aborted_with_its_job(probe: Probe) -> None:
    tables = ", ".join(f"TAP_SCHEMA.columns AS c{number}" for number in range(9))
    query = f"SELECT COUNT(*) FROM {tables} WHERE c1.column_index < c2.column_index"
    job = _create(probe, QUERY=query, PHASE="RUN").until("EXECUTING")
    assert job.post("phase", PHASE="ABORT").status_code == 303
    assert job.phase == "ABORTED"
    # The worker is free again: another query gets its turn.
    _create(probe, PHASE="RUN").until("COMPLETED")


def test_a_job_with_a_table_of_its_own(probe: Probe) -> None:
    table = b'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
    table += b'<FIELD name="a" datatype="int"/><DATA><TABLEDATA><TR><TD>41</TD></TR></TABLEDATA></DATA></TABLE>'
    table += b"</RESOURCE></VOTABLE>"
    response = probe.http.post(
        f"{probe.base}/tap/async",
        data={
            "LANG": "ADQL",
            "QUERY": "SELECT a+1 AS b FROM TAP_UPLOAD.mine",
            "UPLOAD": "mine,param:t",
            "PHASE": "RUN",
        },
        files={"t": ("t.vot", table, "application/x-votable+xml")},
    )
    job = Job(probe.http, response.headers["location"]).until("COMPLETED")
    assert b"<TD>42</TD>" in job.get("results", "result").content
