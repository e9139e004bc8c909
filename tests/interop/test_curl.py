"""curl, which follows a 303 with the method it was told to use."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.conftest import missing
from tests.protocol.client import Probe


def _curl(*arguments: str) -> str:
    curl = shutil.which("curl")
    if curl is None:
        missing("the program curl")
    command = [str(curl), "-s", "-o", "/dev/null", "-w", "%{http_code} %{num_redirects}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_18_a_followed_delete_deletes_the_job_and_not_the_list(probe: Probe):
    kept, gone = probe.create(), probe.create()
    assert _curl("-L", "-X", "DELETE", gone.url) == "405 1"
    assert gone.get().status_code == 404
    assert kept.phase == "PENDING"


@pytest.mark.parametrize("data", [[], ["-d", "PHASE=RUN"]])
def test_19_a_followed_post_to_a_job_does_not_go_round_and_round(probe: Probe, data: list[str]):
    job = probe.create()
    assert _curl("-L", "-X", "POST", *data, job.url) == "400 0"
    assert job.phase == "PENDING"


def test_14_run_and_follow(probe: Probe):
    job = probe.create()
    assert _curl("-L", "-d", "PHASE=RUN", job.url + "/phase") == "200 1"
    job.until("COMPLETED")
