"""Runs jobs without a service: by the same engine, worker and runner, in a home of its own that is gone afterwards.

::

    HOME/trials/PROCESS/    everything that the trial keeps

Nothing of the installation is changed. The folder of a process that was killed is removed by the next trial.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from index.dataset import Dataset
from index.service import Index
from jobs.engine import Engine
from jobs.errors import PhaseError
from jobs.identity import Identity
from jobs.models import Job
from jobs.settings import Settings
from jobs.uploads import Incoming

LOOK = 0.1
"""Seconds between two looks at the log."""
PIECE = 1 << 16

Sent = tuple[Path, str]
"""A file that is sent as a parameter: where it is, and its content type."""
Tell = Callable[[int, str], None]
"""Told of each line of a task's log, with the task's number."""
TellProgress = Callable[[float, str], None]


@contextmanager
def trial(settings: Settings, scripts: Sequence[Path] = (), *, keep: bool = False) -> Iterator[Engine]:
    """Give an engine that runs, with an empty index and no jobs, in a home of its own.

    :param scripts: folders of scripts besides those of the settings.
    :param keep: leave the home, working folders included, where it is.
    """
    trials = settings.folder / "trials"
    clear(trials)
    folder = trials / ("kept" if keep else str(Identity.of()).replace("/", ","))
    home = next(path for number in count(1) if not (path := folder / str(number)).exists())
    own = {"home": home, "scripts": ":".join((settings.scripts, *map(str, scripts)))}
    embedded = {
        name: None for name in ("database_url", "redis_url", "storage_url") if name in type(settings).model_fields
    }
    engine = Engine(settings.model_copy(update=own | embedded))
    engine.keep_workspaces(keep=keep)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
            for empty in (home.parent, trials):
                if empty.is_dir() and not any(empty.iterdir()):
                    empty.rmdir()


def clear(trials: Path) -> None:
    """Remove what processes of this machine left behind that are no more."""
    for path in trials.iterdir() if trials.is_dir() else ():
        if path.name != "kept":
            process = Identity.parse(path.name.replace(",", "/"))
            if process.local and not process.alive:
                shutil.rmtree(path, ignore_errors=True)


class _Copied:
    """A dataset of one index as another index takes it."""

    def __init__(self, dataset: Dataset, index: Index, place: Callable[[Path], Path]) -> None:
        self._dataset = dataset
        self.coverage = index.coverage(dataset.id)
        self.files = [(file.kind, place(file.path), file.content_type) for file in dataset.files]

    def __getattr__(self, name: str) -> object:
        return getattr(self._dataset, name)


def copy_datasets(
    source: Index, ids: Iterable[str], target: Index, place: Callable[[Path], Path] = lambda path: path
) -> None:
    """Add datasets of one index to another; their files stay where they are.

    :param place: gives where the other index finds a file.
    :raises UnknownDatasetError: the first has none of that id.
    :raises DatasetIdError: that is no id.
    """
    target.add(_Copied(source.get(source.short_id(id_)), source, place) for id_ in ids)  # type: ignore[misc]


def run(
    engine: Engine,
    script: str,
    parameters: Sequence[tuple[str, str]],
    *,
    files: Mapping[str, Sent] | None = None,
    again: Job | None = None,
    log: Tell = lambda _task, _line: None,
    progress: TellProgress = lambda _done, _text: None,
    seconds: float = math.inf,
) -> Job:
    """Run a job to its end and return it.

    :param files: the files to send, by the names of their parameters.
    :param again: the job to make once more: the same id and instant of creation.
    :param seconds: after which it is aborted.
    :raises ParameterError: a value is not allowed.
    :raises RequestError: the values do not go together.
    """
    with engine.jobs.inbox() as inbox:
        sent: dict[str, Incoming] = {}
        for name, (path, content_type) in (files or {}).items():
            writer = inbox.open(content_type)
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    writer.write(piece)
            sent[name] = writer.close()
        job = engine.jobs.create(script, parameters, run=True, files=sent, again=again)
    limit = time.monotonic() + seconds
    follower, told, pause = _Follower(engine, script, job.id, log), (-1.0, ""), threading.Event()
    while True:
        job = engine.jobs.get(script, job.id)  # before its logs: what a script says last is not missed
        follower.read(job)
        said = (job.progress, next((task.message for task in job.tasks if task.message and not task.ended), ""))
        if said != told and job.tasks:
            told = said
            progress(*said)
        if not job.active:
            follower.end()
            return job
        if time.monotonic() > limit:
            with suppress(PhaseError):  # it has just ended
                engine.jobs.abort(script, job.id)
        pause.wait(LOOK)


class _Follower:
    """Tells of each line of the logs of a job's tasks, once."""

    def __init__(self, engine: Engine, script: str, job_id: str, tell: Tell) -> None:
        self._engine = engine
        self._job = script, job_id
        self._tell = tell
        self._offsets: dict[int, int] = {}
        self._rests: dict[int, bytes] = {}

    def read(self, job: Job) -> None:
        """Tell what has come since the last time."""
        for number in (task.number for task in job.tasks):
            while (chunk := self._engine.jobs.log(*self._job, number, self._offsets.get(number, 0), PIECE)).data:
                self._offsets[number] = chunk.next
                *lines, self._rests[number] = (self._rests.get(number, b"") + chunk.data).split(b"\n")
                for line in lines:
                    self._tell(number, line.decode(errors="replace"))

    def end(self) -> None:
        """Tell of the last lines that do not end."""
        for number, rest in self._rests.items():
            if rest:
                self._tell(number, rest.decode(errors="replace"))
