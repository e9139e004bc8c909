"""The worker's end of the guardhouse: orders guardians from the process that forks them (:mod:`jobs.guardian`)."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PROGRAM = Path(__file__).with_name("guardian.py")


class GuardhouseError(Exception):
    """The guardhouse was lost while it started a script; whatever it started is being stopped."""


@dataclass(frozen=True)
class Guarded:
    """A script that runs under a guardian."""

    guardian: int
    """The guardian's pid."""
    control: BinaryIO
    """A byte on it stops the script; so does its end."""
    output: BinaryIO
    error: BinaryIO
    status: BinaryIO
    """What the guardian reports; its end is the end of the guardian."""


class Guardhouse:
    """One for a process; started with the first order, started again when it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        grace: float,
        limits: Mapping[str, int],
        walls: int = 0,
    ) -> Guarded:
        """Start a script.

        :raises GuardhouseError: the guardhouse was killed meanwhile.
        """
        order = {
            "command": list(command),
            "folder": str(folder),
            "environment": dict(environment),
            "grace": grace,
            "limits": dict(limits),
            "walls": walls,
        }
        message = json.dumps(order).encode()
        with contextlib.ExitStack() as undo:
            theirs, ours = [], []
            for mine_is_reading in (False, True, True, True):
                read, write = os.pipe()
                mine, other = (read, write) if mine_is_reading else (write, read)
                ours.append(undo.enter_context(os.fdopen(mine, "rb" if mine_is_reading else "wb", buffering=0)))
                theirs.append(other)
            try:
                pid = self._order(len(message).to_bytes(4, "big"), message, theirs)
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            undo.pop_all()
        return Guarded(pid, *ours)

    def _order(self, length: bytes, message: bytes, descriptors: list[int]) -> int:
        with self._lock:
            door = self._opened()
            try:
                socket.send_fds(door, [length], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it was killed before it could hear of the order
                self._close()
                door = self._opened()
                socket.send_fds(door, [length], descriptors)
            try:
                door.sendall(message)
                answer = door.recv(8, socket.MSG_WAITALL)
            except OSError:
                answer = b""
            if len(answer) < 8:
                self._close()
                raise GuardhouseError("the process that starts scripts was killed")
            return int.from_bytes(answer, "big")

    def _opened(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._close()  # its end of the door may be open yet: a guardian just forked closes its copy when it runs
        if self._door is None:
            self._door, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PROGRAM), str(theirs.fileno())],
                    cwd="/",
                    env={},  # a script can read the environment of its parents
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        return self._door

    def _close(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._process is not None:
            self._process.wait()
            self._process = None


HOUSE = Guardhouse()
"""The guardhouse of this process."""
