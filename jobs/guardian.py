"""Stands between a worker and a script, so that no process of the script outlives its worker or its task.

Started as a program of its own: ``python -I -S guardian.py STATUS_FD GRACE COMMAND [ARG ...]``. It uses nothing but a
few modules of the standard library: it is started for every task and must cost next to nothing. That is why it takes
``_signal`` and ``_ctypes`` instead of what is built on them: with ``signal``, ``ctypes`` and ``contextlib`` it would
take twice as long to start.

* It is a *child subreaper* (prctl(2)): a grandchild whose parent ends, even one that made a session of its own, becomes
  its child, so it can find and kill every process that the script started.
* Standard input is the worker's hand: a byte on it means stop, its end means that the worker is dead. Both stop the
  script: SIGTERM to all its processes, and SIGKILL to what is left after GRACE seconds.
* The script gets SIGKILL from the kernel if the guardian itself is killed (PR_SET_PDEATHSIG).
* When the script ends by itself, whatever it left running is killed.

To STATUS_FD it writes ``start PID`` when the script runs, and ``exit CODE CPU MEMORY`` when no process is left; CODE is
negative for a signal, as in :mod:`subprocess`. CPU is the processor time of all the script's processes in seconds,
MEMORY the peak resident size of the largest of them in bytes, both as wait4(2) accounts for them: what ran under a
parent that did not wait for it is counted too, because it becomes the guardian's child.
"""

from __future__ import annotations

import _ctypes
import os
import select
import sys
import time

TYPE_CHECKING = False  # ``typing`` would take longer to import than all of this
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss."""


class _Suppress:
    """The part of ``contextlib.suppress`` that is wanted here."""

    def __init__(self, *errors: type[Exception]) -> None:
        self.errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> bool:
        return kind is not None and issubclass(kind, self.errors)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type] # the stubs do not know that None is the program
        _ctypes.call_function(_ctypes.dlsym(program, "prctl"), (option, value, 0, 0, 0))


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
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start-up time
        if name.isdigit():
            with _Suppress(OSError):  # it ended while we looked
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
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
        with _Suppress(BrokenPipeError):  # the worker is dead; nobody needs to know any more
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
            with _Suppress(ProcessLookupError):
                os.kill(pid, number)
        if not pids:
            with _Suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _wait(self, seconds: float | None, *, control: bool = False) -> None:
        """Wait until a child ends or, with ``control``, the worker gives a sign."""
        ready, _, _ = select.select([self.wakeup, *([0] if control else [])], [], [], seconds)
        if self.wakeup in ready:
            with _Suppress(BlockingIOError):
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


if __name__ == "__main__":
    status_fd = int(sys.argv[1])
    os.set_inheritable(status_fd, False)
    _Guardian(status_fd, float(sys.argv[2]), sys.argv[3:]).run()
