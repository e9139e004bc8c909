"""What a script can see and reach: with bubblewrap no network, a read-only system, and processes of its own.

The script sees the programs of the system, the Python that runs the service, the folder of its script, the files of
its datasets, and its working folder, the one place where it can write; not the database, not other jobs, nobody's
home. Whether bubblewrap works here (many systems forbid user namespaces) is tried once for a process.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from jobs.errors import AmoraError

Mode = Literal["auto", "require", "off"]

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
"""The folders of the system that a script sees."""
CONFIGURATION = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "R")
"""What it sees of /etc."""


class SandboxError(AmoraError):
    """Scripts are to run in a sandbox and none works; says why."""


@dataclass(frozen=True)
class Protection:
    """What keeps scripts away from the rest of the machine."""

    sandboxed: bool
    wanted: bool
    """Whether the settings ask for a sandbox."""
    message: str


class Sandbox:
    """Runs scripts in bubblewrap, where that is wanted and works.

    :param home: the folder of the service: nothing below it is seen but the working folder.
    :param paths: what scripts see besides.
    """

    def __init__(self, mode: Mode, home: Path, paths: Sequence[Path] = ()) -> None:
        self._mode = mode
        self._home = home
        self._paths = tuple(paths)
        self._program = shutil.which("bwrap")

    @cached_property
    def protection(self) -> Protection:
        """What is in force."""
        plain = "a scrubbed environment, a folder of their own and limits"
        if self._mode == "off":
            return Protection(False, False, f"Scripts run with {plain}; a sandbox is not asked for.")
        why = self._try()
        if why:
            return Protection(False, self._mode == "require", f"Scripts run with {plain}, but in no sandbox: {why}.")
        return Protection(True, True, f"Scripts run with {plain}, in a sandbox without network, on a read-only system.")

    def require(self) -> None:
        """Make sure that scripts run as the settings want it.

        :raises SandboxError: they would not.
        """
        if self._mode == "require" and not self.protection.sandboxed:
            raise SandboxError(
                f"AMORA_SANDBOX=require: {self.protection.message} Install bubblewrap, or allow it user "
                "namespaces; or set AMORA_SANDBOX=off."
            )

    def wrap(self, command: Sequence[str], workspace: Path, readable: Iterable[Path]) -> list[str]:
        """Return the command that runs a script in the sandbox; the command itself where there is none.

        :param readable: files and folders that the script reads.
        """
        if not self.protection.sandboxed:
            return list(command)
        return [
            *self._walls(readable),
            "--bind",
            str(workspace),
            str(workspace),
            "--chdir",
            str(workspace),
            "--",
            *command,
        ]

    @staticmethod
    def translate(message: str) -> str:
        """Return what the sandbox says of a program that cannot be started in the words used without one."""
        found = re.fullmatch(r"bwrap: execvp (.+): (.+?)", message)
        return f"the program {found[1]} cannot be started: {found[2]}" if found else message

    def _walls(self, readable: Iterable[Path]) -> list[str]:
        seen = [*SYSTEM, *(f"/etc/{name}" for name in CONFIGURATION)]
        walls = [
            str(self._program),
            *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
            *(word for path in seen for word in ("--ro-bind-try", path, path)),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - a /tmp of its own
            *("--tmpfs", str(self._home)),
        ]
        for path in dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix), *self._paths, *readable)):
            # Where a link leads must be there too.
            for place in dict.fromkeys((path, path.resolve())):
                walls += ("--ro-bind-try", str(place), str(place))
        return walls

    def _try(self) -> str:
        """Return why the sandbox does not work; nothing if it does."""
        if self._program is None:
            return "bubblewrap is not installed"
        try:
            done = subprocess.run(
                [*self._walls(()), "--", sys.executable, "-I", "-S", "-c", ""],
                env={},
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not run ({error})"
        return "" if done.returncode == 0 else f"bubblewrap does not work here ({done.stderr.strip()[:200]})"
