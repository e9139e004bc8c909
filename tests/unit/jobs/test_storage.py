"""The storage: products are published whole, by attempt, and nothing else is touched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from jobs.storage import ProductError, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


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
    assert storage.path(files[0].key).read_bytes() == b"one"


def test_an_old_attempt_cannot_touch_a_newer_one(storage: Storage) -> None:
    old, new = storage.workspace("job.1", 1), storage.workspace("job.1", 2)
    write(old, a=b"old")
    write(new, a=b"new")
    (file,) = storage.publish(new, "job", 1, 2)
    storage.publish(old, "job", 1, 1)
    storage.withdraw("job", 1, 1)
    assert storage.path(file.key).read_bytes() == b"new"


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
    for part in (b"first\n", b"second\n"):
        with storage.open_log("job", 1) as log:
            log.write(part)
    assert storage.read_log("job", 1, 3, 5) == b"st\nse"
    assert storage.log_size("job", 1) == 13


def test_forget_and_withdraw_leave_others_alone(storage: Storage) -> None:
    for job in ("one", "two"):
        workspace = storage.workspace(f"{job}.1", 1)
        write(workspace, a=b"x")
        storage.publish(workspace, job, 1, 1)
    storage.forget("one")
    assert list(storage.jobs()) == ["two"]
    assert list(storage.attempts()) == [("two", 1, 1)]
    storage.withdraw("two", 1, 1)
    assert list(storage.jobs()) == []
    storage.forget("two")


def test_workspaces_are_found(storage: Storage, tmp_path: Path) -> None:
    workspace = storage.workspace("job.12", 3)
    (tmp_path / "work" / "foreign").mkdir()
    assert list(storage.workspaces()) == [("job.12", 3, workspace)]
    storage.discard(workspace)
    assert list(storage.workspaces()) == []
