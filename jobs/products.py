"""Holds what a script wrote against what its descriptor declares."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from jobs.descriptor import Script, slug
from jobs.models import Task
from jobs.native import RESULT, Made
from jobs.storage import ProductError

RESERVED = frozenset({"result", "provenance.json", "provenance.svg"})
"""Names of results that are not products."""

UNDESCRIBED = "Not described by the script"
"""What is said of a product that the descriptor does not declare."""

# Not in the standard table of media types (IVOA DALI 1.1, section 3.3; RFC 4047).
_TYPES = {
    ".fits": "application/fits",
    ".vot": "application/x-votable+xml",
    ".ecsv": "text/ecsv",
    ".log": "text/plain",
    ".reg": "text/plain",
}


@dataclass(frozen=True)
class Description:
    """What is said of a product."""

    content_type: str
    description: str


def collect(script: Script, task: Task, folder: Path) -> dict[str, Description]:
    """Describe each file in ``folder`` by its name.

    :raises ProductError: a product that the descriptor requires is not there, is empty, or has a name that cannot be
        part of an address or that another result has.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ProductError("it removed its folder products/")
    # What a part hands on is between it and the task that gathers.
    promised = () if task.role == "part" else script.products
    declared = {spec.file_name(task.dataset, task.number): spec for spec in promised}
    for name, spec in declared.items():
        if spec.required and not (folder / name).is_file():
            raise ProductError(f"it wrote no {name}, which its descriptor promises")
        if spec.required and (folder / name).stat().st_size == 0:
            raise ProductError(f"its product {name} is empty")
    found = {}
    for path in folder.iterdir():
        if path.name in RESERVED or not re.fullmatch(r"[A-Za-z0-9_+=@-][A-Za-z0-9._+=@-]{0,200}", path.name):
            raise ProductError(
                f"the name of its product {path.name!r} is not allowed: letters, digits and ._+=@- are, 200 at most"
            )
        if path.name == f"{slug(task.dataset, task.number)}.log":
            raise ProductError(f"its product {path.name} has the name of the task's log; give it another one")
        spec_ = declared.get(path.name)
        found[path.name] = (
            Description(spec_.content_type, spec_.description) if spec_ else Description(_guess(path), UNDESCRIBED)
        )
    return found


def described(script: Script, made: Made) -> dict[str, Description]:
    """Describe the one product of a script that is part of the service."""
    return {RESULT: Description(made.content_type, script.products[0].description)}


def _guess(path: Path) -> str:
    return _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
