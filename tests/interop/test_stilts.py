"""STILTS, and with it TOPCAT, as client and as judge."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.protocol.client import Job, Probe


@pytest.fixture(autouse=True)
def _stilts() -> None:
    if shutil.which("stilts") is None:
        missing("the program stilts")


def _run(*arguments: str, code: int = 0) -> str:
    command = [str(shutil.which("stilts")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_tapresume_follows_a_job_to_its_end_and_deletes_it(probe: Probe):
    job = probe.create(SECONDS="1", TASKS="2", PHASE="RUN")
    table = _run("tapresume", f"joburl={job.url}", "delete=finished", "omode=out", "ofmt=csv")
    assert table.count(",COMPLETED,") == 2
    assert job.get().status_code == 404


def test_tapresume_shows_why_a_job_failed(probe: Probe):
    job = probe.create(FAIL="The lens cap was on", PHASE="RUN")
    said = _run("tapresume", f"joburl={job.url}", "omode=out", "ofmt=csv", code=1)
    assert "The lens cap was on" in said


@pytest.mark.parametrize("data", [{"TASKS": "2"}, {"FAIL": "x"}])
def test_votlint_finds_nothing_in_the_tables(probe: Probe, tmp_path: Path, data: dict[str, str]):
    job = probe.create(**data, PHASE="RUN").until("COMPLETED", "ERROR")
    for path in ["results/result"] + (["error"] if "FAIL" in data else []):
        file = tmp_path / "table.vot"
        file.write_bytes(job.get(path).content)
        report = _run("votlint", f"votable={file}", "ucd=true", "unit=true")
        assert report.strip() == ""


@pytest.mark.parametrize("region", [{}, {"CIRCLE": "35.665 43.036 0.1"}, {"CIRCLE": "banana"}])
def test_votlint_finds_nothing_in_observations(probe: Probe, tmp_path: Path, region: dict[str, str]):
    file = tmp_path / "table.vot"
    file.write_bytes(probe.get("observations", **region, RESPONSEFORMAT="votable").content)
    assert _run("votlint", f"votable={file}", "ucd=true", "unit=true").strip() == ""


@pytest.mark.parametrize("phase", ["PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"])
def test_xsdvalidate(probe: Probe, in_phase: Callable[[str], Job], phase: str):
    job = in_phase(phase)
    assert job.phase == phase
    for url in (probe.url, job.url, job.url + "/results", job.url + "/parameters"):
        report = _run("xsdvalidate", f"doc={url}", "uselocals=true")
        assert "ERROR" not in report


def test_taplint(probe: Probe):
    place = probe.url.removesuffix("/async")
    report = _run(
        "taplint",
        "interface=tap1.0",
        f"tapurl={place}",
        f"asyncurl={probe.url}",
        "stages=UWS CPV AVV",
        "report=EWISF",
    )
    assert re.search(r"^Totals: Errors: 0; Warnings: 0;", report, re.MULTILINE), report
