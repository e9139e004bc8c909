"""The runner and its guardian: what a script says is kept, and nothing of it is left."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.guardhouse import Guardhouse, GuardhouseError
from jobs.identity import Identity
from jobs.runner import MAX_LINE, MAX_MESSAGE, Outcome, Run

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
IGNORES_TERM = "trap '' TERM; while :; do sleep 1; done"


def run(
    folder: Path, script: str, going_on: Callable[[object], bool] = lambda _: True, grace: float = 0.2
) -> tuple[Outcome, bytes]:
    log = io.BytesIO()
    with Run(["sh", "-c", script], folder, ENVIRONMENT, log, grace) as started:
        outcome = started.wait(going_on, 0.02)
    return outcome, log.getvalue()


def appear(path: Path, pieces: int = 1) -> list[int]:
    """Wait until a script has written its pids into a file."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and len(words := path.read_text().split()) >= pieces:
            return [int(word) for word in words]
        time.sleep(0.01)  # the only sign of another process is its file
    raise AssertionError(f"{path} was not written")


def gone(pid: int) -> bool:
    """Whether a process is gone, or will be when its new parent gets round to it."""
    deadline = time.monotonic() + 5
    identity = Identity.of(pid)
    while identity.started and identity.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)  # a kill takes effect a moment later
    return True


def test_what_a_script_says(tmp_path: Path) -> None:
    progress: list[object] = []

    def going_on(news: object) -> bool:
        if news:
            progress.append(news)
        return True

    outcome, log = run(
        tmp_path, "echo one; echo progress 0.25 a quarter; sleep 0.3; echo two >&2; echo >&2; exit 3", going_on
    )
    assert outcome == Outcome(3, stopped=False, last_error="two", message="a quarter")
    assert sorted(log.split(b"\n")) == [b"", b"", b"one", b"two"]
    assert progress == [(0.25, "a quarter")]


def test_what_all_processes_took(tmp_path: Path) -> None:
    """Those count too that the script did not wait for, and those that were killed."""
    work = f"{sys.executable} -c 'x = bytearray(200 << 20); import time; [0 for _ in iter(time.process_time, 0)"
    busy = work + " if time.process_time() > 0.6 and exit()]'"
    idle = run(tmp_path, "true")[0].usage
    waited = run(tmp_path, busy)[0].usage
    left = run(tmp_path, f"setsid {busy} & sleep 2")[0].usage
    for usage in (waited, left):
        assert 0.5 < usage.cpu < 5
        assert 200 << 20 < usage.memory < 400 << 20
    assert idle.cpu < 0.4
    assert 0 < idle.memory < 100 << 20


@pytest.mark.parametrize(
    ("line", "expected"),
    [("progress 1.5 much", (1.0, "much")), ("progress 1e-1", (0.1, "")), ("progress .5 x", (0.5, "x"))],
)
def test_progress(tmp_path: Path, line: str, expected: tuple[float, str]) -> None:
    seen: list[object] = []
    run(tmp_path, f"echo '{line}'; sleep 0.2", lambda news: seen.append(news) or True)
    assert expected in seen


@pytest.mark.parametrize("line", ["progress", "progress half", "progress -1", "progressive", " progress 0.5"])
def test_no_progress_is_log(tmp_path: Path, line: str) -> None:
    assert run(tmp_path, f"echo '{line}'")[1] == line.encode() + b"\n"


def test_a_line_of_digits_does_not_stop_the_clocks(tmp_path: Path) -> None:
    """It is nearly a progress line, as long as a line can be: telling that it is none must cost nothing."""
    start = time.monotonic()
    script = f"printf 'progress '; head -c {MAX_LINE - 20} /dev/zero | tr '\\0' 1; echo x"
    assert run(tmp_path, script)[1].endswith(b"1x\n")
    assert time.monotonic() - start < 5


def test_what_a_script_says_is_text_of_bounded_length(tmp_path: Path) -> None:
    seen: list[object] = []
    script = "printf 'progress 0.5 a\\000b'; head -c 60000 /dev/zero | tr '\\0' m; echo; sleep 0.2; "
    script += "printf 'c\\000d\\377' >&2"
    outcome, _ = run(tmp_path, script, lambda news: seen.append(news) or True)
    assert (0.5, ("a\ufffdb" + "m" * 60000)[:MAX_MESSAGE]) in seen
    assert outcome.last_error == "c\ufffdd\ufffd"


def test_a_line_without_end(tmp_path: Path) -> None:
    outcome, log = run(tmp_path, f"head -c {3 * MAX_LINE} /dev/zero | tr '\\0' x; printf tail >&2")
    assert log.count(b"x") == 3 * MAX_LINE
    assert outcome.last_error == "tail"


def test_working_folder_environment_and_standard_input(tmp_path: Path) -> None:
    _, log = run(tmp_path, "pwd; env; cat")
    lines = log.decode().splitlines()
    assert lines[0] == str(tmp_path)
    assert {line.split("=")[0] for line in lines[1:]} <= {"PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    log = io.BytesIO()
    with Run(["no-such-program"], tmp_path, ENVIRONMENT, log, 0.2) as started:
        outcome = started.wait(lambda _: True, 0.02)
    assert outcome == Outcome(
        127, stopped=False, last_error="the program no-such-program cannot be started: No such file or directory"
    )


def test_killed_by_a_signal(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -SEGV $$")[0].code == -signal.SIGSEGV


def test_stop_ends_the_whole_tree(tmp_path: Path) -> None:
    """Grandchildren that ignore SIGTERM, and one that made a session of its own, go too."""
    pids = tmp_path / "pids"
    script = (
        f'echo $$ >> {pids}; sh -c "echo \\$\\$ >> {pids}; {IGNORES_TERM}" & '
        f'setsid sh -c "echo \\$\\$ >> {pids}; {IGNORES_TERM}" & {IGNORES_TERM}'
    )
    outcome, _ = run(tmp_path, script, lambda _: not (pids.exists() and len(pids.read_text().split()) == 3))
    assert outcome == Outcome(-signal.SIGKILL, stopped=True, last_error="")
    assert all(gone(pid) for pid in appear(pids, 3))


def test_a_polite_script_has_time_to_tidy_up(tmp_path: Path) -> None:
    tidy = tmp_path / "tidy"
    script = f"trap 'echo done > {tidy}; exit 0' TERM; echo $$ > {tmp_path}/up; while :; do sleep 0.05; done"
    outcome, _ = run(tmp_path, script, lambda _: not (tmp_path / "up").exists(), grace=10)
    assert outcome.stopped
    assert tidy.read_text() == "done\n"


def test_what_a_script_leaves_running_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    outcome, _ = run(
        tmp_path, f"(setsid sh -c 'echo $$ > {pids}; exec sleep 1000' &) ; until [ -s {pids} ]; do :; done"
    )
    assert outcome.code == 0
    assert gone(appear(pids)[0])


def test_a_killed_guardian_takes_its_script_along(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    outcome, _ = run(tmp_path, f"sleep 1000 & echo $! $$ > {pids}; kill -9 $PPID; sleep 1000")
    assert outcome.code is None
    assert all(gone(pid) for pid in appear(pids, 2))


def test_an_error_in_the_worker_ends_the_script(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def going_on(_: object) -> bool:
        if pids.exists():
            raise OSError("the database is away")
        return True

    with pytest.raises(OSError, match="away"):
        run(tmp_path, f"echo $$ > {pids}.new; mv {pids}.new {pids}; {IGNORES_TERM}", going_on)
    assert gone(appear(pids)[0])


def test_kill_9_of_the_worker_ends_the_script(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "import io, os, pathlib; from jobs.runner import Run\n"
        f"command = ['sh', '-c', \"\"\"setsid sh -c 'echo $$ >> {pids}; {IGNORES_TERM.replace(chr(39), chr(34))}' & "
        f'echo $$ >> {pids}; {IGNORES_TERM}"""]\n'
        f"with Run(command, pathlib.Path('{tmp_path}'), dict(os.environ), io.BytesIO(), 0.2) as run:\n"
        "    run.wait(lambda _: True, 0.1)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3])
    found = appear(pids, 2)
    worker.kill()
    worker.wait()
    assert all(gone(pid) for pid in found)


def test_a_killed_guardhouse_is_replaced_and_its_guardians_go_on(tmp_path: Path) -> None:
    """Scripts that run are not touched; the next one gets a guardian from a new guardhouse."""
    go = tmp_path / "go"
    log = io.BytesIO()
    with Run(
        ["sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done; echo done"], tmp_path, ENVIRONMENT, log, 0.2
    ) as first:
        (house,) = {int(Path(f"/proc/{first.guardian}/stat").read_text().rpartition(")")[2].split()[1])}
        os.kill(house, signal.SIGKILL)
        assert gone(house)
        assert run(tmp_path, "echo second")[1] == b"second\n"
        go.touch()
        assert first.wait(lambda _: True, 0.02).code == 0
    assert log.getvalue() == b"done\n"


def test_a_killed_guardhouse_whose_door_a_guardian_still_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guardian just forked has its copy of the door until it runs: a dead guardhouse is known without the door."""
    held: list[socket.socket] = []
    pair = socket.socketpair

    def held_pair() -> tuple[socket.socket, socket.socket]:
        ours, theirs = pair()
        held.append(theirs.dup())
        return ours, theirs

    monkeypatch.setattr("jobs.guardhouse.socket.socketpair", held_pair)
    house = Guardhouse()

    def parent_of_a_script() -> int:
        guarded = house.start(["true"], tmp_path, ENVIRONMENT, 0.2, {})
        assert guarded.status.read().startswith(b"start ")
        for end in (guarded.control, guarded.output, guarded.error, guarded.status):
            end.close()
        assert house._process is not None
        return house._process.pid

    first = parent_of_a_script()
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert parent_of_a_script() != first
    house._close()
    for door in held:
        door.close()


def test_a_guardhouse_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is stopped, and the caller is told."""
    house = Guardhouse()
    monkeypatch.setattr("jobs.guardhouse.PROGRAM", tmp_path / "no-such-program")
    with pytest.raises((GuardhouseError, OSError)):
        house.start(["true"], tmp_path, ENVIRONMENT, 0.2, {})
