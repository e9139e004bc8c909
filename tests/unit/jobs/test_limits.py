"""What a task may take: a runaway is stopped with all its processes, and the error says which limit it has exceeded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobs.phases import Phase
from tests.unit.jobs.test_worker import ALONE, Do, do  # noqa: F401 - a fixture

if sys.platform != "linux":
    pytest.skip("what processes take is known on Linux alone", allow_module_level=True)

PYTHON = sys.executable
BURN = "while :; do :; done"


@pytest.mark.parametrize(
    ("limit", "program", "message"),
    [
        ("cpu = 1", BURN, "took more processor time than its limit of 1 s"),
        ("cpu = 1", f"( {BURN} ) & ( {BURN} ) & wait", "took more processor time than its limit of 1 s"),
        (
            "memory = 60000000",
            f"{PYTHON} -c 'import time; held = bytearray(100 << 20); time.sleep(60)'",
            "had more in memory than its limit of 60000000 bytes",
        ),
        (
            "disk = 1000000",
            "mkdir deep; head -c 3000000 /dev/zero > deep/file; sleep 60",
            "wrote more into its working folder than its limit of 1000000 bytes",
        ),
        (
            "processes = 5",
            "for i in 1 2 3 4 5 6 7; do sleep 60 & done; wait",
            "ran more processes at once than its limit of 5",
        ),
        (
            "processes = 20",
            "bomb() { [ $1 = 0 ] || { bomb $(($1 - 1)) & bomb $(($1 - 1)) & }; sleep 60; }; bomb 7",
            "ran more processes at once than its limit of 20",
        ),
        ("log = 10000", "yes", "printed more than its limit of 10000 bytes"),
        ("log = 10000", "yes progress 0.5 >&2", "printed more than its limit of 10000 bytes"),
    ],
    ids=["cpu", "cpu of several", "memory", "disk", "processes", "fork bomb", "log", "standard error"],
)
def test_a_runaway(do: Do, tmp_path: Path, limit: str, program: str, message: str) -> None:  # noqa: F811
    job = do(f"trap '' TERM; {program}", f"{ALONE}[limits]\n{limit}\n")
    assert (job.phase, job.error) == (Phase.ERROR, f"The script {message} and was stopped.")
    assert (tmp_path / "home" / "jobs" / job.id / "1.log").stat().st_size <= 200_000
    assert list((tmp_path / "home" / "work").iterdir()) == []
    assert not [path for path in Path("/proc").glob("[0-9]*/cwd") if _below(path, tmp_path)]


def _below(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:  # it has ended, or is not ours to look at
        return False


def test_who_keeps_the_limits_is_left_alone(do: Do) -> None:  # noqa: F811
    limits = "[limits]\ncpu = 60\nmemory = 500000000\ndisk = 3000000\nprocesses = 20\nlog = 1024\n"
    job = do("head -c 1000000 /dev/zero > products/zero; sleep 0.7; echo done", ALONE + limits)
    assert job.phase is Phase.COMPLETED, job.error


def test_what_all_processes_read_and_wrote(do: Do) -> None:  # noqa: F811
    job = do("head -c 1000000 /dev/zero > file; cat file > products/a; (sh -c 'cat file > products/b' & wait)")
    assert job.phase is Phase.COMPLETED, job.error
    assert 3_000_000 <= job.usage.read < 3_200_000
    assert 3_000_000 <= job.usage.written < 3_200_000
