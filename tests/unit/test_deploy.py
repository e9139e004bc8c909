"""What is deployed, held against the code: there is no docker engine here, so the same commands are started by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.conftest import missing
from tests.production import Production
from tests.servers import free_port
from uws.cli import amora
from uws.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("amora:")}
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PINNED = re.compile(r"[a-z/]+:(RELEASE\.)?\d+(\.\d+)*[\w.-]*")
VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")


def is_command(words: list[str]) -> bool:
    command: click.Command = amora
    for word in words:
        if not isinstance(command, click.Group) or word not in command.commands:
            return False
        command = command.commands[word]
    return not isinstance(command, click.Group)


def settings_in(text: str) -> set[str]:
    return set(re.findall(r"\bAMORA_([A-Z_]+)\b", text))


@pytest.mark.parametrize("path", ["Dockerfile", "docker-compose.yml", "deploy/amora.env.example", *map(str, UNITS)])
def test_every_setting_that_is_named_exists(path: str):
    named = settings_in((ROOT / path).read_text(encoding="utf-8"))
    assert {name.lower() for name in named} - set(Settings.model_fields) <= {
        "data"
    }  # where the compose file finds data


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str):
    assert PINNED.fullmatch(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_the_dockerfile():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 3
    assert all(PINNED.fullmatch(base) for base in bases)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for part in source.split():
            assert (ROOT / part).exists(), part
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1].partition(":")[0] not in ("root", "0")
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("ENTRYPOINT")
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} - {"tests"}
    assert all(f"COPY {package} " in DOCKERFILE for package in packages)
    assert "--require-hashes" in DOCKERFILE
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not {"index", "jobs", "scripts", "uws", "deploy"} & set(ignored)


def test_the_image_has_what_the_project_needs_in_the_versions_that_are_tested():
    def versions(path: str) -> dict[str, str]:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        return dict(line.split()[0].split("==") for line in lines if "==" in line and not line.startswith((" ", "#")))

    run, tested = versions("deploy/requirements.lock"), versions("requirements.lock")
    assert {name: tested.get(name) for name in run} == run
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for wanted in project["dependencies"]:
        assert re.split(r"[\[>=<]", wanted)[0].lower() in run, f"{wanted}: make lock"
    assert not {"pytest", "hypothesis", "ruff", "mypy"} & run.keys()


@pytest.mark.parametrize("name", OURS)
def test_each_part_is_a_command_with_its_folder_and_ports(name: str):
    service = OURS[name]
    assert is_command(service["command"])
    environment = service["environment"]
    mounts = dict(
        volume.rpartition(":ro")[0].rpartition(":")[::-2] if volume.endswith(":ro") else volume.rpartition(":")[::-2]
        for volume in service["volumes"]
    )
    assert environment["AMORA_HOME"] in mounts
    assert mounts[environment["AMORA_HOME"]] in COMPOSE["volumes"]
    assert f"AMORA_HOME={environment['AMORA_HOME']}" in DOCKERFILE
    for port in service.get("ports", ()):
        assert port.rpartition(":")[2] == environment["AMORA_PORT"]
    check = " ".join(service["healthcheck"].get("test", ()))
    served = {"web": "AMORA_PORT", "worker": "AMORA_WORKER_PORT"}
    if name in served:
        assert f"127.0.0.1:{environment[served[name]]}/" in check
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_what_waits_for_what():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            assert how["condition"] != "service_healthy" or "test" in SERVICES[other]["healthcheck"]
    declared = set(COMPOSE["volumes"])
    used = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith(("/", ".", "$"))
    }
    assert used == declared


def filled(value: str, **values: str) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[2] or "", str(value))


def test_the_composed_parts_work_together(tmp_path: Path, servers: Production):
    """Start what the compose file starts, with its settings, and ask each health check before and after."""
    given = servers.settings()
    # a database without tables, as the first start finds it
    given["database_url"] = servers.postgresql.create()
    ports = {"AMORA_PORT": str(free_port()), "AMORA_WORKER_PORT": str(free_port())}
    elsewhere = {
        "AMORA_HOME": str(tmp_path / "home"),
        "AMORA_HOST": "127.0.0.1",
        "AMORA_DATABASE_URL": given["database_url"],
        "AMORA_REDIS_URL": given["redis_url"],
        **ports,
    }

    def environment(name: str) -> dict[str, str]:
        told = {key: filled(value, POSTGRES_PASSWORD="x") for key, value in OURS[name]["environment"].items()}  # noqa: S106
        assert elsewhere.keys() <= told.keys()
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AMORA_")}
        return clean | told | elsewhere

    def healthy(name: str) -> bool:
        kind, program, *words = OURS[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        for setting, port in ports.items():
            words = [word.replace(f":{OURS[name]['environment'][setting]}/", f":{port}/") for word in words]
        return subprocess.run([sys.executable, *words], check=False, capture_output=True).returncode == 0

    program = [sys.executable, "-c", "from uws.cli import main; main()"]
    started = []
    try:
        early = subprocess.run(
            [*program, *OURS["web"]["command"]], env=environment("web"), check=False, capture_output=True, text=True
        )
        assert early.returncode == 2
        assert "amora db upgrade" in early.stderr
        subprocess.run([*program, *OURS["migrate"]["command"]], env=environment("migrate"), check=True)
        for name in ("web", "worker"):
            assert not healthy(name)
            started.append(subprocess.Popen([*program, *OURS[name]["command"]], env=environment(name)))
        for name in ("web", "worker"):
            deadline = time.monotonic() + 60
            while not healthy(name):
                assert time.monotonic() < deadline, name
                time.sleep(0.2)  # it starts
        checked = subprocess.run(
            [*program, "check"],
            env=environment("web") | {"AMORA_PUBLIC_URL": ""},
            check=False,
            capture_output=True,
            text=True,
        )
        assert "problem   workers" not in checked.stdout, checked.stdout
    finally:
        for process in started:
            process.terminate()
        codes = [process.wait(30) for process in started]
    assert codes == [0, 0]
    assert not healthy("web")


def test_the_servers_health_checks(servers: Production):
    kind, program, *words = SERVICES["postgres"]["healthcheck"]["test"]
    assert kind == "CMD"
    where = ["--host=127.0.0.1", f"--port={servers.postgresql.port}"]
    assert subprocess.run([servers.postgresql.programs / program, *words, *where], check=False).returncode == 0
    assert SERVICES["redis"]["healthcheck"]["test"] == ["CMD", "valkey-cli", "ping"]
    assert servers.redis.answers()
    assert SERVICES["redis"]["command"][0] == "valkey-server"


def test_workers_under_systemd_can_make_the_sandbox():
    """A new /proc is refused where parts of the present one are hidden, and its loopback is brought up by netlink."""
    unit = (ROOT / "deploy" / "systemd" / "amora-worker@.service").read_text(encoding="utf-8")
    hides = (
        "ProtectKernelTunables",
        "ProtectKernelLogs",
        "ProtectProc",
        "ProcSubset",
        "RestrictNamespaces",
        "DynamicUser",
    )
    assert not [line for line in unit.splitlines() if line.startswith(hides)]
    assert re.search(r"^RestrictAddressFamilies=.*AF_NETLINK", unit, re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=/opt/amora/.venv/bin/amora (.+)$", text, re.MULTILINE)
    assert is_command(command.split())
    assert "\nUser=amora\n" in text
    assert "NoNewPrivileges=yes" in text
    for other in UNITS:  # they name each other
        here = other.read_text(encoding="utf-8").replace("/opt/amora/.venv/bin/amora", sys.executable)
        (tmp_path / other.name).write_text(here, encoding="utf-8")
    name = unit.name.replace("@.", "@1.")
    if name != unit.name:
        shutil.copy(tmp_path / unit.name, tmp_path / name)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], check=False, capture_output=True, text=True
    )
    complaints = [line for line in (verified.stdout + verified.stderr).splitlines() if str(tmp_path) in line]
    assert complaints == []
