"""Files become datasets: each once, in processes, and none stops the others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.errors import LostDatasetsError, ReaderError, UnknownDatasetError
from index.harvest import harvest, rebuild
from index.service import Index

READER = "archive_of_harvest:read"
CODE = '''
import os
from pathlib import Path
from index.readers.found import Found
from index.region import Region

class Reader:
    """Each file holds lines: obs_id ra, or a word that does harm."""

    def files(self, folder):
        for path in [folder] if folder.is_file() else sorted(folder.glob("*.obs")):
            also = path.with_suffix(".more")
            yield (path, also) if also.exists() else (path,)

    def __call__(self, folder, skipped):
        for file, *_ in self.files(folder):
            for part in self.parts(file, skipped):
                yield from self.read(part, skipped)

    def parts(self, file, skipped):
        lines = file.read_text().splitlines()
        for start in range(0, len(lines), 2):
            yield file, lines[start:start + 2]

    def read(self, part, skipped):
        file, lines = part
        with (file.parent / "read.log").open("a") as log:
            print(file.name, file=log)
        for line in lines:
            if line == "skip":
                skipped(file, "a line could not be used")
                continue
            if line == "raise":
                raise RuntimeError("a defect of the reader")
            if line == "die":
                os._exit(9)
            obs_id, ra = line.split()
            ra = float(ra)
            yield Found("TEST", obs_id, "M1", "S001", ra, 43.0, Region.parse(f"CIRCLE {ra % 360} 43 0.1").moc(13),
                        approximate=obs_id.startswith("guess"))

read = Reader()

def whole(folder, skipped):
    for part in read.parts(folder / "a.obs", skipped):
        yield from read.read(part, skipped)
'''


@pytest.fixture(autouse=True)
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files, and a reader that other processes find too."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "archive_of_harvest.py").write_text(CODE)
    monkeypatch.syspath_prepend(package)
    root = Path(__file__).resolve().parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), str(root)]))
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "a.obs").write_text("a1 10\na2 20\na3 30\n")
    (folder / "b.obs").write_text("b1 40\n")
    return folder


def ids(index: Index) -> list[str]:
    return [dataset.obs_id for dataset in index.datasets()]


def was_read(archive: Path) -> list[str]:
    log = archive / "read.log"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


@pytest.mark.parametrize("processes", [1, 2])
def test_datasets_are_added_and_files_read_once(index: Index, archive: Path, processes: int) -> None:
    shown: list[tuple[int, int]] = []
    done = harvest(index, READER, [archive], processes=processes, progress=lambda *at: shown.append(at))
    assert (done.added, done.replaced, done.unchanged, done.known, done.skipped) == (4, 0, 0, 0, [])
    assert shown == [(n, 3) for n in range(4)]
    assert ids(index) == ["a1", "a2", "a3", "b1"]
    assert sorted(was_read(archive)) == ["a.obs", "a.obs", "b.obs"]
    generation = index.generation()
    done = harvest(index, READER, [archive, archive], processes=processes)
    assert (done.added, done.replaced, done.unchanged, done.known) == (0, 0, 0, 4)
    assert was_read(archive) == []
    assert index.generation() == generation
    index.verify()


def test_only_a_changed_content_is_read_again(index: Index, archive: Path) -> None:
    harvest(index, READER, [archive], processes=1)
    was_read(archive)
    os.utime(archive / "a.obs", (1, 1))
    assert harvest(index, READER, [archive], processes=1).known == 2
    assert was_read(archive) == []
    (archive / "b.obs").write_text("b1 41\nb2 50\n")
    done = harvest(index, READER, [archive], processes=1)
    assert (done.added, done.replaced, done.known) == (1, 1, 1)
    assert was_read(archive) == ["b.obs"]
    assert index.get("b1/M1/S001").s_ra == 41


def test_what_is_looked_at_with_a_file_counts_too(index: Index, archive: Path) -> None:
    harvest(index, READER, [archive], processes=1)
    was_read(archive)
    (archive / "b.more").write_text("new")
    assert harvest(index, READER, [archive], processes=1).unchanged == 1
    assert was_read(archive) == ["b.obs"]


def test_another_reader_reads_for_itself(index: Index, archive: Path) -> None:
    harvest(index, READER, [archive], processes=1)
    done = harvest(index, "archive_of_harvest:whole", [archive], processes=1)
    assert (done.unchanged, done.known) == (3, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("skip", "a line could not be used"),
        ("raise", r"could not be read .RuntimeError: a defect of the reader"),
        ("die", "the process that read it died"),
        ("c/1 10", "the id of a dataset must be"),
        ("c1 999", "must be on the sky"),
        ("a1 10", "holds the same dataset a1/M1/S001 as .*a.obs"),
    ],
)
def test_what_is_unusable_is_skipped_and_the_rest_is_added(index: Index, archive: Path, line: str, reason: str) -> None:
    (archive / "aa.obs").write_text(f"x1 70\nx2 80\n{line}\n")
    done = harvest(index, READER, [archive], processes=2)
    ((file, told),) = done.skipped
    assert file == archive / "aa.obs"
    assert re.search(reason, told)
    assert ids(index) == ["a1", "a2", "a3", "b1", "x1", "x2"]
    assert len(index.sources()) == 2
    was_read(archive)
    again = harvest(index, READER, [archive], processes=2)
    assert (again.known, again.unchanged, len(again.skipped)) == (2, 2, 1)
    assert set(was_read(archive)) == {"aa.obs"}


def test_an_approximate_dataset_does_not_replace_a_measured_one(index: Index, found: Callable[..., Any]) -> None:
    measured, guess = found("1"), replace(found("1", ra=90.0), approximate=True)
    index.add([measured])
    assert index.add([guess]).unchanged == 1
    assert index.get("1/M1/S001").s_ra == 35
    other = replace(found("2", ra=90.0), approximate=True)
    index.add([other])
    assert index.get("2/M1/S001").approximate
    assert index.add([found("2")]).replaced == 1
    assert not index.get("2/M1/S001").approximate


def test_a_removed_dataset_comes_back_when_its_file_is_added_again(index: Index, archive: Path) -> None:
    harvest(index, READER, [archive], processes=1)
    assert index.remove(["a1/M1/S001", "ivo://example.org/amora?b1/M1/S001"]) == 2
    assert ids(index) == ["a2", "a3"]
    assert index.search(index.region("CIRCLE 10 43 0.01")) == []
    index.verify()
    assert harvest(index, READER, [archive], processes=1).added == 2
    assert ids(index) == ["a1", "a2", "a3", "b1"]
    with pytest.raises(UnknownDatasetError, match="there is no dataset 'zz/M1/S001'"):
        index.remove(["a1/M1/S001", "zz/M1/S001"])
    assert index.count() == 4
    assert index.remove([]) == 0
    assert index.remove([f"{one}/M1/S001" for one in ids(index)]) == 4
    assert index.search() == []
    index.verify()


def test_a_damaged_index_is_built_again(index: Index, archive: Path, tmp_path: Path) -> None:
    harvest(index, READER, [archive], processes=1)
    before = index.get("a1/M1/S001")
    for path in (tmp_path / "index").glob("segment-*"):
        path.unlink()
    fresh = Index(tmp_path / "index", index._store._database, "example.org")
    done = rebuild(fresh, processes=1)
    assert (done.added, done.replaced, done.skipped) == (0, 4, [])
    fresh.verify()
    assert [match.dataset.id for match in fresh.search(fresh.region("CIRCLE 10 43 0.01"))] == [before.id]


def test_to_build_again_loses_nothing_unasked(index: Index, archive: Path, found: Callable[..., Any]) -> None:
    harvest(index, READER, [archive], processes=1)
    index.add([found("byhand")])
    (archive / "b.obs").unlink()
    generation = index.generation()
    with pytest.raises(LostDatasetsError, match="the files of b1/M1/S001, byhand/M1/S001 cannot be read any more"):
        rebuild(index, processes=1)
    assert index.generation() == generation
    rebuild(index, processes=1, drop=True)
    assert ids(index) == ["a1", "a2", "a3"]
    assert [Path(path).name for path in index.sources()] == ["a.obs"]
    index.verify()


def test_statistics_count(index: Index, archive: Path) -> None:
    assert index.statistics().datasets == index.statistics().bytes == 0
    (archive / "b.obs").write_text("guess1 40\n")
    harvest(index, READER, [archive], processes=1)
    counted = index.statistics()
    (group,) = counted.groups
    assert (group.obs_collection, group.datasets, group.simulated, group.approximate) == ("TEST", 4, 0, 1)
    assert (counted.datasets, counted.files, counted.segments) == (4, 2, 1)
    assert counted.bytes > 100
    assert counted.ranges > 4
    assert group.area == pytest.approx(4 * 0.0314, rel=0.15)


def test_a_reader_that_is_none_is_told(index: Index, archive: Path) -> None:
    with pytest.raises(ReaderError, match="there is no module 'nowhere'"):
        harvest(index, "nowhere:read", [archive])


def test_a_run_that_was_stopped_goes_on_where_it_was(
    index: Index, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published stays, and its files are not read again."""
    monkeypatch.setattr("index.harvest.BATCH", 1)
    (archive / "c.obs").write_text("c1 60\n")

    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        harvest(index, READER, [archive], processes=1, progress=stop)
    assert ids(index) == ["a1", "a2", "a3", "b1"]
    was_read(archive)
    done = harvest(index, READER, [archive], processes=1)
    assert (done.known, done.added) == (2, 1)
    assert was_read(archive) == ["c.obs"]
    assert ids(index) == ["a1", "a2", "a3", "b1", "c1"]
    index.verify()
