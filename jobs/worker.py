"""Does tasks: claims one, runs its script, keeps the lease, publishes the products.

What happens when the process dies on any line: before the claim the task is QUEUED and will be sent again; after it
the lease runs out (or the next start on this machine sees at once that the process is gone), the script's guardian
has stopped the script, and the task is queued again as a new attempt; products that were already moved but not yet
in SQL belong to the old attempt, which nothing refers to, and are swept away.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from index.dataset import Dataset
from index.errors import CoverageError, DatabaseError
from index.service import Index
from jobs import contract, record
from jobs.checksums import Checksums, sha256
from jobs.combinations import NOTHING, Combinations, missed, tell_apart
from jobs.descriptor import Script
from jobs.errors import AmoraError, ConflictError, NotFoundError, StorageError
from jobs.guardhouse import GuardhouseError
from jobs.identity import Identity
from jobs.inputs import Inputs, NoInputError
from jobs.logs import about
from jobs.meters import FAILURES, TASK_CPU, TASK_SECONDS
from jobs.models import Part, Product
from jobs.native import Made, Native, perform
from jobs.phases import FINAL
from jobs.presence import Presence
from jobs.products import collect, described
from jobs.registry import Registry
from jobs.runner import Outcome, Run
from jobs.sandbox import OWN_PROCESSES, Sandbox
from jobs.settings import Settings
from jobs.storage import ProductError, Storage
from jobs.store import Claim, JobStore
from jobs.validator import Values, check, upload_path

log = logging.getLogger(__name__)

INTERVAL = 0.1
"""Seconds between two looks at whether the task is still wanted."""
LOST = "the worker that ran it was lost"
EXCEEDED = {
    "cpu": "took more processor time than its limit of {} s",
    "memory": "had more in memory than its limit of {} bytes",
    "disk": "wrote more into its working folder than its limit of {} bytes",
    "processes": "ran more processes at once than its limit of {}",
    "log": "printed more than its limit of {} bytes",
}
"""What is said of a script that was stopped for one of its limits."""
RETRY = 1.0
"""Seconds between two tries while the database is away."""

_INTERNAL = "An internal error of the service; its operator finds it in the log."

T = TypeVar("T")


class TaskError(Exception):
    """The task has failed; the message is for the user.

    :param cause: one of :data:`jobs.meters.CAUSES`, for the operator.
    """

    def __init__(self, message: str, cause: str = "script") -> None:
        self.cause = cause
        super().__init__(message)


class Work(NamedTuple):
    """What an attempt at a task starts from."""

    script: Script
    values: Values
    datasets: Sequence[Dataset]


class Worker:
    """Does the tasks of this process, several at once from as many threads."""

    def __init__(
        self,
        store: JobStore,
        registry: Registry,
        index: Index,
        storage: Storage,
        presence: Presence,
        settings: Settings,
        sandbox: Sandbox,
    ) -> None:
        self._store = store
        self._registry = registry
        self._index = index
        self._storage = storage
        self._presence = presence
        self._settings = settings
        self._sandbox = sandbox
        self._inputs = Inputs(settings.folder, settings.input_folder, settings.input_url, settings.cache_max)
        self._checksums = Checksums(store)
        self.identity = Identity.of()
        self.stopping = threading.Event()
        """When it is set, running tasks are stopped and handed back."""

    def work(self, queue: str) -> None:
        """Do tasks, of one resource class first, until none waits any more in those that are done here."""
        names = [queue, *(name for name in self.queues if name != queue)]
        try:
            # With a disk nearly full what runs is to find room; the sweeper calls again.
            while self._may_begin() and (claim := self._insist(lambda: self._claim(names))):
                here = {"job": claim.task.job_id, "task": claim.task.number, "attempt": claim.task.attempt}
                with about(**here), self._presence.keeping(claim):
                    self._attempt(claim)
                if claim.task.role == "gather":
                    self._drop_parts(claim.task.job_id)
                self._tidy_up(claim.task.job_id)
                names.append(names.pop(0))  # they take turns: one that is never empty keeps no other waiting
        except DatabaseError:  # and the service is being stopped: the next one finds the tasks as they are
            log.exception("the work in %s was left", queue)

    def _may_begin(self) -> bool:
        return not self.stopping.is_set() and self._storage.free() >= self._settings.min_free

    @property
    def queues(self) -> list[str]:
        """The resource classes whose tasks are done here."""
        return self._settings.queues.split() or self._registry.queues()

    def _claim(self, names: Sequence[str]) -> Claim | None:
        for name in names:
            if claim := self._store.claim(name, str(self.identity), self._settings.lease):
                return claim
        return None

    def _attempt(self, claim: Claim) -> None:
        """Do a claimed task, and end it or hand it back whatever happens."""
        try:
            self._do(claim)
        except TaskError as error:
            FAILURES.labels(error.cause).inc()
            self._fail(claim, str(error))
        except GuardhouseError:
            log.exception("task %s could not be started", claim.task.id)
            FAILURES.labels("lost").inc()
            self._give_back(claim, LOST, lost=True)
        except DatabaseError:
            log.exception("task %s: the database is away", claim.task.id)
            FAILURES.labels("database").inc()
            self._give_back(claim, "the database was away", lost=True)
        except StorageError:
            log.exception("task %s: the storage is away", claim.task.id)
            FAILURES.labels("storage").inc()
            self._give_back(claim, "the storage was away", lost=False)
        except OSError as error:
            log.exception("task %s failed in the worker", claim.task.id)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            FAILURES.labels("storage" if full else "internal").inc()
            self._fail(claim, "The disk of the service is full; please try again later." if full else _INTERNAL)
        except Exception:  # whatever it is: the task must not stay EXECUTING, and the thread must live on
            log.exception("task %s failed in the worker", claim.task.id)
            FAILURES.labels("internal").inc()
            self._fail(claim, _INTERNAL)

    def _fail(self, claim: Claim, message: str) -> None:
        _measure(claim, "failed")
        self._insist(lambda: self._store.fail_task(claim, message, self._retries(claim)))

    def _retries(self, claim: Claim) -> int:
        try:
            return self._registry.get(claim.script).retry
        except AmoraError:  # it is not there any more
            return 0

    def _insist(self, change: Callable[[], T]) -> T:
        """Make a change in SQL; while the database is away, try again until the service is stopped.

        :raises DatabaseError: it is still away and the service is being stopped.
        """
        while True:
            try:
                return change()
            except DatabaseError as error:
                log.warning("%s; trying again", error)
                if self.stopping.wait(RETRY):
                    raise

    def _while_away(self, claim: Claim, step: Callable[[], T]) -> T:
        """Do something with the storage; while it is away, try again as long as the claim holds.

        :raises StorageError: it is still away, and the claim is lost or the service is being stopped.
        """
        while True:
            try:
                return step()
            except StorageError as error:
                log.warning("task %s waits: %s", claim.task.id, error)
                if self.stopping.wait(RETRY) or not self._store.holds(claim):
                    raise

    def _drop_parts(self, job_id: str) -> None:
        """Remove what the parts of a job handed on, once the job has ended; the sweeper would do it later."""
        with suppress(NotFoundError):
            if self._store.state(job_id).phase in FINAL:
                for part in self._store.parts(job_id):
                    self._storage.withdraw(job_id, part.task, part.attempt)

    def _tidy_up(self, job_id: str) -> None:
        """Remove the files of a job that was deleted while its task made more of them."""
        try:
            self._store.state(job_id)
        except NotFoundError:
            self._storage.forget(job_id)

    def _do(self, claim: Claim) -> None:
        task = claim.task
        work = self._look_up(claim)
        script, values = work.script, work.values
        for before in range(1, task.attempt):  # whoever queued it again cannot look at this machine from another one
            guardian = self._storage.guardian(task.id, before)
            if guardian is not None and not guardian.end(self._settings.grace + 2.0):
                raise TaskError("An earlier attempt still runs on this machine and cannot be ended.")
        workspace = self._storage.workspace(task.id, task.attempt)
        try:
            work = work._replace(datasets=[self._fetched(claim, dataset, workspace) for dataset in work.datasets])
            self._provide(claim, values, workspace)
            if isinstance(script, Native):
                outcome, made = self._perform(claim, script, values, workspace)
            else:
                outcome, made = self._run(claim, work, workspace), None
            self._conclude(claim, work, outcome, workspace, made)
        finally:
            self._storage.discard(workspace)

    def _fetched(self, claim: Claim, dataset: Dataset, workspace: Path) -> Dataset:
        try:
            return self._while_away(claim, partial(self._inputs.provide, dataset, workspace))
        except NoInputError as error:
            raise TaskError(str(error), "files") from error

    def _run(self, claim: Claim, work: Work, workspace: Path) -> Outcome:
        """Run the program of a script."""
        task, script, values = claim.task, work.script, work.values
        parts = self._store.parts(task.job_id) if task.role == "gather" else None
        contract.write(contract.describe(task, claim.created, values, work.datasets, parts), values, workspace)
        for part in parts or ():
            self._while_away(claim, partial(self._provide_part, part, workspace / contract.part_folder(part)))
        command, environment = contract.command(script, task.role), contract.environment(workspace, claim.created)
        files = [file.path for dataset in work.datasets for file in dataset.files]
        command = self._sandbox.wrap(command, workspace, [script.folder.parent, *files], script.requires)
        limits = script.limits.model_dump(exclude={"wall"})
        with self._storage.open_log(task.job_id, task.number, task.attempt) as output:
            if task.attempt > 1:
                output.write(f"--- attempt {task.attempt} ---\n".encode())
            walls = OWN_PROCESSES if self._sandbox.protection.sandboxed else 0
            with Run(command, workspace, environment, output, self._settings.grace, limits, walls) as run:
                self._storage.note_guardian(workspace, str(Identity.of(run.guardian)))
                self._presence.guard(claim, run.stop)
                return run.wait(self._watch(claim, script), INTERVAL)

    def _perform(self, claim: Claim, script: Native, values: Values, workspace: Path) -> tuple[Outcome, Made | None]:
        """Do what needs no program."""
        given = [(item.name, item.value) for item in claim.parameters if item.upload is None]
        files = {name: workspace / upload_path(name) for name in values.uploads}
        going_on = self._watch(claim, script)
        return perform(script, given, files, workspace / "products", script.limits.wall, going_on, INTERVAL)

    def _provide(self, claim: Claim, values: Values, workspace: Path) -> None:
        for name, upload in values.uploads.items():
            try:
                target = workspace / upload_path(name)
                self._while_away(claim, partial(self._storage.provide, upload.key, target))
            except FileNotFoundError as error:
                raise TaskError(
                    f"The file that was sent as {name} is not there any more; please send it again.", "files"
                ) from error

    def _provide_part(self, part: Part, folder: Path) -> None:
        if not part.failed:
            folder.mkdir(parents=True, exist_ok=True)
        for name, key in part.files:
            try:
                self._storage.provide(key, folder / name)
            except FileNotFoundError as error:
                raise TaskError(f"The file {name} that task {part.task} handed on is not there any more.") from error

    def _watch(self, claim: Claim, script: Script) -> Callable[[tuple[float, str] | None], bool]:
        """Return what says whether a run is to go on; it passes on the progress."""
        store = self._store
        limit = time.monotonic() + script.limits.wall

        def going_on(progress: tuple[float, str] | None) -> bool:
            if self.stopping.is_set() or time.monotonic() > limit:
                return False
            try:
                return store.report(claim, *progress) if progress else store.holds(claim)
            except DatabaseError as error:  # an hour's work is worth another look; only SQL can publish it anyway
                log.warning("task %s goes on although %s", claim.task.id, error)
                return True

        return going_on

    def _look_up(self, claim: Claim) -> Work:
        try:
            script = self._registry.get(claim.script)
            combinations = Combinations(script, claim.parameters)
            values = check(script, combinations[(claim.task.number - 1) % len(combinations)], self._index)
            datasets = [self._index.get(dataset) for dataset in claim.task.datasets]
            reason = missed(values, datasets[0], self._index) if script.combined else None
        except DatabaseError:
            raise
        except (AmoraError, CoverageError) as error:
            raise TaskError(str(error)) from error
        if reason:
            raise TaskError(f"{NOTHING}{reason}.", "nothing")
        return Work(script, values, datasets)

    def _conclude(self, claim: Claim, work: Work, outcome: Outcome, workspace: Path, made: Made | None = None) -> None:
        TASK_CPU.labels(claim.script).inc(outcome.usage.cpu)
        if outcome.stopped or outcome.exceeded or outcome.code != 0:
            self._spend(claim, outcome)
        if self._presence.is_over(claim) and outcome.code != 0:
            self._give_back(claim, "the database was away for the length of its lease", lost=True)
            return
        if outcome.stopped:
            if self.stopping.is_set():
                self._give_back(claim, "the service was stopped", lost=False)
            elif self._store.holds(claim):
                raise TaskError(
                    f"The script took longer than its limit of {work.script.limits.wall} s and was stopped.", "limit"
                )
            return
        if outcome.exceeded:
            limit = getattr(work.script.limits, outcome.exceeded)
            raise TaskError(f"The script {EXCEEDED[outcome.exceeded].format(limit)} and was stopped.", "limit")
        if outcome.code is None:
            FAILURES.labels("lost").inc()
            self._give_back(claim, LOST, lost=True)
            return
        if outcome.code != 0:
            signalled = self._sandbox.protection.sandboxed and outcome.code > 128  # as a shell tells of it
            said = self._sandbox.translate(outcome.last_error)
            raise TaskError(said or _silent(128 - outcome.code if signalled else outcome.code))
        self._publish(claim, work, outcome, workspace, made)

    def _publish(self, claim: Claim, work: Work, outcome: Outcome, workspace: Path, made: Made | None) -> None:
        task = claim.task
        try:
            if work.script.combined:
                tell_apart(work.script, task, workspace / "products")
            used = record.take(work.script, work.values, work.datasets, workspace, self._checksum).as_text()
            collected = described(work.script, made) if made else collect(work.script, task, workspace / "products")
            if task.role == "part":  # a hard link makes it the gather task's
                for path in (workspace / "products").iterdir():
                    path.chmod(0o444)
            publish = partial(self._storage.publish, workspace, task.job_id, task.number, task.attempt)
            files = self._while_away(claim, publish)
        except ProductError as error:
            self._spend(claim, outcome)
            raise TaskError(f"The script ended, but {error}.", "products") from error
        products = [
            Product(
                job_id=task.job_id,
                task=task.number,
                dataset=task.dataset,
                name=file.name,
                content_type=collected[file.name].content_type,
                size=file.size,
                checksum=file.checksum,
                description=collected[file.name].description,
                key=file.key,
            )
            for file in files
        ]
        try:
            if self._store.complete(claim, products, outcome.usage, outcome.message, used):
                _measure(claim, "completed")
                return
        except DatabaseError:
            # Whether it was done is not known: what is published stays until the sweeper knows.
            self._insist(lambda: self._store.complete(claim, products, outcome.usage, outcome.message, used))
            return
        except ConflictError as error:
            self._spend(claim, outcome)
            self._storage.withdraw(task.job_id, task.number, task.attempt)
            raise TaskError(f"The script ended, but {error}", "products") from error
        self._storage.withdraw(task.job_id, task.number, task.attempt)

    def _checksum(self, path: Path) -> tuple[int, str]:
        """Return size and SHA-256 of a file of a dataset; what was fetched for one task alone is not remembered."""
        if path.is_relative_to(self._settings.folder / "work"):
            return path.stat().st_size, sha256(path)
        return self._checksums.of(path)

    def _spend(self, claim: Claim, outcome: Outcome) -> None:
        self._insist(lambda: self._store.spend(claim, outcome.usage))

    def _give_back(self, claim: Claim, reason: str, *, lost: bool) -> None:
        task, limit = claim.task, self._settings.attempts
        self._insist(lambda: self._store.give_back(task.id, task.attempt, reason, lost=lost, limit=limit))


def _measure(claim: Claim, end: str) -> None:
    started = claim.task.started
    if started is not None:
        TASK_SECONDS.labels(claim.script, end).observe(max(0.0, time.time() - started.timestamp()))


def _silent(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"The script {how} and said nothing on standard error."
