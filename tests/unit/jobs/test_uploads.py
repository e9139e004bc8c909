"""Files on their way in: nothing is left of one that nobody takes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from jobs.errors import LimitError, TooLargeError
from jobs.identity import Identity
from jobs.storage import Storage
from jobs.uploads import Inboxes


def test_a_file_comes_in_and_is_kept(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with Inboxes(tmp_path, 100, 2).open() as inbox:
        writer = inbox.open("text/csv")
        writer.write(b"a,")
        writer.write(b"b")
        file = writer.close()
        assert (file.size, file.content_type) == (3, "text/csv")
        assert file.checksum == hashlib.sha256(b"a,b").hexdigest()
        key = storage.keep("job", file.path)
        inbox.open("text/plain").write(b"nobody takes this")
    assert [path for path in (tmp_path / "incoming").rglob("*") if path.is_file()] == []
    assert storage.open(key).local.read_bytes() == b"a,b"
    target = tmp_path / "work" / "uploads" / "T"
    storage.provide(key, target)
    assert target.read_bytes() == b"a,b"
    assert target.stat().st_mode & 0o222 == 0
    storage.drop(key)
    assert list((tmp_path / "jobs").iterdir()) == []
    with pytest.raises(FileNotFoundError):
        storage.provide(key, tmp_path / "work" / "uploads" / "U")


def test_limits(tmp_path: Path) -> None:
    inboxes = Inboxes(tmp_path, 5, 2)
    with inboxes.open() as inbox:
        inbox.open("").write(b"123")
        second = inbox.open("")
        second.write(b"45")
        with pytest.raises(TooLargeError, match="at most 5 bytes"):
            second.write(b"6")
        with pytest.raises(TooLargeError, match="More than 2 files"):
            inbox.open("")
    with inboxes.open() as inbox:
        inbox.open("").write(b"12345")  # each request has the limit for itself


def test_a_broken_disk_is_a_limit_of_the_service(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_text("in the way")
    with Inboxes(tmp_path, 5, 2).open() as inbox, pytest.raises(LimitError, match="try again later"):
        inbox.open("")


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        dead = Identity.of(process.pid)
        process.kill()
    inboxes = Inboxes(tmp_path, 5, 2)
    left = tmp_path / "incoming" / quote(str(dead), safe="") / "request"
    left.mkdir(parents=True)
    elsewhere = tmp_path / "incoming" / quote("another:host:/1/2", safe="")
    elsewhere.mkdir()
    with inboxes.open() as inbox:
        inbox.open("").write(b"1")
        inboxes.clear()
        assert not left.exists()
        assert elsewhere.exists()
        assert len([path for path in (tmp_path / "incoming").rglob("*") if path.is_file()]) == 1
