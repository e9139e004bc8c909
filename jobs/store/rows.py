"""What the rows of jobs, tasks and parameters stand for; instants, and the ids of jobs.

Instants are integers, milliseconds since 1970 in UTC: the precision that is printed is the precision stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    bindparam,
    insert,
    literal_column,
    select,
)

from jobs.errors import NotFoundError
from jobs.models import Parameter, Task, Upload, Usage
from jobs.phases import Phase
from jobs.tables import job, parameter, product, task


def now() -> int:
    """Return the present instant in milliseconds."""
    return to_ms(datetime.now(UTC))


def to_ms(moment: datetime) -> int:
    """Turn an aware datetime into milliseconds."""
    return int(moment.timestamp() * 1000 + 0.5)


def instant(ms: int) -> datetime:
    """Turn milliseconds into an aware datetime in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def from_ms(ms: int | None) -> datetime | None:
    """The same, where there may be none."""
    return None if ms is None else instant(ms)


PAGE = 1000
"""Rows that are read at once."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_id() -> str:
    """Return a job id that cannot be guessed (100 bits) and is easy to read aloud."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


PHASES = {phase.value: phase for phase in Phase}

# Statements that are made over and over are built once: building one takes longer than having it done.
KEY: BindParameter[str] = bindparam("key")
JOB = select(job).where(job.c.id == KEY)
PARAMETERS = select(parameter).where(parameter.c.job_id == KEY).order_by(parameter.c.id)
TASKS = select(task).where(task.c.job_id == KEY).order_by(task.c.number)
PRODUCTS = select(product).where(product.c.job_id == KEY).order_by(product.c.task, product.c.name)

# As a literal: the indexes of what waits are used for no bound value.
WAITING = task.c.phase == literal_column("'QUEUED'")


_OF_UPLOAD = ("content_type", "size", "checksum", "key")


def insert_parameters(connection: Connection, job_id: str, parameters: Sequence[Parameter]) -> None:
    """Write down the parameters of a job."""
    if parameters:
        rows = [
            {"job_id": job_id, "name": item.name, "value": item.value}
            | {name: getattr(item.upload, name, None) for name in _OF_UPLOAD}
            for item in parameters
        ]
        connection.execute(insert(parameter), rows)


def to_parameter(row: Row[Any]) -> Parameter:
    """Return the parameter that a row stands for."""
    upload = None if row.key is None else Upload(**{name: row._mapping[name] for name in _OF_UPLOAD})
    return Parameter(row.name, row.value, upload)


def ref_fields(row: Row[Any]) -> dict[str, Any]:
    """Return what all that is told of a job begins with."""
    return {
        "id": row.id,
        "script": row.script,
        "phase": Phase(row.phase),
        "run_id": row.run_id,
        "owner": row.owner,
        "created": from_ms(row.created),
    }


def to_task(row: Row[Any]) -> Task:
    """Return the task that a row stands for."""
    return Task(
        id=row.id,
        job_id=row.job_id,
        number=row.number,
        datasets=tuple(row.datasets.split()),
        phase=Phase(row.phase),
        attempt=row.attempt,
        progress=row.progress,
        message=row.message,
        started=from_ms(row.started),
        ended=from_ms(row.ended),
        usage=Usage(row.cpu, row.memory, row.bytes_read, row.bytes_written),
        role=row.role,
    )


def either(phases: Collection[Phase]) -> str:
    """Name phases one of which is wanted."""
    return " or ".join(sorted(phases)) if phases else "no phase"


def unknown(job_id: str) -> NotFoundError:
    """Return what is raised where a job is not there."""
    return NotFoundError(f"There is no job {job_id}.")
