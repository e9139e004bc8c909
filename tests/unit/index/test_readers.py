"""The generic readers: ObsCore tables and ready MOCs become datasets, and what cannot is told."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table
from mocpy import MOC

from index.dataset import FoundDataset, PartReader, Reader
from index.healpix import SKY_AREA
from index.readers import moc, obscore
from index.readers.found import Found, id_part

ROW = {
    "obs_id": "obs 1",
    "obs_collection": "CHANDRA",
    "instrument_name": "ACIS-I",
    "facility_name": "Chandra",
    "target_name": "M 87",
    "obs_publisher_did": "ivo://example/acis?1",
    "s_ra": "187.7",
    "s_dec": "12.39",
    "s_region": "Polygon ICRS 187.5 12.2 187.9 12.2 187.9 12.6 187.5 12.6",
    "t_min": "52000.5",
    "t_max": "52001",
    "t_exptime": "",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(reader: Reader, path: Path) -> tuple[list[FoundDataset], list[str]]:
    skipped: list[str] = []
    found = list(reader(path, lambda _path, reason: skipped.append(reason)))
    return found, skipped


def test_the_readers_are_readers() -> None:
    readers: list[PartReader] = [obscore.read, moc.read]
    names = {name for name in vars(FoundDataset) if not name.startswith("_")}
    assert len(readers) == 2
    assert names <= set(Found.__dataclass_fields__)


def test_a_row_of_a_csv_is_a_dataset(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", {name.upper(): value for name, value in ROW.items()})
    (found,), skipped = read(obscore.read, path)
    assert skipped == []
    assert (found.obs_id, found.camera, found.exposure_id) == ("obs_1", "ACIS-I", "2a26e002")
    assert (found.obs_collection, found.facility_name, found.target_name) == ("CHANDRA", "Chandra", "M 87")
    assert (found.s_ra, found.s_dec, found.t_min, found.t_max) == (187.7, 12.39, 52000.5, 52001)
    assert found.t_exptime is None
    assert not found.approximate
    assert found.coverage.max_order >= 13
    assert found.coverage.sky_fraction * SKY_AREA == pytest.approx(0.4 * 0.4 * 0.976, rel=0.08)


def test_a_votable_is_read_like_a_csv(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "obs_publisher_did": "other", "t_max": "53000"}]
    columns = {name: [row[name] for row in rows] for name in ROW}
    table = Table({name: values for name, values in columns.items() if name != "t_exptime"})
    for name in ("s_ra", "s_dec", "t_min"):
        table[name] = [float(value) for value in columns[name]]
    table["t_max"] = MaskedColumn([52001.0, 0.0], mask=[False, True])
    writeto(from_table(table), str(tmp_path / "table.vot"))
    found, skipped = read(obscore.read, tmp_path)
    assert skipped == []
    assert [(one.obs_id, one.t_min, one.t_max) for one in found] == [
        ("obs_1", 52000.5, 52001.0),
        ("obs_1", 52000.5, None),
    ]
    assert found[0].exposure_id == "2a26e002" != found[1].exposure_id
    (as_csv,), _ = read(obscore.read, write(tmp_path / "table.csv", ROW))
    assert as_csv.coverage == found[0].coverage


def test_arrays_of_numbers_are_circles_and_polygons(tmp_path: Path) -> None:
    rows = [{**ROW, "s_region": text} for text in ("187.7 12.39 0.2", "187.5 12.2 187.9 12.2 187.9 12.6 187.5 12.6")]
    found, skipped = read(obscore.read, write(tmp_path / "t.csv", *rows))
    areas = [one.coverage.sky_fraction * SKY_AREA for one in found]
    assert areas == [pytest.approx(0.1257, rel=0.06), pytest.approx(0.156, rel=0.06)]
    assert skipped == []


def test_a_field_of_view_is_an_approximate_circle(tmp_path: Path) -> None:
    (found,), _ = read(obscore.read, write(tmp_path / "t.csv", {**ROW, "s_region": "", "s_fov": "0.4"}))
    assert found.approximate
    assert found.coverage.sky_fraction * SKY_AREA == pytest.approx(0.1257, rel=0.06)


def test_what_cannot_be_used_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [
        {**ROW, "s_region": "Circle FK4 1 2 3"},
        {**ROW, "s_region": ""},
        {**ROW, "obs_id": ""},
        {**ROW, "s_region": "Box ICRS nan 2 3 4"},
        ROW,
    ]
    found, skipped = read(obscore.read, write(tmp_path / "t.csv", *rows))
    assert len(found) == 1
    assert [reason.partition(":")[0] for reason in skipped] == [
        "row 1 (obs 1)",
        "row 2 (obs 1)",
        "row 3 (no obs_id)",
        "row 4 (obs 1)",
    ]
    assert "FK4" in skipped[0]
    assert "neither s_region nor" in skipped[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n1,2\n", "no ObsCore table"),
        ("<VOTABLE>", "cannot be read as a table"),
        ("<html><body>", "cannot be read as a table"),
        ("\x00\x01", ""),
        ("", ""),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    found, skipped = read(obscore.read, tmp_path)
    assert found == []
    assert all(reason in one for one in skipped)
    assert bool(skipped) == bool(reason)


def test_many_rows_are_read_in_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", *({**ROW, "obs_id": f"{n}"} for n in range(450)))
    parts = list(obscore.read.parts(path, lambda *_: None))
    assert [(first, len(rows)) for _, first, rows in parts] == [(1, 200), (201, 200), (401, 50)]


def test_a_moc_is_a_dataset_named_by_its_file(tmp_path: Path) -> None:
    coverage = MOC.from_string("10/1000-1020")
    coverage.save(tmp_path / "0001_M1_S003.fits", format="fits")
    (tmp_path / "survey one.json").write_text(coverage.to_string("json"))
    (tmp_path / "bad.txt").write_text("3/768")
    (tmp_path / "other.dat").write_text("not looked at")
    found, skipped = read(moc.read, tmp_path)
    assert [(one.obs_id, one.camera, one.exposure_id) for one in found] == [
        ("0001", "M1", "S003"),
        ("survey_one", "MOC", "1"),
    ]
    assert all(one.coverage == coverage for one in found)
    assert found[0].files[0][0] == "moc"
    assert len(skipped) == 1
    assert "not 768" in skipped[0]


def test_the_header_of_a_moc_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    keywords = {
        "OBS_ID": "0002",
        "INSTRUME": "EPN",
        "EXPIDSTR": "S009",
        "OBJECT": "M 31",
        "MJDREF": 50814,
        "EXPOSURE": 1e4,
    }
    MOC.from_string("10/1000").save(path, format="fits", fits_keywords={**keywords, "TSTART": 0, "TSTOP": 86400})
    (found,), _ = read(moc.read, path)
    assert (found.obs_id, found.camera, found.exposure_id, found.target_name) == ("0002", "EPN", "S009", "M 31")
    assert (found.t_min, found.t_max, found.t_exptime) == (50814, 50815, 1e4)


def test_parts_of_ids_have_what_ids_can_have() -> None:
    assert id_part(" ACIS-I / S ") == "ACIS-I_S"
    assert id_part("ivo://x?y") == "ivo_x_y"
    assert id_part("\N{GREEK SMALL LETTER ALPHA}") == ""
    assert len(id_part("x" * 99)) == 64
