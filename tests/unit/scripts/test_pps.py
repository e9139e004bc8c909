from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u

from index.columns import EXTRA
from index.dataset import FoundDataset, Reader
from scripts.epic import pps
from scripts.epic.ccd import Geometry
from scripts.epic.events import EventList

DEGREES = 41252.96125


def test_is_a_reader():
    reader: Reader = pps.read  # mypy holds it against the protocol
    walk: Callable[[Path, Callable[[Path, str], None]], Iterator[FoundDataset]] = reader
    assert list(walk(Path("no such folder"), lambda _path, _reason: None)) == []
    names = {name for name in vars(FoundDataset) if not name.startswith("_")}
    assert names < set(pps.PPSDataset.__dataclass_fields__) <= names | set(EXTRA)


def test_reads_the_real_observation(real):
    skipped = []
    found = list(pps.read(real, lambda path, reason: skipped.append((path, reason))))
    assert skipped == []
    # the file is named M1S002, the header says S001
    assert [(d.obs_id, d.camera, d.exposure_id) for d in found] == [
        ("0002970201", "M1", "S001"),
        ("0002970201", "M2", "S002"),
    ]
    m1 = found[0]
    assert (m1.target_name, m1.filter, m1.mode, m1.simulated) == ("3C66B", "Medium", "PrimeFullWindow", False)
    assert (m1.obs_collection, m1.facility_name, m1.instrument_name) == ("XMM-Newton", "XMM-Newton", "EMOS1")
    assert (m1.s_ra, m1.s_dec) == (35.8290833333333, 42.9749722222222)
    assert m1.position_angle == pytest.approx(250.845672607422)
    # DATE-OBS 2002-02-05T16:35:53 UTC is 64.184 s behind TT, and some frames into the exposure
    assert m1.t_min == pytest.approx(52310 + (16 * 3600 + 35 * 60 + 53 + 64.184) / 86400, abs=10 / 86400)
    assert m1.t_exptime == pytest.approx(21929.76, abs=0.01)
    assert [kind for kind, _, _ in m1.files] == ["events", "flare_background"]
    assert all(path.is_file() for _, path, _ in m1.files)


def test_coverage_is_the_field_of_view(real_lists, real_camera):
    events = EventList(real_lists[real_camera])
    coverage = pps.coverage(events, Geometry(events).outlines())
    assert coverage.max_order == 13
    assert 0.17 < coverage.sky_fraction * DEGREES < 0.196
    good = events.flagged_clear("XMMEA_EM")
    ra, dec = events.projection.to_sky(events.column("X")[good], events.column("Y")[good])
    assert coverage.contains_lonlat(ra * u.deg, dec * u.deg).all()


def test_simulated_lists_are_datasets_and_say_that_they_are_simulated(simulated, truth):
    found = list(pps.read(simulated, lambda _path, reason: pytest.fail(reason)))
    ids = ["/".join((d.obs_id, d.camera, d.exposure_id)) for d in found]
    assert ids == [entry["dataset"] for entry in truth["lists"].values()]
    assert all(d.simulated and d.obs_collection == "Simulated" for d in found)
    brightest = truth["sources"][0]
    for dataset in found:
        area = dataset.coverage.sky_fraction * DEGREES
        assert (0.18 < area < 0.2) if dataset.camera == "PN" else (0.17 < area < 0.19)
        assert dataset.coverage.contains_lonlat(brightest["ra"] * u.deg, brightest["dec"] * u.deg).all()


def test_a_dead_ccd_is_not_covered(simulated_m1):
    events = EventList(simulated_m1)
    whole = pps.coverage(events, Geometry(events).outlines())
    events.__dict__["ccds"] = tuple(n for n in events.ccds if n not in (3, 6))  # as MOS1 after 2005 and 2012
    part = pps.coverage(events, Geometry(events).outlines())
    assert part.difference(whole).empty()
    assert 0.65 < part.sky_fraction / whole.sky_fraction < 0.8


def test_a_broken_file_does_not_stop_the_walk(simulated_m1, tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    shutil.copy(simulated_m1, deep / "p9999000101m1s001mievli0000.ftz")
    (tmp_path / "a" / "P0000000001M1S001MIEVLI0000.FTZ").write_bytes(simulated_m1.read_bytes()[:5000])
    shutil.copy(simulated_m1, tmp_path / "P9999000101M1S001MIEVLI0000.FIT.GZ")
    (tmp_path / "P0000000001M1S001FBKTSR0000.FTZ").write_bytes(b"")
    (tmp_path / "README.txt").write_text("hello")
    skipped: dict[str, str] = {}
    found = list(pps.read(tmp_path, lambda path, reason: skipped.update({path.name: reason})))
    assert len(found) == 1
    assert set(skipped) == {"P0000000001M1S001MIEVLI0000.FTZ", "p9999000101m1s001mievli0000.ftz"}
    assert skipped["P0000000001M1S001MIEVLI0000.FTZ"].startswith("the compressed file is cut off or damaged")
    assert "holds the same exposure 9999000101/M1/S001" in skipped["p9999000101m1s001mievli0000.ftz"]


@pytest.mark.parametrize("seed", range(12))
def test_damage_in_a_header_never_stops_the_walk(simulated_m1, tmp_path, seed):
    content = bytearray(gzip.decompress(simulated_m1.read_bytes()))
    random = np.random.default_rng(seed)
    start = content.index(b"XTENSION") + 80
    for place in random.integers(start, start + 2880 * 3, 20):
        content[place] = random.choice(list(b" '0123456789ABCXTDEJ=-."))
    (tmp_path / simulated_m1.with_suffix(".FIT").name).write_bytes(content)
    (tmp_path / "P9999000201M1S001MIEVLI0000.FTZ").symlink_to(simulated_m1)
    skipped: list[str] = []
    found = list(pps.read(tmp_path, lambda _path, reason: skipped.append(reason)))
    assert len(found) + len(skipped) == 2
    assert any(dataset.files[0][1] == simulated_m1 for dataset in found) or "same exposure" in skipped[-1]


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("P0002970201M1S002MIEVLI.FTZ", True),
        ("P0123700101PNS003PIEVLI0000.FTZ", True),
        ("p0123700101pnu003pievli0000.fits.gz", True),
        ("P0123700101PNS003PIEVLI0000.FIT", True),
        ("P0123700101PNS003TIEVLI0000.FTZ", False),
        ("P0123700101PNS003OOEVLI0000.FTZ", False),
        ("P0002970201M1S002FBKTSR0000.FTZ", False),
        ("P0002970201M1S002MIEVLI.PNG", False),
    ],
)
def test_knows_event_lists_by_name(name, matches):
    assert bool(pps.EVENT_LIST.match(name)) == matches


def test_the_pointing_is_inside_the_coverage(simulated):
    for dataset in pps.read(simulated, lambda _path, _reason: None):
        near = np.array([[0.0, 0.05, -0.05], [0.0, 0.05, -0.05]])
        inside = dataset.coverage.contains_lonlat((dataset.s_ra + near[0]) * u.deg, (dataset.s_dec + near[1]) * u.deg)
        assert inside.sum() >= 2
