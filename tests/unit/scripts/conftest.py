"""What the tests of the scripts share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.descriptor import load
from scripts.epic.events import EventList
from scripts.epic.simulate import simulate

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@dataclass(frozen=True)
class Run:
    """How a script ended and what it left."""

    code: int
    out: str
    err: str
    products: Path

    @property
    def message(self) -> str:
        """The last line of standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., Run]:
    """Run a script the way a worker does: its own working folder, its own process, a scrubbed environment."""

    def run(
        name: str,
        events: Path | None = None,
        parameters: dict[str, Any] | None = None,
        region: dict[str, Any] | None = None,
        slug: str = "0002970201_M1_S001",
        files: Sequence[dict[str, str]] = (),
        **environment: str,
    ) -> Run:
        folder = tmp_path / f"task_{len(list(tmp_path.iterdir()))}"
        (folder / "products").mkdir(parents=True)
        files = [{"kind": "events", "path": str(events), "content_type": "application/fits"}, *files]
        task = {
            "contract": 1,
            "job": "job",
            "task": 1,
            "attempt": 1,
            "date": "2026-01-31T12:00:00Z",
            "dataset_slug": slug,
            "parameters": parameters or {},
            "region": region,
            "datasets": [{"id": slug.replace("_", "/"), "files": files}] if events else [],
        }
        (folder / "task.json").write_text(json.dumps(task))
        done = subprocess.run(
            [sys.executable, SCRIPTS / name / f"{name}.py"],
            cwd=folder,
            env={key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Run(done.returncode, done.stdout, done.stderr, folder / "products")

    return run


@pytest.fixture
def run_job(tmp_path: Path) -> Callable[..., Run]:
    """Run a script whose one task has all datasets, the way a worker does."""

    def run(
        name: str,
        lists: list[Path],
        parameters: dict[str, Any] | None = None,
        region: dict[str, Any] | None = None,
        parts: list[dict[str, Any]] | None = None,
    ) -> Run:
        folder = tmp_path / f"task_{len(list(tmp_path.iterdir()))}"
        (folder / "products").mkdir(parents=True)
        datasets = []
        for path in lists:
            words = {"obs_id": path.name[1:11], "camera": path.name[11:13], "exposure_id": path.name[13:17]}
            files = [{"kind": "events", "path": str(path), "content_type": "application/fits"}]
            datasets.append({"id": "/".join(words.values()), **words, "files": files})
        task = {
            "dataset_slug": "task_1",
            "parameters": {spec.name: spec.default for spec in load(SCRIPTS / name).parameters} | (parameters or {}),
            "region": region,
            "datasets": datasets,
            **({"parts": parts} if parts else {}),
        }
        (folder / "task.json").write_text(json.dumps(task))
        done = subprocess.run(
            [sys.executable, SCRIPTS / name / f"{name}.py"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1000000000"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Run(done.returncode, done.stdout, done.stderr, folder / "products")

    return run


@pytest.fixture(scope="session")
def simulated_lists(simulated: Path) -> list[Path]:
    """The six simulated lists."""
    return sorted(simulated.glob("*EVLI*"))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of simulated event lists."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder)
    return folder


@pytest.fixture(scope="session")
def truth(simulated: Path) -> dict[str, Any]:
    """What was put into the simulated lists."""
    known: dict[str, Any] = json.loads((simulated / "truth.json").read_text())
    return known


@pytest.fixture(scope="session")
def simulated_m1(simulated: Path) -> Path:
    """A simulated MOS1 list."""
    return simulated / "P9999000101M1S001MIEVLI0000.FTZ"


@pytest.fixture(scope="session")
def real_lists(real: Path) -> dict[str, Path]:
    """The real event lists by camera."""
    return {"M1": real / "P0002970201M1S002MIEVLI.FTZ", "M2": real / "P0002970201M2S003MIEVLI.FTZ"}


@pytest.fixture(scope="session", params=["M1", "M2"])
def real_camera(request: pytest.FixtureRequest) -> str:
    """Each camera that has a real list."""
    return str(request.param)


@pytest.fixture(scope="session")
def real_events(real_lists: dict[str, Path], real_camera: str) -> EventList:
    """A real event list, read."""
    return EventList(real_lists[real_camera])


@pytest.fixture
def fitsverify() -> Callable[[Path], None]:
    """Check a file with CFITSIO's fitsverify: no errors."""
    from tests.conftest import missing

    program = shutil.which("fitsverify")
    if program is None:
        missing("the program fitsverify")

    def verify(path: Path) -> None:
        done = subprocess.run([str(program), "-e", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 error" in done.stdout, done.stdout

    return verify
