"""Datasets from files into the index: in processes, only what is new or has changed, and never stopped by one file.

A file that was read and published is not read again while its name, sizes and times of change are the same, nor while
its content is. The datasets are published some thousand at a time, each time with the files that were read whole, so
that what a killed run has done is not done again. A reader that gives no parts (``index.dataset.PartReader``) reads
in this process, and everything.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from index.dataset import FoundDataset, PartReader, Reader, Skipped
from index.errors import CoverageError
from index.ids import DatasetIds
from index.ingest import Taken, take
from index.reader import load_reader
from index.service import Added, Index
from index.store import SourceFile

BATCH = 5000
"""Datasets that are published together."""

Progress = Callable[[int, int], None]
"""Told how many of how many parts are read."""


@dataclass
class Harvest:
    """What was done."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    same: list[Path] = field(default_factory=list)
    """Files that were not read again."""
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def known(self) -> int:
        """How many files were not read again."""
        return len(self.same)

    def count(self, done: Added) -> None:
        """Count what was published."""
        self.added += done.added
        self.replaced += done.replaced
        self.unchanged += done.unchanged


@dataclass(frozen=True)
class _Task:
    """A part of a file, to be read by any process."""

    reader: str
    file: Path
    part: Any
    last: bool
    """Whether it is the last part of the file."""


@dataclass(frozen=True)
class _Read:
    """What a process read."""

    taken: list[Taken]
    skipped: list[tuple[Path, str]]


def harvest(
    index: Index,
    reader: str,
    paths: Iterable[Path],
    *,
    processes: int | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Harvest:
    """Add what a reader finds in paths to the index.

    :param reader: its name, ``package.module:callable``.
    :param processes: how many read; by default as many as there are processors.
    """
    report = Harvest()
    tasks, sources = _plan(index, reader, paths, report)
    there = {id_: Path(file) for id_, file in index.read_from(map(str, report.same)).items()}
    batch: list[Taken] = []
    whole: list[SourceFile] = []
    for task, read in _unique(_run(tasks, index.ids, processes, progress), report, there):
        batch += read
        if task.last and (source := sources.get(task.file)):
            whole.append(source)
        if len(batch) >= BATCH:
            report.count(index.put(batch, whole))
            batch, whole = [], []
    if batch or whole:
        report.count(index.put(batch, whole))
    return report


def rebuild(
    index: Index,
    *,
    drop: bool = False,
    processes: int | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Harvest:
    """Read all files again that the datasets came from, and write the index anew.

    Raises LostDatasetsError if a dataset is not found again, unless it is to be dropped.
    """
    report = Harvest()
    tasks: list[_Task] = []
    sources: dict[Path, SourceFile] = {}
    for known in index.sources().values():
        more, files = _plan(None, known.reader, [Path(known.path)], report)
        tasks += more
        sources |= files
    taken: list[Taken] = []
    whole: list[SourceFile] = []
    for task, read in _unique(_run(tasks, index.ids, processes, progress), report, {}):
        taken += read
        if task.last and (source := sources.get(task.file)):
            whole.append(source)
    report.count(index.rebuild(taken, whole, drop=drop))
    return report


def _plan(
    index: Index | None, reader: str, paths: Iterable[Path], report: Harvest
) -> tuple[list[_Task], dict[Path, SourceFile]]:
    """Find out what is to be read: all, or what the index does not know."""
    loaded = _parts_of(reader)
    known = index.sources() if index else {}
    tasks: list[_Task] = []
    sources: dict[Path, SourceFile] = {}
    same: list[SourceFile] = []
    for file, *others in (files for path in paths for files in loaded.files(path.resolve())):
        if file in sources:
            continue
        try:
            before = known.get(str(file))
            if before and before.reader == reader and before.stamp == _stamp((file, *others)):
                report.same.append(file)
                continue
            source = _source(reader, (file, *others))
        except OSError as error:
            report.skipped.append((file, f"cannot be read: {error.strerror}"))
            continue
        if source and before and (before.reader, before.checksum) == (reader, source.checksum):
            same.append(source)
            report.same.append(file)
            continue
        failed = len(report.skipped)
        parts = list(loaded.parts(file, lambda *about: report.skipped.append(about)))
        if source and len(report.skipped) == failed:
            sources[file] = source
        tasks += [_Task(reader, file, part, number == len(parts)) for number, part in enumerate(parts, 1)]
    if index and same:
        index.note(same)
    return tasks, sources


def _run(
    tasks: Sequence[_Task], ids: DatasetIds, processes: int | None, progress: Progress
) -> Iterator[tuple[_Task, _Read]]:
    """Read parts in processes, and give what they hold in the order of the parts."""
    processes = min(processes or len(os.sched_getaffinity(0)), len(tasks))
    progress(0, len(tasks))
    if processes <= 1:
        for done, task in enumerate(tasks, 1):
            yield task, _read(task, ids)
            progress(done, len(tasks))
        return
    at = 0
    while at < len(tasks):
        # threads of mocpy do not survive a fork
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            waiting: list[Future[_Read]] = []
            try:
                for ahead in range(at, len(tasks) + 4 * processes):
                    if ahead < len(tasks):
                        waiting.append(pool.submit(_read, tasks[ahead], ids))
                    if len(waiting) > 4 * processes or (ahead >= len(tasks) and waiting):
                        read = waiting[0].result()
                        waiting.pop(0)
                        yield tasks[at], read
                        at += 1
                        progress(at, len(tasks))
            except BrokenProcessPool:
                pass  # a process died of one of the parts that were being read; each is read by a process of its own
        for task in tasks[at : at + len(waiting)]:
            yield task, _read_alone(task, ids)
            at += 1
            progress(at, len(tasks))


def _read(task: _Task, ids: DatasetIds) -> _Read:
    """Read a part."""
    read = _Read([], [])

    def skipped(path: Path, reason: str) -> None:
        read.skipped.append((path, reason))

    try:
        for found in _parts_of(task.reader).read(task.part, skipped):
            try:
                read.taken.append(replace(take(found, ids), source=str(task.file)))
            except CoverageError as error:
                skipped(task.file, str(error))
    # whatever a reader fails on, it fails on this file alone
    except Exception as error:  # noqa: BLE001
        skipped(task.file, f"could not be read ({type(error).__name__}: {error})")
    return read


def _read_alone(task: _Task, ids: DatasetIds) -> _Read:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_read, task, ids).result()
        except BrokenProcessPool:
            return _Read([], [(task.file, "the process that read it died")])


def _unique(
    results: Iterable[tuple[_Task, _Read]], report: Harvest, seen: dict[str, Path]
) -> Iterator[tuple[_Task, list[Taken]]]:
    """Give the datasets read; of two with the same id, the one that is there already, or the first."""
    failed: set[Path] = set()
    for task, read in results:
        kept: list[Taken] = []
        for dataset in read.taken:
            other = seen.setdefault(dataset.id, task.file)
            if other == task.file and dataset.id not in {one.id for one in kept}:
                kept.append(dataset)
            else:
                read.skipped.append((task.file, f"holds the same dataset {dataset.id} as {other}"))
        report.skipped += read.skipped
        if read.skipped:
            failed.add(task.file)
        # what was not read whole is read again the next time
        yield replace(task, last=task.last and task.file not in failed), kept


def _stamp(files: Sequence[Path]) -> str:
    """Give name, size and time of change of files."""
    facts = [(file.name, (state := file.stat()).st_size, state.st_mtime_ns) for file in files]
    return " ".join(f"{name}:{size}:{changed}" for name, size, changed in facts)


def _source(reader: str, files: Sequence[Path]) -> SourceFile | None:
    """Describe files for the next time; None for a folder."""
    if not files[0].is_file():
        return None
    stamp = _stamp(files)  # before the content: what changes meanwhile is then read again
    digest = hashlib.sha256(" ".join(file.name for file in files).encode())
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return SourceFile(str(files[0]), reader, stamp, digest.hexdigest())


class _Whole:
    """A reader without parts, as one that takes each path for a part."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[FoundDataset]:
        yield from self._reader(folder, skipped)

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        yield (folder,)

    def parts(self, file: Path, _skipped: Skipped) -> Iterator[Path]:
        yield file

    def read(self, part: Path, skipped: Skipped) -> Iterator[FoundDataset]:
        yield from self._reader(part, skipped)


@cache
def _parts_of(name: str) -> PartReader:
    """Load a reader, once in a process. Raises ReaderError."""
    reader = load_reader(name)
    has_parts = all(callable(getattr(reader, method, None)) for method in ("files", "parts", "read"))
    return cast("PartReader", reader) if has_parts else _Whole(reader)
