"""Stands between a worker and a script, so that no process of the script outlives its worker or its task.

A program of its own, ``python -I -S guardian.py SOCKET_FD``: the *guardhouse* of one worker process. For each order
that comes on the socket it forks a guardian, which costs a fork and no start of Python. An order is its length in four
bytes and a JSON object with ``command``, ``folder``, ``environment``, ``grace``, ``limits`` and ``walls``; with it come
four descriptors: the worker's hand, the script's standard output and error, and where to report. The answer is the
guardian's pid in eight bytes. The end of the socket means that the worker is dead; then the guardhouse ends too.

A guardian

* is a *child subreaper* (prctl(2)): a grandchild whose parent ends, even one that made a session of its own, becomes
  its child, so it can find and kill every process that the script started;
* feels the worker's hand: a byte on it means stop, its end means that the worker is dead. Both stop the script: SIGTERM
  to all its processes, and SIGKILL to what is left after ``grace`` seconds;
* has the kernel kill the script if it is killed itself (PR_SET_PDEATHSIG);
* looks again and again at what all processes of the script take together, and stops the script when it is more than
  one of ``limits``: ``cpu`` in seconds, ``memory`` and ``disk`` (the working folder) in bytes, ``processes``;
* kills whatever the script left running when it ended by itself.

It reports ``start PID`` when the script runs, ``limit NAME`` when it stops it for that, and ``exit CODE CPU MEMORY READ
WRITTEN`` when no process is left; CODE is negative for a signal, as in :mod:`subprocess`. CPU is the processor time of
all the script's processes in seconds, MEMORY the peak resident size of the largest of them in bytes, both as wait4(2)
accounts for them, READ and WRITTEN the bytes that went through read(2) and write(2) and their kin (proc_pid_io(5)).
What ran under a parent that did not wait for it is counted too, because it becomes the guardian's child.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
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

LOOK = 0.2
"""Seconds between two looks at what the script takes; more where looking takes long."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
GIVEN = ("uploads", "parts", "inputs")
"""Folders in the working folder that hold what the script was given, not what it wrote."""

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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - that there is no shell is the point
    except OSError as error:
        os.write(2, f"the program {command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def _descendants() -> list[int]:
    """Return the pids of all processes below this one, zombies left out."""
    found: list[int] = []
    level = _children(os.getpid())
    while level:
        found += level
        level = [pid for parent in level for pid in _children(parent)]
    return [pid for pid in found if not _is_zombie(pid)]


def _children(pid: int) -> list[int]:
    """Return the pids of the children of a process: those that each of its threads has started."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it ended while we looked
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - a thousand Path objects for nothing
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123 - the same
                found += map(int, file.read().split())
    return found


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - as above
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def _taken(pids: list[int]) -> tuple[float, int]:
    """Return the seconds of processor time and the bytes of memory that processes take now."""
    ticks = pages = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - as above
            fields = file.read().rpartition(b")")[2].split()
            # its own time, and that of its children that it has waited for
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return ticks / TICKS, pages * PAGE


def _size(folder: str, left_out: tuple[str, ...] = ()) -> int:
    """Return the bytes of disk that the files in a folder take."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # it was removed meanwhile
                if not entry.is_dir(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                elif entry.name not in left_out:
                    total += _size(entry.path)
    return total


def _transferred(pid: int) -> tuple[int, int]:
    """Return the bytes that a process and those it has waited for read and wrote."""
    try:
        with open(f"/proc/{pid}/io", "rb") as file:  # noqa: PTH123 - as above
            read, written = (int(line.split()[1]) for line in file.readlines()[:2])
    except (OSError, ValueError):  # not Linux, or not for us to see
        return 0, 0
    return read, written


class _Guardian:
    def __init__(self, status: int, grace: float, command: list[str], limits: dict[str, int], walls: int) -> None:
        self.status = status
        self.grace = grace
        self.limits = limits
        self.walls = walls
        self.look_at = time.monotonic() + LOOK
        self.read = self.written = 0
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
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if ended is None:
                return True
            read, written = _transferred(ended.si_pid)  # before it is forgotten
            pid, status, usage = os.wait4(ended.si_pid, 0)
            self.read += read
            self.written += written
            self.cpu += usage.ru_utime + usage.ru_stime
            self.memory = max(self.memory, usage.ru_maxrss * RSS_UNIT)
            if pid == self.pid:
                self.code = os.waitstatus_to_exitcode(status)

    def _signal(self, number: int) -> None:
        pids = _descendants() if sys.platform == "linux" else []
        for pid in pids:
            if self.walls and pid == self.pid and number != signal.SIGKILL:
                continue  # its end would be that of all in the sandbox at once: they are to have their grace
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

    def _freeze(self) -> None:
        """Stop every process where it is: they would go on forking while they are asked to end."""
        stopped: set[int] = set()
        while new := set(_descendants()) - stopped:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped |= new

    def _exceeded(self) -> str | None:
        """Return which limit the script has exceeded, if any."""
        begin = time.monotonic()
        pids = _descendants()
        cpu, memory = _taken(pids)
        taken = {
            "processes": len(pids) - self.walls,
            "memory": memory,
            "cpu": self.cpu + cpu,
            "disk": _size(".", GIVEN),
        }
        now = time.monotonic()
        self.look_at = now + max(LOOK, 20 * (now - begin))
        return next((name for name, limit in self.limits.items() if taken[name] > limit), None)

    def _guard(self) -> str | None:
        """Wait until the script ends, is to be stopped, or has exceeded the limit that is returned."""
        watching = bool(self.limits) and sys.platform == "linux"
        while self._reap() and self.code is None and not self.stopping:
            self._wait(max(0.0, self.look_at - time.monotonic()) if watching else None, control=True)
            if watching and time.monotonic() >= self.look_at and self.code is None:
                exceeded = self._exceeded()
                if exceeded is not None:
                    return exceeded
        return None

    def run(self) -> None:
        """Guard the script until none of its processes is left."""
        exceeded = self._guard()
        if exceeded is not None:
            self._tell(f"limit {exceeded}")
        if exceeded == "processes":
            self._freeze()
        elif self.code is None:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + self.grace
            while self._reap() and (left := deadline - time.monotonic()) > 0:
                self._wait(left)
        while self._reap():
            # Again and again: a process may have forked between the look and the signal.
            self._signal(signal.SIGKILL)
            self._wait(0.05)
        self._tell(f"exit {self.code} {self.cpu:.6f} {self.memory} {self.read} {self.written}")


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
    _Guardian(status, order["grace"], order["command"], order["limits"], order["walls"]).run()


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
