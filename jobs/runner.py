"""Runs one script as a group of processes: captures what it says and stops all of it when told to.

Knows nothing of jobs, SQL or regions: a command, a folder, and somebody to ask whether to go on.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from jobs.guardhouse import HOUSE
from jobs.models import NOTHING, Usage

MAX_LINE = 64 * 1024
"""Bytes after which an unfinished line is taken as a line."""

MAX_MESSAGE = 2000
"""Characters that are kept of what a script says of its progress or of its failure."""

# Each repetition has an end: tens of thousands of digits would keep the whole process busy for minutes.
_PROGRESS = re.compile(rb"progress\s{1,9}([0-9]{0,9}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?)(?:\s+(.*))?$")


class Log(Protocol):
    """Takes what a script prints, line by line."""

    def write(self, line: bytes, /) -> int: ...

    def flush(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a script ended."""

    code: int | None
    """Its exit code; negative for a signal; None if its guardian was killed."""
    stopped: bool
    """Whether it was told to stop."""
    last_error: str
    """The last line that was not empty on its standard error."""
    message: str = ""
    """What it said with its last progress."""
    exceeded: str = ""
    """The limit for which it was stopped, if it was for one."""
    usage: Usage = field(default=NOTHING, compare=False)
    """What its processes took; nothing if its guardian was killed."""


class Run:
    """One run of a script, as a context: at its end no process of the script is left.

    :param command: program and arguments; never passed through a shell.
    :param folder: the working folder.
    :param environment: all that the script gets.
    :param log: takes every line the script prints but the progress lines.
    :param grace: seconds between SIGTERM and SIGKILL.
    :param limits: what all its processes may take together: ``cpu`` (s), ``memory``, ``disk`` (the working folder) and
        ``log`` (what they print, progress included) in bytes, ``processes``; without a limit what is not named.
    :param walls: how many of its processes are those of a sandbox around it: they are none of the script's.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: Log,
        grace: float,
        limits: Mapping[str, int] | None = None,
        walls: int = 0,
    ) -> None:
        self._log = log
        self._limits = dict(limits or {})
        self._printable = self._limits.pop("log", None)
        self._exceeded = ""
        self._last_error = b""
        self._progress: tuple[float, str] | None = None
        self._message = ""
        self._guarded = HOUSE.start(command, folder, environment, grace, self._limits, walls)
        self._code: int | None = None
        self._usage = NOTHING
        self._script: int | None = None
        self._control = self._guarded.control
        self._pipes = {"out": self._guarded.output, "err": self._guarded.error, "status": self._guarded.status}
        self._rest = dict.fromkeys(self._pipes, b"")

    @property
    def guardian(self) -> int:
        """The pid of the guardian."""
        return self._guarded.guardian

    def wait(self, going_on: Callable[[tuple[float, str] | None], bool], interval: float) -> Outcome:
        """Wait until no process of the script is left.

        :param going_on: asked every ``interval`` seconds, with the newest progress if there is one since the last
            call; when it answers False the script is stopped.
        """
        stopped = False
        with selectors.DefaultSelector() as selector:
            for name, pipe in self._pipes.items():
                selector.register(pipe, selectors.EVENT_READ, name)
            asked = time.monotonic()
            while selector.get_map():
                for key, _ in selector.select(max(0.0, asked + interval - time.monotonic())):
                    if not self._read(key.data):
                        selector.unregister(key.fileobj)
                        if key.data == "status" and self._code is None:
                            # The guardian was killed. The kernel has then killed the script, but not what the
                            # script started, which may hold our pipes open for ever.
                            self._kill_group()
                            return self._outcome(stopped)
                if time.monotonic() >= asked + interval:
                    asked = time.monotonic()
                    self._log.flush()
                    progress, self._progress = self._progress, None
                    if not going_on(progress) and not stopped:
                        stopped = True
                        with contextlib.suppress(BrokenPipeError):  # it has just ended
                            self._control.write(b"s")
        return self._outcome(stopped)

    def stop(self) -> None:
        """Have the script stopped; from any thread, also while :meth:`wait` waits."""
        with contextlib.suppress(OSError, ValueError):  # it has ended
            self._control.write(b"s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the script if it still runs: without its standard input the guardian does so."""
        self._control.close()
        self._guarded.output.close()
        self._guarded.error.close()
        while os.read(self._guarded.status.fileno(), MAX_LINE):  # its end is the end of the guardian
            pass
        self._guarded.status.close()
        self._log.flush()

    def _kill_group(self) -> None:
        if self._script is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._script, signal.SIGKILL)

    def _outcome(self, stopped: bool) -> Outcome:
        return Outcome(self._code, stopped, _text(self._last_error), self._message, self._exceeded, self._usage)

    def _read(self, name: str) -> bool:
        """Take what there is to read from one pipe; False at its end."""
        data = os.read(self._pipes[name].fileno(), MAX_LINE)
        if name != "status" and self._printable is not None:
            if self._exceeded == "log":  # it is being stopped; what it still says is lost
                return bool(data)
            self._printable -= len(data)
            if self._printable < 0:
                self._exceeded = "log"
                with contextlib.suppress(BrokenPipeError):
                    self._control.write(b"s")
        *lines, rest = (self._rest[name] + data).split(b"\n")
        if rest and (not data or len(rest) > MAX_LINE):
            lines, rest = [*lines, rest], b""
        self._rest[name] = rest
        for line in lines:
            if name == "status":
                word, *values = line.split()
                if word == b"start":
                    self._script = int(values[0])
                elif word == b"limit":
                    self._exceeded = values[0].decode()
                else:
                    code, cpu, *counts = values
                    self._code, self._usage = int(code), Usage(float(cpu), *map(int, counts))
            else:
                self._take(line, error=name == "err")
        return bool(data)

    def _take(self, line: bytes, *, error: bool) -> None:
        if not error and (match := _PROGRESS.match(line)):
            self._message = _text(match[2] or b"")
            self._progress = (min(float(match[1]), 1.0), self._message)
            return
        if error and line.strip():
            self._last_error = line
        self._log.write(line + b"\n")


def _text(line: bytes) -> str:
    """Return what a script said as text that SQL can keep: PostgreSQL takes no NUL."""
    return line.decode(errors="replace").replace("\0", "\ufffd").strip()[:MAX_MESSAGE]
