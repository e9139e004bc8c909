"""What an attempt at a task really used: written down when it has completed, for the provenance and for a rerun."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from index.dataset import Dataset
from jobs.descriptor import Script
from jobs.storage import ProductError
from jobs.validator import Values

SOFTWARE = "software.json"
"""Where a script may say which software it ran on: an object of names and versions, in its working folder."""
MAX_SOFTWARE = 100
"""Entries in it that are kept."""
MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class UsedFile:
    """A file of a dataset as it was when the script had read it."""

    dataset: str
    """The short id of the dataset."""
    kind: str
    name: str
    size: int
    """In bytes."""
    checksum: str
    """The SHA-256 of the file, in hexadecimal."""


@dataclass(frozen=True)
class Record:
    """What one completed attempt used."""

    version: str
    """The script's version, as its descriptor says."""
    checksum: str
    """The SHA-256 over the script's folder (:mod:`jobs.sources`)."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The values as the script found them in task.json, defaults filled in."""
    software: dict[str, str] = field(default_factory=dict)
    """Names and versions of what the script ran on, as far as it told."""
    files: tuple[UsedFile, ...] = ()

    def as_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Record:
        """Read what :meth:`as_text` wrote."""
        raw = json.loads(text)
        return cls(**{**raw, "files": tuple(UsedFile(**file) for file in raw["files"])})


@cache
def own_software() -> dict[str, str]:
    """Return what every script runs on: the service and, for those in Python, its interpreter."""
    try:
        amora = version("amora")
    except PackageNotFoundError:  # run from a folder that is not installed
        amora = "unknown"
    return {"Amora": amora, "Python": sys.version.partition(" ")[0]}


def take(
    script: Script,
    values: Values,
    datasets: Sequence[Dataset],
    workspace: Path,
    checksum_of: Callable[[Path], tuple[int, str]],
) -> Record:
    """Return what an attempt used whose script has just ended.

    :param checksum_of: gives size and SHA-256 of a file.
    :raises ProductError: a file of a dataset cannot be read any more, or ``software.json`` is not as it must be.
    """
    try:
        software = {**own_software(), **read_software(workspace)}
        files = [
            UsedFile(dataset.id, file.kind, file.path.name, *checksum_of(file.path))
            for dataset in datasets
            for file in dataset.files
        ]
    except ValueError as error:
        raise ProductError(str(error)) from error
    except OSError as error:
        raise ProductError(
            f"the file {Path(error.filename or '').name} of a dataset cannot be read any more"
        ) from error
    return Record(script.version, script.checksum, values.values, software, tuple(files))


def read_software(workspace: Path) -> dict[str, str]:
    """Return what the script says in ``software.json``; nothing if there is none.

    :raises ValueError: the file is not an object of names and versions; says what is wrong.
    """
    path = workspace / SOFTWARE
    if not path.exists() and not path.is_symlink():
        return {}
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{SOFTWARE} is not a plain file of at most {MAX_BYTES} bytes")
    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{SOFTWARE} is not JSON ({error})") from error
    if not isinstance(raw, dict) or len(raw) > MAX_SOFTWARE:
        raise ValueError(f"{SOFTWARE} is not one object of at most {MAX_SOFTWARE} names and versions")
    for name, value in raw.items():
        if not isinstance(value, str) or not all(re.fullmatch(r"[^\x00-\x1f]{1,200}", text) for text in (name, value)):
            raise ValueError(
                f"{SOFTWARE}: {name[:50]!r} must be a name with a version, each a text of 1 to 200 characters"
            )
    return dict(raw)
