"""The demonstration on folders as people have them, and stopped in the middle."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.epic.simulate import simulate
from uws.demo import DemoError, event_lists, service

COMMAND = [sys.executable, "-c", "from uws.cli import main; main()", "demo"]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one event list that is whole and one that is cut off in the middle."""
    folder = tmp_path_factory.mktemp("observed")
    whole, cut, *_ = simulate(tmp_path_factory.mktemp("simulated"))
    shutil.copy(whole, folder)
    content = cut.read_bytes()
    (folder / cut.name).write_bytes(content[: len(content) // 2])
    return folder


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "AMORA_HOME": str(home), "COLUMNS": "80"}


def test_a_list_that_is_cut_off_is_left_out(observed: Path, tmp_path: Path):
    command = [*COMMAND, "--data", str(observed)]
    done = subprocess.run(command, env=_environment(tmp_path), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" in done.stderr
    assert "All counts agree" in done.stdout
    assert "SIMULATED observations" in done.stdout
    assert "│ 9999000101/M1/S001 │ SIMULATED" in done.stdout
    assert "SIMULATED" in (tmp_path / "demo" / "image" / "result.vot").read_text(encoding="utf-8")
    query = [*COMMAND[:-1], "index", "query", "--circle", "150.236 2.268 0.01"]
    listed = subprocess.run(query, env=_environment(tmp_path), capture_output=True, text=True, check=True).stdout
    assert listed.splitlines()[1].endswith(" simulated")


def test_it_keeps_out_of_the_installation(observed: Path, tmp_path: Path):
    """Simulated observations are nothing for the database that the installation's settings name."""
    (tmp_path / "amora.toml").write_text('database_url = "sqlite:///production.sqlite"')
    command = [*COMMAND, "--data", str(observed)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "production.sqlite").exists()
    assert (tmp_path / "home" / "amora.sqlite").exists()


def test_a_file_without_a_header_is_no_event_list(tmp_path: Path):
    (tmp_path / "P0002970201M1S001MIEVLI0000.FTZ").write_bytes(gzip.compress(b"nothing"))
    (tmp_path / "P0002970201M2S002MIEVLI0000.FTZ").write_bytes(b"")
    assert event_lists(tmp_path, {"0002970201/M1/S001"}) == {}


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path):
    with subprocess.Popen(
        COMMAND,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        while "SIMULATED" not in process.stdout.readline():
            pass
        time.sleep(0.5)  # it simulates
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.strip() == ""


def test_what_the_service_said_is_shown_where_it_failed(tmp_path: Path):
    with pytest.raises(DemoError, match=r"refused\n(.*\n)+  Amora is ready at http"), service(tmp_path):
        raise DemoError("refused")
