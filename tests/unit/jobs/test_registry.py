"""The scripts on offer follow their folders without a restart, and what was handed out stays as it was."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import threading
from pathlib import Path

import pytest

from jobs import registry, sources
from jobs.engine import Engine
from jobs.errors import DescriptorError, NotFoundError
from jobs.phases import Phase
from jobs.registry import Registry
from jobs.settings import Settings

DESCRIPTOR = """
title = "Test"
summary = "For tests."
version = "{version}"
command = ["sh", "run.sh"]
[accepts]
region = "none"
datasets = false
"""


def write(folder: Path, version: str = "1", program: str = "echo", **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.toml").write_text(DESCRIPTOR.format(version=version))
    (folder / "README.md").write_text("# Test")
    (folder / "run.sh").write_text(program)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_added_changed_and_removed_scripts_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CHECK", 0.0)
    scripts = Registry([tmp_path])
    assert scripts.names() == []
    write(tmp_path / "one")
    assert scripts.get("one").version == "1"
    write(tmp_path / "one", version="2")
    assert scripts.get("one").version == "2"
    before = scripts.get("one").checksum
    (tmp_path / "one" / "run.sh").write_text("echo other")
    assert scripts.get("one").checksum != before
    (tmp_path / "one" / "script.toml").unlink()
    with pytest.raises(NotFoundError, match="There is no script one"):
        scripts.get("one")


def test_what_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    scripts, read = Registry([tmp_path]), []
    monkeypatch.setattr(registry, "load", lambda folder: read.append(folder.name))
    scripts.refresh()
    assert read == []
    one = scripts.get("one")
    (tmp_path / "two" / "script.toml").write_text("?")
    monkeypatch.undo()
    scripts.refresh()
    assert scripts.get("one") is one


def test_an_edit_that_breaks_a_script_leaves_the_version_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "one")
    scripts = Registry([tmp_path], tmp_path / "kept")
    (tmp_path / "one" / "script.toml").write_text("?")
    for _ in range(2):
        scripts.refresh()
    assert scripts.get("one").version == "1"
    assert scripts.get("one").documentation == "# Test"
    assert "is not TOML" in scripts.broken["one"]
    assert caplog.text.count("is not TOML") == 1  # said once, not each second
    write(tmp_path / "one", version="3")
    scripts.refresh()
    assert (scripts.get("one").version, scripts.broken) == ("3", {})


def test_a_library_is_part_of_the_version(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    (folder / "script.toml").write_text('libraries = ["shared"]\n' + DESCRIPTOR.format(version="1"))
    scripts = Registry([tmp_path], tmp_path / "kept")
    assert "there is no folder" in scripts.broken["one"]
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "code.sh").write_text("one")
    (folder / "run.sh").write_text("touched, to be looked at again")
    scripts.refresh()
    before = scripts.get("one")
    assert (before.folder / "../shared/code.sh").read_text() == "one"
    (tmp_path / "shared" / "code.sh").write_text("two")
    scripts.refresh()
    assert scripts.get("one").checksum != before.checksum
    assert (before.folder / "../shared/code.sh").read_text() == "one"


def test_a_library_is_there_as_byte_code_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    (folder / "script.toml").write_text('libraries = ["shared"]\n' + DESCRIPTOR.format(version="1"))
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "code.py").write_text("a = 1")
    (tmp_path / "shared" / "broken.py").write_text("a = = 1")
    scripts = Registry([tmp_path], tmp_path / "kept")
    library = scripts.get("one").folder.parent / "shared"
    assert Path(importlib.util.cache_from_source(str(library / "code.py"))).is_file()
    assert scripts.broken == {}


def test_the_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", data="x", Zoo="y")
    (folder / "sub").mkdir()
    (folder / "sub" / "a").write_text("a")
    (folder / "sub-b").write_text("b")
    command = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert sources.checksum(folder) == said.split()[0]
    before = sources.checksum(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "run.pyc").write_text("left by Python")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("left by git")
    assert sources.checksum(folder) == before
    assert hashlib.sha256(b"").hexdigest() != before


def test_a_folder_of_data_is_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    folder = write(tmp_path / "one", data="x" * 200)
    with pytest.raises(DescriptorError, match="Keep data in another folder"):
        sources.signature(folder)


def test_a_running_task_keeps_its_version(tmp_path: Path) -> None:
    """A shell reads its program line by line: one that is edited meanwhile would go on with the new lines."""
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    folder = write(tmp_path / "scripts" / "test", program=f"echo started\ncat {fifo}\nexit 0\n")
    engine = Engine(
        Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts"), grace=0.1, sandbox_paths=str(fifo))
    )
    engine.start()
    try:
        job, pause = engine.jobs.create("test", [], run=True), threading.Event()
        while not engine.jobs.log("test", job.id, 1).data:
            pause.wait(0.02)
        (folder / "run.sh").write_text(f"echo started\ncat {fifo}\nexit 9\n")
        engine.jobs.scripts.refresh()
        with fifo.open("w") as file:
            file.write("go on")
        while (job := engine.jobs.get("test", job.id)).active:
            pause.wait(0.02)
        assert job.phase is Phase.COMPLETED, job.error
    finally:
        engine.stop()


def test_old_versions_are_kept_for_a_while(tmp_path: Path) -> None:
    write(tmp_path / "scripts" / "one")
    scripts = Registry([tmp_path / "scripts"], tmp_path / "kept")
    old = scripts.get("one")
    write(tmp_path / "scripts" / "one", version="2")
    scripts.refresh()
    scripts.forget(1000.0)
    found = scripts.version("one", old.checksum)
    assert found is not None
    assert (found.version, found.folder) == ("1", old.folder)
    scripts.forget(-1000.0)
    assert scripts.version("one", old.checksum) is None
    assert scripts.get("one").folder.is_dir()
    assert scripts.version("one", scripts.get("one").checksum) is scripts.get("one")
