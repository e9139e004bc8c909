"""Blocking (UWS 1.1, section 2.2.1.2)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.client import Job, Probe

SOON = 5.0
"""Seconds within which an answer that must not block arrives, on a busy machine too; what blocks would take longer."""


def _timed(job: Job, **query: str) -> tuple[float, str]:
    began = time.monotonic()
    phase = job.document(**query).findtext("{*}phase")
    return time.monotonic() - began, phase


def test_49_wait_ends_in_time(probe: Probe):
    job = probe.create()
    seconds, phase = _timed(job, WAIT="1")
    assert phase == "PENDING"
    assert 1.0 <= seconds < 1.0 + SOON


@pytest.mark.parametrize("wait", ["20", "-1"])
def test_50_52_wait_ends_when_the_phase_changes(probe: Probe, wait: str):
    job = probe.create()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(_timed, job, WAIT=wait, PHASE="PENDING")
        time.sleep(0.3)  # the request must be waiting before the phase changes
        job.post("phase", PHASE="ABORT")
        seconds, phase = waiting.result()
    assert phase == "ABORTED"
    assert seconds < 0.3 + SOON


def test_50_wait_follows_an_executing_job_to_its_end(probe: Probe):
    job = probe.create(SECONDS="1", PHASE="RUN").until("EXECUTING")
    seconds, phase = _timed(job, WAIT="-1", PHASE="EXECUTING")
    assert phase == "COMPLETED"
    assert seconds < 1.0 + SOON


@pytest.mark.parametrize("phase", ["COMPLETED", "ERROR", "ABORTED"])
def test_51_wait_does_not_block_in_final_phases(probe: Probe, phase: str):
    job = probe.create(**({"FAIL": "x"} if phase == "ERROR" else {}))
    if phase == "ABORTED":
        job.post("phase", PHASE="ABORT")
    else:
        job.run().until(phase)
    seconds, found = _timed(job, WAIT="20", PHASE=phase)
    assert found == phase
    assert seconds < SOON


def test_53_wait_does_not_block_in_another_phase_than_the_client_knows(probe: Probe):
    seconds, phase = _timed(probe.create(), WAIT="20", PHASE="EXECUTING")
    assert phase == "PENDING"
    assert seconds < SOON


def test_54_wait_of_zero_and_phase_alone_do_not_block(probe: Probe):
    job = probe.create()
    assert _timed(job, WAIT="0")[0] < SOON
    assert _timed(job, PHASE="PENDING")[0] < SOON


def test_55_many_may_wait(probe: Probe):
    job = probe.create()
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(_timed, job, WAIT="20") for _ in range(50)]
        time.sleep(0.5)  # the requests must be waiting before the phase changes
        assert job.phase == "PENDING"
        job.post("phase", PHASE="ABORT")
        assert {answer.result()[1] for answer in waiting} == {"ABORTED"}


def test_wait_on_a_job_that_is_deleted_is_404(probe: Probe):
    job = probe.create()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(job.get, WAIT="20")
        time.sleep(0.3)  # the request must be waiting before the job goes
        job.delete()
        assert waiting.result().status_code == 404
