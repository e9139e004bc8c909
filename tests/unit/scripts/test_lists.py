"""Lists of observations become approximate datasets, whose CCDs lie where those of the real data do."""

from __future__ import annotations

from pathlib import Path

import pytest
from mocpy import MOC

from index.dataset import FoundDataset, PartReader
from scripts.epic import lists, pps

OBSERVATIONS = (
    "obs_id,revolution,target,date_obs,date_end,ra_pnt,dec_pnt,pa_sun_derived\n"
    "0000000001,100,M 87,2001-08-19T00:00:00,2001-08-19T12:00:00,187.7,12.39,70\n"
    "0000000002,1000,,,,10.0,-20.0,\n"
    "0000000003,3000,M 31,2015-08-19T00:00:00,2015-08-19T12:00:00,359.99,89.9,10\n"
    "0000000004,100,bad,,,10,95,10\n"
)
EXPOSURES = (
    ",Observation ID,Camera,Exposure Identifier,Exposure Time,l,b,Target,Target Type\n"
    "0,0000000001,MOS1,S001,10.5,1,2,M87,GALAXY\n"
    "1,0000000001,MOS2,S002,10.5,1,2,M87,GALAXY\n"
    "2,0000000001,PN,S003,9.5,1,2,M87,GALAXY\n"
    "3,0000000003,MOS1,U002,9.5,1,2,M31,GALAXY\n"
)


def area(moc: MOC) -> float:
    return float(moc.sky_fraction) * 41252.96


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "observations.csv").write_text(OBSERVATIONS)
    (tmp_path / "exposures.csv").write_text(EXPOSURES)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    return tmp_path


def test_lists_are_read(folder: Path) -> None:
    skipped: list[str] = []
    reader: PartReader = lists.read
    names = {name for name in vars(FoundDataset) if not name.startswith("_")}
    assert [[path.name for path in files] for files in reader.files(folder)] == [["observations.csv", "exposures.csv"]]
    found = list(lists.read(folder, lambda _path, reason: skipped.append(reason)))
    assert [(one.obs_id[-1], one.camera, one.exposure_id) for one in found] == [
        ("1", "M1", "S001"),
        ("1", "M2", "S002"),
        ("1", "PN", "S003"),
        ("2", "M1", "unlisted"),
        ("2", "M2", "unlisted"),
        ("2", "PN", "unlisted"),
        ("3", "M1", "U002"),
    ]
    assert skipped == ["observation 0000000004: the declination 95.0 is not on the sky"]
    for one in found:
        assert one.approximate
        assert one.position_angle is None
        assert all(hasattr(one, name) for name in names)
    first = found[0]
    assert (first.target_name, first.t_exptime, first.t_min, first.t_max) == ("M 87", 10500, 52140.0, 52140.5)
    assert (first.facility_name, first.instrument_name) == ("XMM-Newton", "EMOS1")
    assert found[3].target_name is found[3].t_min is found[3].t_exptime is None


def test_coverages_are_those_of_the_cameras(folder: Path) -> None:
    found = {(one.obs_id[-1], one.camera): one.coverage for one in lists.read(folder, lambda *_: None)}
    assert area(found["1", "M1"]) == pytest.approx(0.182, abs=0.005)
    assert area(found["1", "PN"]) == pytest.approx(0.19, abs=0.01)
    # the field alone where no date tells the angle
    assert area(found["2", "M1"]) == pytest.approx(0.184, abs=0.01)
    # MOS1 had lost two CCDs of seven by revolution 3000
    assert area(found["3", "M1"]) < 0.8 * area(found["1", "M1"])


def test_observations_alone_will_do(folder: Path) -> None:
    (folder / "exposures.csv").unlink()
    assert len(list(lists.read(folder / "observations.csv", lambda *_: None))) == 9


def test_an_approximate_coverage_is_near_the_measured_one(shared: Path, real: Path) -> None:
    (measured,) = [one for one in pps.read(real, lambda *_: None) if one.camera == "M1"]
    # laid out where the header says, it is the same but for what the cells of the border are in doubt about
    first, *others = lists._mocs(lists._on_sky("M1", measured.s_ra, measured.s_dec, measured.position_angle, None))
    assert area(first.union(*others).symmetric_difference(measured.coverage)) < 0.03 * area(measured.coverage)
    # the list has the pointing 2 arcmin and the angle a degree from there
    (row,) = [
        row
        for row in lists._rows(shared / "data" / "observations" / "xmm_observations_joined.csv")
        if row["obs_id"] == "0002970201"
    ]
    ((_, polygons),) = list(lists._datasets(row, [{"Camera": "MOS1", "Exposure Identifier": "S001"}]))
    first, *others = lists._mocs(polygons)
    guess = first.union(*others)
    assert area(guess.intersection(measured.coverage)) > 0.9 * area(measured.coverage)


def test_the_real_lists_are_an_archive(shared: Path) -> None:
    """All of them are planned, and some are read; reading all takes a minute."""
    (files,) = lists.read.files(shared / "data" / "observations")
    parts = list(lists.read.parts(files[0], lambda *_: None))
    observations = [row["obs_id"] for _, some in parts for row, _ in some]
    assert len(observations) == len(set(observations)) == 13_741
    assert sum(len(exposures) or 3 for _, some in parts for _, exposures in some) == 38_701
    skipped: list[str] = []
    found = list(lists.read.read(parts[7], lambda _path, reason: skipped.append(reason)))
    assert skipped == []
    assert len(found) > 200
    assert all(0.1 < area(one.coverage) < 0.25 for one in found)
