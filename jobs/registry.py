"""The scripts of this installation, as they lie in its folders now.

A script that is added, changed or removed is seen within a second, without a restart: the times and sizes of the
files are looked at, and only what changed is read again. What is handed out does not change any more: a script from a
folder of the installation's own is copied when it is read, to a folder named after its checksum, and runs from there,
so that a running task keeps the version it began with, and a rerun finds it again.
"""

from __future__ import annotations

import compileall
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from index.errors import DatabaseError
from jobs.descriptor import Script, load
from jobs.errors import DescriptorError, LimitError, NotFoundError
from jobs.native import Native
from jobs.settings import BUILT_IN_SCRIPTS
from jobs.sources import Signature, checksum, copy, signature

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a command line says by itself what is broken

CHECK = 1.0
"""Seconds between two looks at the folders."""


class Registry:
    """All scripts in some folders; a broken one is set aside with its reason and does not stop the others.

    A script in a later folder replaces one of the same name in an earlier folder. An edit that breaks a script leaves
    the version before it on offer until the script is mended.

    :param kept: where the versions of scripts are kept that do not belong to the software; None to run them in place.
    :param switched_off: returns the scripts that take no new jobs, and why; it may fail.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        kept: Path | None = None,
        switched_off: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._folders = tuple(folders)
        self._switched_off = switched_off
        self._off: Mapping[str, str] = {}
        self._kept = kept
        self._scripts: dict[str, Script] = {}
        self._natives: dict[str, Native] = {}
        self._made: dict[str, Callable[[Mapping[str, Script]], Script | None]] = {}
        self._broken: dict[str, str] = {}
        self._absent: dict[str, str] = {}
        self._seen: dict[str, tuple[Path, Signature]] = {}
        self._lock = threading.Lock()
        self._looked = 0.0
        self.refresh()

    @property
    def broken(self) -> dict[str, str]:
        """Why each broken script cannot be offered as it is, by its name."""
        self._look()
        return dict(self._broken)

    @property
    def absent(self) -> dict[str, str]:
        """Why each script is not offered that is sound but needs a program that is not here, by its name."""
        self._look()
        return dict(self._absent)

    @property
    def off(self) -> dict[str, str]:
        """Why each script takes no new jobs that an administrator has switched off, by its name."""
        self._look()
        return dict(self._off)

    def known(self, name: str) -> bool:
        """Whether there is a script of that name that could be run here, switched off or not."""
        self._look()
        return name in self._natives or (name in self._scripts and name not in self._absent)

    def require_on(self, name: str) -> None:
        """Make no new job of a script that is switched off; those that it has go on.

        :raises LimitError: it is.
        """
        self._look()
        if name in self._off:
            why = self._off[name].rstrip(".")
            raise LimitError(f"The script {name} takes no new jobs for now" + (f": {why}." if why else "."))

    def names(self) -> list[str]:
        """Return the names of the scripts on offer, in alphabetical order."""
        self._look()
        return sorted(set(self._scripts) - set(self._absent) - set(self._off))

    def queues(self) -> list[str]:
        """Return the resource classes of the scripts on offer, in alphabetical order."""
        return sorted({script.resource for script in self._scripts.values()})

    def get(self, name: str) -> Script:
        """Return a script.

        :raises NotFoundError: there is none of that name, it is broken, or this machine cannot run it.
        """
        self._look()
        if name in self._absent:
            raise NotFoundError(f"The script {name} is not offered here: {self._absent[name]}.")
        found = self._natives.get(name) or self._present(name)
        if found is None:
            offered = ", ".join(self.names()) or "none"
            raise NotFoundError(f"There is no script {name}; on offer: {offered}.")
        return found

    def find(self, name: str) -> Script | None:
        """Return a script, None if it is not on offer."""
        try:
            return self.get(name)
        except NotFoundError:
            return None

    def _present(self, name: str) -> Script | None:
        if make := self._made.get(name):
            return make({each: script for each, script in self._scripts.items() if each not in self._absent})
        return self._scripts.get(name)

    def offer(self, script: Native) -> None:
        """Offer a script that is part of the service; it is found by its name, but not listed with the others."""
        self._natives[script.name] = script

    def derive(self, name: str, make: Callable[[Mapping[str, Script]], Script | None]) -> None:
        """Offer a script that is made of those on offer; it is found by its name, but not listed with the others.

        :param make: gives it, None where it cannot be made of these.
        """
        self._made[name] = make

    def version(self, name: str, sha256: str) -> Script | None:
        """Return the version of a script that has this checksum, if it is the present one or kept; else None."""
        self._look()
        present = self._present(name)
        if present is not None and present.checksum == sha256:
            return present
        folder = self._kept and _place(self._kept, name, sha256)
        if not folder or not folder.is_dir():
            return None
        return load(folder).model_copy(update={"checksum": sha256})

    def _look(self) -> None:
        """Look at the folders if the last look is a while ago and nobody else is looking."""
        if time.monotonic() - self._looked >= CHECK and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()

    def refresh(self) -> None:
        """Look at the folders now."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        with suppress(DatabaseError):  # what was known goes on to hold
            self._off = self._switched_off()
        found, broken = self._find()
        scripts: dict[str, Script] = {}
        seen: dict[str, tuple[Path, Signature]] = {}
        for name, path in found.items():
            before = self._scripts.get(name)
            if before is not None:
                scripts[name] = before
            try:
                seen[name] = path, signature(path, before.libraries if before else ())
                if seen[name] != self._seen.get(name):
                    scripts[name] = self._read(path)
                    seen[name] = path, signature(path, scripts[name].libraries)
                    log.info("the script %s, version %s", name, scripts[name].version)
                elif name in self._broken:
                    broken[name] = self._broken[name]
            except DescriptorError as error:
                broken[name] = str(error)
        for name, reason in broken.items():
            if reason != self._broken.get(name):
                log.warning("a script is broken: %s", reason)
        absent = {name: why for name, script in scripts.items() if (why := script.lacking())}
        for name in absent.keys() - self._absent.keys():
            log.info("the script %s is not offered: %s", name, absent[name])
        self._scripts, self._broken, self._absent, self._seen = scripts, broken, absent, seen
        self._looked = time.monotonic()

    def _find(self) -> tuple[dict[str, Path], dict[str, str]]:
        """Return the folders of scripts by their names, and why a folder of scripts cannot be used."""
        found: dict[str, Path] = {}
        broken: dict[str, str] = {}
        for folder in self._folders:
            try:
                paths = sorted(folder.iterdir())
            except OSError as error:
                why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
                broken[str(folder)] = f"The folder of scripts {folder} {why}."
            else:
                found |= {path.name: path for path in paths if (path / "script.toml").is_file()}
        return found, broken

    def _read(self, path: Path) -> Script:
        script = load(path)
        for library in script.libraries:
            if not (path.parent / library).is_dir():
                raise DescriptorError(f"{path / 'script.toml'}: libraries: there is no folder {path.parent / library}")
        script = script.model_copy(update={"checksum": checksum(path, script.libraries)})
        if self._kept is not None and path.parent != BUILT_IN_SCRIPTS:
            place = _place(self._kept, script.name, script.checksum)
            if not place.is_dir():
                copy(path, place, script.libraries)
            os.utime(place)
            script = script.model_copy(update={"folder": place})
        for library in script.libraries:
            # scripts may not write there; without byte code each of their starts would compile what they import
            compileall.compile_dir(script.folder.parent / library, quiet=2)
        return script

    def forget(self, seconds: float) -> None:
        """Remove the kept versions that nobody has used for so long; one that is on offer stays."""
        present = {script.folder for script in self._scripts.values()}
        for script in present:
            if self._kept is not None and script.is_relative_to(self._kept):
                os.utime(script)
        for place in self._kept.glob("*/*") if self._kept is not None else ():
            if place not in present and place.stat().st_mtime < time.time() - seconds:
                shutil.rmtree(place.parent, ignore_errors=True)


def _place(kept: Path, name: str, sha256: str) -> Path:
    """Where a version is kept: its last part is the script's name, as in the folder it comes from."""
    return kept / f"{name}-{sha256[:16]}" / name
