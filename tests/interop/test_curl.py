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


@pytest.mark.parametrize(("data", "end"), [([], "200 0"), (["-d", "PHASE=RUN"], "400 0")])
def test_19_a_followed_post_to_a_job_does_not_go_round_and_round(probe: Probe, data: list[str], end: str):
    job = probe.create()
    assert _curl("-L", "-X", "POST", *data, job.url) == end
    assert job.phase == "PENDING"


def test_19_a_followed_post_ends_at_the_job(probe: Probe):
    assert _curl("-L", "-X", "POST", "-d", "SECONDS=0", probe.url) == "200 1"
    assert _curl("-L", "-X", "POST", "-F", "SECONDS=0", probe.url) == "200 1"
    job = probe.create()
    assert _curl("-L", "-X", "POST", "-d", "PHASE=RUN", job.url + "/phase") == "200 1"
    job.until("COMPLETED")


def test_13_a_followed_post_of_a_deletion_makes_no_job(probe: Probe):
    kept, gone = probe.create(), probe.create()
    assert _curl("-L", "-X", "POST", "-d", "ACTION=DELETE", gone.url) == "400 1"
    assert gone.get().status_code == 404
    assert probe.ids("?LAST=1") == [kept.id]


def test_14_run_and_follow(probe: Probe):
    job = probe.create()
    assert _curl("-L", "-d", "PHASE=RUN", job.url + "/phase") == "200 1"
    job.until("COMPLETED")
