"""Brings the files of datasets to the machine that works on them.

::

    HOME/cache/SHA-256 OF THE ADDRESS/NAME    a file that was fetched
    HOME/cache/NAME.part                      one that is being fetched

A dataset says where its files were when it was indexed. On a machine that has them there nothing is to be done. On
another one a file below ``AMORA_INPUT_FOLDER`` is fetched from the same place below ``AMORA_INPUT_URL``, and so is one
whose dataset was indexed with its address there; from nowhere else, whatever a dataset says.

A fetched file is whole before it has its name, and what its server says of its size and its digests is true of it. A
task gets a hard link of its own, so that any process may remove a file from the cache at any time: who has it keeps it.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
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
        self._doubted: dict[str, str] = {}
        """What came, where it was not what its server's tag seems to say."""

    def provide(self, dataset: Dataset, workspace: Path) -> Dataset:
        """Return a dataset whose files are on this machine; what is not is fetched, and linked into the workspace.

        :raises NoInputError: a file is not there.
        :raises StorageError: it cannot be had now.
        """
        return replace(dataset, files=tuple(self._local(dataset, file, workspace) for file in dataset.files))

    def _local(self, dataset: Dataset, file: File, workspace: Path) -> File:
        if file.address is None and file.path.is_file():
            return file
        address = self._address(file)
        if address is None:
            where = "not where it was indexed" if file.address is None else "where the service fetches nothing from"
            raise NoInputError(f"The file {file.path.name} of dataset {dataset.id} is {where}.")
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

    def _address(self, file: File) -> str | None:
        """Return where a file is fetched from; None where that is not below the one place that may be asked."""
        path = PurePath(file.path)
        if not self._url or ".." in unquote(str(path)).split("/"):
            return None
        place = self._url.rstrip("/") + "/"
        if file.address is not None:
            return file.address if file.address.startswith(place) else None
        if not self._folder or not path.is_relative_to(self._folder):
            return None
        return place + quote(path.relative_to(self._folder).as_posix())

    def _fetch(self, address: str, cached: Path) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        part = self._cache / f"{secrets.token_hex(8)}.part"
        try:
            with part.open("wb") as file, _opened(address) as source:
                found = {name: hashlib.new(name, usedforsecurity=False) for name in source.digests}
                for piece in source.pieces:
                    file.write(piece)
                    for digest in found.values():
                        digest.update(piece)
                if source.size is not None and file.tell() != source.size:
                    raise StorageError(f"{address} ended after {file.tell()} of {source.size} bytes")
                for name, told in source.digests.items():
                    self._compare(address, source, name, found[name].hexdigest(), told)
                file.flush()
                os.fsync(file.fileno())
            part.chmod(0o444)  # all tasks share it
            cached.parent.mkdir(exist_ok=True)
            part.rename(cached)
        finally:
            part.unlink(missing_ok=True)
        self.shrink()

    def _compare(self, address: str, source: _Source, name: str, found: str, told: str) -> None:
        """Make sure that what was fetched has the digest that its server told.

        :raises StorageError: it has not, and fetching it again may help.
        """
        if found == told:
            return
        if not source.certain and self._doubted.get(address) == found:
            log.warning("%s came twice with the same content; its tag is taken for no digest", address)
            return
        self._doubted[address] = found
        raise StorageError(f"{address} arrived damaged: its {name} is {found}, not {told}")

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


@dataclass(frozen=True)
class _Source:
    """What is at an address."""

    size: int | None
    """In bytes, where it is known."""
    pieces: Iterator[bytes]
    digests: Mapping[str, str] = field(default_factory=dict)
    """What its server says of its content: hexadecimal digests by the names of :mod:`hashlib`."""
    certain: bool = True
    """Whether they are digests for sure. The tag of an object in S3 is its MD5 where it was put as a whole, but not
    where the server keeps it under a key of its own."""


@contextmanager
def _opened(address: str) -> Iterator[_Source]:
    """Give what is at an address.

    :raises FileNotFoundError: there is nothing.
    :raises StorageError: it cannot be had now.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        from jobs.bucket import BucketContent, connect, describe  # noqa: PLC0415 - few need its library

        store, key = connect(parts.netloc), unquote(parts.path).lstrip("/")
        length, tag = describe(store, key)
        digests = {"md5": tag} if re.fullmatch(r"[0-9a-f]{32}", tag) else {}  # one put in parts has a stroke in it
        yield _Source(length, BucketContent(store, key, length).read(0, length), digests, certain=False)
    elif parts.scheme == "file":
        path = Path(unquote(parts.path))
        with path.open("rb") as file:
            yield _Source(path.stat().st_size, iter(lambda: file.read(PIECE), b""))
    else:
        import httpx  # noqa: PLC0415 - 10 MB that a worker with a folder of its own does without

        try:
            with httpx.stream("GET", address, headers={"Accept-Encoding": "identity"}, timeout=30) as answer:
                if answer.status_code in (404, 410):
                    raise FileNotFoundError(address)
                if answer.status_code != 200:
                    raise StorageError(f"{address} answered {answer.status_code}")
                told = answer.headers.get("content-length", "")
                size = int(told) if told.isdigit() else None
                yield _Source(size, answer.iter_raw(PIECE), _digests(answer.headers))
        except httpx.HTTPError as error:
            raise StorageError(f"{address} could not be read: {type(error).__name__}") from error


def _digests(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that a server tells of (RFC 9530; RFC 3230; RFC 1864, section 2)."""
    told = f"{headers.get('repr-digest', '')}, {headers.get('digest', '')}"
    if alone := headers.get("content-md5"):
        told += f", md5={alone}"
    found = {}
    for name, known, length in (("sha-512", "sha512", 64), ("sha-256", "sha256", 32), ("md5", "md5", 16)):
        if value := re.search(rf"\b{name}=:?([A-Za-z0-9+/]+=*)", told, re.IGNORECASE):
            with suppress(ValueError):
                digest = base64.b64decode(value[1], validate=True)
                if len(digest) == length:
                    found[known] = digest.hex()
    return found
