"""pyvo drives any UWS job by its address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import pyvo
from pyvo.dal import AsyncTAPJob, DALQueryError

from tests.protocol.client import Probe


def test_run_wait_results_delete(probe: Probe):
    url = probe.create(SECONDS="0.3", TASKS="2", RUNID="pyvo").url
    job = AsyncTAPJob(url)
    assert job.phase == "PENDING"
    job.run()
    assert job.phase in ("QUEUED", "EXECUTING")
    job.wait(timeout=30)
    assert job.phase == "COMPLETED"
    job.raise_if_error()
    assert job.uws_version == "1.1"
    assert job.result.id_ == "result"
    products = job.fetch_result().to_table()
    assert list(products["task"]) == [1, 2]
    assert set(products["address"]) <= set(job.result_uris)
    job.delete()
    assert probe.http.get(url).status_code == 404


def test_setters(probe: Probe):
    job = AsyncTAPJob(probe.create().url)
    job.execution_duration = 33
    assert job.execution_duration.to_value("sec") == 33
    wanted = datetime.now(UTC) + timedelta(days=2)
    job.destruction = wanted
    assert abs(job.destruction.to_datetime(UTC) - wanted) < timedelta(milliseconds=2)
    job.query = "SELECT 1"
    assert job.query == "SELECT 1"
    assert job.quote is None
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()


def test_error(probe: Probe):
    job = AsyncTAPJob(probe.create(FAIL="The lens cap was on").url)
    job.run().wait(timeout=30)
    with pytest.raises(DALQueryError, match="The lens cap was on"):
        job.raise_if_error()
    job.delete()


def test_create_and_list(probe: Probe):
    script = probe.url.removesuffix("/async")
    job = AsyncTAPJob.create(script, "SELECT 1", SECONDS="0")
    assert job.phase == "PENDING"
    assert job.query == "SELECT 1"
    service = pyvo.dal.TAPService(script)
    assert [ref.jobid for ref in service.get_job_list(phases=["PENDING"], last=1)] == [job.job_id]
    later = AsyncTAPJob.create(script, "SELECT 2")
    assert [ref.jobid for ref in service.get_job_list(after=job.job.creationtime.to_datetime(UTC))] == [later.job_id]
    later.run().wait(timeout=30)
    both = service.get_job_list(phases=["PENDING", "COMPLETED"], last=2)
    assert [(ref.jobid, ref.phase) for ref in both] == [(later.job_id, "COMPLETED"), (job.job_id, "PENDING")]
    for one in (job, later):
        one.delete()


def test_abort_while_it_runs(probe: Probe):
    made = probe.create(SECONDS="60")
    job = AsyncTAPJob(made.url)
    job.run()
    made.until("EXECUTING")  # pyvo's own wait does not say which phase it has seen, and may sleep through this one
    job.abort()
    assert job.phase == "ABORTED"
    job.delete()
