"""What the installation looks like afterwards, held against what it promised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from index.database import Database
from jobs.models import Job
from jobs.phases import FINAL, JOB_MOVES, TASK_MOVES, Phase
from jobs.store import JobStore
from tests.chaos.clients import Promises
from tests.chaos.installation import Installation


@dataclass
class Verdict:
    """What was found; every list of faults is to be empty."""

    phases: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The faults by name."""
        return [
            ("jobs lost", self.lost),
            ("jobs and tasks that did not end", self.stuck),
            ("jobs that ended wrongly", self.wrong),
            ("products published twice, or not by the attempt that counts", self.twice),
            ("illegal moves in the trail", self.illegal),
            ("files that no job refers to", self.files),
            ("processes left", self.processes),
        ]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not any(found for _, found in self.rows)


def unfinished(store: JobStore) -> int:
    """Return how many jobs have not ended."""
    counts = store.counts()
    return sum(number for phase, number in counts.items() if phase in (Phase.QUEUED, Phase.EXECUTING))


def judge(installation: Installation, promises: Promises) -> Verdict:
    """Look at every job, every move, every file and every process; the installation must be closed."""
    verdict = Verdict()
    database = Database(installation.url)
    store = JobStore(database)
    known = {ref.id for ref in store.refs(None, (), None, None)}
    verdict.lost = sorted(promises.accepted.keys() - promises.deleted - known)
    keys: set[str] = set()
    for job_id in sorted(known):
        job = store.get(job_id)
        verdict.phases[job.phase] += 1
        verdict.tasks += len(job.tasks)
        verdict.attempts += sum(task.attempt for task in job.tasks)
        if job.phase is not Phase.PENDING and job.phase not in FINAL:
            verdict.stuck.append(f"{job_id} is {job.phase}")
        verdict.stuck += [f"{task.id} is {task.phase}" for task in job.tasks if task.phase not in FINAL]
        _judge_end(verdict, job, promises)
        _judge_products(verdict, job)
        _judge_trail(verdict, store, job)
        keys |= {product.key for product in job.products}
    database.close()
    _judge_files(verdict, installation, keys, known)
    verdict.processes = [str(pid) for pid in sorted(installation.left())]
    return verdict


def _judge_end(verdict: Verdict, job: Job, promises: Promises) -> None:
    wish = promises.accepted.get(job.id)
    if wish is None or job.phase not in FINAL:  # its client got no answer; it is only to end
        return
    expected = {Phase.ERROR if "FAIL" in wish.parameters else Phase.COMPLETED}
    if wish.then == "abort":
        expected.add(Phase.ABORTED)
    if job.phase not in expected:
        verdict.wrong.append(f"{job.id} is {job.phase}: {job.error}")
    if len(job.tasks) != wish.tasks:
        verdict.wrong.append(f"{job.id} has {len(job.tasks)} tasks of {wish.tasks}")


def _judge_products(verdict: Verdict, job: Job) -> None:
    attempts = {task.number: task.attempt for task in job.tasks if task.phase is Phase.COMPLETED}
    made: Counter[tuple[int, str]] = Counter()
    for product in job.products:
        made[product.task, product.name] += 1
        if f"/{product.task}.{attempts.get(product.task)}/" not in product.key:
            verdict.twice.append(
                f"{job.id}: {product.key}, and the attempt that counts is {attempts.get(product.task)}"
            )
    verdict.twice += [f"{job.id}: {name} of task {task}" for (task, name), count in made.items() if count > 1]
    missing = attempts.keys() - {product.task for product in job.products}
    verdict.wrong += [f"{job.id}: task {task} is COMPLETED without products" for task in missing]


def _judge_trail(verdict: Verdict, store: JobStore, job: Job) -> None:
    """Each move must be allowed and begin where the one before it ended, and each task must end once."""
    at: dict[int | None, Phase] = {None: Phase.PENDING}
    ends: Counter[int | None] = Counter()
    for number, origin, target, reason in store.trail(job.id):
        moves = JOB_MOVES if number is None else TASK_MOVES
        before = at.get(number, Phase.QUEUED)
        if origin != before or target not in moves.get(origin, ()):
            verdict.illegal.append(f"{job.id} task {number}: {before}, then {origin} to {target} ({reason})")
        at[number] = target
        ends[number] += target in FINAL
    verdict.illegal += [f"{job.id} task {number} ended {count} times" for number, count in ends.items() if count > 1]
    told = {None: job.phase} | {task.number: task.phase for task in job.tasks}
    verdict.illegal += [
        f"{job.id} task {number} is {phase}, and its trail says {at.get(number)}"
        for number, phase in told.items()
        if at.get(number, Phase.QUEUED) != phase
    ]


def _judge_files(verdict: Verdict, installation: Installation, keys: set[str], known: set[str]) -> None:
    jobs = installation.home / "jobs"
    there = {path.relative_to(jobs).as_posix() for path in jobs.glob("*/*.*/*")}
    verdict.files += [f"{key} is not there" for key in sorted(keys - there)]
    verdict.files += [f"{key} is nobody's" for key in sorted(there - keys)]
    verdict.files += [f"{path.name} is of no job" for path in jobs.iterdir() if path.name not in known]
    verdict.files += [f"{path} is left" for path in (installation.home / "work").iterdir()]
