"""When a job is expected to be complete (UWS 1.1, section 2.1.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Job, Task
from jobs.phases import Phase
from jobs.quote import Outlook, Quotes, foretell
from jobs.store import Waiting

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def job(phase: Phase = Phase.QUEUED, queued: int = 1, running: int = 0, since: float = 0) -> Job:
    started = NOON - timedelta(seconds=since)
    tasks = [
        Task(
            f"j.{number}", "j", number, (), Phase.EXECUTING if number <= running else Phase.QUEUED, 1, 0, "", None, None
        )
        for number in range(1, queued + running + 1)
    ]
    tasks = [replace(task, started=started) if task.phase is Phase.EXECUTING else task for task in tasks]
    return Job(
        id="j",
        script="image",
        phase=phase,
        run_id=None,
        owner=None,
        created=NOON,
        started=None,
        ended=None,
        duration=1,
        destruction=None,
        quote=None,
        error=None,
        error_transient=False,
        version=1,
        tasks=tuple(tasks),
    )


def seconds(job: Job, outlook: Outlook, workers: int = 2) -> float:
    quote = foretell(job, replace(outlook, workers=workers), NOON)
    assert quote is not None
    return (quote - NOON).total_seconds()


def ahead(count: int, script: str = "image", created: datetime = NOON, job_id: str = "other") -> Waiting:
    return Waiting(job_id, script, created, count)


@pytest.mark.parametrize(
    ("of", "outlook", "expected"),
    [
        (job(), Outlook({"image": 10.0}), 10),
        (job(queued=4), Outlook({"image": 10.0}), 20),
        (job(queued=4), Outlook({"image": 10.0}, (ahead(4),)), 40),
        (job(queued=4), Outlook({"image": 10.0}, (ahead(4, created=NOON + timedelta(seconds=1)),)), 20),
        (job(queued=4), Outlook({"image": 10.0}, (ahead(4, job_id="j"),)), 20),
        (job(queued=4), Outlook({"image": 10.0, "probe": 1.0}, (ahead(4, "probe"),)), 22),
        (job(queued=4), Outlook({"image": 10.0, "probe": None}, (ahead(4, "probe"),)), 40),
        (job(queued=4), Outlook({"image": 10.0}, (), (("other", "image", NOON - timedelta(seconds=6)),)), 22),
        (job(Phase.EXECUTING, queued=0, running=1, since=4), Outlook({"image": 10.0}, (ahead(50),)), 6),
        (job(Phase.EXECUTING, queued=0, running=1, since=40), Outlook({"image": 10.0}), 0),
    ],
)
def test_the_rule(of: Job, outlook: Outlook, expected: float) -> None:
    assert seconds(of, outlook) == pytest.approx(expected)


@pytest.mark.parametrize("outlook", [Outlook({}), Outlook({"image": None, "probe": 1.0})])
def test_nothing_is_foretold_without_a_past(outlook: Outlook) -> None:
    assert foretell(job(), outlook, NOON) is None


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 8), st.floats(0.001, 1e5))
def test_more_work_never_ends_sooner_and_more_workers_never_later(
    mine: int, others: int, workers: int, typical: float
) -> None:
    outlook = Outlook({"image": typical}, (ahead(others),))
    expected = seconds(job(queued=mine), outlook, workers)
    assert expected >= typical * 0.999
    assert expected <= seconds(job(queued=mine + 1), outlook, workers) + 1e-3
    assert expected >= seconds(job(queued=mine), outlook, workers + 1) - 1e-3


class Store:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def run_times(self, _script: str, _count: int) -> list[float]:
        return [1.0, 100.0, 3.0]

    def backlog(self) -> list[Waiting]:
        self.asked += 1
        return []

    def running(self) -> list[tuple[str, str, datetime]]:
        return []


def test_the_median_counts_and_the_store_is_asked_once() -> None:
    store = Store()
    quotes = Quotes(store, lambda: 2)  # type: ignore[arg-type] # it has what is asked of it
    for _ in range(10):
        quote = quotes.of(job())
    assert store.asked == 1
    assert quote is not None
    assert quote - datetime.now(UTC) == pytest.approx(timedelta(seconds=3), abs=timedelta(seconds=1))


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.QUEUED, Phase.EXECUTING}))
def test_only_what_runs_has_a_quote(phase: Phase) -> None:
    ask: Callable[[Job], datetime | None] = Quotes(Store(), lambda: 2).of  # type: ignore[arg-type] # as above
    assert ask(job(phase)) is None
