"""Quote, resource use, destruction and the archive (UWS 1.1, sections 2.1.3 to 2.1.10)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import etree

from tests.protocol.client import NAMES, NIL, Job, Probe
from tests.schemas import valid
from tests.service import Service


def _quote(job: Job) -> datetime | None:
    text = job.get("quote").text
    return datetime.fromisoformat(text) if text else None


def test_46_the_quote_is_an_instant_while_the_job_runs(probe: Probe, shared: Path):
    for _ in range(3):
        probe.create(SECONDS="0.2", PHASE="RUN").until("COMPLETED")
    pending = probe.create(SECONDS="0")
    assert _quote(pending) is None
    running = probe.create(SECONDS="60", TASKS="5", PHASE="RUN").until("EXECUTING")
    behind = probe.create(SECONDS="0", PHASE="RUN")
    first, second = _quote(running), _quote(behind)
    assert first is not None
    assert second is not None
    assert datetime.now(UTC) - timedelta(seconds=5) < first < datetime.now(UTC) + timedelta(hours=1)
    assert running.value("quote").endswith("Z")
    valid(running.get().content, shared, "UWS-v1.1.xsd")
    for job in (running, behind):
        job.post("phase", PHASE="ABORT")
        assert _quote(job) is None
        assert job.document().find("uws:quote", NAMES).get(NIL) == "true"


def test_46_nothing_is_foretold_without_a_past(tmp_path: Path):
    with Service(tmp_path) as service:
        job = service.post("probe", SECONDS="0.5")
        assert service.http.get(job + "/quote").text == ""
        service.end(job)
        job = service.post("probe", SECONDS="20")
        while not service.http.get(job + "/quote").text:
            assert service.phase(job) in ("QUEUED", "EXECUTING")
            time.sleep(0.2)  # what is known of the queue is used for two seconds


def test_32_what_the_scripts_took(probe: Probe):
    job = probe.create(TASKS="2", SIZE="5000000", RUNID="my session", PHASE="RUN").until("COMPLETED")
    info = job.document().find("uws:jobInfo/amora", NAMES)
    assert info.findtext("session") == "my session"
    took = info.find("resources")
    assert 0.01 < float(took.get("cpu")) < 30
    assert 2**20 < int(took.get("memory")) < 2**30
    tasks = probe.http.get(info.findtext("details")).json()["tasks"]
    assert sum(task["cpu_seconds"] for task in tasks) == pytest.approx(float(took.get("cpu")), abs=0.01)


def test_32_aborted_and_failed_work_counts(probe: Probe):
    failed = probe.create(FAIL="x", PHASE="RUN").until("ERROR")
    assert float(failed.document().find("uws:jobInfo/amora/resources", NAMES).get("cpu")) > 0
    aborted = probe.create(SECONDS="60", PHASE="RUN").until("EXECUTING")
    aborted.post("phase", PHASE="ABORT")
    deadline = time.monotonic() + 20
    while float(aborted.document().find("uws:jobInfo/amora/resources", NAMES).get("cpu")) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # it is counted once the script has been stopped, after the phase has changed


def test_28_errors_of_the_work_are_fatal(probe: Probe):
    summary = probe.create(FAIL="x", PHASE="RUN").until("ERROR").document().find("uws:errorSummary", NAMES)
    assert summary.get("type") == "fatal"


def test_45_past_destruction_is_refused_and_late_is_cut(probe: Probe):
    job = probe.create()
    before = job.get("destruction").text
    assert job.post("destruction", DESTRUCTION="2001-01-01T00:00:00Z").status_code == 400
    assert probe.post(DESTRUCTION="2001-01-01T00:00:00Z").status_code == 400
    assert job.get("destruction").text == before
    assert job.post("destruction", DESTRUCTION="2999-01-01T00:00:00Z").status_code == 303
    assert job.get("destruction").text < "2998"


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that keeps a memory of its jobs."""
    with Service(tmp_path_factory.mktemp("archive"), ARCHIVE="true") as service:
        yield service


def _listed(service: Service, query: str = "") -> list[str]:
    root = etree.fromstring(service.http.get("/scripts/probe/async" + query).content)
    return [ref.get("id") for ref in root]


def _path(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return httpx.URL(answer.headers["location"]).path


def test_27_the_archive(archive: Service, shared: Path):
    url = "/scripts/probe/async"
    file = {"TABLE": ("x", b"x")}
    jobs = [
        _path(archive.http.post(url, params={"PHASE": "RUN", "DESTRUCTION": _soon()}, files=file)),
        _path(archive.http.post(url, params={"PHASE": "RUN", "DESTRUCTION": _soon(), "SECONDS": "60"})),
        _path(archive.http.post(url, params={"DESTRUCTION": _soon(), "SECONDS": "60"})),
    ]
    assert [path.rpartition("/")[2] for path in jobs] == _listed(archive)[::-1]
    for job in jobs:
        deadline = time.monotonic() + 20
        while archive.phase(job) != "ARCHIVED":
            assert time.monotonic() < deadline
            time.sleep(0.2)  # destruction is an instant of the clock; nothing can be waited for before
        id_ = job.rpartition("/")[2]
        assert id_ not in _listed(archive)
        assert id_ not in _listed(archive, "?LAST=100&PHASE=COMPLETED&PHASE=ABORTED")
        assert id_ in _listed(archive, "?PHASE=ARCHIVED")
        root = valid(archive.http.get(job, params={"WAIT": "20"}).content, shared, "UWS-v1.1.xsd")
        assert len(root.find("{*}results")) == 0
        assert len(root.find("{*}parameters")) == 1
        assert archive.http.get(job + "/results/result").status_code == 404
        assert archive.http.get(job + "/results/probe_1.vot").status_code == 404
        assert not (archive.home / "jobs" / id_).exists()
        for path, data in (
            ("phase", {"PHASE": "RUN"}),
            ("phase", {"PHASE": "ABORT"}),
            ("parameters", {"SECONDS": "1"}),
            ("destruction", {"DESTRUCTION": "2999-01-01"}),
        ):
            assert archive.http.post(f"{job}/{path}", data=data).status_code == 403
        assert archive.http.delete(job).status_code == 303
        assert archive.http.get(job).status_code == 404
        assert id_ not in _listed(archive, "?PHASE=ARCHIVED")
    assert archive.http.get(jobs[0] + "/parameters/TABLE").status_code == 404
