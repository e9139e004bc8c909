"""The jobs as JSON: the same model as the UWS documents, with each task and product.

Instants are texts as in UWS, or null. The schemas in ``/openapi.json`` are made of these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from jobs import models
from jobs.phases import Phase
from uws.addresses import Addresses
from uws.times import format_instant

Instant = Annotated[
    datetime,
    PlainSerializer(format_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Address = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Parameter(_Model):
    """A parameter as it was given; a repeated parameter is repeated."""

    name: str
    value: str


class File(_Model):
    """A file that was sent as the value of a parameter."""

    name: str
    address: Address
    content_type: str
    size: int
    """In bytes."""
    checksum: str
    """SHA-256, hexadecimal."""


class Task(_Model):
    """A job's work on one dataset."""

    number: int
    """From 1 up."""
    dataset: str | None
    """The short id of the dataset."""
    phase: Phase
    attempt: int
    """How many times a worker has been asked to do it."""
    progress: float
    """From 0 to 1."""
    message: str
    """What the script said last, or why the task failed."""
    cpu_seconds: float
    """What all its processes took together."""
    peak_memory: int
    """Bytes that its largest process had in memory."""
    bytes_read: int
    """Bytes that its processes read from files and pipes."""
    bytes_written: int
    """Bytes that they wrote."""
    started: Instant | None
    ended: Instant | None
    log: Address
    """Where its log can be followed."""


class Product(_Model):
    """A file that a task handed back."""

    name: str
    """Unique in the job, and the id of the UWS result."""
    task: int
    """The number of the task that made it."""
    dataset: str | None
    address: Address
    content_type: str
    size: int
    """In bytes."""
    checksum: str
    """SHA-256, hexadecimal."""
    description: str


class JobRef(_Model):
    """What the job list says of a job."""

    id: str
    script: str
    address: Address
    """The UWS job."""
    phase: Phase
    run_id: str | None
    """What the client calls the job."""
    owner: str | None
    """Who made it; null for anybody."""
    created: Instant


class JobList(_Model):
    """Jobs, newest first."""

    jobs: list[JobRef]


class Job(JobRef):
    """All that is known of a job."""

    started: Instant | None
    ended: Instant | None
    execution_duration: int
    """Seconds that the job may take."""
    destruction: Instant | None
    """When the job is forgotten."""
    quote: Instant | None
    """When the job is expected to be complete; null where nobody knows."""
    error: str | None
    """Why the job failed; null unless its phase is ERROR."""
    version: int
    """Grows with every change."""
    progress: float
    """From 0 to 1, the mean of the tasks."""
    results: Address
    """The UWS result list."""
    parameters: list[Parameter | File]
    tasks: list[Task]
    products: list[Product]


class Estimate(_Model):
    """What a job would be that has not been made."""

    tasks: int
    seconds: float | None
    """Until its end if it were run now; null if nobody knows."""


class Error(_Model):
    """What went wrong."""

    error: str
    """A sentence that says what was given and what is allowed."""


def of_ref(ref: models.JobRef, addresses: Addresses) -> JobRef:
    """Return what the job list says of a job."""
    return JobRef(
        id=ref.id,
        script=ref.script,
        address=addresses.job(ref.script, ref.id),
        phase=ref.phase,
        run_id=ref.run_id,
        owner=ref.owner,
        created=ref.created,
    )


def of_job(job: models.Job, addresses: Addresses) -> Job:
    """Return all that is known of a job."""
    return Job(
        **dict(of_ref(job, addresses)),
        started=job.started,
        ended=job.ended,
        execution_duration=job.duration,
        destruction=job.destruction,
        quote=job.quote,
        error=job.error,
        version=job.version,
        progress=round(job.progress, 4),
        results=addresses.job(job.script, job.id, "results"),
        parameters=[_parameter(parameter, job, addresses) for parameter in job.parameters],
        tasks=[of_task(task, addresses) for task in job.tasks],
        products=[of_product(product, job, addresses) for product in job.products],
    )


def _parameter(parameter: models.Parameter, job: models.Job, addresses: Addresses) -> Parameter | File:
    upload = parameter.upload
    if upload is None:
        return Parameter(name=parameter.name, value=parameter.value)
    return File(
        name=parameter.name,
        address=addresses.job(job.script, job.id, "parameters", parameter.name),
        content_type=upload.content_type,
        size=upload.size,
        checksum=upload.checksum,
    )


def of_task(task: models.Task, addresses: Addresses) -> Task:
    """Return the state of a task."""
    return Task(
        number=task.number,
        dataset=task.dataset,
        phase=task.phase,
        attempt=task.attempt,
        progress=round(task.progress, 4),
        message=task.message,
        cpu_seconds=round(task.usage.cpu, 3),
        peak_memory=task.usage.memory,
        bytes_read=task.usage.read,
        bytes_written=task.usage.written,
        started=task.started,
        ended=task.ended,
        log=addresses.log(task.job_id, task.number),
    )


def of_product(product: models.Product, job: models.Job, addresses: Addresses) -> Product:
    """Return what is known of a product."""
    return Product(
        name=product.name,
        task=product.task,
        dataset=product.dataset,
        address=addresses.result(job.script, job.id, product.name),
        content_type=product.content_type,
        size=product.size,
        checksum=product.checksum,
        description=product.description,
    )
