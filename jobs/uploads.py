"""Files on their way in: each request has a folder of its own, which goes when the request has been dealt with.

::

    HOME/incoming/PROCESS/REQUEST/   what one request has sent so far

A file is never in memory as a whole. One that is wanted is moved from here to its job by the storage; whatever ends
the request, a refusal, a broken connection or an error, removes the rest. The folder of a process that was killed is
removed by the next start.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import quote, unquote

from jobs.errors import LimitError, TooLargeError
from jobs.identity import Identity

ABANDONED = 86400
"""Seconds after which the folder of another machine's process is taken for left behind."""


@dataclass(frozen=True)
class Incoming:
    """A file that has come in as a whole."""

    path: Path
    content_type: str
    size: int
    """In bytes."""
    checksum: str
    """SHA-256, in hexadecimal."""


class Inbox:
    """The files of one request, as a context: at its end nothing is left of those that nobody has taken.

    :param folder: the folder of this process.
    :param limit: bytes that all files of the request may have together.
    :param count: how many files it may have.
    """

    def __init__(self, folder: Path, limit: int, count: int) -> None:
        self._folder = folder / secrets.token_hex(8)
        self.left = limit
        self.limit = limit
        self.count = count
        self._writers: list[Writer] = []

    def open(self, content_type: str) -> Writer:
        """Begin a file.

        :raises TooLargeError: there are too many.
        :raises LimitError: the disk does not take it.
        """
        if len(self._writers) == self.count:
            raise TooLargeError(f"More than {self.count} files were sent in one request")
        with _Disk():
            self._folder.mkdir(parents=True, exist_ok=True)
            writer = Writer(self, self._folder / str(len(self._writers)), content_type)
        self._writers.append(writer)
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.abandon()
        if self._writers:
            shutil.rmtree(self._folder, ignore_errors=True)


class Writer:
    """One file that is coming in."""

    def __init__(self, inbox: Inbox, path: Path, content_type: str) -> None:
        self._inbox = inbox
        self._path = path
        self._content_type = content_type
        self._file: BinaryIO = path.open("xb")
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add to the file.

        :raises TooLargeError: it makes the files of the request larger than they may be.
        :raises LimitError: the disk does not take it.
        """
        self._inbox.left -= len(data)
        if self._inbox.left < 0:
            raise TooLargeError(f"The files of the request are too large; at most {self._inbox.limit} bytes are taken")
        with _Disk():
            self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def close(self) -> Incoming:
        """End the file."""
        with _Disk():
            self._file.close()
        return Incoming(self._path, self._content_type, self._size, self._hash.hexdigest())

    def abandon(self) -> None:
        """Let go of the file, whole or not."""
        self._file.close()


class _Disk:
    """Turns a full or broken disk into what it is for the client: the service cannot take the file now."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise LimitError(
                f"The service cannot keep the file now ({error.strerror}); please try again later"
            ) from error


class Inboxes:
    """The folder in which files come in."""

    def __init__(self, home: Path, limit: int, count: int) -> None:
        self._folder = home / "incoming"
        self._own = self._folder / quote(str(Identity.of()), safe="")
        self._limit = limit
        self._count = count

    def open(self) -> Inbox:
        """Return a place for the files of one request."""
        return Inbox(self._own, self._limit, self._count)

    def clear(self) -> None:
        """Remove what processes left behind that are no more."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            process = Identity.parse(unquote(path.name))
            gone = not process.alive if process.local else path.stat().st_mtime < time.time() - ABANDONED
            if gone:
                shutil.rmtree(path, ignore_errors=True)
