"""What other job services got wrong, or what their users asked for in vain; each test names whose bug it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.protocol.client import HREF, NAMES, Job, Probe


def _results(job: Job) -> dict[str, dict[str, str]]:
    found = job.document().iterfind("uws:results/uws:result", NAMES)
    return {result.get("id"): {key: str(value) for key, value in result.attrib.items()} for result in found}


def test_opus_knew_jobs_by_a_process_id_that_came_again(probe: Probe):
    """One job's news went to another, and it stayed QUEUED for ever."""
    sizes = [1000 + number for number in range(24)]
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda size: probe.create(SIZE=str(size), PHASE="RUN"), sizes))
    for job, size in zip(jobs, sizes, strict=True):
        job.until("COMPLETED")
        assert str(size) in {result.get("size") for result in _results(job).values()}
        job.delete()


def test_opus_wrote_addresses_into_its_list_that_led_nowhere(probe: Probe):
    """Each href in the job list was a 405."""
    probe.create()
    for ref in probe.list("?LAST=5").iterfind("uws:jobref", NAMES):
        response = probe.http.get(ref.get(HREF))
        assert response.status_code == 200
        assert ref.get("id") in response.text


def test_opus_took_last_for_first_and_forgot_it_beside_phase(probe: Probe):
    """LAST gave the oldest jobs; ``?PHASE=PENDING&LAST=10`` gave none."""
    jobs = [probe.create() for _ in range(3)]
    assert probe.ids("?LAST=2") == [jobs[2].id, jobs[1].id]
    assert probe.ids("?PHASE=PENDING&LAST=2") == [jobs[2].id, jobs[1].id]


@pytest.mark.parametrize("query", ["LAST=abc", "LAST=-1", "AFTER=notadate", "PHASE=BOGUS"])
def test_opus_and_safir_failed_at_bad_filters_or_answered_them(probe: Probe, query: str):
    """LAST=abc and LAST=-1 were a 500; a bad AFTER or PHASE was an empty list."""
    response = probe.http.get(f"{probe.url}?{query}")
    assert response.status_code == 400
    assert query.split("=")[1] in response.text


@pytest.mark.parametrize("data", [{"PHASE": "RUN"}, {"RUNID": "x"}, {"ACTION": ""}, {"X": "1"}])
def test_safir_deleted_a_job_at_any_post_to_it(probe: Probe, data: dict[str, str]):
    """Its ``action`` had a default and was never looked at (safir 9)."""
    job = probe.create()
    assert job.post(**data).status_code == 400
    assert job.phase == "PENDING"


@pytest.mark.parametrize("name", ["SECONDS", "seconds", "Seconds"])
def test_safir_failed_at_multipart_and_at_names_in_capitals(probe: Probe, name: str):
    """A multipart form was a 500, a name in capitals a 422."""
    response = probe.http.post(probe.url, files={name: (None, "0.5")})
    assert response.status_code == 303
    assert Job(probe.http, response.headers["location"]).get("parameters", "SECONDS").text == "0.5"


def test_opus_and_safir_went_on_working_after_abort(probe: Probe):
    """The script lived on; the worker of safir hung, and later jobs stayed QUEUED."""
    hog = probe.create(SECONDS="600", TASKS="50", PHASE="RUN").until("EXECUTING")
    later = probe.create(PHASE="RUN")
    assert later.phase == "QUEUED"
    assert hog.post("phase", PHASE="ABORT").status_code == 303
    assert hog.phase == "ABORTED"
    later.until("COMPLETED")  # the slots are free again


def test_dachs_ignored_run_at_creation(probe: Probe):
    """Jobs stayed PENDING (astroquery 963, 1089, 1160); clients give up at the first PENDING they see (pyvo 248)."""
    job = probe.create(SECONDS="1", PHASE="RUN")
    assert job.phase in ("QUEUED", "EXECUTING")


def test_dachs_answered_unknown_resources(probe: Probe):
    """A child of a job that does not exist was a 200."""
    assert probe.create().get("nosuch").status_code == 404


def test_esac_led_from_a_deletion_to_the_whole_list(probe: Probe):
    """pyvo hung for many seconds after ``delete()`` (pyvo 535)."""
    location = urlsplit(probe.create().delete().headers["location"])
    assert int(parse_qs(location.query)["LAST"][0]) <= 1000


def test_nulls_that_broke_clients(probe: Probe):
    """No destruction (pyvo 89), no creationTime (firefly 1966), no executionDuration (daiquiri 61)."""
    for job in (probe.create(), probe.create(PHASE="RUN").until("COMPLETED")):
        document = job.document()
        for name in ("destruction", "creationTime", "executionDuration"):
            assert document.findtext(f"uws:{name}", namespaces=NAMES)
        int(job.get("executionduration").text)


def test_firefly_met_an_error_summary_in_a_completed_job(probe: Probe):
    """``errorSummary`` in COMPLETED (firefly 1914)."""
    job = probe.create(PHASE="RUN").until("COMPLETED")
    assert job.document().find("uws:errorSummary", NAMES) is None


def test_clients_look_for_the_id_result_and_choose_by_type(probe: Probe):
    """pyvo 147 and 644, daiquiri 289: one result is ``result`` and comes first; firefly 1423: each has a type."""
    results = _results(probe.create(SIZE="10", PHASE="RUN").until("COMPLETED"))
    assert next(iter(results)) == "result"
    assert results["result"][HREF].endswith("/results/result")
    assert all(result["mime-type"] for result in results.values())
    assert all(result[HREF].startswith("http") for result in results.values())  # relative ones: pyvo 191


def test_vollt_wrote_a_quote_of_minus_one_and_took_a_past_destruction(probe: Probe):
    """vollt 127 and 57."""
    job = probe.create()
    assert job.get("quote").text == "" or job.get("quote").text.endswith("Z")
    assert job.post("destruction", DESTRUCTION="2001-01-01T00:00:00Z").status_code == 400


def test_a_service_said_1_1_and_did_not_wait(probe: Probe):
    """Clients then ask a hundred times a second (pyvo 440): a job of a second is followed in a few requests."""
    job = probe.create(SECONDS="1", PHASE="RUN")
    phases = [job.phase]
    while phases[-1] not in ("COMPLETED", "ERROR"):
        phases.append(job.document(WAIT="-1", PHASE=phases[-1]).findtext("uws:phase", namespaces=NAMES))
    assert len(phases) <= 4
    assert phases[-1] == "COMPLETED"


def test_a_service_wrote_time_zones(probe: Probe):
    """pyvo cannot read an offset (pyvo 243)."""
    job = probe.create(PHASE="RUN").until("COMPLETED")
    for name in ("creationTime", "startTime", "endTime", "destruction"):
        assert job.value(name)[-1] == "Z"
