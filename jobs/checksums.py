"""The checksums of the archive's files: computed once, and again only when a file has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jobs.store import JobStore


class Checksums:
    """Knows the SHA-256 of files, by their path, size and time of change."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def of(self, path: Path) -> tuple[int, str]:
        """Return size and SHA-256 of a file; it is read in pieces if its checksum is not known yet.

        :raises OSError: it cannot be read.
        """
        status = path.stat()
        known = self._store.file_checksum(str(path), status.st_size, status.st_mtime_ns)
        if known is None:
            known = sha256(path)
            self._store.keep_file_checksum(str(path), status.st_size, status.st_mtime_ns, known)
        return status.st_size, known


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
