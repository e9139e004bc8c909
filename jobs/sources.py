"""The files a script is made of: whether they have changed, their checksum, and a copy that changes no more."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from jobs.errors import DescriptorError

MAX_FILES = 1000
MAX_BYTES = 64 * 2**20
"""What a script's folder may hold; data belong elsewhere."""

_LEFT = (".pyc", "~")
"""How the names end of files that tools leave behind."""

Signature = tuple[tuple[str, int, int, int], ...]
"""Path in the folder, time of change in ns, size in bytes and mode of each file."""


def signature(folder: Path, libraries: Sequence[str] = ()) -> Signature:
    """Return what tells whether a file of the script has changed, without reading any.

    :raises DescriptorError: the folder cannot be read, or holds more than a script may.
    """
    found = []
    with _told(folder):
        for name, path in _files(folder, libraries):
            status = os.stat(path)  # noqa: PTH116 - a Path for each would take most of the time
            found.append((name, status.st_mtime_ns, status.st_size, status.st_mode & 0o111))
    if len(found) > MAX_FILES or sum(size for _, _, size, _ in found) > MAX_BYTES:
        raise DescriptorError(
            f"{folder}: holds {len(found)} files of {sum(size for _, _, size, _ in found) / 2**20:.0f} MiB; a script "
            f"may have {MAX_FILES} files of {MAX_BYTES // 2**20} MiB. Keep data in another folder."
        )
    return tuple(found)


def checksum(folder: Path, libraries: Sequence[str] = ()) -> str:
    """Return the SHA-256 of the script's folder, in hexadecimal: that of the lines that ``sha256sum`` would print.

    In the folder, ``find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`` says the same if there is nothing
    in it that does not belong to a script. Libraries follow as ``../NAME/...``.

    :raises DescriptorError: a file cannot be read.
    """
    whole = hashlib.sha256()
    with _told(folder):
        for name, path in _files(folder, libraries):
            with Path(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{digest}  {name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def copy(folder: Path, target: Path, libraries: Sequence[str] = ()) -> None:
    """Copy what belongs to the script, its libraries beside it; ``target`` is there as a whole or not at all.

    :raises DescriptorError: a file cannot be read or written.
    """
    part = target.parent.with_name(f".{target.parent.name}.{secrets.token_hex(4)}")
    with _told(folder):
        try:
            for name, path in _files(folder, libraries):
                place = Path(os.path.normpath(part / target.name / name))
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
            with contextlib.suppress(FileExistsError, OSError):  # another process has just made the same
                part.rename(target.parent)
            if not target.is_dir():
                raise DescriptorError(f"{target}: a copy of the script cannot be made")
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DescriptorError(f"{error.filename or folder}: cannot be used ({error.strerror})") from error


def _files(folder: Path, libraries: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return the files of a script with their names in the order of these; what tools leave behind is none of it."""
    found: list[tuple[str, str]] = []
    waiting = [".", *(f"../{library}" for library in libraries)]
    while waiting and len(found) <= 10 * MAX_FILES:
        inside = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(f"{folder}/{inside}") as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        waiting.append(f"{inside}/{entry.name}")
                elif not entry.name.endswith(_LEFT) and entry.is_file():
                    found.append((f"{inside}/{entry.name}", entry.path))
    return sorted(found, key=lambda item: os.fsencode(item[0]))
