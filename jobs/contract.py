"""The script contract: what a program finds in its working folder and its environment, and how it is started.

Whoever runs a script, the worker or a command line without a server, runs it through this. Nothing here depends on
the clock or on the machine, but the paths: the same task is described in the same words each time, so that a script
can make the same bytes of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index.dataset import Dataset
from jobs.descriptor import SEARCH_PATH, Script, slug
from jobs.models import Part, Task
from jobs.validator import Values

CONTRACT = 1
"""The version of the script contract, as told in task.json."""
REGION = "region.fits"
"""The region of the job as a MOC, in the working folder."""


def describe(
    task: Task, created: datetime, values: Values, datasets: Sequence[Dataset], parts: Sequence[Part] | None = None
) -> dict[str, Any]:
    """Return the content of task.json.

    :param created: when the job was made: the one instant that a product may tell of.
    :param parts: what there is to gather, for the task that does.
    """
    region = None if values.region is None else {**values.region.as_dict(), "moc": REGION}
    return {
        "contract": CONTRACT,
        "job": task.job_id,
        "task": task.number,
        "attempt": task.attempt,
        "date": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "dataset_slug": slug(task.dataset, task.number),
        "parameters": values.values,
        "region": region,
        "datasets": [_dataset(dataset) for dataset in datasets],
        **({} if parts is None else {"parts": [_part(part) for part in parts]}),
    }


def part_folder(part: Part) -> str:
    """Return where the gather task finds what a part handed on, from its working folder."""
    return f"parts/{part.task}"


def _part(part: Part) -> dict[str, Any]:
    return {
        "dataset": part.dataset,
        "task": part.task,
        "folder": None if part.failed else part_folder(part),
        "failed": part.failed,
        "message": part.message,
    }


def write(description: dict[str, Any], values: Values, workspace: Path) -> None:
    """Write task.json and the region's MOC into a working folder."""
    # One name on each line, for scripts in languages that have no reader of JSON.
    (workspace / "task.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    if values.region is not None:
        values.region.moc().save(workspace / REGION, format="fits")


def _dataset(dataset: Dataset) -> dict[str, Any]:
    fields = asdict(dataset)
    fields["added"] = dataset.added.isoformat()
    fields["files"] = [{**asdict(file), "path": str(file.path)} for file in dataset.files]
    return fields


def environment(workspace: Path, created: datetime) -> dict[str, str]:
    """Return all that a script finds in its environment: no credentials, no secrets, nothing of the service's own."""
    return {
        "PATH": SEARCH_PATH,
        "HOME": str(workspace),
        "TMPDIR": str(workspace),
        "LANG": "C.UTF-8",
        # Programs that write a date into their files take this one (reproducible-builds.org): the date in task.json.
        "SOURCE_DATE_EPOCH": str(int(created.timestamp())),
        "PYTHONUNBUFFERED": "1",  # the log is watched while it grows
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # the order of sets is that of the run before
        # One task, one core: the service decides how many tasks run at once.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Memory that arrays gave back is used again (glibc): clearing new pages takes a tenth of a short script.
        "MALLOC_TOP_PAD_": str(64 << 20),
    }


def command(script: Script, role: str = "") -> list[str]:
    """Return the command, with its program and arguments found in the script's folder where they are there.

    :param role: that of the task; a ``part`` runs what the descriptor has for each dataset.
    """
    program, *arguments = (
        str(script.folder / part) if (script.folder / part).is_file() else part
        for part in (script.each if role == "part" else script.command)
    )
    return [sys.executable if program == "python" else program, *arguments]
