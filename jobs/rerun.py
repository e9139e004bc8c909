"""Does a job once more, without a service, from the same script, files and parameters, and compares the products.

What the job used stands in the records of its tasks. What is not the same any more is said: nobody should take a
difference of the script for one of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.checksums import sha256
from jobs.engine import Engine
from jobs.errors import NotFoundError, RequestError
from jobs.models import Job
from jobs.phases import Phase
from jobs.record import Record, UsedFile
from jobs.settings import Settings
from jobs.trial import Sent, Tell, TellProgress, copy_datasets, run, trial

PIECE = 1 << 20


@dataclass(frozen=True)
class Rerun:
    """A job that has been done once more; its products can be looked at while the engine is open."""

    before: Job
    after: Job
    engine: Engine
    software: tuple[str, ...]
    """What software is not the same, in words."""


@dataclass(frozen=True)
class Comparison:
    """One product in both runs."""

    name: str
    same: bool
    message: str


def changed(engine: Engine, job: Job, records: Mapping[int, Record]) -> Iterator[str]:
    """Say what of a job's script and datasets is not what it was; each file is read again.

    :raises UnknownDatasetError: a dataset is not in the index any more.
    """
    if not records:
        yield "nothing is written down of what the job used: no task of it has completed"
    versions = {(record.version, record.checksum) for record in records.values()}
    present = engine.jobs.scripts.get(job.script)
    for version, checksum in sorted(versions):
        if checksum != present.checksum:
            is_kept = engine.jobs.scripts.version(job.script, checksum) is not None
            yield (
                f"the script {job.script} has changed since: it was version {version} (SHA-256 {checksum[:16]}...), "
                f"now it is version {present.version} (SHA-256 {present.checksum[:16]}...); "
                + ("the version of then is kept, and runs again" if is_kept else "the present one runs")
            )
    if len(versions) > 1:
        yield f"the script {job.script} was changed while the job ran: {len(versions)} versions did its tasks"
    used = {(file.dataset, file.kind, file.name): file for record in records.values() for file in record.files}
    for id_ in dict.fromkeys(id_ for task in job.tasks for id_ in task.datasets):
        for reason in _changed_files(engine, id_, {key[1:]: file for key, file in used.items() if key[0] == id_}):
            yield f"dataset {id_}: {reason}"


def _changed_files(engine: Engine, id_: str, used: Mapping[tuple[str, str], UsedFile]) -> Iterator[str]:
    there = {(file.kind, file.path.name): file.path for file in engine.index.get(id_).files}
    for key, file in used.items():
        if key not in there or not there[key].is_file():
            yield f"the file {file.name} is not there any more"
        elif sha256(there[key]) != file.checksum:
            yield f"the file {file.name} has changed since"
    for kind, name in there.keys() - used.keys() if used else ():
        yield f"the file {name} ({kind}) is new"


@contextmanager
def rerun(
    engine: Engine,
    settings: Settings,
    job: Job,
    records: Mapping[int, Record],
    *,
    log: Tell = lambda _task, _line: None,
    progress: TellProgress = lambda _done, _text: None,
) -> Iterator[Rerun]:
    """Do a job once more and give it together with the engine that has its products.

    The version of the script that the job used runs if it is still there, else the present one.

    :param engine: has the job; nothing of it is changed.
    :raises NotFoundError: the script is not there any more.
    :raises RequestError: the job has never been run, or a file that was sent with it is not there any more.
    :raises UnknownDatasetError: a dataset is not in the index any more.
    """
    if not job.tasks:
        raise RequestError(f"The job {job.id} is {job.phase} and has no tasks; there is nothing to do once more.")
    present = engine.jobs.scripts.get(job.script)
    kept = [engine.jobs.scripts.version(job.script, record.checksum) for record in records.values()]
    folders = [script.folder.parent for script in kept[:1] if script and script.checksum != present.checksum]
    datasets = dict.fromkeys(id_ for task in job.tasks for id_ in task.datasets)
    given = [(item.name, item.value) for item in job.parameters if item.upload is None]
    with trial(settings, folders) as other:
        copy_datasets(engine.index, datasets, other.index)
        sent = _sent(engine, job, other.settings.folder / "sent")
        after = run(other, job.script, given, files=sent, again=job, log=log, progress=progress)
        yield Rerun(job, after, other, tuple(_software(records, other.jobs.records(job.script, after.id))))


def _sent(engine: Engine, job: Job, folder: Path) -> dict[str, Sent]:
    sent: dict[str, Sent] = {}
    for item in job.parameters:
        if item.upload is not None:
            try:
                found = engine.jobs.upload(job.script, job.id, item.name)
            except NotFoundError as error:
                raise RequestError(str(error)) from error
            assert found is not None  # noqa: S101 - for the type checker: it is a file
            sent[item.name] = found[1].fetch(folder / item.name), item.upload.content_type
    return sent


def _software(before: Mapping[int, Record], after: Mapping[int, Record]) -> Iterator[str]:
    told = set()
    for number in sorted(before.keys() & after.keys()):
        old, new = before[number].software, after[number].software
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name) and name not in told:
                told.add(name)
                yield f"{name} was {old.get(name, 'not told')}, it is {new.get(name, 'not told')}"


def compare(engine: Engine, done: Rerun) -> Iterator[Comparison]:
    """Compare the products of both runs, byte by byte.

    :param engine: has the job as it was.
    """
    script = done.engine.jobs.scripts.get(done.before.script)
    free = {
        spec.file_name(task.dataset, task.number)
        for task in done.before.tasks
        for spec in script.products
        if not spec.reproducible
    }
    names = [{product.name: product for product in job.products} for job in (done.before, done.after)]
    for name in sorted(names[0].keys() | names[1].keys()):
        old, new = (products.get(name) for products in names)
        if old is None or new is None:
            yield Comparison(name, same=False, message="is new" if old is None else "was not made again")
        elif (old.size, old.checksum) == (new.size, new.checksum):
            yield Comparison(name, same=True, message=f"same {old.size} bytes")
        elif name in free:
            yield Comparison(name, same=True, message="differs, as its descriptor says that it may")
        else:
            yield Comparison(name, same=False, message=f"differs: {_difference(engine, done, name)}")
    states = [{task.number: task.phase for task in job.tasks} for job in (done.before, done.after)]
    for task in done.after.tasks:
        if states[0].get(task.number) is Phase.COMPLETED and task.phase is not Phase.COMPLETED:
            yield Comparison(f"task {task.number}", same=False, message=f"ended as {task.phase}: {task.message}")


def _difference(engine: Engine, done: Rerun, name: str) -> str:
    """Say where two files begin to differ."""
    paths: list[Path] = []
    for where, job in ((engine, done.before), (done.engine, done.after)):
        try:
            content = where.jobs.product(job.script, job.id, name)[1]
            paths.append(content.fetch(done.engine.settings.folder / "compared" / name))
        except NotFoundError:
            return "the file of the first run is not there any more"
    sizes = [path.stat().st_size for path in paths]
    at = 0
    with paths[0].open("rb") as first, paths[1].open("rb") as second:
        while True:
            one, two = first.read(PIECE), second.read(PIECE)
            if one != two or not one:
                break
            at += len(one)
    at += next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return f"from byte {at} on, {sizes[0]} bytes and {sizes[1]} bytes"
