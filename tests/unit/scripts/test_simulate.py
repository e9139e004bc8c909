from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import exposure
from scripts.epic.events import EventList
from scripts.epic.simulate import main, simulate


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_seed_decides_each_byte(simulated, tmp_path):
    assert len(simulate(tmp_path / "again")) == 6
    assert digest(tmp_path / "again") == digest(simulated)
    simulate(tmp_path / "other", seed=1)
    other = digest(tmp_path / "other")
    assert not set(other.values()) & {value for name, value in digest(simulated).items() if name != "README.txt"}


def test_a_second_run_leaves_the_files_and_mends_what_is_missing(tmp_path, capsys):
    folder = tmp_path / "lists"
    assert main([str(folder)]) == 0
    first = capsys.readouterr().out.splitlines()
    assert len(first) == 6
    before = digest(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert main([str(folder)]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    (folder / "P9999000101M1S001MIEVLI0000.FTZ").unlink()
    assert main([str(folder)]) == 0
    assert digest(folder) == before


def test_the_folder_holds_nothing_else(simulated):
    lists = [path.name for path in simulated.iterdir() if path.suffix == ".FTZ"]
    assert len(lists) == 6
    assert all(re.fullmatch(r"P9999000[12]01(M1S001M|M2S002M|PNS003P)IEVLI0000\.FTZ", name) for name in lists)
    assert {path.name for path in simulated.iterdir()} - set(lists) == {"README.txt", "truth.json"}


def test_every_header_says_that_it_is_simulated(simulated):
    for path in simulated.glob("*.FTZ"):
        with fits.open(path) as hdus:
            for hdu in hdus:
                assert hdu.header["SIMULATE"] is True, (path, hdu.name)
                assert "SIMULATED" in hdu.header["OBJECT"]
                assert "SIMULATED DATA" in str(hdu.header["COMMENT"])


@pytest.mark.parametrize(("camera", "kind"), [("M1S001M", "M1"), ("PNS003P", "PN")])
def test_has_the_structure_of_the_pipelines_lists(simulated, shared, camera, kind):
    folder = shared / "data" / "xmm"
    real = {
        "M1": folder / "0002970201" / "P0002970201M1S002MIEVLI.FTZ",
        "PN": folder / "0916810801" / "0916810801_PN1_src.evt.gz",
    }[kind]
    with fits.open(simulated / f"P9999000101{camera}IEVLI0000.FTZ") as mine, fits.open(real) as theirs:
        names = {hdu.name for hdu in theirs if not hdu.name.startswith("REG")}
        assert names <= {hdu.name for hdu in mine}
        for name in names - {"PRIMARY"}:
            assert mine[name].columns.names == theirs[name].columns.names, name
            assert mine[name].columns.formats == theirs[name].columns.formats, name
        # how our reader finds its way: all of it must be there under the same name
        events, reference = mine["EVENTS"].header, theirs["EVENTS"].header
        wanted = [
            key for key in reference if re.match(r"XMMEA_|REF[XY]C|TC[TRD]|TL(MIN|MAX)|TIME|LIVETI|ONTIME|\dDS", key)
        ]
        assert len(wanted) > 40
        assert [key for key in wanted if key not in events and not re.match(r"TLM\w\w(9|11)$", key)] == []


def test_fitsverify_finds_no_error(simulated, fitsverify):
    for path in simulated.glob("*.FTZ"):
        fitsverify(path)


def test_numbers_are_consistent(simulated, truth):
    for path in simulated.glob("*.FTZ"):
        events = EventList(path)
        assert 25_000 < len(events) < 65_000
        for ccd, seconds in exposure.live_times(events, events.standard_gti).items():
            assert seconds == pytest.approx(events.number(f"LIVETI{ccd:02d}"), rel=1e-6)
        assert (np.diff(events.column("CCDNR").astype(int)) >= 0).all()
        assert events.column("X").min() > 0
        assert events.column("TIME").min() >= events.number("TSTART")
        assert truth["lists"][path.name]["events"] == len(events)


def test_an_impossible_folder_is_a_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file" / "below")]) == 1
    assert "cannot write to" in capsys.readouterr().err
