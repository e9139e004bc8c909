"""Every XML document validates against the schema in every phase (UWS 1.1, section 2.2.2 and appendix B)."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.protocol.client import HREF, NAMES, NIL, Job, Probe
from tests.schemas import valid

UWS = "UWS-v1.1.xsd"
ORDER = [
    "jobId",
    "runId",
    "ownerId",
    "phase",
    "quote",
    "creationTime",
    "startTime",
    "endTime",
    "executionDuration",
    "destruction",
    "parameters",
    "results",
    "errorSummary",
    "jobInfo",
]


def _in_phase(probe: Probe, phase: str) -> Job:
    if phase == "PENDING":
        return probe.create(SECONDS="0", RUNID="a & <b> é", Unknown="]]> &amp; \u2028")
    if phase == "ERROR":
        return probe.create(FAIL="It broke <here> & there", PHASE="RUN").until("ERROR")
    if phase == "ABORTED":
        job = probe.create(SECONDS="60", PHASE="RUN").until("EXECUTING")
        job.post("phase", PHASE="ABORT")
        return job
    if phase == "EXECUTING":
        return probe.create(SECONDS="60", PHASE="RUN").until("EXECUTING")
    return probe.create(TASKS="2", PHASE="RUN").until("COMPLETED")


@pytest.fixture(params=["PENDING", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"])
def job(request, probe: Probe):
    made = _in_phase(probe, request.param)
    assert made.phase == request.param
    yield made
    made.delete()


def test_04_each_document_is_valid_in_each_phase(job: Job, shared: Path):
    valid(job.get().content, shared, UWS)
    valid(job.get("parameters").content, shared, UWS)
    valid(job.get("results").content, shared, UWS)


def test_04_list_is_valid(probe: Probe, job: Job, shared: Path):
    root = valid(probe.get("scripts", "probe", "async").content, shared, UWS)
    assert job.id in [ref.get("id") for ref in root]


def test_20_21_each_element_is_there_once_and_in_order(job: Job):
    names = [element.tag.partition("}")[2] for element in job.document()]
    assert names == sorted(names, key=ORDER.index)
    assert len(names) == len(set(names))
    optional = {"runId", "errorSummary"}
    assert set(ORDER) - optional <= set(names)


def test_22_23_34_nil_and_empty(job: Job):
    root = job.document()
    phase = root.findtext("uws:phase", namespaces=NAMES)
    for name in ("executionDuration", "creationTime", "phase", "jobId"):
        assert root.findtext(f"uws:{name}", namespaces=NAMES)
        assert root.find(f"uws:{name}", NAMES).get(NIL) is None
    nil = {element.tag.partition("}")[2] for element in root if element.get(NIL) == "true"}
    assert "ownerId" in nil
    assert "destruction" not in nil
    assert ("startTime" in nil) == (phase == "PENDING")
    assert ("endTime" in nil) == (phase in ("PENDING", "EXECUTING"))
    for element in root:
        if element.get(NIL) == "true":
            assert not element.text
            assert len(element) == 0


def test_28_error_summary_only_in_error(job: Job):
    root = job.document()
    summary = root.find("uws:errorSummary", NAMES)
    if root.findtext("uws:phase", namespaces=NAMES) != "ERROR":
        assert summary is None
        return
    assert summary.get("type") in ("transient", "fatal")
    assert summary.get("hasDetail") == "true"
    assert "It broke <here> & there" in summary.findtext("uws:message", namespaces=NAMES)


def test_30_results_have_unique_ids_and_absolute_addresses_that_work(probe: Probe, job: Job):
    results = job.document().findall("uws:results/uws:result", NAMES)
    if job.phase == "PENDING":
        assert results == []
        return
    ids = [result.get("id") for result in results]
    assert ids[:1] == ["result"]
    assert len(set(ids)) == len(ids)
    for result in results:
        response = probe.http.get(result.get(HREF))
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == result.get("mime-type")
        if result.get("size"):
            assert len(response.content) == int(result.get("size"))


def test_31_parameters_come_back_as_given(probe: Probe, shared: Path):
    job = probe.create(Foo=["a\r\nb", " <&> "], SECONDS="1")
    root = valid(job.get().content, shared, UWS)
    given = [(element.get("id"), element.text) for element in root.iterfind("uws:parameters/uws:parameter", NAMES)]
    assert sorted(given) == [("Foo", " <&> "), ("Foo", "a\r\nb"), ("SECONDS", "1")]


def test_32_job_info_tells_of_progress_and_tasks(probe: Probe):
    info = probe.create(TASKS="2", PHASE="RUN").until("COMPLETED").document().find("uws:jobInfo", NAMES)
    assert info.findtext("amora/script") == "probe"
    assert float(info.findtext("amora/progress")) == 1.0
    assert dict(info.find("amora/tasks").attrib) == {"total": "2", "done": "2", "failed": "0"}
    assert probe.http.get(info.findtext("amora/details")).json()["phase"] == "COMPLETED"


def test_05_documents_name_a_stylesheet_for_browsers(probe: Probe, job: Job):
    place = probe.url.removesuffix("/async")
    urls = [probe.url, job.url, job.url + "/parameters", job.url + "/results"]
    urls += [base + name for base in (probe.base, place) for name in ("/capabilities", "/availability")]
    for url in urls:
        instruction = etree.fromstring(probe.http.get(url).content).getprevious()
        assert instruction.target == "xml-stylesheet"
        assert instruction.get("type") == "text/css"
        sheet = probe.http.get(instruction.get("href"))
        assert sheet.status_code == 200
        assert sheet.headers["content-type"].startswith("text/css")
