"""A service of one's own, as a process: started, killed and started again on the same home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import httpx

from tests.leash import Leash

VARIANT = {"AMORA_SANDBOX": mode} if (mode := os.environ.get("TEST_SANDBOX")) else {}
"""What all tests of this run have in their environment: ``make test TEST_SANDBOX=off`` runs them without a sandbox."""


class Service:
    """``amora serve`` on a free port, for the length of a block; with a queue in Redis, ``amora worker`` beside it.

    :param home: the home folder.
    :param stderr: where what it logs goes; by default where the tests' does.
    :param worker_home: the home folder of the worker, where it is another one, as on another machine.
    :param environment: further variables of the environment.
    :param settings: further settings, e.g. ``LEASE="3"``.
    """

    def __init__(
        self,
        home: Path,
        *,
        stderr: TextIO | None = None,
        worker_home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: str,
    ) -> None:
        self.home = home
        self.worker_home = worker_home or home
        self._stderr = stderr
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AMORA_")}
        self.environment |= VARIANT | dict(environment or {})
        self.environment |= {"AMORA_HOME": str(home), "AMORA_PORT": "0", "AMORA_ANONYMOUS_LIST": "true"}
        self.environment |= {f"AMORA_{name.upper()}": value for name, value in settings.items()}
        self.database_url = self.environment.get("AMORA_DATABASE_URL", f"sqlite:///{home / 'amora.sqlite'}")
        self.worker: subprocess.Popen[str] | None = None
        self._started: list[tuple[subprocess.Popen[str], Leash]] = []
        self.alone = False
        """Whether its workers are somebody else's business."""

    def __enter__(self) -> Self:
        if "AMORA_REDIS_URL" in self.environment and not self.alone:
            self.worker = self.start("worker", home=self.worker_home)
        self.process = self.start("serve")
        self.base_url = self.said(self.process, "Amora is ready at http://").split()[-1]
        if self.worker:
            self.said(self.worker, "Amora does")
        self.http = httpx.Client(base_url=self.base_url, timeout=60)
        return self

    def start(self, *command: str, home: Path | None = None) -> subprocess.Popen[str]:
        """Start a process of the installation."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from uws.cli import main; main()", *command],
            env=self.environment | {"AMORA_HOME": str(home or self.home)},
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self._started.append((process, Leash(process.pid)))
        return process

    @staticmethod
    def said(process: subprocess.Popen[str], beginning: str) -> str:
        """Return the line that a process prints once it is ready."""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(beginning), f"the process said {line!r}"
        return line

    @property
    def processes(self) -> list[subprocess.Popen[str]]:
        """The processes of the installation."""
        return [process for process in (self.process, self.worker) if process]

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.http.close()
        for process, _ in self._started:  # also those that were put in the place of another, or beside it
            process.terminate()
        for process, leash in self._started:
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
            leash.free()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def post(self, script: str, **parameters: str) -> str:
        """Create a job and run it; return its address below the service's."""
        answer = self.http.post(f"/scripts/{script}/async", data={**parameters, "PHASE": "RUN"})
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["Location"]).path

    def phase(self, job: str) -> str:
        """Return a job's phase."""
        return self.http.get(f"{job}/phase").text

    def end(self, job: str) -> str:
        """Wait for the end of a job and return its phase."""
        for _ in range(60):
            phase = self.phase(job)
            if phase not in ("QUEUED", "EXECUTING"):
                return phase
            self.http.get(job, params={"WAIT": "2", "PHASE": phase})
        raise AssertionError(f"the job {job} is still {phase}")

    def detail(self, job: str) -> dict[str, object]:
        """Return all that is known of a job, as JSON."""
        return dict(self.http.get("/api/jobs/" + job.rpartition("/")[2]).json())
