"""``amora check``: each thing that can be wrong is found, and the cure is named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from index.database import Database, Server
from jobs.database import config, upgrade
from jobs.settings import BUILT_IN_SCRIPTS
from tests.recovery.test_kill_9 import running
from tests.service import Service
from uws import installation
from uws.care import check
from uws.installation import Finding, examine, settings_and_all
from uws.settings import Settings


def found(findings: Iterator[Finding], what: str) -> list[Finding]:
    return [finding for finding in findings if finding.what == what and finding.level != "ok"]


def the(findings: Iterator[Finding], what: str) -> Finding:
    (finding,) = found(findings, what)
    assert finding.cure
    return finding


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMORA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'home' / 'amora.sqlite'}")
    upgrade(database)
    database.close()
    return tmp_path / "home"


def test_a_running_service_has_no_problem(tmp_path: Path, installation: dict[str, str]):
    with Service(tmp_path / "home", **installation) as service:
        job = service.post("probe")
        assert service.end(job) == "COMPLETED"
        environment = service.environment | {"AMORA_PUBLIC_URL": service.base_url}
        known = {name: value for name, value in environment.items() if name.startswith("AMORA_")}
        settings = Settings(**{name.removeprefix("AMORA_").lower(): value for name, value in known.items()})
        findings = list(examine(settings))
    assert [finding for finding in findings if finding.level == "problem"] == []
    fine = {finding.what for finding in findings if finding.level == "ok"}
    assert fine >= {"home folder", "disk", "scripts", "queue", "tables", "database", "products", "workers", "address"}


@pytest.mark.usefixtures("home")
def test_a_misspelt_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AMORA_RETENTON", "3600")
    finding = the(settings_and_all(), "settings")
    assert "AMORA_RETENTON" in finding.message
    assert "AMORA_RETENTION" in finding.cure


@pytest.mark.usefixtures("home")
def test_all_settings_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AMORA_PORT", "x")
    monkeypatch.setenv("AMORA_LEASE", "0")
    monkeypatch.setenv("AMORA_METRICS_TOKEN", "short-secret")
    messages = [finding.message for finding in settings_and_all()]
    for name in ("AMORA_PORT", "AMORA_LEASE", "AMORA_METRICS_TOKEN"):
        assert any(name in message for message in messages), messages
    assert not any("short-secret" in message for message in messages)


@pytest.mark.parametrize("content", ["lease = ", "lesae = 3", "port = 'x'"])
def test_a_settings_file_that_cannot_be_used(home: Path, content: str):
    (home.parent / "amora.toml").write_text(content)
    finding = the(settings_and_all(), "settings")
    assert "amora.toml" in finding.message


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://amora:hunter2@127.0.0.1:1/amora", "127.0.0.1"),
        ("oracle://x", "cannot be used"),
        ("sqlite:////proc/nowhere/x.sqlite", "nowhere"),
    ],
)
def test_a_database_that_does_not_answer(home: Path, url: str, says: str):
    finding = the(examine(Settings(home=home, database_url=url)), "database")
    assert finding.level == "problem"
    assert says in finding.message
    assert "hunter2" not in finding.message


def test_a_damaged_database(home: Path):
    with (home / "amora.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20000)
    assert [finding for finding in examine(Settings(home=home)) if finding.level == "problem"]


@pytest.mark.parametrize("form", ["0003", None])
def test_a_database_of_an_older_form(home: Path, form: str | None):
    from alembic import command

    database = Database(f"sqlite:///{home / 'amora.sqlite'}")
    command.downgrade(config(database), form or "base")
    database.close()
    finding = the(examine(Settings(home=home)), "tables")
    assert "amora db upgrade" in finding.cure


def test_a_database_of_a_newer_form():
    finding = installation.outdated("0999", "0010")
    assert "newer" in finding.message
    assert "upgrade" not in finding.cure


def test_redis_that_does_not_answer(home: Path):
    finding = the(examine(Settings(home=home, redis_url="redis://:hunter2@127.0.0.1:1/0")), "queue")
    assert finding.level == "problem"
    assert "hunter2" not in finding.message


def test_no_worker(home: Path, servers):
    settings = Settings(home=home, redis_url=servers.settings()["redis_url"])
    assert the(examine(settings), "workers").level == "problem"


def test_a_disk_that_is_nearly_full(home: Path):
    assert the(examine(Settings(home=home, min_free=2**60)), "disk").level == "problem"
    assert next(installation.room(2 * 2**30, 2**30)).level == "warning"


def test_a_home_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    finding = the(installation.home(Settings(home=tmp_path / "file" / "home")), "home folder")
    assert "AMORA_HOME" in finding.cure


def test_sqlite_on_a_disk_of_the_network(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation, "_file_system", lambda _: "nfs4")
    assert "SQLite" in the(installation.home(Settings(home=home)), "home folder").message


def test_a_broken_script(home: Path, tmp_path: Path):
    (tmp_path / "scripts" / "odd").mkdir(parents=True)
    (tmp_path / "scripts" / "odd" / "script.toml").write_text("title = 3")
    finding = the(examine(Settings(home=home, scripts=str(tmp_path / "scripts"))), "scripts")
    assert "odd" in finding.message


@pytest.mark.parametrize(("mode", "level"), [("auto", "warning"), ("require", "problem"), ("off", "warning")])
def test_scripts_in_no_sandbox(home: Path, monkeypatch: pytest.MonkeyPatch, mode: str, level: str):
    monkeypatch.setenv("PATH", str(home))
    finding = the(installation.sandbox(Settings(home=home, sandbox=mode)), "sandbox")
    assert finding.level == level
    assert "can use the network" in finding.message
    assert ("AMORA_SANDBOX=auto" if mode == "off" else "bubblewrap") in finding.cure


def test_products_of_another_machine(tmp_path: Path):
    with Service(tmp_path / "home") as service:
        service.end(service.post("probe"))
    for folder in (tmp_path / "home" / "jobs").iterdir():
        shutil.rmtree(folder)
    finding = the(examine(Settings(home=tmp_path / "home")), "products")
    assert "AMORA_HOME" in finding.cure


def test_a_damaged_index(home: Path, monkeypatch: pytest.MonkeyPatch):
    from index.errors import DamagedIndexError
    from index.service import Index

    def damaged(_: Index) -> None:
        raise DamagedIndexError("segment x is damaged")

    monkeypatch.setattr(Index, "verify", damaged)
    assert "amora index rebuild" in the(examine(Settings(home=home)), "index").cure


@pytest.mark.parametrize(
    ("told", "what", "says"),
    [
        (Server("PostgreSQL 12.1", 5.0, 5.0, "", 12, (5, 100), 32), "database", "12.1"),
        (Server("PostgreSQL 16.1", 5.0, 5.0, "", 16, (90, 100), 32), "connections", "90 of 100"),
        (Server("PostgreSQL 16.1", 5.0, 8.5, "", 16, (5, 100), 32), "clock", "3.5 s"),
        (Server("SQLite 3", 5.0, 5.0, "The file is damaged: x."), "database", "damaged"),
    ],
)
def test_what_the_databases_server_tells(told: Server, what: str, says: str):
    class Told:
        def describe(self) -> Server:
            return told

    assert says in the(installation.server(Told()), what).message  # type: ignore[arg-type]


class _Other(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"another service, <a>http://elsewhere/</a>")

    def log_message(self, *_: object) -> None:
        pass


def test_another_address(home: Path):
    assert "AMORA_PUBLIC_URL" in the(examine(Settings(home=home, public_url="http://127.0.0.1:1")), "address").cure
    with HTTPServer(("127.0.0.1", 0), _Other) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        assert the(examine(Settings(home=home, public_url=url)), "address").level == "problem"
        other.shutdown()
    with Service(home) as service:  # it hands out another address than clients are to see
        port = service.base_url.rpartition(":")[2]
        finding = the(examine(Settings(home=home, public_url=f"http://localhost:{port}")), "address")
        assert finding.level == "problem"


def test_an_address_for_this_machine_alone(home: Path):
    messages = [finding.message for finding in found(examine(Settings(home=home, host="0.0.0.0")), "address")]  # noqa: S104
    assert any("0.0.0.0" in message for message in messages)  # noqa: S104


@pytest.mark.usefixtures("home")
def test_the_command(monkeypatch: pytest.MonkeyPatch):
    fine = CliRunner().invoke(check)
    assert fine.exit_code == 0, fine.output
    assert all(re.match(r"(ok|warning|problem) +|   ", line) for line in fine.output.splitlines())
    monkeypatch.setenv("AMORA_MIN_FREE", str(2**60))
    assert CliRunner().invoke(check).exit_code == 1


def test_below_the_watermark_nothing_is_accepted(tmp_path: Path):
    with Service(tmp_path / "home", MIN_FREE=str(2**60)) as service:
        answer = service.http.post("/scripts/probe/async", data={"PHASE": "RUN"})
        assert answer.status_code == 503
        assert "disk" in answer.text
        assert service.http.get("/scripts/probe/async").status_code == 200
        assert ">false<" in service.http.get("/availability").text


def test_below_the_watermark_no_task_is_begun(tmp_path: Path):
    with Service(tmp_path / "home") as service:
        job = service.post("probe", SECONDS="60")
        running(service, job, 1)
    with Service(tmp_path / "home", MIN_FREE=str(2**60)) as service:
        service.http.get(job, params={"WAIT": "2"})
        assert [task["phase"] for task in service.detail(job)["tasks"]] == ["QUEUED"]


def test_the_built_in_scripts_are_fit_to_be_offered():
    assert found(installation.scripts(Settings()), "scripts") == []
    assert BUILT_IN_SCRIPTS.is_dir()
