"""Phases, durations, destruction and what a job leaves behind (UWS 1.1, sections 2.1.3 to 2.1.11 and 2.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from tests.protocol.client import HREF, NAMES, Job, Probe

VOTABLE = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}


def _rows(content: bytes) -> list[dict[str, str | None]]:
    root = etree.fromstring(content)
    names = [field.get("name") for field in root.iter(f"{{{VOTABLE['v']}}}FIELD")]
    rows = root.iter(f"{{{VOTABLE['v']}}}TR")
    return [dict(zip(names, [cell.text for cell in row], strict=True)) for row in rows]


def test_24_47_a_job_goes_from_pending_to_completed(probe: Probe):
    job = probe.create(SECONDS="0.2")
    assert job.phase == "PENDING"
    assert job.post("phase", PHASE="RUN").status_code == 303
    assert job.phase in ("QUEUED", "EXECUTING")
    job.until("COMPLETED")
    document = job.document()
    times = [document.findtext(f"uws:{name}", namespaces=NAMES) for name in ("creationTime", "startTime", "endTime")]
    assert times == sorted(times)


@pytest.mark.parametrize("wanted", ["RUN", "ABORT"])
def test_10_47_run_and_abort_of_an_ended_job_are_403(probe: Probe, wanted: str):
    job = probe.create(PHASE="RUN").until("COMPLETED")
    response = job.post("phase", PHASE=wanted)
    assert response.status_code == 403
    assert "COMPLETED" in response.text
    assert job.phase == "COMPLETED"


def test_47_abort_of_a_pending_job(probe: Probe):
    job = probe.create()
    assert job.post("phase", PHASE="ABORT").status_code == 303
    assert job.phase == "ABORTED"
    assert job.value("endTime")


def test_26_47_abort_of_an_executing_job(probe: Probe):
    job = probe.create(SECONDS="60", PHASE="RUN").until("EXECUTING")
    assert job.post("phase", PHASE="ABORT").status_code == 303
    assert job.phase == "ABORTED"
    assert job.value("endTime")


def test_11_28_29_a_failed_job_says_why_in_its_place(probe: Probe):
    job = probe.create(FAIL="The lens cap was on", PHASE="RUN").until("ERROR")
    assert job.get().status_code == 200
    assert "The lens cap was on" in job.document().findtext("uws:errorSummary/uws:message", namespaces=NAMES)
    response = job.get("error")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-votable+xml"
    root = etree.fromstring(response.content)
    info = root.find("v:RESOURCE[@type='results']/v:INFO[@name='QUERY_STATUS']", VOTABLE)
    assert info.get("value") == "ERROR"
    assert "The lens cap was on" in info.text


def test_30_the_product_list_is_the_first_result(probe: Probe):
    job = probe.create(TASKS="3", PHASE="RUN").until("COMPLETED")
    first = job.document().find("uws:results/uws:result", NAMES)
    assert first.get("id") == "result"
    assert first.get(HREF) == job.url + "/results/result"
    response = job.get("results", "result")
    assert response.headers["content-type"] == "application/x-votable+xml"
    rows = _rows(response.content)
    assert [row["task"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        product = probe.http.get(row["address"])
        assert len(product.content) == int(row["content_length"])
        assert row["status"] == "COMPLETED"


def test_30_a_failed_task_has_a_row_with_its_message(probe: Probe):
    job = probe.create(FAIL="No light", PHASE="RUN").until("ERROR")
    (row,) = _rows(job.get("results", "result").content)
    assert (row["status"], row["name"], row["address"]) == ("ERROR", None, None)
    assert "No light" in row["message"]


def _product(probe: Probe) -> tuple[Job, str]:
    job = probe.create(PHASE="RUN", SIZE="1000").until("COMPLETED")
    results = job.document().findall("uws:results/uws:result", NAMES)
    return job, next(result.get(HREF) for result in results if result.get("size"))


def test_products_are_served_as_files(probe: Probe):
    job, address = _product(probe)
    whole = probe.http.get(address)
    row = next(row for row in _rows(job.get("results", "result").content) if row["address"] == address)
    assert whole.headers["etag"] == f'"{row["checksum"]}"'
    assert whole.headers["content-type"] == row["content_type"]
    assert int(whole.headers["content-length"]) == int(row["content_length"]) == len(whole.content)
    assert row["name"] in whole.headers["content-disposition"]
    part = probe.http.get(address, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    beyond = probe.http.get(address, headers={"Range": "bytes=999999999-"})
    assert beyond.status_code == 416


def test_the_log_is_a_result(probe: Probe):
    job = probe.create(PHASE="RUN").until("COMPLETED")
    logs = [
        result
        for result in job.document().iterfind("uws:results/uws:result", NAMES)
        if result.get("id").endswith(".log")
    ]
    assert len(logs) == 1
    response = probe.http.get(logs[0].get(HREF))
    assert response.headers["content-type"].startswith("text/plain")


def test_44_execution_duration(probe: Probe):
    job = probe.create()
    assert job.post("executionduration", EXECUTIONDURATION="5").status_code == 303
    assert job.get("executionduration").text == "5"
    assert job.post("executionduration", executionduration="2000000000").status_code == 303
    assert 0 < int(job.get("executionduration").text) <= 2_000_000_000


def test_44_a_job_that_takes_too_long_is_stopped(probe: Probe):
    job = probe.create(SECONDS="60", EXECUTIONDURATION="1", PHASE="RUN").until("ABORTED")
    assert job.value("endTime")


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"])
def test_43_45_destruction(probe: Probe, form: str):
    job = probe.create()
    wanted = datetime.now(UTC) + timedelta(days=2)
    assert job.post("destruction", DESTRUCTION=wanted.strftime(form)).status_code == 303
    shown = job.get("destruction").text
    assert shown[:10] == wanted.strftime("%Y-%m-%d")
    assert job.value("destruction") == shown


def test_48_deletion_of_an_executing_job(probe: Probe):
    job = probe.create(SECONDS="60", PHASE="RUN").until("EXECUTING")
    assert job.delete().status_code == 303
    assert job.get().status_code == 404
