"""What the store hands out: jobs, tasks and products as plain frozen values.

All instants are aware datetimes in UTC with whole milliseconds: what is printed is what is stored, so that
``AFTER=<creationTime>`` never returns the job it was read from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from jobs.phases import ACTIVE, Phase


@dataclass(frozen=True)
class Upload:
    """A file that was sent as the value of a parameter."""

    content_type: str
    size: int
    """In bytes."""
    checksum: str
    """The SHA-256 of the file, in hexadecimal."""
    key: str
    """Where the storage keeps it."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a job as its creator gave it; a repeated parameter is repeated."""

    name: str
    value: str
    """The text; empty for a file."""
    upload: Upload | None = None


@dataclass(frozen=True)
class Usage:
    """What the processes of a script took."""

    cpu: float = 0.0
    """Seconds of user and system time of all processes together, ended attempts included."""
    memory: int = 0
    """Bytes that the largest single process had in memory at its peak."""
    read: int = 0
    """Bytes that all processes together read from files and pipes."""
    written: int = 0
    """Bytes that they wrote."""

    def __add__(self, other: Usage) -> Usage:
        """Return what both took: times and bytes add up, the larger peak counts."""
        return Usage(
            self.cpu + other.cpu,
            max(self.memory, other.memory),
            self.read + other.read,
            self.written + other.written,
        )


NOTHING = Usage()


@dataclass(frozen=True)
class Task:
    """A job's work on one dataset; or all of its work, for a script that takes all datasets at once or none."""

    id: str
    job_id: str
    number: int
    """From 1 up, in the order of the datasets."""
    datasets: tuple[str, ...]
    """The short ids of its datasets: one, none, or with ``scope = "job"`` all of the job's."""
    phase: Phase
    attempt: int
    """How many times a worker has been asked to do it; products belong to one attempt."""
    progress: float
    """From 0 to 1, as the script reports it."""
    message: str
    """What the script said with its last progress, or why the task failed."""
    started: datetime | None
    ended: datetime | None
    usage: Usage = NOTHING
    role: str = ""
    """``part`` of a job whose last task, ``gather``, gets what the parts wrote; empty in other jobs."""

    @property
    def dataset(self) -> str | None:
        """The one dataset it works on; None if that is none or several."""
        return self.datasets[0] if len(self.datasets) == 1 else None


@dataclass(frozen=True)
class Part:
    """What the gather task of a job is told of a part."""

    task: int
    attempt: int
    dataset: str | None
    failed: bool
    message: str
    """Why it failed, or what its script said last."""
    files: tuple[tuple[str, str], ...] = ()
    """Name of each file that it handed on, and where the storage keeps it."""


@dataclass(frozen=True)
class Product:
    """A file that a task handed back."""

    job_id: str
    task: int
    """The number of the task that made it."""
    dataset: str | None
    name: str
    """The file's name, unique in the job: it is also the id of the UWS result."""
    content_type: str
    size: int
    """In bytes."""
    checksum: str
    """The SHA-256 of the file, in hexadecimal."""
    description: str
    key: str
    """Where the storage keeps it."""


@dataclass(frozen=True)
class JobState:
    """The little of a job that is asked for all the time."""

    script: str
    phase: Phase
    version: int
    owner: str | None
    run_id: str | None = None


@dataclass(frozen=True)
class JobRef:
    """What the job list says of a job."""

    id: str
    script: str
    phase: Phase
    run_id: str | None
    owner: str | None
    created: datetime


@dataclass(frozen=True)
class Job(JobRef):
    """A UWS job with all that hangs on it."""

    started: datetime | None
    ended: datetime | None
    duration: int
    """The executionDuration: wall-clock seconds from the start of the job to the end of its last task."""
    destruction: datetime | None
    quote: datetime | None
    error: str | None
    """The message of the error summary; None unless the phase is ERROR."""
    error_transient: bool
    version: int
    """Grows with every change of the job, its tasks included."""
    parameters: tuple[Parameter, ...] = ()
    tasks: tuple[Task, ...] = field(default=(), repr=False)
    products: tuple[Product, ...] = field(default=(), repr=False)

    @property
    def active(self) -> bool:
        """Whether a change of phase is still to be expected."""
        return self.phase in ACTIVE

    @property
    def progress(self) -> float:
        """From 0 to 1: the mean progress of the tasks."""
        if not self.tasks:
            return 1.0 if self.phase is Phase.COMPLETED else 0.0
        done = (1.0 if task.phase is Phase.COMPLETED else task.progress for task in self.tasks)
        return sum(done) / len(self.tasks)

    @property
    def usage(self) -> Usage:
        """What the tasks took together; the peak is that of the largest process."""
        return sum((task.usage for task in self.tasks), NOTHING)


@dataclass(frozen=True)
class Line:
    """The tasks of one resource class that wait or run."""

    waiting: int = 0
    oldest: datetime | None = None
    """Since when the job waits that has waited longest."""
    running: int = 0


@dataclass(frozen=True)
class Census:
    """How much there is of everything."""

    jobs: Mapping[tuple[str, str], int]
    """By script and phase."""
    queues: Mapping[str, Line]
    """By the name of the resource class."""
