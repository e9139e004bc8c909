"""A client that asks back to back for a job that does not change (Aladin) is slowed down, and never fails."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.protocol.client import Job, Probe


def _asked(job: Job, seconds: float, *path: str) -> int:
    """Ask back to back and return how often it was answered."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        assert job.get(*path).status_code == 200
        count += 1
    return count


def test_an_active_job_is_told_a_few_times_a_second(probe: Probe):
    assert _asked(probe.create(), 2) < 20


def test_the_phase_and_an_ended_job_are_told_at_once(probe: Probe):
    job = probe.create()
    assert _asked(job, 1, "phase") > 20
    job.post("phase", PHASE="ABORT")
    assert _asked(job, 1) > 20


def test_a_few_questions_in_a_row_are_answered_at_once(probe: Probe):
    job = probe.create()
    begin = time.monotonic()
    for _ in range(5):
        job.get()
    assert time.monotonic() - begin < 2  # held back, each would take half a second


def test_a_change_is_told_at_once(probe: Probe):
    assert min(_told(probe.create()) for _ in range(5)) < 0.3  # on a busy machine not each time


def _told(job: Job) -> float:
    """Return after how long a client that is held back is told of a change, s."""
    _asked(job, 1)
    with ThreadPoolExecutor() as pool:
        held = pool.submit(lambda: (job.document().findtext("{*}phase"), time.monotonic()))
        time.sleep(0.1)  # the question must be held back when the phase changes
        job.post("phase", PHASE="ABORT")
        begin = time.monotonic()
        phase, answered = held.result()
    assert phase == "ABORTED"
    return answered - begin
