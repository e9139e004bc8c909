"""The sandbox: what a script sees and reaches, and what is said of it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.engine import Engine
from jobs.phases import Phase
from jobs.runner import Outcome, Run
from jobs.sandbox import CONFIGURATION, OWN_PROCESSES, SCRATCH, Sandbox, SandboxError
from jobs.settings import Settings
from tests.conftest import missing
from tests.unit.jobs.conftest import Found
from tests.unit.jobs.test_worker import ALONE, HEAD, Do, do  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMORA_SANDBOX", "auto")
    if shutil.which("bwrap") is None:
        missing("bubblewrap")
    protection = Sandbox("auto", tmp_path).protection
    if not protection.sandboxed:
        pytest.skip(protection.message)


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


def test_what_it_writes_elsewhere_is_bounded(do: Do) -> None:  # noqa: F811
    job = do(
        "for place in / /sys /dev /var; do echo x 2>/dev/null > $place/x && echo $place >> products/written; done;"
        "head -c 400000000 /dev/zero > /tmp/large; head -c 400000000 /dev/zero > /dev/shm/large;"
        "stat -c %s /tmp/large /dev/shm/large > products/sizes",
        ALONE,
    )
    assert job.phase is Phase.COMPLETED, job.error
    assert [product.name for product in job.products] == ["sizes"]
    assert job.products[0].size == len(f"{SCRATCH}\n{SCRATCH}\n")


def sandboxed(
    tmp_path: Path, script: str, *more: str, sandbox: Sandbox | None = None, processes: int = 3
) -> tuple[Outcome, str]:
    """Run a shell script in a sandbox, and stop it when it says so."""
    workspace = tmp_path / "home" / "work" / "1" / "run"
    workspace.mkdir(parents=True)
    sandbox = sandbox or Sandbox("auto", tmp_path / "home")
    command = sandbox.wrap(["sh", "-c", script, *more], workspace, [], more[:1])
    log = io.BytesIO()
    with Run(command, workspace, {"PATH": "/usr/bin:/bin"}, log, 0.3, {"processes": processes}, OWN_PROCESSES) as run:
        outcome = run.wait(lambda _: not (workspace / "stop").exists(), 0.02)
    return outcome, log.getvalue().decode()


def test_it_is_asked_to_end_before_it_is_killed(tmp_path: Path) -> None:
    outcome, said = sandboxed(tmp_path, "trap 'echo asked; exit 3' TERM; > stop; while :; do sleep 0.1; done")
    assert (outcome.stopped, outcome.code, said.splitlines()[-1]) == (True, 3, "asked")


def test_whoever_does_not_end_is_killed(tmp_path: Path) -> None:
    """Grandchildren in sessions of their own that ignore SIGTERM, and whose parents are gone."""
    stubborn = f"trap '' TERM; : {tmp_path}; while :; do sleep 0.05; done"
    outcome, _ = sandboxed(tmp_path, f'(setsid sh -c "{stubborn}" &) ; sleep 0.3; > stop; {stubborn}', processes=9)
    assert (outcome.stopped, outcome.code) == (True, -signal.SIGKILL)
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if _is_in(pid, str(tmp_path))]


def _is_in(process: Path, tag: str) -> bool:
    """Whether a process was started with a word in its command."""
    try:
        return tag in (process / "cmdline").read_text(errors="replace") and process.name != str(os.getpid())
    except OSError:  # it has ended
        return False


def test_its_own_processes_do_not_count(tmp_path: Path) -> None:
    outcome, _ = sandboxed(tmp_path, "sleep 0.6 & sleep 0.6; echo done")
    assert (outcome.exceeded, outcome.code) == ("", 0)


def test_a_virtual_environment_elsewhere_is_seen(do: Do, tmp_path: Path) -> None:  # noqa: F811
    """By a script whose first line names its interpreter, and nothing beside the environment is."""
    venv.create(tmp_path / "place" / "env", symlinks=True)
    (tmp_path / "place" / "secret").write_text("xyzzy")
    packages = next((tmp_path / "place" / "env").glob("lib/python*/site-packages"))
    (packages / "its_library.py").write_text("ANSWER = 42")
    program = tmp_path / "scripts" / "test" / "run.py"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{tmp_path}/place/env/bin/python\nimport its_library, os\n"
        f"open('products/told', 'w').write(f'{{its_library.ANSWER}} {{os.path.exists(\"{tmp_path}/place/secret\")}}')"
    )
    program.chmod(0o755)
    job = do("", ALONE.replace('["sh", "run.sh"]', '["run.py"]'))
    assert job.phase is Phase.COMPLETED, job.error
    assert (tmp_path / "home" / "jobs" / job.products[0].key).read_text() == "42 False"


def test_a_program_built_by_hand_is_seen_with_its_library(tmp_path: Path) -> None:
    place = tmp_path / "built"
    for name in ("bin", "lib"):
        (place / name).mkdir(parents=True)
    (place / "lib" / "table").write_text("content")
    (place / "bin" / "tool").write_text(f"#!/bin/sh\ncat {place}/lib/table")
    (place / "bin" / "tool").chmod(0o755)
    (tmp_path / "tool").symlink_to(place / "bin" / "tool")
    assert sandboxed(tmp_path, '"$0"', str(tmp_path / "tool"))[1] == "content\n"


def test_of_etc_only_the_configuration_is_seen(tmp_path: Path) -> None:
    """Also by a program that is named by its place in /bin, beside which /etc lies."""
    _, said = sandboxed(tmp_path, "/bin/ls /etc; test -e /etc/passwd || echo hidden", "/bin/ls")
    assert "hidden" in said
    assert set(said.split()) <= {*CONFIGURATION, "hidden"}


def test_the_settings_are_hidden_where_they_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "amora.toml").write_text("secret")
    (tmp_path / "plain").write_text("plain")
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "product").write_text("secret")
    hidden = [tmp_path / "amora.toml", tmp_path / "stored"]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "amora.sqlite").write_text("secret")
    sandbox = Sandbox("auto", tmp_path / "home", [tmp_path], hidden)
    command = f"cd {tmp_path}; cat plain; echo; cat amora.toml stored/* home/*; ls; ls home"
    said = sandboxed(tmp_path, command, sandbox=sandbox)[1]
    assert {"plain", "stored", "home"} <= set(said.split())
    assert not {"secret", "product", "amora.sqlite"} & set(said.split())


def test_devices_are_seen_that_are_named(tmp_path: Path) -> None:
    """As those of a graphics processor are; a device that is only bound could not be opened."""
    sandbox = Sandbox("auto", tmp_path / "home", [Path("/dev/kmsg")])
    if not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("/dev/kmsg cannot be read here")
    assert sandboxed(tmp_path, "test -c /dev/kmsg && echo there", sandbox=sandbox)[1] == "there\n"


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
