"""A script's side of the contract where one task has all datasets of the job (``scope = "job"``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from scripts.epic import task
from scripts.epic.errors import ScienceError
from scripts.epic.task import Parameters, Task


@dataclass(frozen=True)
class Part:
    """A dataset of the job and what a task of its own has made of it, if there was one."""

    name: str
    """The dataset's id."""
    task: Task
    folder: Path | None = None
    """What its task wrote."""
    failure: str = ""
    """Why its task failed."""


def read(path: Path = Path("task.json")) -> list[Part]:
    """Read the task in the working folder, in the order of the datasets.

    :raises ScienceError: there is none, or it names no dataset.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScienceError(f"The task description {path} cannot be read: {error}") from error
    if not raw.get("datasets"):
        raise ScienceError("This script needs at least one dataset, the task names none.")
    made = {str(part["dataset"]): part for part in raw.get("parts") or ()}
    parts = []
    for dataset in raw["datasets"]:
        names = [str(dataset.get(key)) for key in ("obs_id", "camera", "exposure_id") if dataset.get(key)]
        name = "/".join(names) if len(names) == 3 else str(dataset["id"])
        part = made.get(str(dataset["id"])) or made.get(name) or {}
        parts.append(
            Part(
                name,
                Task(
                    slug=re.sub(r"[^A-Za-z0-9.-]+", "_", name),
                    dataset=dataset,
                    region=raw.get("region"),
                    parameters=Parameters(raw.get("parameters", {})),
                ),
                Path(part["folder"]) if part.get("folder") else None,
                str(part.get("message") or "its task failed") if part.get("failed") else "",
            )
        )
    return parts


def run(main: Callable[[list[Part]], None]) -> NoReturn:
    """Run a script's ``main`` on all datasets and end; whatever happens, the last line of stderr is a sentence."""
    task.guard(lambda: main(read()))
    task.leave()


def each(parts: list[Part], text: str) -> Iterator[Part]:
    """Yield the parts and tell the progress of going through them, up to 0.8."""
    for i, part in enumerate(parts):
        task.progress(0.8 * i / len(parts), f"{text} {part.name} ({i + 1} of {len(parts)})")
        yield part
