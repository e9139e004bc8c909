"""What can be done with jobs: the one door of ``jobs`` for everything above it.

Every call takes the script's name besides the job's id: a job is a child of its script's job list, and is not found
anywhere else; ``state`` alone finds out whose child it is. All calls block for the time of a few SQL statements and
may come from any thread; ``watch`` alone belongs to an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from index.errors import CoverageError, DatabaseError
from index.service import Index
from jobs.changes import Changes, Watch
from jobs.descriptor import Script
from jobs.errors import LimitError, NotFoundError, ParameterError, PhaseError, RequestError
from jobs.models import Census, Job, JobRef, JobState, Line, Parameter, Product, Task, Upload
from jobs.phases import FINAL, Phase
from jobs.queue import Queue
from jobs.quote import Foreseen, Quotes
from jobs.record import Record
from jobs.registry import Registry
from jobs.settings import Settings
from jobs.storage import Content, Storage
from jobs.store import JobStore, StaleError, new_id
from jobs.uploads import Inbox, Inboxes, Incoming
from jobs.validator import canonical, check, select

MAX_RUN_ID = 64
"""Characters in a RUNID (DALI 1.1, section 3.4.6)."""


@dataclass(frozen=True)
class LogChunk:
    """A piece of a task's log."""

    data: bytes
    next: int
    """The offset at which the next piece begins."""
    ended: bool
    """Whether nothing will follow it."""


@dataclass(frozen=True)
class Check:
    """Whether one part of the service is well."""

    name: str
    ok: bool
    message: str
    figures: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """What was measured for it: for each name a description and the value."""


class Jobs:
    """The jobs of this installation."""

    def __init__(
        self,
        store: JobStore,
        registry: Registry,
        index: Index,
        queue: Queue,
        storage: Storage,
        changes: Changes,
        settings: Settings,
        inboxes: Inboxes,
        slots: Callable[[], int],
        checks: Sequence[Callable[[], Check]] = (),
    ) -> None:
        self.scripts = registry
        self._store = store
        self._index = index
        self._queue = queue
        self._storage = storage
        self._changes = changes
        self._settings = settings
        self._inboxes = inboxes
        self._slots = slots
        self._quotes = Quotes(store, slots)
        self._checks = checks

    # ------------------------------------------------------------------ reading

    def get(self, script: str, job_id: str) -> Job:
        """Return a job.

        :raises NotFoundError: the script has no such job.
        """
        job = self._store.get(job_id)
        if job.script != script:
            raise _unknown(script, job_id)
        quote = self._quotes.of(job)
        return job if quote is None else replace(job, quote=quote)

    @property
    def quick(self) -> bool:
        """Whether ``state`` and ``revision`` answer without waiting for anybody, so that an event loop may ask."""
        return self._store.database.quick

    def revision(self) -> str:
        """Name the state of all jobs as this process sees them: another name after each change of any."""
        return self._store.database.revision()

    def state(self, script: str | None, job_id: str) -> JobState:
        """Return a job's script, phase, version, owner and run id.

        :param script: the script whose job it must be; None finds it under any.
        :raises NotFoundError: the script has no such job.
        """
        state = self._store.state(job_id)
        if script is not None and state.script != script:
            raise _unknown(script, job_id)
        return state

    def refs(
        self,
        script: str | None = None,
        *,
        phases: Collection[Phase] = (),
        after: datetime | None = None,
        last: int | None = None,
        owners: Collection[str | None] | None = None,
        run_id: str | None = None,
    ) -> Iterator[JobRef]:
        """Yield the jobs that pass all filters, newest first.

        :param owners: whose jobs, with None for anonymous ones; None alone for everybody's.
        :param run_id: those with this run id alone.
        :raises NotFoundError: there is no such script.
        """
        if script is not None:
            self.scripts.get(script)
        return self._store.refs(script, phases, after, last, owners, run_id)

    def watch(self, job_id: str) -> AbstractContextManager[asyncio.Event]:
        """Give an event of the running loop that is set soon after each change of a job, by whatever process.

        Whoever waits for it holds neither a thread nor a connection. Look at the job only after entering.
        """
        return self._changes.watch(job_id)

    def on_change(self, job_id: str, act: Callable[[], None]) -> Watch:
        """Give a context within which something is done in the running loop soon after each change of a job.

        It costs less than an event and the task that would wait for it.
        """
        return Watch(self._changes, job_id, act)

    def let_go(self) -> None:
        """Set the events of all who watch, for good: the service is about to stop."""
        self._changes.close()

    @property
    def closing(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._changes.closed

    def log(self, script: str, job_id: str, number: int, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """Return the piece of a task's log that begins at byte ``offset``, at most ``limit`` bytes.

        :param offset: below 0, counted from the end of the log as it is now.
        :raises NotFoundError: there is no such job or task.
        """
        task = self._task(script, job_id, number)
        if offset < 0:
            offset = max(0, self._storage.log_size(job_id, number) + offset)
        data = self._storage.read_log(job_id, number, offset, limit)
        ended = task.phase in FINAL and offset + len(data) >= self._storage.log_size(job_id, number)
        return LogChunk(data, offset + len(data), ended)

    def log_end(self, job_id: str, number: int, offset: int | None, most: int, tail: int) -> tuple[int, bytes]:
        """Return what is new in a task's log, without a look at the job: where it begins, and the bytes.

        :param offset: what is known of it already; None for all but its end.
        :param most: the most bytes that are wanted; of more, only the whole lines in the last ``tail`` are.
        :raises StorageError: it cannot be had now.
        """
        size = self._storage.log_size(job_id, number)
        if offset is not None and size <= offset + most:
            return offset, self._storage.read_log(job_id, number, offset, most) if size > offset else b""
        begin = max(0, size - tail)
        data = self._storage.read_log(job_id, number, begin, tail)
        # The first line, of which the beginning is missing, is left out; but not all there is.
        missing = data.find(b"\n", 0, -1) + 1 if begin else 0
        return begin + missing, data[missing:]

    def log_size(self, job_id: str, number: int) -> int:
        """Return the size of a task's log in bytes."""
        return self._storage.log_size(job_id, number)

    def _task(self, script: str, job_id: str, number: int) -> Task:
        for task in self.get(script, job_id).tasks:
            if task.number == number:
                return task
        raise NotFoundError(f"The job {job_id} has no task {number}.")

    def product(self, script: str, job_id: str, name: str) -> tuple[Product, Content]:
        """Return a product and its content.

        :raises NotFoundError: there is no such job or product.
        :raises StorageError: it cannot be had now.
        """
        for product in self.get(script, job_id).products:
            if product.name == name and (content := self._storage.open(product.key)) is not None:
                return product, content
        raise NotFoundError(f"The job {job_id} has no result {name}.")

    def records(self, script: str, job_id: str) -> dict[int, Record]:
        """Return what each completed task of a job really used, by its number.

        :raises NotFoundError: the script has no such job.
        """
        self.state(script, job_id)
        return {number: Record.of(text) for number, text in self._store.records(job_id).items()}

    def upload(self, script: str, job_id: str, name: str) -> tuple[Upload, Content] | None:
        """Return the file that was sent as a parameter and its content; None if it is no file.

        :raises NotFoundError: there is no such job or parameter, or the file went with the destruction of the job.
        :raises StorageError: it cannot be had now.
        """
        given = [item for item in self.get(script, job_id).parameters if item.name.upper() == name.upper()]
        if not given:
            raise NotFoundError(f"The job {job_id} has no parameter {name}.")
        if (upload := given[0].upload) is None:
            return None
        content = self._storage.open(upload.key)
        if content is None:
            raise NotFoundError(f"The file that was sent as {name} is not there any more.")
        return upload, content

    def inbox(self) -> Inbox:
        """Return a place for the files of one request, to be closed with the request."""
        return self._inboxes.open()

    def health(self) -> list[Check]:
        """Look at each part of the service."""
        return [check() for check in self._checks]

    def lost_products(self, count: int) -> tuple[list[str], int]:
        """Look for the newest products where they should lie; return those that do not, and how many were looked at."""
        keys = self._store.newest_products(count)
        return [key for key in keys if self._storage.open(key) is None], len(keys)

    @property
    def files_folder(self) -> Path | None:
        """The folder in which the files of jobs are kept; None if they are in a bucket."""
        return self._storage.folder

    def slots(self) -> int:
        """Return how many tasks all workers that live do at once."""
        return self._slots()

    def counts(self) -> dict[Phase, int]:
        """Return how many jobs are in each phase."""
        return self._store.counts()

    def census(self) -> Census:
        """Count the jobs, and the tasks that wait and run in each resource class, also where there are none.

        :raises DatabaseError: the database does not answer.
        """
        counted = self._store.census()
        empty = {name: Line() for name in self.scripts.queues()}
        return Census(counted.jobs, {**empty, **counted.queues})

    def foresee(self, script: str, parameters: Sequence[tuple[str, str]]) -> Foreseen:
        """Return how many tasks a job with these parameters would have, and how long it would take.

        :raises NotFoundError: there is no such script.
        :raises ParameterError: a value is not allowed.
        :raises RequestError: there is nothing that it could work on.
        """
        found = self.scripts.get(script)
        work = select(found, check(found, canonical(found, parameters), self._index), self._index)
        return self._quotes.foresee(script, len(work))

    # ------------------------------------------------------------------ changing

    def create(self, script: str, parameters: Sequence[tuple[str, str]], *, run: bool = False, **further: Any) -> Job:
        """Make a job as :meth:`make` does, and return all there is of it."""
        return self._store.get(self.make(script, parameters, run=run, **further).id)

    def make(
        self,
        script: str,
        parameters: Sequence[tuple[str, str]],
        *,
        run: bool = False,
        run_id: str | None = None,
        owner: str | None = None,
        duration: int | None = None,
        destruction: datetime | None = None,
        files: Mapping[str, Incoming] | None = None,
        again: Job | None = None,
    ) -> JobRef:
        """Make a job, and run it if told to; return it as it was then.

        :param again: a job of another installation that is made once more: with the same id and instant of creation.

        :param files: the files that came with the request, by the names of their parameters.
        :param duration: the executionDuration in seconds; cut to the largest allowed.
        :param destruction: when it is to be forgotten; cut to the latest allowed.
        :raises NotFoundError: there is no such script.
        :raises ParameterError: a value is not allowed; no job is made.
        :raises RequestError: the values do not go together; no job is made.
        """
        self._require_room()
        self.scripts.require_on(script)
        found = self.scripts.get(script)
        given = canonical(found, parameters)
        check(found, [*given, *_uploads(files)], self._index)
        run_id, duration, until = _run_id(run_id), self._duration(duration), self._destruction(destruction)
        job_id = again.id if again else new_id()
        made = again.created if again else datetime.now(UTC)
        tasks: list[str] = []
        with self._kept(job_id, files) as uploads:
            given += uploads
            work = self._select(found, given) if run else ()
            with self._store.together(job_id):
                self._store.create(
                    script,
                    given,
                    run_id=run_id,
                    owner=owner,
                    duration=duration,
                    destruction=until,
                    job_id=job_id,
                    created=made,
                )
                if run:
                    tasks = self._queue_tasks(found, job_id, work)
        self._queue.wake(found.resource, len(tasks))
        phase = (Phase.ERROR if isinstance(work, str) else Phase.QUEUED) if run else Phase.PENDING
        return JobRef(job_id, script, phase, run_id, owner, made)

    def set_parameters(
        self,
        script: str,
        job_id: str,
        parameters: Sequence[tuple[str, str]],
        *,
        run_id: str | None = None,
        files: Mapping[str, Incoming] | None = None,
    ) -> None:
        """Set parameters of a PENDING job: each replaces all values of its name, the others stay.

        :param run_id: the new run id; an empty one removes it, None leaves it.
        :param files: as for :meth:`create`.
        :raises PhaseError: the job is not PENDING any more.
        :raises ParameterError: a value is not allowed; nothing at all is changed.
        """
        found = self.scripts.get(script)
        _run_id(run_id)
        self._merged(found, job_id, parameters, _uploads(files))  # what is wrong is said before a file is moved
        with self._kept(job_id, files) as uploads:
            while True:
                job, merged = self._merged(found, job_id, parameters, uploads)
                with suppress(StaleError):  # somebody else has set others meanwhile: keep those too
                    self._store.set_parameters(job_id, merged, job.version, run_id)
                    break
        for item in job.parameters:
            if item.upload and item not in merged:
                self._storage.drop(item.upload.key)

    def _merged(
        self, script: Script, job_id: str, parameters: Sequence[tuple[str, str]], uploads: Sequence[Parameter]
    ) -> tuple[Job, list[Parameter]]:
        """Return a PENDING job and what its parameters are to be, checked."""
        job = self.get(script.name, job_id)
        if job.phase is not Phase.PENDING:
            raise PhaseError(
                f"The job {job_id} is {job.phase}; its parameters can be changed only while it is PENDING."
            )
        names = {name.upper() for name in [*(name for name, _ in parameters), *(item.name for item in uploads)]}
        before = [item for item in job.parameters if item.name.upper() not in names]
        given = canonical(script, [*((item.name, item.value) for item in before if not item.upload), *parameters])
        merged = [*given, *(item for item in before if item.upload), *uploads]
        check(script, merged, self._index)
        return job, merged

    @contextmanager
    def _kept(self, job_id: str, files: Mapping[str, Incoming] | None) -> Iterator[list[Parameter]]:
        """Keep files with a job, but not if the block fails; give the parameters that stand for them."""
        uploads: list[Parameter] = []
        try:
            for name, file in (files or {}).items():
                uploads.append(_upload(name, file, self._storage.keep(job_id, file.path)))
            yield uploads
        except BaseException:
            for item in uploads:
                if item.upload:
                    self._storage.drop(item.upload.key)
            raise

    def set_duration(self, script: str, job_id: str, seconds: int) -> None:
        """Set the executionDuration in seconds; 0 asks for no limit. It is cut to the largest allowed."""
        self.state(script, job_id)
        self._store.set_duration(job_id, self._duration(seconds))

    def set_destruction(self, script: str, job_id: str, instant: datetime) -> None:
        """Set when the job is to be forgotten; it is cut to the latest allowed.

        :raises ParameterError: the instant is past.
        """
        self.state(script, job_id)
        self._store.set_destruction(job_id, self._destruction(instant))

    def run(self, script: str, job_id: str) -> None:
        """Run a PENDING job: when this returns it is QUEUED, or in ERROR if there is nothing it could work on.

        :raises PhaseError: the job is not PENDING any more.
        """
        found = self.scripts.get(script)
        self.get(script, job_id)
        self.scripts.require_on(script)
        self._require_room()
        self._run(found, job_id)

    def _require_room(self) -> None:
        """Accept nothing once the disk is nearly full: what runs is to find room for its products.

        :raises LimitError: it is.
        """
        if self._storage.free() < self._settings.min_free:
            raise LimitError("The disk of the service is nearly full, and it accepts no work; please try again later.")

    def _run(self, script: Script, job_id: str) -> None:
        while True:
            job = self._store.get(job_id)
            if job.phase is not Phase.PENDING:
                raise PhaseError(f"The job {job_id} is {job.phase}; it can be run only while it is PENDING.")
            with suppress(StaleError):  # its parameters may be others now, and with them the datasets
                tasks = self._queue_tasks(script, job_id, self._select(script, job.parameters), job.version)
                self._queue.wake(script.resource, len(tasks))
                return

    def _select(self, script: Script, parameters: Sequence[Parameter]) -> Sequence[Sequence[str]] | str:
        """Return the datasets of each task that a job is to have, or why it cannot be run."""
        try:
            return select(script, check(script, parameters, self._index), self._index)
        except DatabaseError:
            raise
        except (RequestError, CoverageError) as error:
            return str(error)

    def _queue_tasks(
        self, script: Script, job_id: str, work: Sequence[Sequence[str]] | str, version: int | None = None
    ) -> list[str]:
        """Move a PENDING job to QUEUED and return its tasks, or to ERROR if it cannot be run."""
        if isinstance(work, str):
            self._store.fail(job_id, work, version=version)
            return []
        return self._store.queue(job_id, work, script.resource, version, gather=bool(script.each))

    def abort(self, script: str, job_id: str, reason: str = "The job was aborted by its user.") -> None:
        """Abort a job that has not ended; its scripts are stopped within a second.

        :raises PhaseError: the job has ended already.
        """
        self.state(script, job_id)
        self._store.abort(job_id, reason)

    def delete(self, script: str, job_id: str) -> None:
        """Forget a job; its scripts are stopped within a second, its files are removed."""
        self.state(script, job_id)
        self._store.delete(job_id)
        self._storage.forget(job_id)

    def _duration(self, seconds: int | None) -> int:
        limit = self._settings.duration_max
        if seconds is None:
            return self._settings.duration
        if seconds < 0:
            raise ParameterError("EXECUTIONDURATION", seconds, "a whole number of seconds is wanted, 0 or more.")
        return min(seconds, limit) if seconds else limit

    def _destruction(self, instant: datetime | None) -> datetime:
        now = datetime.now(UTC)
        if instant is None:
            return now + timedelta(seconds=self._settings.retention)
        if instant <= now:
            raise ParameterError("DESTRUCTION", f"{instant:%Y-%m-%dT%H:%M:%SZ}", "an instant in the future is wanted.")
        return min(instant, now + timedelta(seconds=self._settings.retention_max))


def _uploads(files: Mapping[str, Incoming] | None) -> list[Parameter]:
    """Return the parameters that stand for files that are not kept yet."""
    return [_upload(name, file, "") for name, file in (files or {}).items()]


def _upload(name: str, file: Incoming, key: str) -> Parameter:
    return Parameter(name.upper(), "", Upload(file.content_type, file.size, file.checksum, key))


def _run_id(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) > MAX_RUN_ID or not text.isprintable():
        raise ParameterError("RUNID", text, f"at most {MAX_RUN_ID} printable characters are taken.")
    return text


def _unknown(script: str, job_id: str) -> NotFoundError:
    return NotFoundError(f"The script {script} has no job {job_id}.")
