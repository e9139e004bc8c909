"""Who a process is, in a form that survives it: a pid alone is soon given to somebody else."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:  # not Linux, or the process is gone
        return ""


def _started(pid: int) -> str:
    """Return when a process was started, in clock ticks since the boot; "" if it is gone or a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if fields and fields[0] != "Z" else ""


@cache
def _machine() -> str:
    """Return a name for this host since its boot, as this process sees it: containers have pids of their own."""
    try:
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}:{_read('/proc/sys/kernel/random/boot_id')}:{namespace}"


@dataclass(frozen=True)
class Identity:
    """A process: where it runs, its pid, and when it was started."""

    machine: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int | None = None) -> Identity:
        """Return the identity of a process of this machine, by default this process."""
        pid = pid or os.getpid()
        return cls(_machine(), pid, _started(pid))

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read an identity as ``str()`` wrote it."""
        machine, pid, started = text.rsplit("/", 2)
        return cls(machine, int(pid), started)

    def __str__(self) -> str:
        return f"{self.machine}/{self.pid}/{self.started}"

    @property
    def local(self) -> bool:
        """Whether it belongs, or belonged, to this machine since its last boot."""
        return self.machine == _machine()

    @property
    def alive(self) -> bool:
        """Whether the process still runs; meaningful only when it is local."""
        if self.started:
            return _started(self.pid) == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def end(self, grace: float) -> bool:
        """Make sure that a process of this machine is gone, by SIGTERM and then by SIGKILL; False if it will not go.

        A process of another machine is none of ours: True.

        :param grace: seconds that it may take to end by itself.
        """
        if not self.local:
            return True
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
            if not self.alive:
                break
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + patience
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.02)
        return not self.alive
