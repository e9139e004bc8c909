from __future__ import annotations

import gzip
import io
import re

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList


def without(path, change):
    """Return the bytes of a list after a change to its HDUs."""
    with fits.open(path) as hdus:
        change(hdus)
        out = io.BytesIO()
        hdus.writeto(out, output_verify="ignore")
    return out.getvalue()


def test_reads_what_astropy_reads(simulated_m1):
    events = EventList(simulated_m1)
    table = fits.getdata(simulated_m1, "EVENTS")
    for name in table.names:
        assert np.array_equal(events.column(name), table[name])
    assert events.camera.name == "M1"
    assert events.simulated
    assert events.ccds == tuple(range(1, 8))


def test_reads_a_plain_file(simulated_m1, tmp_path):
    plain = tmp_path / "list.FIT"
    plain.write_bytes(gzip.decompress(simulated_m1.read_bytes()))
    assert len(EventList(plain)) == len(EventList(simulated_m1))


def test_takes_the_selection_from_the_header(simulated_m1, tmp_path):
    other = tmp_path / "other.fits"

    def change(hdus):
        hdus["EVENTS"].header["XMMEA_EM"] = "(FLAG & 0x10000) == 0"

    other.write_bytes(without(simulated_m1, change))
    events = EventList(other)
    assert events.macro("XMMEA_EM") == (0x10000, True)
    assert np.array_equal(events.flagged_clear("XMMEA_EM"), (events.column("FLAG") & 0x10000) == 0)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_a_cut_compressed_file_is_said_to_be_cut(simulated_m1, tmp_path, share):
    content = simulated_m1.read_bytes()
    cut = tmp_path / "cut.FTZ"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EventFileError, match=r"cut\.FTZ: the compressed file is cut off or damaged"):
        EventList(cut)


@pytest.mark.parametrize("share", [0.002, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_cut_plain_file_is_said_to_be_cut(simulated_m1, tmp_path, share):
    content = gzip.decompress(simulated_m1.read_bytes())
    cut = tmp_path / "cut.fits"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EventFileError, match=r"^cut\.fits.*(cut off|not a readable FITS file|has no extension)"):
        EventList(cut)


def test_a_file_cut_between_extensions_is_said_to_be_cut(simulated_m1, tmp_path):
    content = gzip.decompress(simulated_m1.read_bytes())
    start = content.index(b"XTENSION", content.index(b"EXTNAME = 'BADPIX07'"))
    cut = tmp_path / "cut.fits"
    cut.write_bytes(content[:start])
    with pytest.raises(EventFileError, match=r"STDGTI01.*cut off"):
        EventList(cut)


def test_names_the_missing_column(simulated_m1, tmp_path):
    def change(hdus):
        hdus["EVENTS"].columns.del_col("PI")

    path = tmp_path / "no_pi.fits"
    path.write_bytes(without(simulated_m1, change))
    with pytest.raises(EventFileError, match=re.escape("no_pi.fits[EVENTS]: has no column PI, it has TIME, RAWX")):
        EventList(path)


def test_names_the_missing_keyword(simulated_m1, tmp_path):
    def change(hdus):
        del hdus["EVENTS"].header["REFXCRVL"], hdus[0].header["REFXCRVL"], hdus["EVENTS"].header["TCRVL6"]

    path = tmp_path / "no_wcs.fits"
    path.write_bytes(without(simulated_m1, change))
    with pytest.raises(EventFileError, match=re.escape("no_wcs.fits[EVENTS]: the keyword TCRVL6 is missing")):
        _ = EventList(path).projection


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "is not a FITS file"),
        (b"", "is not a FITS file"),
        (b"\x1f\x8bxxxx", "cut off or damaged|cannot be read"),
    ],
)
def test_refuses_what_is_no_fits_file(tmp_path, content, message):
    path = tmp_path / "x.fits"
    path.write_bytes(content)
    with pytest.raises(EventFileError, match=rf"^x\.fits: .*({message})"):
        EventList(path)


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(EventFileError, match=r"gone\.FTZ: cannot be read \(No such file"):
        EventList(tmp_path / "gone.FTZ")


def test_refuses_another_observatory(shared):
    with pytest.raises(EventFileError, match="INSTRUME is 'ACIS', allowed are EMOS1, EMOS2, EPN"):
        EventList(shared / "data" / "other" / "chandra_test.fits.gz", epic=True)


def test_reads_a_filtered_barycentred_pn_list(shared):
    events = EventList(shared / "data" / "xmm" / "0916810801" / "0916810801_PN1_src.evt.gz")
    assert (events.camera.name, len(events), events.ccds) == ("PN", 1410, (5,))
    assert events.macro("XMMEA_EP") == (0xCFA0000, True)
