"""Stands between a worker and a script, so that no process of the script outlives its worker or its task.

A program of its own, ``python -I -S guardian.py SOCKET_FD``: the *guardhouse* of one worker process. For each order
that comes on the socket it forks a guardian, which costs a fork and no start of Python. An order is its length in four
bytes and a JSON object with ``command``, ``folder``, ``environment`` and ``grace``; with it come four descriptors: the
worker's hand, the script's standard output and error, and where to report. The answer is the guardian's pid in eight
bytes. The end of the socket means that the worker is dead; then the guardhouse ends too.

A guardian

* is a *child subreaper* (prctl(2)): a grandchild whose parent ends, even one that made a session of its own, becomes
  its child, so it can find and kill every process that the script started;
* feels the worker's hand: a byte on it means stop, its end means that the worker is dead. Both stop the script: SIGTERM
  to all its processes, and SIGKILL to what is left after ``grace`` seconds;
* has the kernel kill the script if it is killed itself (PR_SET_PDEATHSIG);
* kills whatever the script left running when it ended by itself.

It reports ``start PID`` when the script runs, and ``exit CODE CPU MEMORY`` when no process is left; CODE is negative
for a signal, as in :mod:`subprocess`. CPU is the processor time of all the script's processes in seconds, MEMORY the
peak resident size of the largest of them in bytes, both as wait4(2) accounts for them: what ran under a parent that did
not wait for it is counted too, because it becomes the guardian's child.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss."""

_LIBRARY = ctypes.CDLL(None)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _LIBRARY.prctl(option, value, 0, 0, 0)


def _start(command: list[str], guardian: int) -> int:
    """Start the script in a session and process group of its own; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guardian:  # the guardian was killed before the line above took effect
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - that there is no shell is the point
    except OSError as error:
        os.write(2, f"the program {command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def _descendants() -> list[int]:
    """Return the pids of all processes below this one, zombies left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - a thousand Path objects for nothing
        if name.isdigit():
            with contextlib.suppress(OSError):  # it ended while we looked
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - the same
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] != b"Z":
                    children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    level = [os.getpid()]
    while level:
        level = [pid for parent in level for pid in children.get(parent, [])]
        found += level
    return found


class _Guardian:
    def __init__(self, status: int, grace: float, command: list[str]) -> None:
        self.status = status
        self.grace = grace
        self.code: int | None = None
        self.cpu = 0.0
        self.memory = 0
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.wakeup, wakeup = os.pipe()
        for end in (self.wakeup, wakeup):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.pid = _start(command, os.getpid())
        self._tell(f"start {self.pid}")

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the worker is dead; nobody needs to know any more
            os.write(self.status, line.encode() + b"\n")

    def _reap(self) -> bool:
        """Collect ended children; return whether any are left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.cpu += usage.ru_utime + usage.ru_stime
            self.memory = max(self.memory, usage.ru_maxrss * RSS_UNIT)
            if pid == self.pid:
                self.code = os.waitstatus_to_exitcode(status)

    def _signal(self, number: int) -> None:
        pids = _descendants() if sys.platform == "linux" else []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if not pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _wait(self, seconds: float | None, *, control: bool = False) -> None:
        """Wait until a child ends or, with ``control``, the worker gives a sign."""
        ready, _, _ = select.select([self.wakeup, *([0] if control else [])], [], [], seconds)
        if self.wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wakeup, 4096)
        if 0 in ready:
            os.read(0, 1)
            self.stopping = True

    def run(self) -> None:
        """Guard the script until none of its processes is left."""
        while self._reap() and self.code is None and not self.stopping:
            self._wait(None, control=True)
        if self.code is None:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + self.grace
            while self._reap() and (left := deadline - time.monotonic()) > 0:
                self._wait(left)
        while self._reap():
            # Again and again: a process may have forked between the look and the signal.
            self._signal(signal.SIGKILL)
            self._wait(0.05)
        self._tell(f"exit {self.code} {self.cpu:.6f} {self.memory}")


def _guard(order: dict[str, Any], descriptors: list[int]) -> None:
    """Become a guardian and guard the script to its end."""
    os.setsid()  # Ctrl-C at the terminal of the service is not for the script
    hand, output, error, status = descriptors
    for standard, descriptor in enumerate((hand, output, error)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.set_inheritable(status, False)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    _Guardian(status, order["grace"], order["command"]).run()


def _receive(door: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next order and its descriptors; None when the worker is dead."""
    data, descriptors, _, _ = socket.recv_fds(door, 4, 4)
    if len(data) < 4:
        return None
    left = int.from_bytes(data, "big")
    pieces = []
    while left:
        piece = door.recv(left)
        if not piece:
            return None
        pieces.append(piece)
        left -= len(piece)
    return json.loads(b"".join(pieces)), descriptors


def keep_guardhouse(door: socket.socket) -> None:
    """Fork a guardian for each order, until the worker is dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a guardian: its end is the end of its report
    while (order := _receive(door)) is not None:
        pid = os.fork()
        if pid == 0:
            try:
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _guard(*order)
            except BaseException:  # noqa: BLE001 - it must not go on as a second guardhouse; its log says what it was
                traceback.print_exc()
            finally:
                os._exit(0)
        for descriptor in order[1]:
            os.close(descriptor)
        door.sendall(pid.to_bytes(8, "big"))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as the_door:
        keep_guardhouse(the_door)
