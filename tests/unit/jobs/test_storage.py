"""The storage, a folder and a bucket: products are published whole, by attempt, and nothing else is touched."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobs.bucket
from jobs.bucket import BucketStorage
from jobs.errors import StorageError
from jobs.storage import ProductError, Storage
from tests.s3 import S3Server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(params=["folder", "bucket", "another disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Each place where files can be kept."""
    if request.param == "bucket":
        request.getfixturevalue("s3")
        return BucketStorage(tmp_path, "s3://amora/some/prefix")
    if request.param == "another disk":
        original = Path.rename

        def rename(path: Path, target: Path) -> Path:
            if path.parent != target.parent:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return original(path, target)

        monkeypatch.setattr(Path, "rename", rename)
    return Storage(tmp_path, tmp_path / "elsewhere")


def content(storage: Storage, key: str) -> bytes:
    found = storage.open(key)
    assert found is not None
    return b"".join(found.read(0, found.size))


def write(workspace: Path, **files: bytes) -> None:
    for name, content in files.items():
        (workspace / "products" / name).write_bytes(content)


def test_publish(storage: Storage) -> None:
    workspace = storage.workspace("job.1", 1)
    write(workspace, b=b"two", a=b"one")
    files = storage.publish(workspace, "job", 1, 1)
    assert [(file.name, file.size, file.checksum) for file in files] == [
        ("a", 3, hashlib.sha256(b"one").hexdigest()),
        ("b", 3, hashlib.sha256(b"two").hexdigest()),
    ]
    assert content(storage, files[0].key) == b"one"
    assert storage.open("job/1.1/c") is None


def test_an_old_attempt_cannot_touch_a_newer_one(storage: Storage) -> None:
    old, new = storage.workspace("job.1", 1), storage.workspace("job.1", 2)
    write(old, a=b"old")
    write(new, a=b"new")
    (file,) = storage.publish(new, "job", 1, 2)
    storage.publish(old, "job", 1, 1)
    storage.withdraw("job", 1, 1)
    assert content(storage, file.key) == b"new"


def test_a_workspace_is_fresh(storage: Storage) -> None:
    write(storage.workspace("job.1", 1), a=b"left by a crash")
    assert list((storage.workspace("job.1", 1) / "products").iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_only_plain_files_are_products(storage: Storage, kind: str, tmp_path: Path) -> None:
    workspace = storage.workspace("job.1", 1)
    path = workspace / "products" / "odd"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "secret").write_text("not for everybody")
        path.symlink_to(tmp_path / "secret")
    else:
        os.mkfifo(path)
    with pytest.raises(ProductError, match="odd in products/ is not a plain file"):
        storage.publish(workspace, "job", 1, 1)


def test_log_grows_and_is_read_in_pieces(storage: Storage) -> None:
    assert storage.read_log("job", 1, 0, 10) == b""
    assert storage.log_size("job", 1) == 0
    for attempt, part in ((1, b"first\n"), (2, b"second\n"), (10, b"tenth\n")):
        storage.workspace("job.1", attempt)
        with storage.open_log("job", 1, attempt) as log:
            log.write(part)
    assert storage.read_log("job", 1, 3, 5) == b"st\nse"
    assert storage.read_log("job", 1, 0, 100) == b"first\nsecond\ntenth\n"
    assert storage.read_log("job", 1, 13, 100) == b"tenth\n"
    assert storage.log_size("job", 1) == 19
    assert storage.log_size("job", 11) == 0


def test_a_log_is_read_while_it_grows(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.bucket, "INTERVAL", 0.01)
    storage.workspace("job.1", 1)
    with storage.open_log("job", 1, 1) as log:
        for number in range(3):
            log.write(b"line\n")
            log.flush()
            deadline = time.monotonic() + 10
            while storage.log_size("job", 1) != 5 * (number + 1):
                assert time.monotonic() < deadline
                time.sleep(0.01)  # another thread puts it


def test_forget_and_withdraw_leave_others_alone(storage: Storage) -> None:
    for job in ("one", "two"):
        workspace = storage.workspace(f"{job}.1", 1)
        write(workspace, a=b"x")
        storage.publish(workspace, job, 1, 1)
    storage.forget("one")
    assert list(storage.jobs(0)) == ["two"]
    assert list(storage.attempts()) == [("two", 1, 1)]
    storage.withdraw("two", 1, 1)
    assert list(storage.jobs(0)) == []
    storage.forget("two")


def test_workspaces_are_found(storage: Storage, tmp_path: Path) -> None:
    workspace = storage.workspace("job.12", 3)
    (tmp_path / "work" / "foreign").mkdir()
    assert list(storage.workspaces()) == [("job.12", 3, workspace)]
    storage.discard(workspace)
    assert list(storage.workspaces()) == []


def test_an_upload_is_kept_provided_and_dropped(storage: Storage, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(b"a region")
    key = storage.keep("job", sent)
    assert not sent.exists()
    workspace = storage.workspace("job.1", 1)
    storage.provide(key, workspace / "uploads" / "REGION")
    assert (workspace / "uploads" / "REGION").read_bytes() == b"a region"
    storage.drop(key)
    storage.drop(key)
    with pytest.raises(FileNotFoundError):
        storage.provide(key, workspace / "uploads" / "AGAIN")
    assert list(storage.jobs(0)) == []


def test_a_product_is_read_in_parts(storage: Storage) -> None:
    workspace = storage.workspace("job.1", 1)
    write(workspace, a=bytes(range(256)) * 100)
    (file,) = storage.publish(workspace, "job", 1, 1)
    found = storage.open(file.key)
    assert found is not None
    assert b"".join(found.read(250, 260)) == bytes([*range(250, 256), *range(4)])
    assert b"".join(found.read(5, 5)) == b""


def test_what_is_young_is_no_orphan(storage: Storage, tmp_path: Path) -> None:
    """A file comes before the row of its job is there."""
    (tmp_path / "sent").write_bytes(b"x")
    storage.keep("job", tmp_path / "sent")
    assert list(storage.jobs(60)) == []
    assert list(storage.jobs(0)) == ["job"]


def test_publishing_twice_is_publishing_once(storage: Storage) -> None:
    """The storage went away in between."""
    for _ in range(2):
        workspace = storage.workspace("job.1", 1)
        write(workspace, a=b"x", b=b"y")
        files = storage.publish(workspace, "job", 1, 1)
    assert [content(storage, file.key) for file in files] == [b"x", b"y"]


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Whatever is removed, nothing outside the storage is."""
    storage, outside = Storage(tmp_path / "home"), tmp_path / "outside"
    (outside / "1.1").mkdir(parents=True)
    (outside / "1.1" / "precious").write_text("x")
    (tmp_path / "home" / "jobs" / "job").symlink_to(outside)
    (tmp_path / "home" / "work" / "job.1.1").symlink_to(outside)
    storage.forget("job")
    storage.discard(storage.leftover("job.1", 1))
    workspace = storage.workspace("job.2", 1)
    (workspace / "products" / "link").symlink_to(outside)
    storage.discard(workspace)
    assert (outside / "1.1" / "precious").read_text() == "x"


def test_a_storage_that_fails_for_a_moment(s3: S3Server, tmp_path: Path) -> None:
    storage = BucketStorage(tmp_path, "s3://amora")
    workspace = storage.workspace("job.1", 1)
    write(workspace, a=b"x")
    s3.failing = 2
    (file,) = storage.publish(workspace, "job", 1, 1)
    s3.failing = 2
    assert content(storage, file.key) == b"x"
    assert s3.keys() == ["job/1.1/a"]


def test_a_storage_that_fails(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything says so, in time; what only removes leaves it to the sweeper."""
    storage = BucketStorage(tmp_path, "s3://amora")
    workspace = storage.workspace("job.1", 1)
    write(workspace, a=b"x")
    (file,) = storage.publish(workspace, "job", 1, 1)
    s3.failing = 10**6
    with pytest.raises(StorageError, match="does not answer as it should"):
        storage.publish(workspace, "job", 1, 2)
    with pytest.raises(StorageError):
        storage.open(file.key)
    with pytest.raises(OSError, match="does not answer"):
        storage.check()
    storage.forget("job")
    storage.drop(file.key)
    monkeypatch.setattr(jobs.bucket, "INTERVAL", 0.01)
    with storage.open_log("job", 1, 1) as log:
        log.write(b"the task is worth more than its log")
    s3.failing = 0
    assert content(storage, file.key) == b"x"
    assert storage.check() > 0


def test_a_bucket_that_is_not_there(s3: S3Server, tmp_path: Path) -> None:
    assert s3.keys() == []
    storage = BucketStorage(tmp_path, "s3://nowhere")
    workspace = storage.workspace("job.1", 1)
    write(workspace, a=b"x")
    with pytest.raises(StorageError):
        storage.publish(workspace, "job", 1, 1)
    with pytest.raises(OSError, match="does not answer"):
        storage.check()


def test_a_slow_storage_holds_up_nobody_who_writes_a_log(s3: S3Server, tmp_path: Path) -> None:
    storage = BucketStorage(tmp_path, "s3://amora")
    storage.workspace("job.1", 1)
    with storage.open_log("job", 1, 1) as log:
        s3.delay = 0.5
        for _ in range(1000):
            log.write(b"line\n")
            log.flush()
    s3.delay = 0.0
    assert storage.log_size("job", 1) == 5000
