"""The sandbox: what a script sees and reaches, and what is said of it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine import Engine
from jobs.phases import Phase
from jobs.sandbox import Sandbox, SandboxError
from jobs.settings import Settings
from tests.conftest import missing
from tests.unit.jobs.conftest import Found
from tests.unit.jobs.test_worker import ALONE, HEAD, Do, do  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMORA_SANDBOX", "auto")
    if not Sandbox("auto", tmp_path).protection.sandboxed:
        missing("bubblewrap, with leave to make user namespaces,")


def test_a_script_sees_no_secret_and_writes_nowhere_else(do: Do, tmp_path: Path) -> None:  # noqa: F811
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret").write_text("xyzzy")
    program = (
        f"ls -A {home} > products/home.txt; ls /root /home > products/people.txt"
        f" 2>&1; cat {home}/secret {home}/amora.sqlite > products/stolen.txt 2>/dev/null;"
        f"touch /usr/evil {tmp_path}/scripts/test/evil {home}/evil 2>/dev/null; ls /proc > products/processes.txt; true"
    )
    job = do(program, ALONE)
    assert job.phase is Phase.COMPLETED, job.error
    said = {product.name: (home / "jobs" / product.key).read_text() for product in job.products}
    # the copy of the script itself, and its working folder
    assert said["home.txt"].split() == ["scripts", "work"]
    assert said["stolen.txt"] == ""
    assert not (set(said["people.txt"].split()) & {".bashrc", ".ssh"})
    assert len([name for name in said["processes.txt"].split() if name.isdigit()]) < 10
    assert not Path("/usr/evil").exists()
    assert not (tmp_path / "scripts" / "test" / "evil").exists()
    assert not (home / "evil").exists()


def test_a_script_reads_its_files(do: Do, tmp_path: Path) -> None:  # noqa: F811
    real = tmp_path / "archive" / "events.fits"
    real.parent.mkdir()
    real.write_bytes(b"events")
    link = tmp_path / "link.fits"
    link.symlink_to(real)
    found = (Found("1", "M1", 10, 20, (("events", link, "application/fits"),)),)
    job = do(f"cat {link} > products/copy; ls {tmp_path}/archive > products/names", HEAD, found, pos="CIRCLE 10 20 0.1")
    assert job.phase is Phase.COMPLETED, job.error
    contents = {product.name: (tmp_path / "home" / "jobs" / product.key).read_text() for product in job.products}
    assert contents == {"copy": "events", "names": "events.fits\n"}


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_script_has_no_network(do: Do, listening: int) -> None:  # noqa: F811
    connect = f"import socket; socket.create_connection(('127.0.0.1', {listening}), 5)"
    job = do(f'exec {sys.executable} -c "{connect}"', ALONE)
    assert job.phase is Phase.ERROR
    assert "Connection refused" in str(job.error) or "unreachable" in str(job.error)


def test_how_a_script_was_killed_is_told(do: Do) -> None:  # noqa: F811
    assert do("kill -SEGV $$", ALONE).error == (
        "The script was killed by signal 11 and said nothing on standard error."
    )


def test_where_it_is_required_and_missing_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Engine(Settings(home=tmp_path / "home", sandbox="require"))
    try:
        with pytest.raises(SandboxError, match=r"AMORA_SANDBOX=require: .* bubblewrap is not installed"):
            engine.start()
        assert [check.ok for check in engine.jobs.health() if check.name == "sandbox"] == [False]
    finally:
        engine.stop()


@pytest.mark.parametrize(("mode", "word"), [("off", "is not asked for"), ("auto", "bubblewrap is not installed")])
def test_what_is_in_force_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, word: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    protection = Sandbox(mode, tmp_path).protection  # type: ignore[arg-type]
    assert (protection.sandboxed, protection.wanted) == (False, False)
    assert word in protection.message
