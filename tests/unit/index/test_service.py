"""Datasets go in, are found by region and id, and come out as they went in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mocpy import MOC

from index.database import Database
from index.dataset import File
from index.errors import DamagedIndexError, DatasetIdError, RegionError, UnknownDatasetError, UnusableDatasetError
from index.query import Query
from index.region import Region
from index.service import Added, Index

Make = Callable[..., Any]
HERE = Region.parse("CIRCLE 35 43 0.2")


def names(index: Index, region: Region | None = None, **options: Any) -> list[str]:
    return [match.dataset.obs_id for match in index.search(region, **options)]


def test_an_empty_index_answers(index: Index) -> None:
    assert index.search() == index.search(HERE) == index.search(HERE, ids=["1/M1/S1"]) == list(index.datasets()) == []
    assert index.count() == 0
    index.verify()


def test_a_dataset_comes_out_as_it_went_in(index: Index, found: Make) -> None:
    given = found("0002970201")
    given.files.append(("exposure_map", Path("/data/map.fits"), "image/fits"))
    assert index.add([given]) == Added(added=1, replaced=0, unchanged=0)
    dataset = index.get("0002970201/M1/S001")
    assert dataset.id == "0002970201/M1/S001"
    assert dataset.ivoid == "ivo://example.org/amora?0002970201/M1/S001"
    for name in vars(given).keys() - {"coverage", "files"}:
        assert getattr(dataset, name) == getattr(given, name), name
    assert dataset.files == tuple(File(*file) for file in given.files)
    assert dataset.order == 13
    assert dataset.degraded_from is None
    assert dataset.area == pytest.approx(given.coverage.sky_fraction * 41252.96125, rel=1e-9)
    assert abs(dataset.added - datetime.now(UTC)) < timedelta(minutes=1)
    assert index.get(dataset.ivoid) == dataset
    assert list(index.datasets()) == [dataset]
    assert index.coverage(dataset.id) == given.coverage


def test_matches_come_by_overlap_and_then_by_id(index: Index, found: Make) -> None:
    index.add([found("far", ra=90.0), found("edge", ra=35.5), found("b"), found("a")])
    assert names(index, HERE) == ["a", "b", "edge"]
    assert names(index) == ["a", "b", "edge", "far"]
    inside = index.search(HERE)[0]
    assert inside.region_fraction == 1
    assert inside.overlap == pytest.approx(HERE.moc().sky_fraction * 41252.96125)
    assert inside.dataset_fraction == pytest.approx(inside.overlap / inside.dataset.area)
    assert inside.order == min(13, HERE.order)
    whole = index.search(Region.parse("CIRCLE 35 43 2"))[0]
    assert whole.dataset_fraction == 1
    without = index.search()[0]
    assert (without.overlap, without.dataset_fraction, without.region_fraction, without.order) == (None, None, None, 13)


def test_ids_narrow_the_answer_and_unknown_ones_are_absent(index: Index, found: Make) -> None:
    index.add([found("a"), found("b"), found("far", ra=90.0)])
    ids = ["a/M1/S001", "ivo://example.org/amora?far/M1/S001", "none/M1/S001"]
    assert names(index, ids=ids) == ["a", "far"]
    assert names(index, HERE, ids=ids) == ["a"]
    with pytest.raises(DatasetIdError, match="'nonsense'"):
        index.search(HERE, ids=["nonsense"])


def test_adding_again_changes_nothing(index: Index, found: Make) -> None:
    index.add([found("a"), found("b")])
    generation, added = index.generation(), index.get("a/M1/S001").added
    assert index.add([found("a"), found("b")]) == Added(0, 0, 2)
    assert index.add([]) == Added(0, 0, 0)
    assert index.generation() == generation
    assert index.get("a/M1/S001").added == added


def test_a_changed_dataset_replaces_itself(index: Index, found: Make) -> None:
    index.add([found("a"), found("b")])
    generation = index.generation()
    moved = found("a", ra=90.0)
    moved.files = [("events", Path("/new/events.fits"), "application/fits")]
    assert index.add([moved, found("b"), found("c")]) == Added(added=1, replaced=1, unchanged=1)
    assert index.generation() != generation
    assert names(index, HERE) == ["b", "c"]
    assert names(index, Region.parse("CIRCLE 90 43 0.01")) == ["a"]
    assert index.get("a/M1/S001").files == (File("events", Path("/new/events.fits"), "application/fits"),)
    assert index.coverage("a/M1/S001") == moved.coverage
    assert index.count() == 3
    index.verify()


def test_of_two_with_one_id_the_later_counts(index: Index, found: Make) -> None:
    assert index.add([found("a"), found("a", ra=90.0)]) == Added(1, 0, 0)
    assert index.get("a/M1/S001").s_ra == 90


def test_a_deep_coverage_is_degraded_and_says_so(index: Index, found: Make) -> None:
    deep = found("deep", radius=0.01, order=19)
    index.add([deep])
    dataset = index.get("deep/M1/S001")
    assert (dataset.order, dataset.degraded_from) == (16, 19)
    assert index.coverage("deep/M1/S001") == deep.coverage.degrade_to_order(16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coverage": MOC.new_empty(10)}, "its coverage is empty"),
        ({"coverage": MOC.from_string("3/768")}, "beyond the sky"),
        ({"s_ra": float("nan")}, "at nan, 43"),
        ({"s_dec": 91.0}, "at 35.0, 91"),
    ],
)
def test_an_unusable_dataset_is_named_and_nothing_is_added(
    index: Index, found: Make, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnusableDatasetError, match=f"^bad/M1/S001: .*{message}"):
        index.add([found("good"), replace(found("bad"), **change)])
    assert index.count() == 0


def test_a_dataset_whose_id_cannot_be_written_is_refused(index: Index, found: Make) -> None:
    with pytest.raises(DatasetIdError, match=r"'0001/M 1/S001'"):
        index.add([replace(found(), camera="M 1")])
    with pytest.raises(DatasetIdError, match="must be text"):
        index.add([replace(found(), obs_id=1)])


def test_unknown_numbers_stay_unknown(index: Index, found: Make) -> None:
    index.add([replace(found(), t_exptime=float("nan"), t_min=None)])
    dataset = index.get("0001/M1/S001")
    assert dataset.t_exptime is dataset.t_min is None


def test_an_unknown_dataset_is_an_error(index: Index) -> None:
    for ask in (index.get, index.coverage):
        with pytest.raises(UnknownDatasetError, match="there is no dataset '0001/M1/S009'"):
            ask("0001/M1/S009")


def test_many_datasets_are_read_in_pages(index: Index, found: Make) -> None:
    one = found()
    index.add([replace(one, obs_id=f"{number:04}") for number in range(2000)])
    assert [dataset.obs_id for dataset in index.datasets()] == [f"{number:04}" for number in range(2000)]
    assert names(index, HERE) == [f"{number:04}" for number in range(2000)]
    assert len(index.search(HERE, ids=[f"{number:04}/M1/S001" for number in range(1500)])) == 1500


def test_a_damaged_file_is_named(tmp_path: Path, database: Database, index: Index, found: Make) -> None:
    index.add([found()])
    index.verify()
    (path,) = (tmp_path / "index").glob("segment-*")
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedIndexError, match=r"segment-\S+ is damaged: its checksum"):
        index.verify()
    for harm, told in (
        (whole[:-1], "it has .* bytes and was written with"),
        (whole.replace(b"U32", b"I32", 1), "its header is not that of a segment of format 2"),
        (whole.replace(b'"row"', b'"raw"', 1), "its header cannot be read"),
        (b"\xff" * 16 + whole[16:], "its header cannot be read"),
        (whole[:header] + bytes(len(whole) - header), "its arrays do not agree"),
    ):
        path.write_bytes(harm)
        with pytest.raises(DamagedIndexError, match=rf"segment-\S+ is damaged: {told}"):
            Index(tmp_path / "index", database, "example.org").search(HERE)
    path.unlink()
    with pytest.raises(DamagedIndexError, match=r"segment-\S+ is missing"):
        Index(tmp_path / "index", database, "example.org").search(HERE)
    assert index.count() == 1


@pytest.mark.parametrize(
    ("old", "new"), [(b'"bytes": ', b'"bytes": 1'), (b'"format": 2', b'"format": 1'), (b"{", b"["), (b'"name"', b'"n"')]
)
def test_a_damaged_manifest_is_named(
    tmp_path: Path, database: Database, index: Index, found: Make, old: bytes, new: bytes
) -> None:
    index.add([found()])
    (path,) = (tmp_path / "index").glob("manifest-*")
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(DamagedIndexError, match=r"manifest-.*\.json (is damaged|has format)"):
        Index(tmp_path / "index", database, "example.org").search(HERE)


def test_what_is_new_goes_to_small_segments(index: Index, found: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With segments of any size kept apart, they hide what they replace, and are merged by their sizes."""
    monkeypatch.setattr("index.files.LEAST", 0)
    index.add([found(f"{number:03}") for number in range(100)])
    at = {35.0: HERE, 90.0: Region.parse("CIRCLE 90 43 0.01")}
    expected = {f"{number:03}": 35.0 for number in range(100)}
    most = 0
    for number in range(40):
        name = f"{number * 7 % 130:03}"
        if number % 5 == 4:
            gone = sorted(expected)[number]
            index.remove([f"{gone}/M1/S001"])
            del expected[gone]
        else:
            index.add([found(name, ra=90.0)])
            expected[name] = 90.0
        for ra, region in at.items():
            assert names(index, region) == sorted(name for name, its in expected.items() if its == ra)
        most = max(most, index.statistics().segments)
    assert 3 <= most <= 8
    index.verify()
    assert all(index.coverage(f"{name}/M1/S001") == found(name, ra=ra).coverage for name, ra in expected.items())
    _, union = index.union(Query(), 13)
    both = [found(name, ra=ra).coverage for name, ra in (("a", 35.0), ("a", 90.0))]
    assert union == both[0].union(both[1])
    before, generation = index.statistics(), index.generation()
    assert index.merge() == before.segments
    after = index.statistics()
    assert (after.segments, after.datasets) == (1, before.datasets)
    assert after.bytes < before.bytes
    assert index.generation() != generation
    assert names(index) == sorted(expected)
    index.verify()
    assert index.merge() == 1
    index.remove([dataset.id for dataset in index.datasets()])
    assert (index.statistics().segments, index.statistics().bytes) == (0, 0)


def test_what_is_removed_is_merged_away(index: Index, found: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.files.LEAST", 0)
    index.add([found(f"{number:03}") for number in range(100)])
    size = index.statistics().bytes
    for number in range(24):
        index.remove([f"{number:03}/M1/S001"])
    assert index.statistics().segments > 1
    assert index.statistics().bytes > size
    index.remove(["024/M1/S001"])
    assert index.statistics().segments == 1
    assert index.statistics().bytes < 0.8 * size


def test_files_of_another_history_are_not_taken_for_these(tmp_path: Path, index: Index, found: Make) -> None:
    index.add([found()])
    for path in (tmp_path / "index").glob("manifest-*"):
        path.rename(path.with_name("manifest-0000000001-0000000000000000.json"))
    other = Index(tmp_path / "index", index._store._database, "example.org")
    with pytest.raises(DamagedIndexError, match="missing; the database says"):
        other.search(HERE)


def test_only_the_present_generation_stays_on_disk(tmp_path: Path, index: Index, found: Make) -> None:
    index.add([found("a")])
    folder = tmp_path / "index"
    (folder / "notes.txt").write_text("not ours")
    (folder / "segment-0000000001-abcdef01").write_text("left by a writer that was killed")
    index.add([found("b")])
    segments = {segment.written.name for segment in index._newest().segments}
    assert {path.name for path in folder.iterdir()} == {
        "lock",
        "notes.txt",
        f"manifest-{index.generation()}.json",
        *segments,
    }


def test_a_target_is_a_region(index: Index, found: Make) -> None:
    index.add([found("a"), replace(found("b"), target_name="M 31"), replace(found("c"), target_name=None)])
    region = index.region("TARGET 3c66B 6'")
    assert region.as_dict() == {
        "text": "TARGET 3c66B 6'",
        "shape": "circle",
        "ra": pytest.approx(35),
        "dec": pytest.approx(43),
        "radius": 0.1,
    }
    assert len(index.search(region)) == 3
    with pytest.raises(RegionError, match="no dataset has the target 'M 33'"):
        index.region("TARGET M 33 1")


def test_threads_see_the_old_or_the_new_while_one_adds(index: Index, found: Make) -> None:
    """The dataset moves between two places; whoever finds it must find it where its row says that it is."""
    places = {ra: Region.parse(f"CIRCLE {ra} 43 0.2") for ra in (35.0, 90.0)}
    index.add([found("moving", ra=35.0), found("fixed", ra=35.0), found("fixed2", ra=90.0)])
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                for ra, region in places.items():
                    got = {match.dataset.obs_id: match.dataset.s_ra for match in index.search(region)}
                    if got.pop("moving", ra) != ra or len(got) != 1:
                        wrong.append((ra, got))
                index.coverage("moving/M1/S001")
        except Exception as error:  # noqa: BLE001 - whatever a thread dies of must fail the test
            wrong.append(error)

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(12):
        index.add([found("moving", ra=(90.0, 35.0)[number % 2])])
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_writers_in_threads_lose_nothing(tmp_path: Path, database: Database, index: Index, found: Make) -> None:
    others = [Index(tmp_path / "index", database, "example.org") for _ in range(4)]
    writers = [
        threading.Thread(target=lambda at=at, other=other: [other.add([found(f"{at}-{n}")]) for n in range(4)])
        for at, other in enumerate(others)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert index.count() == len(index.search(HERE)) == 16
    index.verify()
