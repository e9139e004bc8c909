"""The phase table: what may follow what (UWS 1.1, section 2.1.3)."""

from __future__ import annotations

from jobs.phases import ACTIVE, FINAL, JOB_MOVES, TASK_MOVES, Phase, sources


def test_nothing_follows_a_final_phase_but_the_archive() -> None:
    assert not FINAL & set(TASK_MOVES)
    assert all(JOB_MOVES[phase] == {Phase.ARCHIVED} for phase in FINAL - {Phase.ARCHIVED})
    assert Phase.ARCHIVED not in JOB_MOVES


def test_a_job_never_goes_back() -> None:
    order = [Phase.PENDING, Phase.QUEUED, Phase.EXECUTING]
    for position, phase in enumerate(order):
        assert not JOB_MOVES[phase] & set(order[: position + 1])


def test_a_task_goes_back_only_to_the_queue() -> None:
    assert TASK_MOVES[Phase.EXECUTING] & ACTIVE == {Phase.QUEUED}


def test_every_unfinished_phase_can_be_aborted_and_can_fail() -> None:
    assert sources(JOB_MOVES, Phase.ABORTED) == ACTIVE
    assert sources(JOB_MOVES, Phase.ERROR) == ACTIVE
