"""Where the files of jobs are kept, in S3.

::

    PREFIX/JOB/uploads/NAME         the files that came as parameters
    PREFIX/JOB/TASK.ATTEMPT/NAME    the products of one attempt
    PREFIX/JOB/TASK.ATTEMPT.log     what the task's script printed in one attempt

Nothing is renamed: the key of a product contains the attempt, and SQL names the attempt that counts. An object is there
as a whole or not at all.

A log grows on the disk of the worker and is put as a whole, again and again while there is more of it: once a second,
less often the longer it is. So it can be read by every web process while the task runs, a second late.
"""

from __future__ import annotations

import io
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from jobs.errors import StorageError
from jobs.runner import Log
from jobs.storage import Content, Storage, StoredFile, inspect
from jobs.workspaces import Workspaces

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=10)
"""How long a request is tried again while the server fails."""
PIECE = 4 << 20
"""Bytes that are read with one request."""
INTERVAL = 1.0
"""Seconds between two looks whether a log has grown."""
PACE = 4 << 20
"""Bytes of a log that are put in a second, at most."""
LISTED = 1000
"""Keys that are removed with one request, as S3 allows."""


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what the server answers, or does not, into what it is for the caller.

    :raises FileNotFoundError: there is no such object.
    :raises StorageError: anything else.
    """
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError(str(error)) from error
    except (BaseError, OSError) as error:
        raise StorageError(f"the storage does not answer as it should: {str(error).splitlines()[0]}") from error


def connect(bucket: str, prefix: str = "") -> S3Store:
    """Return a bucket; where it is and who we are is in the variables ``AWS_*``."""
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"connect_timeout": "5s", "timeout": "30s", "allow_http": True},
        retry_config={
            "max_retries": 5,
            "retry_timeout": PATIENCE,
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
        },
    )


def describe(store: S3Store, key: str) -> tuple[int, str]:
    """Return the size of an object in bytes, and its entity tag without the quotes, empty where it has none.

    :raises FileNotFoundError: there is no such object.
    :raises StorageError: whether there is one is not known now.
    """
    with _answering():
        told = obstore.head(store, key)
    return int(told["size"]), (told["e_tag"] or "").strip('"')


class BucketContent(Content):
    """An object."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self.size = size

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield its bytes, a request for each piece: none takes so long that it could be one that hangs."""
        while start < stop:
            end = min(start + PIECE, stop)
            with _answering():
                piece = obstore.get_range(self._store, self._key, start=start, end=end)
            yield bytes(piece)
            start = end


class BucketStorage(Storage):
    """A bucket, or the part of one below a prefix.

    :param home: the folder with the working folders.
    :param url: ``s3://BUCKET/PREFIX``.
    """

    def __init__(self, home: Path, url: str) -> None:
        Workspaces.__init__(self, home)
        parts = urlsplit(url)
        self._store = connect(parts.netloc, parts.path.strip("/"))

    def publish(self, workspace: Path, job_id: str, task: int, attempt: int) -> list[StoredFile]:
        """Put the products of an attempt; return them by name."""
        staged = workspace / "products"
        files = [(path, *inspect(path)) for path in sorted(staged.iterdir())]
        published = []
        for path, size, checksum in files:
            key = f"{job_id}/{task}.{attempt}/{path.name}"
            self._put(key, path)
            published.append(StoredFile(path.name, key, size, checksum))
        return published

    def withdraw(self, job_id: str, task: int, attempt: int) -> None:
        """Remove what an attempt published and then could not claim."""
        self._remove(f"{job_id}/{task}.{attempt}/")

    def open(self, key: str) -> Content | None:
        """Return the content of an upload or a product; None if it is not there any more."""
        with suppress(FileNotFoundError):
            return BucketContent(self._store, key, describe(self._store, key)[0])
        return None

    def keep(self, job_id: str, path: Path) -> str:
        """Put a file that has come in, and return its key."""
        key = f"{job_id}/uploads/{secrets.token_hex(8)}"
        self._put(key, path)
        path.unlink()
        return key

    def drop(self, key: str) -> None:
        """Remove an upload."""
        self._delete([key])

    def provide(self, key: str, target: Path) -> None:
        """Fetch an upload or a product."""
        content = self.open(key)
        if content is None:
            raise FileNotFoundError(key)
        content.fetch(target)

    def open_log(self, job_id: str, task: int, attempt: int) -> AbstractContextManager[Log]:
        """Open a log that grows here and is put while it does."""
        key = f"{job_id}/{task}.{attempt}.log"
        return _GrowingLog(self._work / f"{job_id}.{task}.{attempt}" / "log", lambda path: self._put(key, path))

    def read_log(self, job_id: str, task: int, offset: int, limit: int) -> bytes:
        """Return a piece of a task's log: the logs of its attempts one after the other."""
        found = io.BytesIO()
        for key, size in self._logs(job_id, task):
            if offset < size and found.tell() < limit:
                content = BucketContent(self._store, key, size)
                for piece in content.read(offset, min(size, offset + limit - found.tell())):
                    found.write(piece)
            offset = max(0, offset - size)
        return found.getvalue()

    def log_size(self, job_id: str, task: int) -> int:
        """Return the size of a task's log in bytes."""
        return sum(size for _, size in self._logs(job_id, task))

    def _logs(self, job_id: str, task: int) -> list[tuple[str, int]]:
        """Return key and size of the log of each attempt, in their order."""
        with _answering():
            listed = obstore.list_with_delimiter(self._store, f"{job_id}/")["objects"]
        logs = {}
        for item in listed:
            number, _, rest = item["path"].rpartition("/")[2].partition(".")
            attempt, _, ending = rest.partition(".")
            if ending == "log" and number == str(task) and attempt.isdigit():
                logs[int(attempt)] = (item["path"], item["size"])
        return [logs[attempt] for attempt in sorted(logs)]

    def forget(self, job_id: str) -> None:
        """Remove all files of a job."""
        self._remove(f"{job_id}/")

    def jobs(self, age: float) -> Iterator[str]:
        """Yield the ids of the jobs that have files, none of which came in the last ``age`` seconds."""
        newest: dict[str, datetime] = {}
        for key, changed in self._list(""):
            job_id = key.partition("/")[0]
            newest[job_id] = max(changed, newest.get(job_id, changed))
        limit = datetime.now(UTC) - timedelta(seconds=age)
        return (job_id for job_id, changed in newest.items() if changed <= limit)

    def attempts(self) -> Iterator[tuple[str, int, int]]:
        """Yield job id, task number and attempt of all products."""
        found = set()
        for key, _ in self._list(""):
            match key.split("/"):
                case [job_id, folder, _]:
                    task, _, attempt = folder.partition(".")
                    if task.isdigit() and attempt.isdigit():
                        found.add((job_id, int(task), int(attempt)))
        return iter(found)

    @property
    def folder(self) -> Path | None:
        """They are in no folder."""
        return None

    def free(self) -> int:
        """Return the free bytes on the disk of the working folders; a bucket has no end."""
        return Workspaces.free(self)

    def check(self) -> int:
        """Put and remove an object; return the free bytes on the disk of the working folders."""
        key = f".probe-{secrets.token_hex(4)}"
        try:
            with _answering():
                obstore.put(self._store, key, b"?")
                obstore.delete(self._store, key)
        except (StorageError, FileNotFoundError) as error:
            raise OSError(0, "the bucket does not answer") from error
        return Workspaces.check(self)

    def _put(self, key: str, path: Path) -> None:
        try:
            with _answering():
                obstore.put(self._store, key, path)
        except FileNotFoundError as error:  # there is no such bucket
            raise StorageError(str(error)) from error

    def _list(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        with _answering():
            for page in obstore.list(self._store, prefix or None):
                for item in page:
                    yield item["path"], item["last_modified"]

    def _remove(self, prefix: str) -> None:
        try:
            keys = [key for key, _ in self._list(prefix)]
        except (StorageError, FileNotFoundError) as error:  # the sweeper finds it later
            log.warning("%s stays for now: %s", prefix, error)
        else:
            self._delete(keys)

    def _delete(self, keys: list[str]) -> None:
        try:
            for start in range(0, len(keys), LISTED):
                with suppress(FileNotFoundError), _answering():
                    obstore.delete(self._store, keys[start : start + LISTED])
        except StorageError as error:  # the sweeper finds them later
            log.warning("%d objects stay for now: %s", len(keys), error)


class _GrowingLog:
    """A log on this machine that is put as a whole again and again; a context, at whose end all of it has been put.

    What cannot be put is not worth the task: the log is shorter then.
    """

    def __init__(self, path: Path, put: Callable[[Path], None]) -> None:
        self._path = path
        self._put = put
        self._file: BinaryIO = path.open("wb")
        self._known = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes, /) -> int:
        """Add to it."""
        return self._file.write(line)

    def flush(self) -> None:
        """Let it be seen."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._stop.set()
        self._thread.join()
        self._put_what_is_there()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL + self._known / PACE):
            self._put_what_is_there()

    def _put_what_is_there(self) -> None:
        try:
            size = self._path.stat().st_size
            if size > self._known:
                self._put(self._path)
                self._known = size
        except (StorageError, OSError) as error:
            log.warning("a log is not kept yet: %s", error)
