"""The service is killed or stopped while jobs run: nothing is lost, nothing is done twice, nothing is left running."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from index.database import Database
from jobs.phases import JOB_MOVES, TASK_MOVES
from jobs.store import JobStore
from tests.service import Service


def processes(home: Path) -> set[int]:
    """Return the pids of all scripts and their guardians: their working folders lie in the home folder."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink().is_relative_to(home):
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)  # what is waited for happens in another process


def running(service: Service, job: str, scripts: int) -> None:
    until(lambda: service.phase(job) == "EXECUTING", "the job runs")
    until(lambda: sum(map(is_script, processes(service.home))) >= scripts, "its scripts run")


def is_script(pid: int) -> bool:
    """Whether a process is a script, and not its guardian or its sandbox: these are there before it."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return not command[0].endswith(b"bwrap") and not any(word.endswith(b"guardian.py") for word in command)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def check_store(service: Service, job_id: str) -> list[str]:
    """Check that only legal moves were made and that files and rows agree; return the reasons of the tasks' moves."""
    home, database = service.home, Database(service.database_url)
    store = JobStore(database)
    trail = store.trail(job_id)
    for number, origin, target, _ in trail:
        assert target in (JOB_MOVES if number is None else TASK_MOVES)[origin]
    keys = {product.key for product in store.get(job_id).products}
    files = {path.relative_to(home / "jobs").as_posix() for path in (home / "jobs" / job_id).glob("*/*")}
    assert keys == files
    assert list((home / "work").iterdir()) == []
    database.close()
    return [reason for number, _, _, reason in trail if number is not None]


def test_kill_9_of_the_service(home: Path, installation: dict[str, str]) -> None:
    """The job runs again to COMPLETED; no process is left from before; each product is there once."""
    with Service(home, **installation, LEASE="3") as service:
        job = service.post("probe", SECONDS="1.5", TASKS="3", SIZE="1000")
        running(service, job, 2)
        before = processes(home)
        service.kill()
        until(lambda: not processes(home) & before, "the scripts of the killed service are gone", 5)
    with Service(home, **installation, LEASE="3") as service:
        assert service.end(job) == "COMPLETED"
        detail = service.detail(job)
    assert [task["attempt"] for task in detail["tasks"]] == [2, 2, 1]
    assert sorted(product["name"] for product in detail["products"]) == sorted(
        f"probe_{number}.{kind}" for number in (1, 2, 3) for kind in ("bin", "vot")
    )
    reasons = check_store(service, job.rpartition("/")[2])
    assert reasons.count("the worker that ran it was lost") == 2
    assert reasons.count("script ended") == 3


def test_kill_9_again_and_again(home: Path, installation: dict[str, str]) -> None:
    """A task that kills its service each time is given up, and the message says so."""
    job = ""
    for _ in range(3):
        with Service(home, **installation, LEASE="3") as service:
            job = job or service.post("probe", SECONDS="60")
            running(service, job, 1)
            service.kill()
    with Service(home, **installation, LEASE="3") as service:
        assert service.end(job) == "ERROR"
        document = service.http.get(job).text
        assert 'type="transient"' in document
        assert "given up after 3 tries: the worker that ran it was lost" in document
        assert not processes(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_service_hands_its_tasks_back(
    home: Path, installation: dict[str, str], number: signal.Signals
) -> None:
    with Service(home, **installation) as service:
        job = service.post("probe", SECONDS="1")
        running(service, job, 1)
        for process in service.processes:
            process.send_signal(number)
        assert [process.wait(10) for process in service.processes] == [0] * len(service.processes)
        assert not processes(home)
    with Service(home, **installation) as service:
        assert service.end(job) == "COMPLETED"
    reasons = check_store(service, job.rpartition("/")[2])
    assert reasons == [reasons[0], "the service was stopped", reasons[2], "script ended"]


def test_queued_jobs_survive(home: Path, installation: dict[str, str]) -> None:
    """What was only in the memory of the queue is sent again."""
    with Service(home, **installation, WORKERS="1") as service:
        jobs = [service.post("probe", SECONDS="0.3") for _ in range(4)]
        service.kill()
    with Service(home, **installation, WORKERS="1") as service:
        assert [service.end(job) for job in jobs] == ["COMPLETED"] * 4
    for job in jobs:
        check_store(service, job.rpartition("/")[2])


def test_kill_9_of_a_guardian(home: Path, installation: dict[str, str]) -> None:
    """The script goes with its guardian, and the task is done again."""
    with Service(home, **installation) as service:
        job = service.post("probe", SECONDS="1")
        running(service, job, 1)
        guardian = min(processes(home))
        before = processes(home)
        os.kill(guardian, signal.SIGKILL)
        until(lambda: not processes(home) & before, "the script is gone", 5)
        assert service.end(job) == "COMPLETED"
        assert service.detail(job)["tasks"][0]["attempt"] == 2


@pytest.mark.parametrize("way", ["abort", "delete", "action"])
def test_abort_and_delete_end_the_scripts(home: Path, installation: dict[str, str], way: str) -> None:
    with Service(home, **installation) as service:
        job = service.post("probe", SECONDS="60", TASKS="2")
        running(service, job, 2)
        if way == "abort":
            answer = service.http.post(f"{job}/phase", data={"PHASE": "ABORT"})
        elif way == "delete":
            answer = service.http.delete(job)
        else:
            answer = service.http.post(job, data={"ACTION": "DELETE"})
        assert answer.status_code == 303
        until(lambda: not processes(home), "no process is left", 3)
        until(lambda: not list((home / "work").iterdir()), "no working folder is left", 3)
        if way == "abort":
            assert service.phase(job) == "ABORTED"
        else:
            assert service.http.get(job).status_code == 404
            until(lambda: not list((home / "jobs").iterdir()), "no file is left", 3)


def test_the_folder_of_an_aborted_task_goes_although_its_worker_was_killed(home: Path) -> None:
    """By whichever process of the machine sweeps next; it need not be one that was started since."""
    with Service(home) as service:
        job = service.post("probe", SECONDS="60")
        running(service, job, 1)
        with Service(home) as other:
            before = processes(home)
            os.kill(service.process.pid, signal.SIGSTOP)
            assert other.http.post(f"{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
            service.kill()
            until(lambda: not processes(home) & before, "no process is left", 5)
            until(lambda: not list((home / "work").iterdir()), "no working folder is left", 20)


def test_execution_duration_is_enforced(home: Path, installation: dict[str, str]) -> None:
    with Service(home, **installation) as service:
        job = service.post("probe", SECONDS="60", EXECUTIONDURATION="1")
        assert service.end(job) == "ABORTED"
        until(lambda: not processes(home), "no process is left", 3)
        assert "longer than its executionDuration of 1 s" in str(service.detail(job)["tasks"])


def test_destruction_comes(home: Path, installation: dict[str, str]) -> None:
    with Service(home, **installation) as service:
        job = service.post("probe", SECONDS="60")
        running(service, job, 1)
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        assert service.http.post(f"{job}/destruction", data={"DESTRUCTION": soon}).status_code == 303
        until(lambda: service.http.get(job).status_code == 404, "the job is forgotten")
        until(lambda: not processes(home), "no process is left", 3)
        until(lambda: not list((home / "jobs").iterdir()), "no file is left", 3)
