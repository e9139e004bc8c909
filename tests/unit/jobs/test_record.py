"""What a task used is written down: versions, parameters, files with their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.database import Database
from jobs import checksums
from jobs.checksums import Checksums
from jobs.engine import Engine
from jobs.models import Job
from jobs.phases import Phase
from jobs.record import Record, UsedFile, read_software
from jobs.settings import Settings
from jobs.store import JobStore
from tests.unit.jobs.conftest import Found

DESCRIPTOR = """
title = "Test"
summary = "For tests."
version = "1.5"
command = ["sh", "run.sh"]
[accepts]
files = ["events"]
[[parameters]]
name = "EMIN"
type = "real"
default = 0.5
description = "Low."
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    folder = tmp_path / "scripts" / "test"
    folder.mkdir(parents=True)
    (folder / "script.toml").write_text(DESCRIPTOR)
    (folder / "README.md").write_text("# Test")
    (folder / "run.sh").write_text("""test -e again || echo '{"R": "4.5"}' > software.json; echo x > products/x.txt""")
    (tmp_path / "events.fits").write_bytes(b"events")
    engine = Engine(Settings(home=tmp_path / "home", scripts=str(tmp_path / "scripts")))
    engine.index.add([Found("1", "M1", 10, 20, (("events", tmp_path / "events.fits", "application/fits"),))])
    engine.start()
    yield engine
    engine.stop()


def run(engine: Engine) -> Job:
    job, pause = engine.jobs.create("test", [("POS", "CIRCLE 10 20 0.1")], run=True), threading.Event()
    while (job := engine.jobs.get("test", job.id)).active:
        pause.wait(0.02)
    return job


def test_a_completed_task_has_a_record(engine: Engine) -> None:
    job = run(engine)
    assert job.phase is Phase.COMPLETED, job.error
    record = engine.jobs.records("test", job.id)[1]
    assert (record.version, record.parameters) == ("1.5", {"EMIN": 0.5})
    assert record.checksum == engine.jobs.scripts.get("test").checksum
    assert record.software["R"] == "4.5"
    assert {"Amora", "Python"} <= set(record.software)
    expected = hashlib.sha256(b"events").hexdigest()
    assert record.files == (UsedFile("1/M1/S001", "events", "events.fits", 6, expected),)
    engine.jobs.delete("test", job.id)
    with engine.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from record").scalar_one() == 0


def test_what_a_script_says_wrongly_of_its_software_is_told(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "scripts" / "test" / "run.sh").write_text("echo '{\"R\": 4}' > software.json")
    engine.jobs.scripts.refresh()
    job = run(engine)
    assert job.phase is Phase.ERROR
    assert job.error == (
        "The script ended, but software.json: 'R' must be a name with a version, each a text of 1 to 200 characters."
    )


def test_a_checksum_is_computed_once_and_again_after_a_change(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, path, computed = Checksums(JobStore(database, lambda _: None)), tmp_path / "a.fits", []
    real = checksums.sha256
    monkeypatch.setattr(checksums, "sha256", lambda path: computed.append(path) or real(path))
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, ns=(0, len(computed)))  # the clock of a file system may be coarse
        for _ in range(2):
            assert known.of(path) == (3, hashlib.sha256(content).hexdigest())
    assert len(computed) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "one object"),
        ("{", "not JSON"),
        ("[" * 20000, "not JSON"),
        ('{"": "1"}', "1 to 200"),
        ('{"a": "b\\u0000"}', "1 to 200"),
        (json.dumps({str(i): "1" for i in range(101)}), "at most 100"),
        (" " * 70000, "at most 65536 bytes"),
    ],
)
def test_software_that_is_none(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "software.json").write_text(content)
    with pytest.raises(ValueError, match=says):
        read_software(tmp_path)


def test_software_is_never_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "software.json").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="plain file"):
        read_software(tmp_path)


@given(
    st.builds(
        Record,
        version=st.text(),
        checksum=st.text(),
        parameters=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.booleans()),
        software=st.dictionaries(st.text(), st.text()),
        files=st.lists(st.builds(UsedFile)).map(tuple),
    )
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.of(record.as_text()) == record
