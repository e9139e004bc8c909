"""Jobs to make documents of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.models import Job, Parameter, Product, Task
from jobs.phases import Phase

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """A function that returns a job with the given attributes; its two tasks made one product each."""
    tasks = tuple(
        Task(
            id=f"t{number}",
            job_id="j1",
            number=number,
            datasets=(f"0002970201/M{number}/S00{number}",),
            phase=Phase.COMPLETED,
            attempt=1,
            progress=1.0,
            message="",
            started=NOON,
            ended=NOON,
        )
        for number in (1, 2)
    )
    products = tuple(
        Product(
            job_id="j1",
            task=task.number,
            dataset=task.dataset,
            name=f"image {task.number}.fits",
            content_type="image/fits",
            size=2880,
            checksum="ab" * 32,
            description="The image",
            key="k",
        )
        for task in tasks
    )
    job = Job(
        id="j1",
        script="image",
        phase=Phase.COMPLETED,
        run_id=None,
        owner=None,
        created=NOON,
        started=NOON,
        ended=NOON,
        duration=3600,
        destruction=NOON,
        quote=None,
        error=None,
        error_transient=False,
        version=1,
        parameters=(Parameter("EMIN", "0.5"),),
        tasks=tasks,
        products=products,
    )
    return lambda **changes: replace(job, **changes)
