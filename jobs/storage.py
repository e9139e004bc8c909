"""Where the files of jobs are kept: uploads, products, logs and the working folders of running tasks.

::

    HOME/jobs/JOB/uploads/        the files that came as parameters, in an order of their own
    HOME/jobs/JOB/TASK.ATTEMPT/   the products of one attempt, published by rename
    HOME/jobs/JOB/TASK.log        what the task's script printed, all attempts
    HOME/work/TASK-ID.ATTEMPT/run/       the working folder of a running attempt
    HOME/work/TASK-ID.ATTEMPT/guardian   the identity of the process that guards its script

The key of an upload or a product is its path below ``HOME/jobs``. Nothing else is ever written or removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jobs.identity import Identity


@dataclass(frozen=True)
class StoredFile:
    """A published file."""

    name: str
    key: str
    size: int
    checksum: str
    """SHA-256, in hexadecimal."""


class ProductError(Exception):
    """What a script left in its ``products`` folder cannot be published; the message says why."""


class Storage:
    """A folder on a local or shared disk."""

    def __init__(self, home: Path) -> None:
        self.keeping = False
        """Whether working folders stay when their tasks have ended."""
        self._jobs = home / "jobs"
        self._work = home / "work"
        self._jobs.mkdir(parents=True, exist_ok=True)
        self._work.mkdir(parents=True, exist_ok=True)

    def workspace(self, task_id: str, attempt: int) -> Path:
        """Make the fresh working folder of an attempt, with its ``products`` folder."""
        folder = self._work / f"{task_id}.{attempt}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "run" / "products").mkdir(parents=True)
        return folder / "run"

    def note_guardian(self, workspace: Path, identity: str) -> None:
        """Write down, where its script does not look, which process guards an attempt.

        Only whoever clears up after this machine's dead workers reads it, so it need not outlive the machine.
        """
        (workspace.parent / "guardian").write_text(identity, encoding="ascii")

    def guardian(self, task_id: str, attempt: int) -> Identity | None:
        """Return the identity of the process that guards an attempt; None if none does on this machine."""
        try:
            text = (self._work / f"{task_id}.{attempt}" / "guardian").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return Identity.parse(text) if text else None

    def discard(self, workspace: Path) -> None:
        """Remove the working folder of an attempt."""
        if self.keeping:
            return
        shutil.rmtree(workspace.parent, ignore_errors=True)

    def publish(self, workspace: Path, job_id: str, task: int, attempt: int) -> list[StoredFile]:
        """Move the products of an attempt to where they stay, safe on disk; return them by name.

        The folder is named after the attempt: an old attempt that comes back cannot touch a newer one's products.

        :raises ProductError: there is something else than plain files.
        """
        staged = workspace / "products"
        files = [(path.name, *_inspect(path)) for path in sorted(staged.iterdir())]
        target = self._jobs / job_id / f"{task}.{attempt}"
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        _sync(staged)
        staged.rename(target)
        _sync(target.parent)
        return [StoredFile(name, f"{job_id}/{target.name}/{name}", size, checksum) for name, size, checksum in files]

    def withdraw(self, job_id: str, task: int, attempt: int) -> None:
        """Remove what an attempt published and then could not claim."""
        shutil.rmtree(self._jobs / job_id / f"{task}.{attempt}", ignore_errors=True)
        with contextlib.suppress(OSError):  # other tasks' files are in it, or it is gone
            (self._jobs / job_id).rmdir()

    def clear(self, job_id: str, task_id: str, task: int, attempt: int) -> None:
        """Remove all that a lost attempt left behind."""
        self.discard(self._work / f"{task_id}.{attempt}" / "run")
        self.withdraw(job_id, task, attempt)

    def path(self, key: str) -> Path:
        """Return where an upload or a product lies."""
        return self._jobs / key

    def keep(self, job_id: str, path: Path) -> str:
        """Move a file that has come in to its job, safe on disk, and return its key.

        Nobody may write to it any more: its tasks share it by hard links.
        """
        folder = self._jobs / job_id / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)
        path.rename(folder / name)
        _sync(folder)
        return f"{job_id}/uploads/{name}"

    def drop(self, key: str) -> None:
        """Remove an upload, and the folders that are empty then."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in them
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def provide(self, key: str, target: Path) -> None:
        """Make an upload readable at ``target``.

        :raises FileNotFoundError: it is not there any more.
        """
        target.parent.mkdir(exist_ok=True)
        try:
            target.hardlink_to(self.path(key))
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            shutil.copyfile(self.path(key), target)

    def open_log(self, job_id: str, task: int) -> BinaryIO:
        """Open a task's log for adding to it."""
        path = self._log(job_id, task)
        path.parent.mkdir(exist_ok=True)
        return path.open("ab")

    def read_log(self, job_id: str, task: int, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes of a task's log from ``offset`` on."""
        try:
            with self._log(job_id, task).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:  # the task has not started
            return b""

    def log_size(self, job_id: str, task: int) -> int:
        """Return the size of a task's log in bytes."""
        try:
            return self._log(job_id, task).stat().st_size
        except FileNotFoundError:
            return 0

    def _log(self, job_id: str, task: int) -> Path:
        return self._jobs / job_id / f"{task}.log"

    def forget(self, job_id: str) -> None:
        """Remove all files of a job."""
        shutil.rmtree(self._jobs / job_id, ignore_errors=True)

    def jobs(self) -> Iterator[str]:
        """Yield the ids of the jobs that have files."""
        return (path.name for path in self._jobs.iterdir())

    def attempts(self) -> Iterator[tuple[str, int, int]]:
        """Yield job id, task number and attempt of all folders of products."""
        for path in self._jobs.glob("*/*.*"):
            task, _, attempt = path.name.partition(".")
            if task.isdigit() and attempt.isdigit():
                yield path.parent.name, int(task), int(attempt)

    def workspaces(self) -> Iterator[tuple[str, int, Path]]:
        """Yield task id, attempt and path of the working folders that exist."""
        for path in self._work.iterdir():
            task_id, _, attempt = path.name.rpartition(".")
            if task_id and attempt.isdigit():
                yield task_id, int(attempt), path / "run"

    def check(self) -> int:
        """Write and remove a file; return the free bytes on the disk.

        :raises OSError: nothing can be written.
        """
        probe = self._work / f".probe-{os.getpid()}"
        probe.write_bytes(b"?")
        probe.unlink()
        return shutil.disk_usage(self._jobs).free


def _inspect(path: Path) -> tuple[int, str]:
    """Return a product's size and checksum, once it is safe on disk."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ProductError(f"{path.name} in products/ is not a plain file")
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, checksum


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
