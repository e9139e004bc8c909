"""``amora jobs rerun``: the same bytes from the same things, and what is not the same is said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine import Engine
from jobs.models import Job
from jobs.settings import Settings
from jobs.uploads import Incoming
from tests.unit.jobs.conftest import Found

DESCRIPTOR = """
title = "Test"
summary = "For tests."
version = "1"
command = ["sh", "run.sh"]
[accepts]
files = ["events"]
[[parameters]]
name = "LIST"
type = "file"
content_types = ["text/csv"]
description = "A list."
[[products]]
name = "{dataset}_when.txt"
content_type = "text/plain"
description = "Tells of the run."
reproducible = false
"""
PROGRAM = """
name=$(sed -n 's/^ *"dataset_slug": "\\(.*\\)",$/\\1/p' task.json)
path=$(sed -n 's/^ *"path": "\\(.*events.fits\\)",$/\\1/p' task.json)
grep '"date"' task.json | cat - "$path" > products/${name}_made.txt
test ! -f uploads/LIST || cat uploads/LIST >> products/${name}_made.txt
echo $SOURCE_DATE_EPOCH >> products/${name}_made.txt
date +%s%N > products/${name}_when.txt
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    folder = tmp_path / "scripts" / "test"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(DESCRIPTOR)
    (folder / "README.md").write_text("# Test")
    (folder / "run.sh").write_text(PROGRAM)
    found = []
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "events.fits").write_text(f"events {number}")
        found.append(Found(number, "M1", 10, 20, (("events", tmp_path / number / "events.fits", "application/fits"),)))
    engine = Engine(Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts")))
    engine.index.add(found)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def job(engine: Engine, tmp_path: Path) -> Job:
    (tmp_path / "list").write_text("sent along\n")
    sent = Incoming(tmp_path / "list", "text/csv", 11, "00")
    job = engine.jobs.create("test", [("POS", "CIRCLE 10 20 0.1")], files={"LIST": sent}, run=True)
    pause = threading.Event()
    while (job := engine.jobs.get("test", job.id)).active:
        pause.wait(0.02)
    assert job.error is None
    return job


def amora(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AMORA_HOME": str(tmp_path / "home"), "AMORA_SCRIPTS": str(tmp_path / "scripts")}
    command = [sys.executable, "-c", "from uws.cli import main; main()", "jobs", *words]
    return subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_rerun_makes_the_same_bytes(job: Job, tmp_path: Path) -> None:
    done = amora(tmp_path, "rerun", job.id, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "same  1_M1_S001_made.txt: same 63 bytes",
        "same  1_M1_S001_when.txt: differs, as its descriptor says that it may",
        "same  2_M1_S001_made.txt: same 63 bytes",
        "same  2_M1_S001_when.txt: differs, as its descriptor says that it may",
    ]
    assert "note" not in done.stderr
    kept = amora(tmp_path, "rerun", f"http://x.example/scripts/test/async/{job.id}")  # its address will do
    assert kept.returncode == 0, kept.stderr
    made = (tmp_path / job.id / "1_M1_S001_made.txt").read_text()
    assert "events 1sent along" in made
    assert f"{job.created:%Y-%m-%dT%H:%M:%SZ}" in made
    assert not (tmp_path / "home" / "trials").exists()


def test_a_changed_script_is_said_and_the_old_version_runs(job: Job, engine: Engine, tmp_path: Path) -> None:
    program = tmp_path / "scripts" / "test" / "run.sh"
    program.write_text(PROGRAM + "echo more >> products/${name}_made.txt\n")
    engine.jobs.scripts.refresh()
    done = amora(tmp_path, "rerun", job.id, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the script test has changed since" in done.stderr
    assert "the version of then is kept, and runs again" in done.stderr
    engine.jobs.scripts.forget(-1000)  # as after a long time
    late = amora(tmp_path, "rerun", job.id, "--check")
    assert late.returncode == 1
    assert "the present one runs" in late.stderr
    assert "OTHER 1_M1_S001_made.txt: differs: from byte 63 on, 63 bytes and 68 bytes" in late.stdout


def test_a_changed_dataset_is_said(job: Job, tmp_path: Path) -> None:
    (tmp_path / "2" / "events.fits").write_text("events 3")
    done = amora(tmp_path, "rerun", job.id, "--check")
    assert done.returncode == 1
    assert "note: dataset 2/M1/S001: the file events.fits has changed since" in done.stderr
    assert "dataset 1/M1/S001" not in done.stderr
    assert "same  1_M1_S001_made.txt" in done.stdout
    assert "OTHER 2_M1_S001_made.txt: differs: from byte" in done.stdout
    (tmp_path / "2" / "events.fits").unlink()
    gone = amora(tmp_path, "rerun", job.id, "--check")
    assert "the file events.fits is not there any more" in gone.stderr
    assert "OTHER 2_M1_S001_made.txt: was not made again" in gone.stdout
    assert "OTHER task 2: ended as ERROR" in gone.stdout


def test_show_abort_and_delete(job: Job, engine: Engine, tmp_path: Path) -> None:
    shown = amora(tmp_path, "show", job.id).stdout
    for word in (job.id, "COMPLETED", "Amora 0.1.0", "2_M1_S001_made.txt", job.products[0].checksum, "LIST"):
        assert word in shown
    assert f'"id":"{job.id}"' in amora(tmp_path, "show", job.id, "--json").stdout
    waiting = engine.jobs.create("probe", [("SECONDS", "600")], run=True)
    assert amora(tmp_path, "abort", waiting.id).stdout == f"{waiting.id} aborted\n"
    assert str(engine.jobs.get("probe", waiting.id).phase) == "ABORTED"
    late = amora(tmp_path, "abort", waiting.id)
    assert (late.returncode, late.stdout) == (2, "")
    assert "ABORTED" in late.stderr
    assert amora(tmp_path, "delete", job.id, waiting.id).returncode == 0
    gone = amora(tmp_path, "show", job.id)
    assert (gone.returncode, gone.stderr) == (2, f"amora: There is no job {job.id}.\n")
    pending = engine.jobs.create("probe", [])
    assert "there is nothing to do once more" in amora(tmp_path, "rerun", pending.id).stderr
