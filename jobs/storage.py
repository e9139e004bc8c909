"""Where the files of jobs are kept: uploads, products and logs, in a folder or, by :mod:`jobs.bucket`, in S3.

::

    JOBS/JOB/uploads/        the files that came as parameters, in an order of their own
    JOBS/JOB/TASK.ATTEMPT/   the products of one attempt, published by rename
    JOBS/JOB/TASK.log        what the task's script printed, all attempts

JOBS is ``HOME/jobs`` or the folder of ``AMORA_STORAGE_URL``, on a local or shared disk. The key of an upload or a
product is its path below it. Nothing else is ever written or removed.

The name of an attempt's folder is what makes publishing safe, with rename or without: an old attempt that comes back
writes where nobody looks, because SQL names the attempt that counts.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobs.errors import StorageError
from jobs.runner import Log
from jobs.workspaces import Workspaces, old

PIECE = 1 << 18
"""Bytes that are read at once."""


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


class Content:
    """The content of a file that is kept."""

    path: Path | None = None
    """Where it lies, if that is on a disk of this machine."""
    size: int
    """In bytes."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to ``stop``.

        :raises StorageError: they cannot be had now.
        """
        raise NotImplementedError

    def fetch(self, target: Path) -> Path:
        """Return where it lies on this machine: as it is kept, or fetched to ``target``.

        :raises StorageError: it cannot be had now.
        """
        if self.path is not None:
            return self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for piece in self.read(0, self.size):
                file.write(piece)
        return target

    @property
    def local(self) -> Path:
        """Where it lies.

        :raises StorageError: not on a disk of this machine.
        """
        if self.path is None:
            raise StorageError("the file is in no folder of this machine")
        return self.path


class FileContent(Content):
    """A file in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield its bytes."""
        with self.local.open("rb") as file:
            file.seek(start)
            while start < stop and (piece := file.read(min(PIECE, stop - start))):
                start += len(piece)
                yield piece


class Storage(Workspaces):
    """A folder on a local or shared disk, and the working folders from which it is filled.

    :param home: the folder with the working folders.
    :param folder: where the files of jobs are kept; by default ``jobs`` in the home folder.
    """

    def __init__(self, home: Path, folder: Path | None = None) -> None:
        super().__init__(home)
        self._jobs = folder or home / "jobs"
        self._jobs.mkdir(parents=True, exist_ok=True)

    def publish(self, workspace: Path, job_id: str, task: int, attempt: int) -> list[StoredFile]:
        """Move the products of an attempt to where they stay, safe on disk; return them by name.

        The folder is named after the attempt: an old attempt that comes back cannot touch a newer one's products.

        :raises ProductError: there is something else than plain files.
        :raises StorageError: they cannot be kept now; what is there of them may be published again.
        """
        staged = workspace / "products"
        files = [(path.name, *inspect(path)) for path in sorted(staged.iterdir())]
        target = self._jobs / job_id / f"{task}.{attempt}"
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        _sync(staged)
        _move(staged, target)
        return [StoredFile(name, f"{job_id}/{target.name}/{name}", size, checksum) for name, size, checksum in files]

    def withdraw(self, job_id: str, task: int, attempt: int) -> None:
        """Remove what an attempt published and then could not claim."""
        for name in (f"{task}.{attempt}", f"{task}.{attempt}{PART}"):
            shutil.rmtree(self._jobs / job_id / name, ignore_errors=True)
        with contextlib.suppress(OSError):  # other tasks' files are in it, or it is gone
            (self._jobs / job_id).rmdir()

    def clear(self, job_id: str, task_id: str, task: int, attempt: int) -> None:
        """Remove all that a lost attempt left behind."""
        self.discard(self.leftover(task_id, attempt))
        self.withdraw(job_id, task, attempt)

    def open(self, key: str) -> Content | None:
        """Return the content of an upload or a product; None if it is not there any more.

        :raises StorageError: whether it is there is not known now.
        """
        path = self._jobs / key
        return FileContent(path) if path.is_file() else None

    def keep(self, job_id: str, path: Path) -> str:
        """Move a file that has come in to its job, safe on disk, and return its key.

        Nobody may write to it any more: its tasks share it by hard links.

        :raises StorageError: it cannot be kept now.
        """
        folder = self._jobs / job_id / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)
        _move(path, folder / name)
        return f"{job_id}/uploads/{name}"

    def drop(self, key: str) -> None:
        """Remove an upload, and the folders that are empty then."""
        path = self._jobs / key
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in them
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def provide(self, key: str, target: Path) -> None:
        """Make an upload or a product readable at ``target``.

        :raises FileNotFoundError: it is not there any more.
        :raises StorageError: it cannot be had now.
        """
        target.parent.mkdir(exist_ok=True)
        try:
            target.hardlink_to(self._jobs / key)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            shutil.copyfile(self._jobs / key, target)

    def open_log(self, job_id: str, task: int, attempt: int) -> AbstractContextManager[Log]:  # noqa: ARG002 - the seam's
        """Open a task's log for adding to it what an attempt prints."""
        path = self._log(job_id, task)
        path.parent.mkdir(exist_ok=True)
        return path.open("ab")

    def read_log(self, job_id: str, task: int, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes of a task's log from ``offset`` on.

        :raises StorageError: it cannot be had now.
        """
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
        """Remove all files of a job; what cannot be removed now is removed with the orphans."""
        shutil.rmtree(self._jobs / job_id, ignore_errors=True)

    def jobs(self, age: float) -> Iterator[str]:
        """Yield the ids of the jobs that have files, none of which came in the last ``age`` seconds."""
        for path in self._jobs.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has just been removed
                if old(path, age) and all(old(part, age) for part in path.glob("uploads")):
                    yield path.name

    def attempts(self) -> Iterator[tuple[str, int, int]]:
        """Yield job id, task number and attempt of all products, job by job."""
        for path in self._jobs.glob("*/*.*"):
            task, _, attempt = path.name.removesuffix(PART).partition(".")
            if task.isdigit() and attempt.isdigit():
                yield path.parent.name, int(task), int(attempt)

    @property
    def folder(self) -> Path | None:
        """The folder in which the files of jobs are kept; None if they are in none."""
        return self._jobs

    def free(self) -> int:
        """Return the free bytes on the fullest disk that is written to."""
        return min(super().free(), shutil.disk_usage(self._jobs).free)

    def check(self) -> int:
        """Write and remove a file; return the free bytes on the fullest disk that is written to.

        :raises OSError: nothing can be written.
        """
        probe = self._jobs / f".probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"?")
        probe.unlink()
        return min(super().check(), self.free())


def open_storage(home: Path, url: str | None) -> Storage:
    """Return the storage of an installation: a folder, by default in its home, or a bucket."""
    if url is None:
        return Storage(home)
    if url.startswith("file:"):
        return Storage(home, Path(unquote(urlsplit(url).path)))
    from jobs.bucket import BucketStorage  # noqa: PLC0415 - whoever has no bucket does without its library

    return BucketStorage(home, url)


PART = ".part"
"""What the name of a file or folder ends with while it is copied from another disk."""


def _move(source: Path, target: Path) -> None:
    """Move a file or a folder, safe on disk; from another disk by copying it, and then by rename."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(target.name + PART)
        if source.is_dir():
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(source, part)
            for path in part.iterdir():
                _sync(path)
        else:
            shutil.copy(source, part)
        _sync(part)
        part.rename(target)
        shutil.rmtree(source) if target.is_dir() else source.unlink()
    _sync(target.parent)


def inspect(path: Path) -> tuple[int, str]:
    """Return a product's size and checksum, once it is safe on disk."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ProductError(f"{path.name} in products/ is not a plain file")
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, checksum


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
