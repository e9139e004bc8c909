"""A backup taken while jobs run is restored on another machine: all is there, and what had not ended goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from index.database import Database
from jobs.store import JobStore
from tests.production import Production
from tests.recovery.test_kill_9 import running
from tests.service import Service


def amora(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AMORA_")}
    return subprocess.run(
        [sys.executable, "-c", "from uws.cli import main; main()", *command],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def first_seen(service: Service) -> list[str]:
    """Return since when the records of the registry have existed."""
    records = service.http.get("/oai", params={"verb": "ListRecords", "metadataPrefix": "ivo_vor"}).text
    found = re.findall(r'<ri:Resource [^>]*created="([^"]+)"', records)
    assert found
    return found


def test_there_and_back(tmp_path: Path) -> None:
    home, backup, elsewhere = tmp_path / "home", tmp_path / "backup", tmp_path / "elsewhere"
    with Service(home, LEASE="3") as service:
        done = service.post("probe", SIZE="2000", TASKS="2")
        assert service.end(done) == "COMPLETED"
        product = service.http.get(f"{done}/results/probe_1.bin").content
        pending = service.http.post("/scripts/probe/async").headers["Location"].rpartition("/")[2]
        busy = service.post("probe", SECONDS="4", TASKS="4")
        running(service, busy, 2)
        created = first_seen(service)
        made = amora("db", "backup", str(backup), AMORA_HOME=str(home))
        assert made.returncode == 0, made.stderr
        assert "3 jobs" in made.stdout
        again = amora("db", "backup", str(backup), AMORA_HOME=str(home))
        assert again.returncode == 2
        assert "is there already" in again.stderr
    # the other machine has nothing of this one
    shutil.rmtree(home)
    restored = amora("db", "restore", str(backup), AMORA_HOME=str(elsewhere))
    assert restored.returncode == 0, restored.stderr
    twice = amora("db", "restore", str(backup), AMORA_HOME=str(elsewhere))
    assert twice.returncode == 2
    assert "not empty" in twice.stderr
    with Service(elsewhere, LEASE="3") as service:
        assert service.end(busy) == "COMPLETED"
        assert service.http.get(f"{done}/results/probe_1.bin").content == product
        assert service.phase(f"/scripts/probe/async/{pending}") == "PENDING"
        assert first_seen(service) == created
        checked = amora("check", AMORA_HOME=str(elsewhere), AMORA_PUBLIC_URL=service.base_url)
        assert "problem" not in checked.stdout.replace("problem   address", ""), checked.stdout


def test_from_sqlite_to_postgresql_and_back(tmp_path: Path, servers: Production) -> None:
    with Service(tmp_path / "one") as service:
        job = service.post("probe", FAIL="grün: 'x' \\ \u2028")
        assert service.end(job) == "ERROR"
    before = _everything(f"sqlite:///{tmp_path / 'one' / 'amora.sqlite'}", job)
    url = servers.settings()["database_url"]
    there = {"AMORA_DATABASE_URL": url, "AMORA_HOME": str(tmp_path / "two")}
    assert amora("db", "backup", str(tmp_path / "b1"), AMORA_HOME=str(tmp_path / "one")).returncode == 0
    assert amora("db", "current", **there).returncode == 0
    restored = amora("db", "restore", str(tmp_path / "b1"), **there)
    assert restored.returncode == 0, restored.stderr
    assert _everything(url, job) == before
    store = JobStore(Database(url))  # the numbers go on after those that were brought along
    store.create("probe", [], run_id=None, owner=None, duration=1, destruction=None)
    assert amora("db", "backup", str(tmp_path / "b2"), **there).returncode == 0
    back = amora("db", "restore", str(tmp_path / "b2"), AMORA_HOME=str(tmp_path / "three"))
    assert back.returncode == 0, back.stderr
    assert _everything(f"sqlite:///{tmp_path / 'three' / 'amora.sqlite'}", job) == before


def _everything(url: str, job: str) -> object:
    database = Database(url)
    store = JobStore(database)
    job_id = job.rpartition("/")[2]
    try:
        return store.get(job_id), store.trail(job_id)
    finally:
        database.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with one job."""
    folder = tmp_path_factory.mktemp("sound")
    with Service(folder / "home") as service:
        service.end(service.post("probe"))
    assert amora("db", "backup", str(folder / "backup"), AMORA_HOME=str(folder / "home")).returncode == 0
    return folder / "backup"


@pytest.mark.parametrize("damage", ["no manifest", "manifest", "rows", "version"])
def test_a_damaged_backup_is_refused_and_nothing_is_restored(sound: Path, tmp_path: Path, damage: str) -> None:
    backup = shutil.copytree(sound, tmp_path / "backup")
    manifest = backup / "amora.json"
    if damage == "no manifest":
        manifest.unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"form": "9999"}))
    else:
        rows = backup / "tables" / "job.jsonl.gz"
        rows.write_bytes(rows.read_bytes()[:-20])
    refused = amora("db", "restore", str(backup), AMORA_HOME=str(tmp_path / "new"))
    assert refused.returncode == 2
    assert "backup" in refused.stderr
    assert "Traceback" not in refused.stderr
    good = amora("jobs", "list", AMORA_HOME=str(tmp_path / "new"))
    assert good.stdout.count("\n") == 1  # the header alone
