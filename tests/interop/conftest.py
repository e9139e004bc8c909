"""Outside clients run against the same service as the protocol tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.protocol.client import Job, Probe
from tests.protocol.conftest import base_url, probe, service

__all__ = ["base_url", "in_phase", "probe", "service"]


@pytest.fixture
def in_phase(probe: Probe) -> Iterator[Callable[[str], Job]]:
    """A function that brings a job into a phase, where it stays for the length of a test."""
    made: list[Job] = []

    def create(**data: str) -> Job:
        made.append(probe.create(**data))
        return made[-1]

    def bring(phase: str) -> Job:
        if phase == "QUEUED":
            create(SECONDS="60", TASKS="500", PHASE="RUN").until("EXECUTING")
        if phase in ("PENDING", "EXECUTING", "ABORTED"):
            job = create(SECONDS="60")
        else:
            job = create(FAIL="x") if phase == "ERROR" else create()
        if phase == "ABORTED":
            job.post("phase", PHASE="ABORT")
        elif phase != "PENDING":
            job.run().until(phase)
        return job

    yield bring
    for job in made:
        job.delete()
