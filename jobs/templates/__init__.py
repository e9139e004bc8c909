"""The scripts that ``amora scripts new`` begins with: each works, has its test, and is small enough to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

NAME = "SCRIPT_NAME"
"""What stands for the script's name in the templates, and in the names of their files."""
SCOPE = "SCRIPT_SCOPE"

_HERE = Path(__file__).parent


def make(folder: Path, *, scope: str, language: str) -> Iterator[Path]:
    """Write a new script to a folder that is not there yet; yield the files.

    :param scope: ``dataset`` or ``job``.
    :param language: ``python``, ``shell`` or ``r``.
    """
    folder.mkdir(parents=True)
    for template in sorted([*(_HERE / language).iterdir(), *(_HERE / "common").iterdir()]):
        if not template.is_file():
            continue
        # Python that waits to be copied ends in .template: it is not part of this package.
        path = folder / template.name.replace(NAME, folder.name).removesuffix(".template")
        text = template.read_text(encoding="utf-8")
        path.write_text(text.replace(NAME, folder.name).replace(SCOPE, scope), encoding="utf-8")
        yield path
