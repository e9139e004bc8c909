"""Brings the files of datasets to the machine that works on them.

::

    HOME/cache/SHA-256 OF THE ADDRESS/NAME    a file that was fetched
    HOME/cache/NAME.part                      one that is being fetched

A dataset says where its files were when it was indexed. On a machine that has them there nothing is to be done. On
another one a file below ``AMORA_INPUT_FOLDER`` is fetched from the same place below ``AMORA_INPUT_URL``, and from
nowhere else, whatever a dataset says.

A fetched file is whole before it has its name. A task gets a hard link of its own, so that any process may remove a
file from the cache at any time: who has it keeps it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePath
from urllib.parse import quote, unquote, urlsplit

from index.dataset import Dataset, File
from jobs.errors import StorageError

log = logging.getLogger(__name__)

PIECE = 1 << 20
ABANDONED = 86400.0
"""Seconds after which a file that is still being fetched is taken for left behind."""


class NoInputError(Exception):
    """A file is nowhere; the message is for the user."""


class Inputs:
    """The files of datasets on this machine.

    :param home: the folder with the cache.
    :param folder: below which the indexed files are that can be fetched; None for none.
    :param url: where they are fetched from: ``s3://BUCKET/PREFIX``, ``https://HOST/PATH`` or ``file:///FOLDER``.
    :param limit: bytes that the cache may have.
    """

    def __init__(self, home: Path, folder: str | None, url: str | None, limit: int) -> None:
        self._cache = home / "cache"
        self._folder = folder
        self._url = url
        self._limit = limit

    def provide(self, dataset: Dataset, workspace: Path) -> Dataset:
        """Return a dataset whose files are on this machine; what is not is fetched, and linked into the workspace.

        :raises NoInputError: a file is not there.
        :raises StorageError: it cannot be had now.
        """
        return replace(dataset, files=tuple(self._local(dataset, file, workspace) for file in dataset.files))

    def _local(self, dataset: Dataset, file: File, workspace: Path) -> File:
        if file.path.is_file():
            return file
        address = self._address(file.path)
        if address is None:
            raise NoInputError(f"The file {file.path.name} of dataset {dataset.id} is not where it was indexed.")
        name = hashlib.sha256(address.encode()).hexdigest()
        target = workspace / "inputs" / name[:16] / file.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        cached = self._cache / name / file.path.name
        while True:
            with suppress(FileNotFoundError):  # it is not there yet, or not any more
                os.utime(cached)
                target.hardlink_to(cached)
                return replace(file, path=target)
            try:
                self._fetch(address, cached)
            except FileNotFoundError as error:
                message = f"The file {file.path.name} of dataset {dataset.id} is not where the service fetches it from."
                raise NoInputError(message) from error

    def _address(self, path: Path) -> str | None:
        if not (self._folder and self._url):
            return None
        below = PurePath(path)
        if ".." in below.parts or not below.is_relative_to(self._folder):
            return None
        return f"{self._url.rstrip('/')}/{quote(below.relative_to(self._folder).as_posix())}"

    def _fetch(self, address: str, cached: Path) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        part = self._cache / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file, _opened(address) as (size, pieces):
                for piece in pieces:
                    file.write(piece)
                if size is not None and file.tell() != size:
                    raise StorageError(f"{address} ended after {file.tell()} of {size} bytes")
                file.flush()
                os.fsync(file.fileno())
            part.chmod(0o444)  # all tasks share it
            cached.parent.mkdir(exist_ok=True)
            part.rename(cached)
        finally:
            part.unlink(missing_ok=True)
        self.shrink()

    def shrink(self) -> None:
        """Remove the files that have not been used for longest until the rest is within the limit."""
        found = []
        for path in self._cache.glob("*/*"):
            with suppress(FileNotFoundError):  # another process does the same
                status = path.lstat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found)[:-1]:  # the newest has just been fetched for somebody
            if total <= self._limit:
                break
            total -= size
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()
        for path in self._cache.glob("*.part"):
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime < time.time() - ABANDONED:
                    path.unlink()


@contextmanager
def _opened(address: str) -> Iterator[tuple[int | None, Iterator[bytes]]]:
    """Give the size, where it is known, and the content of what is at an address.

    :raises FileNotFoundError: there is nothing.
    :raises StorageError: it cannot be had now.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        from jobs.bucket import BucketContent, connect, size_of  # noqa: PLC0415 - few need its library

        store, key = connect(parts.netloc), unquote(parts.path).lstrip("/")
        size = size_of(store, key)
        yield size, BucketContent(store, key, size).read(0, size)
    elif parts.scheme == "file":
        path = Path(unquote(parts.path))
        with path.open("rb") as file:
            yield path.stat().st_size, iter(lambda: file.read(PIECE), b"")
    else:
        import httpx  # noqa: PLC0415 - 10 MB that a worker with a folder of its own does without

        try:
            with httpx.stream("GET", address, headers={"Accept-Encoding": "identity"}, timeout=30) as answer:
                if answer.status_code in (404, 410):
                    raise FileNotFoundError(address)
                if answer.status_code != 200:
                    raise StorageError(f"{address} answered {answer.status_code}")
                length = answer.headers.get("content-length", "")
                yield (int(length) if length.isdigit() else None), answer.iter_raw(PIECE)
        except httpx.HTTPError as error:
            raise StorageError(f"{address} could not be read: {type(error).__name__}") from error
