"""The working folders of running tasks, on a disk of this machine.

::

    HOME/work/TASK-ID.ATTEMPT/run/       the working folder of a running attempt
    HOME/work/TASK-ID.ATTEMPT/guardian   the identity of the process that guards its script
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.identity import Identity

YOUNG = 60.0
"""Seconds for which a folder that nobody has claimed is left alone: whoever makes it may not have got further."""


class Workspaces:
    """The folder of the working folders. Processes of several machines may share it."""

    def __init__(self, home: Path) -> None:
        self.keeping = False
        """Whether working folders stay when their tasks have ended."""
        self._work = home / "work"
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

    def leftover(self, task_id: str, attempt: int) -> Path:
        """Return the working folder that an attempt has, or had."""
        return self._work / f"{task_id}.{attempt}" / "run"

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
        probe = self._work / f".probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"?")
        probe.unlink()
        return self.free()

    def free(self) -> int:
        """Return the free bytes on the disk."""
        return shutil.disk_usage(self._work).free


def old(path: Path, age: float) -> bool:
    """Whether nothing was put into a folder, or taken out of it, in the last ``age`` seconds; so if it is not there."""
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime <= time.time() - age
    return True
