"""The scripts of this installation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.descriptor import Script, load
from jobs.errors import DescriptorError, NotFoundError


class Registry:
    """All scripts in some folders; a broken one is set aside with its reason and does not stop the others.

    A script in a later folder replaces one of the same name in an earlier folder.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._scripts: dict[str, Script] = {}
        self.broken: dict[str, str] = {}
        """Why each broken script cannot be offered, by its name."""
        for folder in folders:
            if not folder.is_dir():
                self.broken[str(folder)] = f"The folder of scripts {folder} does not exist."
                continue
            for path in sorted(folder.iterdir()):
                if (path / "script.toml").is_file():
                    self._add(path)

    def _add(self, folder: Path) -> None:
        self._scripts.pop(folder.name, None)
        self.broken.pop(folder.name, None)
        try:
            self._scripts[folder.name] = load(folder)
        except DescriptorError as error:
            self.broken[folder.name] = str(error)

    def names(self) -> list[str]:
        """Return the names of the scripts on offer, in alphabetical order."""
        return sorted(self._scripts)

    def queues(self) -> list[str]:
        """Return the resource classes of the scripts on offer, in alphabetical order."""
        return sorted({script.resource for script in self._scripts.values()})

    def get(self, name: str) -> Script:
        """Return a script.

        :raises NotFoundError: there is none of that name, or it is broken.
        """
        try:
            return self._scripts[name]
        except KeyError:
            offered = ", ".join(self.names()) or "none"
            raise NotFoundError(f"There is no script {name}; on offer: {offered}.") from None
