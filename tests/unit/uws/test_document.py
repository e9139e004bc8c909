"""The XML documents of UWS against the schema, with what tests over HTTP cannot bring about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from jobs.models import Job, JobRef, Parameter, Upload, Usage
from jobs.phases import Phase
from tests.schemas import valid
from tests.unit.uws.conftest import NOON
from uws import document
from uws.addresses import Addresses

AT = Addresses("https://amora.example/base/")
UWS = "UWS-v1.1.xsd"
SAME_FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("early", [True, False])
def test_valid_in_every_phase(make_job: Callable[..., Job], shared: Path, phase: Phase, early: bool):
    job = make_job(phase=phase, error="Why", run_id="r")
    if early:
        job = replace(job, started=None, ended=None, tasks=(), products=(), parameters=(), run_id=None, error=None)
    root = valid(document.job(job, AT), shared, UWS)
    assert (root.find("{*}errorSummary") is not None) == (phase is Phase.ERROR)
    ended = 2 if phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED) else 0  # the provenance, and its picture
    assert len(root.find("{*}results")) == (0 if early or phase is Phase.ARCHIVED else 5 + ended)
    valid(document.parameters(job, AT), shared, UWS)
    valid(document.result_list(job, AT), shared, UWS)


@SAME_FIXTURES
@given(st.text(), st.text(), st.text(), st.text())
def test_valid_whatever_users_and_scripts_write(
    make_job: Callable[..., Job], shared: Path, name: str, value: str, message: str, run_id: str
):
    job = make_job(phase=Phase.ERROR, error=message, run_id=run_id, owner=run_id, parameters=(Parameter(name, value),))
    job = replace(job, tasks=tuple(replace(task, message=message) for task in job.tasks))
    valid(document.job(job, AT), shared, UWS)
    valid(b"".join(document.job_list([job], AT)), shared, UWS)


def test_a_file_is_a_parameter_by_reference(make_job: Callable[..., Job], shared: Path):
    upload = Upload("text/csv", 3, "ab" * 32, "j1/uploads/x")
    job = make_job(parameters=(Parameter("TABLE", "", upload), Parameter("EMIN", "1")))
    table, plain = valid(document.parameters(job, AT), shared, UWS)
    assert table.get("byReference") == "true"
    assert table.text == "https://amora.example/base/scripts/image/async/j1/parameters/TABLE"
    assert plain.get("byReference") is None


def test_the_session_and_what_the_scripts_took(make_job: Callable[..., Job]):
    job = make_job(run_id="s 1")
    tasks = tuple(replace(task, usage=Usage(1.25 * task.number, 10**6 * task.number, 7, 9)) for task in job.tasks)
    info = etree.fromstring(document.job(replace(job, tasks=tasks), AT)).find("{*}jobInfo/amora")
    assert info.findtext("session") == "s 1"
    assert dict(info.find("resources").attrib) == {
        "cpu": "3.750",
        "memory": "2000000",
        "read": "14",
        "written": "18",
    }
    assert etree.fromstring(document.job(make_job(), AT)).find("{*}jobInfo/amora/session") is None


def test_results_are_addressed_with_names_quoted(make_job: Callable[..., Job]):
    root = etree.fromstring(document.result_list(make_job(), AT))
    hrefs = [result.get("{http://www.w3.org/1999/xlink}href") for result in root]
    assert hrefs[:2] == [
        "https://amora.example/base/scripts/image/async/j1/results/result",
        "https://amora.example/base/scripts/image/async/j1/results/image%201.fits",
    ]
    assert [result.get("id") for result in root][3:] == [
        *("provenance.json", "provenance.svg"),
        *("0002970201_M1_S001.log", "0002970201_M2_S002.log"),
    ]
    assert root[1].get("size") == "2880"


@pytest.mark.parametrize("count", [0, 1, 500, 1201])
def test_the_list_comes_in_pieces_and_is_whole(shared: Path, count: int):
    refs = (JobRef(f"j{number}", "image", Phase.QUEUED, None, None, NOON) for number in range(count))
    pieces = list(document.job_list(refs, AT))
    assert len(pieces) == -(-count // 500) + 1
    root = valid(b"".join(pieces), shared, UWS)
    assert [ref.get("id") for ref in root] == [f"j{number}" for number in range(count)]
