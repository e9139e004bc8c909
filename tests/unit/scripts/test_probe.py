from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.io.votable import parse_single_table

from tests.conftest import missing

PROBE = Path(__file__).resolve().parents[3] / "scripts" / "probe" / "probe.py"


def test_writes_a_votable(run_script):
    run = run_script("probe", parameters={"SECONDS": 0.0, "FAIL": None, "SIZE": 0, "TASKS": 1})
    assert run.code == 0, run.err
    assert [path.name for path in run.products.iterdir()] == ["probe_1.vot"]
    row = parse_single_table(run.products / "probe_1.vot").array[0]
    assert (row["task"], row["size"], row["host"]) == (1, 0, os.uname().nodename)
    stilts = shutil.which("stilts")
    if stilts is None:
        missing("the program stilts")
    lint = subprocess.run(
        [str(stilts), "votlint", f"votable={run.products / 'probe_1.vot'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0
    assert lint.stdout + lint.stderr == ""


def test_waits_and_tells_how_far_it_is(run_script):
    run = run_script("probe", parameters={"SECONDS": 0.5})
    fractions = [float(line.split()[1]) for line in run.out.splitlines() if line.startswith("progress ")]
    assert len(fractions) >= 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert parse_single_table(run.products / "probe_1.vot").array[0]["seconds"] >= 0.5


@pytest.mark.parametrize("size", [1, 12, 3_000_001])
def test_writes_what_it_is_told(run_script, size):
    run = run_script("probe", parameters={"SIZE": size})
    assert (run.products / "probe_1.bin").stat().st_size == size
    assert parse_single_table(run.products / "probe_1.vot").array[0]["size"] == size


def test_tells_what_was_sent_along(run_script, tmp_path):
    sent = tmp_path / "sent"
    sent.write_bytes(b"12345")
    run = run_script("probe", parameters={"TABLE": {"path": str(sent), "size": 5}})
    row = parse_single_table(run.products / "probe_1.vot").array[0]
    assert (row["table_size"], row["table_checksum"]) == (5, hashlib.sha256(b"12345").hexdigest())
    without = parse_single_table(run_script("probe", parameters={}).products / "probe_1.vot").array[0]
    assert (without["table_size"], without["table_checksum"]) == (-1, "")


def test_fails_with_the_message(run_script):
    run = run_script("probe", parameters={"FAIL": "no more\ndisk <&>"})
    assert (run.code, run.err) == (1, "no more disk <&>\n")


def test_a_wrong_task_is_a_sentence(run_script):
    run = run_script("probe", parameters={"SECONDS": "soon"})
    assert run.code == 1
    assert run.message.startswith("The probe cannot do what its task says")


def test_ends_at_once_when_told_to(tmp_path):
    (tmp_path / "task.json").write_text(json.dumps({"task": 1, "parameters": {"SECONDS": 60}}))
    with subprocess.Popen([sys.executable, PROBE], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("task 1: waiting 60 s")
        process.terminate()
        assert process.wait(timeout=10) == -signal.SIGTERM


def test_needs_the_standard_library_only():
    done = subprocess.run([sys.executable, "-X", "importtime", PROBE], capture_output=True, text=True, check=False)
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"numpy", "astropy", "scripts", "mocpy"}
