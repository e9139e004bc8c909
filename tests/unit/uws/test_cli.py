"""The command line: help that teaches, and one line for a mistake."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobs.settings import BUILT_IN_SCRIPTS
from uws.cli import amora


def _amora(home: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AMORA_HOME": str(home / "home"), **settings}
    command = [sys.executable, "-c", "from uws.cli import main; main()", *words]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=60, check=False)


def _commands(group: click.Group, *words: str) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found += _commands(command, *words, name) if isinstance(command, click.Group) else [(*words, name)]
    return found


@pytest.mark.parametrize("words", _commands(amora), ids=" ".join)
def test_help_teaches_with_an_example(words: tuple[str, ...]):
    command: click.Command = amora
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    help_text = command.get_help(click.Context(command))
    assert "Example" in help_text
    assert "amora " + " ".join(words) in help_text


@pytest.mark.parametrize(
    "words", [(), *sorted({words[:1] for words in _commands(amora) if len(words) > 1})], ids=" ".join
)
def test_a_list_of_commands_says_whole_sentences(tmp_path: Path, words: tuple[str, ...]):
    listed = _amora(tmp_path, *words, "--help", COLUMNS="80").stdout.partition("Commands:")[2].splitlines()[1:]
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def test_help_imports_nothing_slow(tmp_path: Path):
    check = (
        "import sys, uws.cli\n"
        "try: uws.cli.main()\n"
        "finally: print([name for name in ('numpy', 'astropy', 'mocpy', 'sqlalchemy', 'lxml', 'starlette') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bogus"], "bogus"),
        (["index", "add"], "PATHS"),
        (["index", "add", "nosuchfolder"], "nosuchfolder"),
        (["index", "query", "--circle", "1 2 -3"], "-3"),
        (["index", "query", "--circle", "1 2 3", "--pos", "CIRCLE 1 2 3"], "one region"),
        (["index", "query", "--pos", "Circle FK4 1 2 3"], "FK4"),
        (["index", "query", "--pos", "TARGET M 31 1"], "M 31"),
        (["index", "query", "--region", "nosuchfile"], "nosuchfile"),
        (["index", "query", "--region", "/dev/null", "--pos", "CIRCLE 1 2 3"], "one region"),
        (["index", "add", "--from", "nosuch", "."], "nosuch"),
        (["index", "add", "--from", "moc", "."], "no dataset was found"),
        (["index", "remove", "1/M1/S001"], "there is no dataset '1/M1/S001'"),
        (["index", "remove", "nonsense"], "nonsense"),
        (["index", "query", "--id", "nonsense"], "nonsense"),
        (["index", "query", "--format", "bogus"], "bogus"),
        (["scripts", "check", "nosuch"], "nosuch"),
        (["jobs", "list", "--script", "nosuch"], "nosuch"),
        (["jobs", "list", "--phase", "bogus"], "BOGUS"),
        (["jobs", "list", "--last", "0"], "--last"),
        (["demo", "--data", "nosuchfolder"], "nosuchfolder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(tmp_path: Path, words: list[str], says: str):
    done = _amora(tmp_path, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("amora: ")
    assert says in line


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"AMORA_PORT": "eighty"}, "AMORA_PORT"),
        ({"AMORA_PUBLIC_URL": "x.org"}, "AMORA_PUBLIC_URL"),
        ({"AMORA_HOME": "/proc/nowhere"}, "/proc/nowhere"),
        ({"AMORA_DATABASE_URL": "nonsense"}, "database"),
        ({"AMORA_DATABASE_URL": "sqlite:////proc/nowhere.sqlite"}, "/proc/nowhere.sqlite"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_2(tmp_path: Path, settings: dict[str, str], says: str):
    done = _amora(tmp_path, "jobs", "list", **settings)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("amora: ")
    assert says in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"port = ", "amora.toml cannot be read: "),
        (b"\xff\xfe\x00", "amora.toml cannot be read: "),
        (b"prot = 8001", "amora.toml: there is no setting prot"),
        (b"[amora]\nport = 8001", "amora.toml: there is no setting amora"),
        (b'port = "eighty"', "amora.toml: port: 'eighty' was given; it should be a valid integer"),
        (b'public_url = "x.org"', "amora.toml: public_url: 'x.org' was given; must begin with http"),
    ],
)
def test_a_bad_settings_file_is_one_line_and_exit_2(tmp_path: Path, content: bytes, says: str):
    (tmp_path / "amora.toml").write_bytes(content)
    done = _amora(tmp_path, "jobs", "list")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"amora: {says}")


def test_a_file_that_is_no_database_is_one_line_and_exit_2(tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "amora.sqlite").write_text("Nothing that SQLite knows.")
    done = _amora(tmp_path, "jobs", "list")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("amora: the database ")
    assert "not a database" in line


def test_a_port_in_use_is_said(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _amora(tmp_path, "serve", AMORA_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"amora: cannot listen on 127.0.0.1 port {port}: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_service_lists_nothing(tmp_path: Path):
    for words in (["db", "upgrade"], ["index", "list"], ["jobs", "list"]):
        done = _amora(tmp_path, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 1


def test_an_archive_comes_and_goes(tmp_path: Path):
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "0001_M1_S001.txt").write_text("10/1000-1020")
    (archive / "0002_M1_S001.txt").write_text("3/768")
    added = _amora(tmp_path, "index", "add", "--from", "moc", "archive")
    assert added.stdout == "1 dataset added, 0 replaced, 0 unchanged; the index has 1.\n"
    assert added.stderr == f"skipped {archive}/0002_M1_S001.txt: MOC: order 3 has the cells 0 to 767, not 768\n"
    again = _amora(tmp_path, "index", "add", "--from", "moc", "archive").stdout
    assert again == "0 datasets added, 0 replaced, 0 unchanged (1 file not read again); the index has 1.\n"
    query = ("index", "query", "--region", "archive/0001_M1_S001.txt", "--format", "csv")
    assert _amora(tmp_path, *query).stdout.splitlines()[1].startswith("0001/M1/S001,")
    assert _amora(tmp_path, "index", "stats").stdout.splitlines()[1].split()[:2] == ["MOC", "1"]
    assert _amora(tmp_path, "index", "verify").stdout == "The index is sound and has 1 dataset.\n"
    for path in (tmp_path / "home" / "index").glob("segment-*"):
        path.write_bytes(b"")
    damaged = _amora(tmp_path, "index", "verify")
    assert damaged.returncode == 1
    assert "is damaged" in damaged.stderr
    assert "segment-" in damaged.stderr
    assert _amora(tmp_path, "index", "rebuild").stdout == "The index is written anew and has 1 dataset.\n"
    assert _amora(tmp_path, "index", "verify").returncode == 0
    removed = _amora(tmp_path, "index", "remove", "0001/M1/S001").stdout
    assert removed == "1 dataset removed; the index has 0.\n"


def test_a_broken_script_is_said_and_exit_1(tmp_path: Path):
    (tmp_path / "mine" / "broken").mkdir(parents=True)
    (tmp_path / "mine" / "broken" / "script.toml").write_text("title = 1")
    done = _amora(tmp_path, "scripts", "check", AMORA_SCRIPTS=str(tmp_path / "mine"))
    assert done.returncode == 1
    assert "broken" in done.stdout
    assert "Traceback" not in done.stderr
    listed = _amora(tmp_path, "scripts", "list", AMORA_SCRIPTS=str(tmp_path / "mine"))
    assert listed.returncode == 0
    assert "broken" not in listed.stdout
    assert "script.toml" in listed.stderr


def test_a_folder_of_scripts_that_is_not_there_is_said(tmp_path: Path):
    nowhere = str(tmp_path / "nowhere")
    for words, code in (("list", 0), ("check", 1)):
        done = _amora(tmp_path, "scripts", words, AMORA_SCRIPTS=nowhere)
        assert done.returncode == code
        assert f"The folder of scripts {nowhere} does not exist." in done.stdout + done.stderr
    assert _amora(tmp_path, "scripts", "check", "probe", "--quick", AMORA_SCRIPTS=nowhere).stdout == "ok      probe\n"


def test_a_script_of_ones_own_replaces_the_built_in_one(tmp_path: Path):
    mine = tmp_path / "mine" / "probe"
    shutil.copytree(BUILT_IN_SCRIPTS / "probe", mine)
    descriptor = (mine / "script.toml").read_text().replace('version = "1.0"', 'version = "1.0-mine"')
    (mine / "script.toml").write_text(descriptor)
    for words in ("list", "check"):
        done = _amora(tmp_path, "scripts", words, AMORA_SCRIPTS=str(mine.parent))
        assert done.stdout.count("probe") == 1
        assert ("1.0-mine" in done.stdout) == (words == "list")
