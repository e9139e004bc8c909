"""The job list and its filters (UWS 1.1, section 2.2.2.1)."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.protocol.client import HREF, NAMES, Job, Probe


@pytest.fixture
def made(probe: Probe) -> list[Job]:
    """Three jobs, oldest first: COMPLETED, ABORTED, PENDING."""
    completed = probe.create(PHASE="RUN").until("COMPLETED")
    aborted = probe.create()
    aborted.post("phase", PHASE="ABORT")
    return [completed, aborted, probe.create(RUNID="list")]


def test_56_each_job_is_told_with_all_its_elements(probe: Probe, made: list[Job]):
    refs = {ref.get("id"): ref for ref in probe.list()}
    for job in made:
        ref, document = refs[job.id], job.document()
        assert ref.get(HREF) == job.url
        names = [element.tag.partition("}")[2] for element in ref]
        run_id = ["runId"] if job is made[2] else []
        assert names == ["phase", *run_id, "ownerId", "creationTime"]
        for name in ("phase", "runId", "creationTime"):
            assert ref.findtext(f"uws:{name}", namespaces=NAMES) == document.findtext(f"uws:{name}", namespaces=NAMES)


def test_57_61_newest_first(probe: Probe, made: list[Job]):
    assert probe.ids()[:3] == [job.id for job in reversed(made)]
    assert probe.ids("?LAST=2") == [made[2].id, made[1].id]


def test_27_57_phase_is_a_union(probe: Probe, made: list[Job]):
    newest = [job.id for job in reversed(made)]
    assert probe.ids("?PHASE=PENDING")[0] == newest[0]
    both = probe.ids("?PHASE=COMPLETED&phase=ABORTED")
    assert both[:2] == newest[1:]
    assert newest[0] not in both
    assert probe.ids("?PHASE=HELD") == []
    assert probe.ids("?PHASE=ARCHIVED") == []


def test_57_60_after_is_strict_to_the_digit(probe: Probe, made: list[Job]):
    for position, job in enumerate(made):
        younger = [later.id for later in reversed(made[position + 1 :])]
        assert probe.ids("?AFTER=" + quote(job.value("creationTime"))) == younger


def test_57_filters_are_combined_and_last_comes_last(probe: Probe, made: list[Job]):
    after = quote(made[0].value("creationTime"))
    assert probe.ids("?PHASE=ABORTED&LAST=1") == [made[1].id]
    assert probe.ids(f"?AFTER={after}&PHASE=ABORTED&PHASE=PENDING&LAST=1") == [made[2].id]
    assert probe.ids(f"?AFTER={after}&PHASE=ABORTED") == [made[1].id]
    assert probe.ids(f"?AFTER={after}&PHASE=COMPLETED&LAST=5") == []


@pytest.mark.parametrize(
    "after", ["2015-10-26T09:15:35", "2015-10-26 09:00", "2015-10-26", "2015", "20151026", "2015-10-26T09:15:35.123Z"]
)
def test_59_forms_of_after(probe: Probe, made: list[Job], after: str):
    assert probe.ids(f"?AFTER={quote(after)}")[0] == made[2].id


@pytest.mark.parametrize(
    "query",
    [
        "PHASE=BOGUS",
        "PHASE=",
        "PHASE=PENDING&PHASE=pending",
        "LAST=-1",
        "LAST=-254",
        "LAST=0",
        "LAST=abc",
        "LAST=",
        "LAST=1.5",
        "LAST=1&LAST=2",
        "LAST=1e3",
        "AFTER=2015-26-10",
        "AFTER=sometext",
        "AFTER=yesterday",
        "AFTER=2015-10-26T09:00+01:00",
        "AFTER=2015-10-26T09:00%2B01:00",
        "AFTER=",
        "AFTER=2015&AFTER=2016",
        "AFTER=2015-10-26T25:00",
    ],
)
def test_59_bad_filters_are_400(probe: Probe, query: str):
    response = probe.http.get(f"{probe.url}?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.text
