from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import exposure
from scripts.epic.events import EventList
from scripts.epic.keywords import STEPS
from scripts.epic.simulate import VERSION, main, simulate


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
                if not hdu.name.startswith(("STDGTI", "CALINDEX")):  # a real list names no object there
                    assert "SIMULATED" in hdu.header["OBJECT"], (path, hdu.name)
                assert "SIMULATED DATA" in str(hdu.header["COMMENT"])


def test_files_of_an_older_version_are_written_again(simulated, tmp_path):
    folder = tmp_path / "lists"
    simulate(folder)
    name = "P9999000101M1S001MIEVLI0000.FTZ"
    truth = json.loads((folder / "truth.json").read_text())
    (folder / name).write_bytes(b"as an older version wrote it")
    truth["lists"][name]["bytes"] = (folder / name).stat().st_size
    (folder / "truth.json").write_text(json.dumps(truth))
    simulate(folder)
    assert (folder / name).read_bytes() == b"as an older version wrote it", "this version's files stay"
    (folder / "truth.json").write_text(json.dumps({**truth, "version": VERSION - 1}))
    simulate(folder)
    assert digest(folder) == digest(simulated)


ADDED = {"SIMULATE", "COMMENT"}
"""The label of each extension."""

LEFT_OUT = {
    "M": [
        r"XPROC\d|XDAL\d",  # how SAS was called; the file says HISTORY Simulated
        r"BKGE1MIN|BKGPERIP|NMAXFILL|CRPAT\d",  # parameters of SAS steps that were not applied
        r"IN_FOV",  # area of the CCD in the field of view, a result of emframes
    ],
    "P": [
        r"XPROC\d",
        r"(DSTYP|DSVAL|DSUNI|DSREF|DSFORM)[3-6]|MTYPE1|MFORM1",  # the real list was filtered for one source
        r"PLEPHEM",  # and brought to the barycentre
        r"SRCPOS[XY]?|CCDSRC|MASK\w+",  # the source of fast modes
        r"DPSCORRF|ODSCHAIN|ODFLATEX|SETUPSAS",  # states of the ODF
        # housekeeping of the instrument
        r"F\d{4}\w*|FD130|T\d{4}\w{3}|A[NX]_\w+|OT_\w+|OTFILTER|HK_TMP_[BE]|GAINCAME|BP[TX]_\w+",
        r"(TEA1_|TQB1_|IGRA_|UHV_|IVSSA|IVDDA)(MIN|MAX|AVE)",
        r"TRESET|FIFO[LODR]\w+|COUNTMOD|DELTAP_G|PHASE(BEG|END)|OBT_WARN|QUAL_MAX|CCDSMODE|JUMP\w+|(FR|MC)OFFMAP|EMPTYFRM",
        # settings, statistics and corrections of epframes and epevents
        r"MIP_?\w+|TASK_RUN|WRG\w+|DLM(AX|EAN)|DLI[MASK]\w+|CCXDSLIN|NDSCLIN\w|(EPDH|ABOV|DEFA)RATE|CRCORFAC|EXPOSURE|SCALE_[XY]|REEM_THR",
        r"RANDOM_[PE]|TWIDTH|CCD_TEMP|CTI_ACCU|ANALYSED|(SING|DOUB|TRIP)LES|QUADRUPL|NOTRE\w+|MAXPAT|TRAILING|RECPHOTO",
        r"SCR_88|ADDCORR[BE]|GAINSCAL|TYR_2000|ADU_REF|LTINCCTI|CCD_OFFS|TG_\w+|LT_CTI_\w",
    ],
}
"""The keywords of real lists that a simulated one does not have, as regular expressions."""


def describe(hdu):
    """The columns of a table as SAS sees them: name, format, unit, null and legal range."""
    header = hdu.header
    return [
        (
            *(header.get(f"{key}{i}") for key in ("TTYPE", "TFORM", "TUNIT", "TNULL")),
            # some real lists have these as strings or with a decimal point
            *(float(header[key]) if key in header else None for key in (f"TLMIN{i}", f"TLMAX{i}")),
        )
        for i in range(1, header.get("TFIELDS", 0) + 1)
    ]


def keywords(hdu):
    return {key for key in hdu.header if key}


@pytest.mark.parametrize(("camera", "mine"), [("M1", "M1S001M"), ("M2", "M2S002M")])
def test_a_mos_list_has_the_structure_of_the_real_one(simulated, real_lists, camera, mine):
    path = simulated / f"P9999000101{mine}IEVLI0000.FTZ"
    with fits.open(path) as ours, fits.open(real_lists[camera]) as theirs:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
        used = set()
        for hdu, reference in zip(ours, theirs, strict=True):
            assert describe(hdu) == describe(reference), hdu.name
            assert keywords(hdu) - keywords(reference) == ADDED, hdu.name
            absent = keywords(reference) - keywords(hdu)
            reasons = {key: [rule for rule in LEFT_OUT["M"] if re.fullmatch(rule, key)] for key in absent}
            assert [key for key, rules in reasons.items() if not rules] == [], hdu.name
            used |= {rule for rules in reasons.values() for rule in rules}
        assert used == set(LEFT_OUT["M"])


def test_a_pn_list_has_the_structure_of_the_real_one(simulated, shared):
    real = shared / "data" / "xmm" / "0916810801" / "0916810801_PN1_src.evt.gz"
    path = simulated / "P9999000101PNS003PIEVLI0000.FTZ"
    with fits.open(path) as ours, fits.open(real) as theirs:
        names = [hdu.name for hdu in theirs if not hdu.name.startswith("REG")]
        # the real list was filtered for one source, on one CCD, and lost the EXPOSUnn of the others
        assert names == [hdu.name for hdu in ours if hdu.name in names]
        assert {hdu.name for hdu in ours} - set(names) == {f"EXPOSU{n:02d}" for n in range(1, 13) if n != 5}
        used = set()
        for name in names:
            hdu, reference = ours[name], theirs[name]
            assert describe(hdu) == describe(reference), name
            absent = keywords(reference) - keywords(hdu)
            reasons = {key: [rule for rule in LEFT_OUT["P"] if re.fullmatch(rule, key)] for key in absent}
            assert [key for key, rules in reasons.items() if not rules] == [], name
            used |= {rule for rules in reasons.values() for rule in rules}
            # the GTIs of the real one say less of the observation
            known = keywords(reference) | (keywords(theirs["EVENTS"]) if name.startswith("STDGTI") else set())
            assert keywords(hdu) - known <= ADDED, name
        assert used == set(LEFT_OUT["P"])


def test_the_keywords_say_what_the_events_are(simulated):
    for path in simulated.glob("*.FTZ"):
        with fits.open(path) as hdus:
            header, data = hdus["EVENTS"].header, hdus["EVENTS"].data
            for i, name in enumerate(data.names, 1):
                if f"TDMIN{i}" in header:
                    assert (header[f"TDMIN{i}"], header[f"TDMAX{i}"]) == (data[name].min(), data[name].max())
                if f"TLMIN{i}" in header:
                    assert header[f"TLMIN{i}"] <= data[name].min() <= data[name].max() <= header[f"TLMAX{i}"]
                if f"TNULL{i}" in header:
                    assert not (data[name] == header[f"TNULL{i}"]).any()
            clear = re.search(r"FLAG & (0x\w+)\)==0", header["SLCTEXPR"])
            assert (clear is None) == ("PNS" in path.name)
            if clear:
                assert not (data["FLAG"] & int(clear[1], 16)).any()
                assert header["DSVAL3"] == "b000x00xxx0x0x0x0x0xxxxxxxxxxxxx", "as in the real list, for this mask"


def test_no_keyword_claims_that_sas_made_the_list(simulated):
    for path in simulated.glob("*.FTZ"):
        with fits.open(path) as hdus:
            for hdu in hdus:
                text = "".join(str(card.value) for card in hdu.header.cards)
                assert not re.search(r"xmmsas|emframes|evlistcomb|XMM-Newton/SOC", text), (path, hdu.name)
            assert hdus[0].header["CREATOR"] == "Amora scripts.epic.simulate"
            assert str(hdus[0].header["HISTORY"]).startswith("Simulated, not processed")
            applied = [key for key in STEPS if hdus["EXPOSU01"].header.get(key, 0) != 0]
            assert applied == []


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
