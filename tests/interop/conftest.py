"""Outside clients run against the same service as the protocol tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests.protocol.client import Job, Probe
from tests.protocol.conftest import base_url, probe, service
from tests.service import Service

__all__ = ["archive", "base_url", "here", "in_phase", "probe", "service"]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated observations as files of the pipeline; one exposure has an exposure map and a preview."""
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, "-m", "scripts.epic.simulate", folder], check=True, capture_output=True)
    fits.PrimaryHDU(np.ones((4, 4), np.float32)).writeto(folder / "map.fits")
    (folder / "map.fits").rename(folder / "P9999000101PNS003EXPMAP8000.FTZ")
    Image.new("RGB", (8, 8)).save(folder / "P9999000101PNS003IMAGE_8000.PNG", "png")
    return folder


@pytest.fixture(scope="session")
def here(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has indexed them."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "AMORA_HOME": str(home)}
    command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(archive)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with Service(home) as service:
        yield service


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
