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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from jobs.descriptor import SEARCH_PATH
from jobs.errors import AmoraError
from jobs.settings import BUILT_IN_SCRIPTS

Mode = Literal["auto", "require", "off"]

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/sys/devices/system")
"""The folders of the system that a script sees."""
CONFIGURATION = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "R")
"""What it sees of /etc."""
DEVICES = ("nvidia*", "dri", "kfd")
"""What it sees of /dev besides what every program needs: processors for graphics, with /sys to find them by."""
INSTALLED = ("bin", "lib", "lib64", "libexec", "share", "etc", "pyvenv.cfg")
"""What a program in a folder ``bin`` finds beside it: a virtual environment, one of conda, a program built by hand."""
SCRATCH = 256 * 2**20
"""Bytes that a script may have in /tmp and in /dev/shm, which are in memory."""
OWN_PROCESSES = 2
"""How many processes bubblewrap itself is: one outside and one inside."""


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
    :param hidden: further files and folders that they must not see, where they would.
    """

    def __init__(self, mode: Mode, home: Path, paths: Sequence[Path] = (), hidden: Sequence[Path] = ()) -> None:
        self._mode = mode
        self._home = home
        self._paths = tuple(paths)
        self._hidden = tuple(path for path in hidden if not path.is_relative_to(home))
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

    def wrap(
        self, command: Sequence[str], workspace: Path, readable: Iterable[Path], programs: Iterable[str] = ()
    ) -> list[str]:
        """Return the command that runs a script in the sandbox; the command itself where there is none.

        :param readable: files and folders that the script reads.
        :param programs: what it starts, besides the program of the command.
        """
        if not self.protection.sandboxed:
            return list(command)
        installed = [place for program in (command[0], *programs) for place in self._installation(program)]
        walls = self._walls([*_with_targets(readable), *installed], workspace)
        return [*walls, "--chdir", str(workspace), "--", *command]

    @staticmethod
    def translate(message: str) -> str:
        """Return what the sandbox says of a program that cannot be started in the words used without one."""
        found = re.fullmatch(r"bwrap: execvp (.+): (.+?)", message)
        return f"the program {found[1]} cannot be started: {found[2]}" if found else message

    def _walls(self, places: Iterable[Path], workspace: Path | None = None) -> list[str]:
        # names instead of paths: this is done for every task, and a fifth of the time
        seen = (*self._usual, *(name for name in map(str, places) if not self._is_linked(name)))
        mounts: dict[str, tuple[str, ...]] = {name: ("--ro-bind-try", name, name) for name in seen}
        empty = []
        for path in (self._home, *self._hidden):
            name = str(path)
            if not any(above in mounts for above in _above(name)):
                continue  # nobody sees it anyway, and each mount costs
            if path.is_dir():
                mounts[name] = ("--tmpfs", name)
                empty.append(name)
            elif path.exists():
                mounts[name] = ("--ro-bind", "/dev/null", name)
        if workspace is not None:
            mounts[str(workspace)] = ("--bind", str(workspace), str(workspace))
        # From the outside in: nothing that is seen lays bare what is hidden in it, or the other way round.
        ordered = (word for name in sorted(mounts) if not _is_seen(name, mounts) for word in mounts[name])
        closed = (word for name in (*empty, "/dev", "/") for word in ("--remount-ro", name))
        return [*self._beginning, *ordered, *closed]

    @cached_property
    def _links(self) -> list[Path]:
        """What of the machine is a link into /usr, as /bin is: it is one in the sandbox too, for each mount costs."""
        links = (path for path in self._machine if path.is_symlink())
        return [path for path in links if path.resolve().is_relative_to("/usr")]

    @cached_property
    def _machine(self) -> list[Path]:
        """What every script sees of the system, where there is anything to see."""
        named = (Path(path) for path in (*SYSTEM, *(f"/etc/{name}" for name in CONFIGURATION)))
        return [path for path in named if path.is_file() or (path.is_dir() and any(path.iterdir()))]

    @cached_property
    def _beginning(self) -> list[str]:
        """What is the same for every script."""
        devices = [str(path) for name in DEVICES for path in Path("/dev").glob(name)]
        devices += [str(path) for path in self._paths if path.is_relative_to("/dev")]
        return [
            str(self._program),
            *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
            *("--proc", "/proc", "--dev", "/dev"),
            *(word for link in self._links for word in ("--symlink", str(link.readlink()), str(link))),
            *(word for path in devices for word in ("--dev-bind-try", path, path)),
            *(("--ro-bind-try", "/sys", "/sys") if devices else ()),
            *(word for path in ("/tmp", "/dev/shm") for word in ("--size", str(SCRATCH), "--tmpfs", path)),  # noqa: S108
        ]

    def _installation(self, program: str) -> list[Path]:
        """Return where a program lies and what was installed with it, and the same of what interprets it.

        Nothing for what every script sees anyway.
        """
        places: list[Path] = []
        for name in (program, _interpreter(program)):
            found = shutil.which(name, path=SEARCH_PATH)
            for path in _with_targets([Path(found)]) if found else ():
                if self._is_linked(str(path)) or any(folder in self._usual for folder in _above(str(path))):
                    continue
                places.append(path)
                # what lies beside /bin, /etc among it, is the machine and came with no program
                if path.parent.name == "bin" and path.parent.parent != Path("/"):
                    places += (path.parent.with_name(name) for name in INSTALLED)
        return _with_targets(places)

    def _is_linked(self, name: str) -> bool:
        return any(name == link or name.startswith(f"{link}/") for link in map(str, self._links))

    @cached_property
    def _usual(self) -> list[str]:
        """What every script sees of the files of the machine."""
        system = [str(path) for path in self._machine if path not in self._links]
        paths = (path for path in self._paths if not path.is_relative_to("/dev"))
        installed = _with_targets((Path(sys.base_prefix), Path(sys.prefix), BUILT_IN_SCRIPTS, *paths))
        return [*system, *(name for name in map(str, installed) if not self._is_linked(name))]

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


def _above(name: str) -> Iterator[str]:
    """Yield the folders that a file or folder is in, the nearest first; the root is none of them."""
    while name := name.rpartition("/")[0]:
        yield name


def _is_seen(name: str, mounts: Mapping[str, Sequence[str]]) -> bool:
    """Whether a path that is only to be seen is seen already, as part of a folder."""
    above = next((folder for folder in _above(name) if folder in mounts), name)
    return above != name and mounts[above][0] == mounts[name][0] == "--ro-bind-try"


def _with_targets(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, and where they lead as links: that must be there too."""
    return list(dict.fromkeys(place for path in paths for place in (path, path.resolve())))


def _interpreter(program: str) -> str:
    """Return the program that the first line of a program in text names; nothing if there is none."""
    try:
        with Path(program).open("rb") as file:
            found = re.match(rb"#!\s*(/\S+)", file.readline(256))
    except OSError:  # it is looked for elsewhere, or may be run but not read
        return ""
    return found[1].decode(errors="replace") if found else ""
