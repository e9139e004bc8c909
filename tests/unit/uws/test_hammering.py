"""Who counts as hammering."""

from __future__ import annotations

import pytest

from jobs.models import JobState
from jobs.phases import Phase
from uws import hammering
from uws.hammering import FREE, PAUSE, Hammering

STATE = JobState("probe", Phase.EXECUTING, 1, None)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(hammering, "monotonic", clock)
    return clock


def _ask(seen: Hammering, state: JobState = STATE, client: str = "a", job_id: str = "j") -> bool:
    due = seen.is_due(client, job_id, state)
    seen.answered(client, job_id, state)
    return due


@pytest.mark.usefixtures("clock")
def test_the_first_ones_are_free():
    seen = Hammering()
    assert [_ask(seen) for _ in range(FREE + 2)] == [False] * FREE + [True] * 2


def test_a_pause_makes_it_good(clock: _Clock):
    seen = Hammering()
    for _ in range(FREE + 2):
        _ask(seen)
    clock.now += PAUSE
    assert not _ask(seen)


@pytest.mark.usefixtures("clock")
def test_other_clients_other_jobs_and_new_versions_are_not_held_back():
    seen = Hammering()
    for _ in range(FREE + 2):
        _ask(seen)
    assert not _ask(seen, client="b")
    assert not _ask(seen, job_id="k")
    changed = JobState("probe", Phase.EXECUTING, 2, None)
    assert not _ask(seen, changed)
    assert _ask(seen, changed)
    assert not _ask(seen, JobState("probe", Phase.COMPLETED, 2, None))


@pytest.mark.usefixtures("clock")
def test_few_are_remembered():
    seen = Hammering()
    for number in range(3 * hammering.CLIENTS):
        _ask(seen, client=str(number))
    assert len(seen._streaks) == hammering.CLIENTS
