"""MOCs as ASCII, JSON and FITS: what mocpy writes is read as it was, and nothing wrong is let through."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC

from index import mocs
from index.errors import RegionError
from index.healpix import ranges_of
from index.region import MAX_FILE, MAX_TEXT, Region


@st.composite
def some_moc(draw: st.DrawFn) -> MOC:
    order = draw(st.integers(0, 29))
    cells = draw(st.lists(st.integers(0, 12 * 4**order - 1), min_size=1, max_size=30))
    both = draw(st.integers(0, 29))
    more = draw(st.lists(st.integers(0, 12 * 4**both - 1), max_size=30))
    return MOC.from_healpix_cells(np.array(cells, np.uint64), np.uint8(order), order).union(
        MOC.from_healpix_cells(np.array(more, np.uint64), np.uint8(both), both) if more else MOC.new_empty(order)
    )


def as_fits(moc: MOC, folder: Path, **options: Any) -> bytes:
    path = folder / "moc.fits"
    moc.save(path, format="fits", overwrite=True, **options)
    return path.read_bytes()


@settings(deadline=None, max_examples=60)
@given(some_moc())
def test_what_mocpy_writes_is_read(tmp_path_factory: pytest.TempPathFactory, moc: MOC) -> None:
    folder = tmp_path_factory.mktemp("moc")
    forms = [moc.to_string("ascii").encode(), moc.to_string("json").encode(), as_fits(moc, folder)]
    forms += [as_fits(moc, folder, v1_compatible=True)]
    for content in forms:
        read = mocs.read(content)
        assert np.array_equal(ranges_of(read), ranges_of(moc))
        assert Region.read(content).moc() == read
    assert mocs.from_text(mocs.to_ascii(moc)) == moc


def test_a_real_moc_is_read(shared: Path) -> None:
    path = shared / "data" / "moc" / "rapidxmm_xxl_moc.fits"
    region = Region.read(path.read_bytes())
    assert region.moc() == MOC.from_fits(path)
    assert region.as_dict() == {"text": region.text, "shape": "moc", "order": 12, "area": pytest.approx(27.2, abs=0.05)}
    assert Region.parse(region.text) == region


def test_a_large_moc_is_not_written_out() -> None:
    cells = np.arange(0, 12 * 4**10, 5, dtype=np.uint64)
    region = Region.read(MOC.from_healpix_cells(cells[:200_000], np.uint8(10), 10).to_string("ascii").encode())
    assert region.text == "MOC of order 10, 200000 ranges"


def test_cells_may_overlap_and_come_in_any_order() -> None:
    assert mocs.from_text("4/17 3/4 4/16") == MOC.from_string("3/4 4/")


def test_orders_without_cells_set_the_order() -> None:
    assert mocs.from_text("3/4 9/").max_order == 9
    assert mocs.from_text('{"3": [4], "9": []}').max_order == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3/768", "order 3 has the cells 0 to 767, not 768"),
        ("30/1", "order of a MOC must be from 0 to 29, not 30"),
        ("3/4-1", "order 3 has the cells 0 to 767, not 4-1"),
        ("3/4-800", "not 4-800"),
        ("29/3458764513820540928", "order 29 has the cells 0 to 3458764513820540927"),
        ("3/9999999999999999999", "order 3 has the cells"),
        ("3/99999999999999999999", "a cell or first-last is wanted"),
        ("MOC 4 5", "must begin with an order"),
        ("3/", "it has no cell"),
        ("3/1 x", "is wanted, not 'x'"),
        ("3/-1", "is wanted"),
        ("3/1.5", "is wanted"),
        ("3/1--2", "is wanted"),
        ("t3/1", "must begin with CIRCLE"),
        ("MOC t3/1", "is wanted, not 't3/1'"),
        ('{"3":[768]}', "order 3 has the cells 0 to 767, not 768"),
        ('{"3":[-1]}', "not -1"),
        ('{"3":[1.5]}', "must be a whole number, not 1.5"),
        ('{"3":[true]}', "must be a whole number, not True"),
        ('{"3":["1"]}', "must be a whole number, not 1"),
        ('{"3":[1e3]}', "must be a whole number"),
        ('{"3":[NaN]}', "must be a whole number, not nan"),
        ('{"30":[1]}', "from 0 to 29, not 30"),
        ('{"-1":[1]}', "orders with lists of cells"),
        ('{"a":[1]}', "orders with lists of cells, not 'a'"),
        ('{"3":1}', "orders with lists of cells"),
        ('{"3":{"a":1}}', "orders with lists of cells"),
        ('{"3":[1],"3":[2]}', "an order is there twice"),
        ('{"3":[' + "9" * 5000 + "]}", "this is no JSON"),
        ('{"3":' + "[" * 40_000, "this is no JSON"),
        ("{}", "it has no cell"),
        ('{"3":[]}', "it has no cell"),
        ("{", "this is no JSON"),
    ],
)
def test_wrong_text_is_explained(text: str, message: str) -> None:
    with pytest.raises(RegionError, match=message) as caught:
        Region.parse(text)
    assert len(str(caught.value)) < 260
    with pytest.raises(RegionError):
        Region.read(text.encode())


def table(values: list[int], **cards: Any) -> bytes:
    """A FITS file with a MOC; cards replace those of a right one, None leaves one out."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("UNIQ", cards.pop("form", "1K"), array=np.array(values, np.int64))]
    )
    for name, value in {"MOCDIM": "SPACE", "ORDERING": "NUNIQ", "COORDSYS": "C", "MOCORD_S": 29, **cards}.items():
        if value is not None:
            hdu.header[name] = value
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def patched(content: bytes, name: str, value: str) -> bytes:
    at = content.index(f"{name:8}=".encode())
    return content[:at] + f"{name:8}= {value:>20}".ljust(80).encode() + content[at + 80 :]


GOOD = table([4, 5])


def test_the_tables_of_these_tests_are_right() -> None:
    assert mocs.from_fits(GOOD).to_string().split()[0] == "0/0-1"
    assert mocs.from_fits(table([0, 4**29], ORDERING="RANGE")) == MOC.from_string("0/0 29/")
    assert mocs.from_fits(table([4 * 4**3 + 767], form="1J", MOCORD_S=None)) == MOC.from_string("3/767")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SIMPLE", "cut in a header"),
        (GOOD[:2880], "cut in a header, or is no FITS"),
        (GOOD[:5760], "cut: its table has 2 rows"),
        (patched(GOOD, "NAXIS2", "99999999999999"), "NAXIS2 must be from 0 to 2000000, not 99999999999999"),
        (patched(GOOD, "NAXIS2", "-1"), "NAXIS2 must be from 0"),
        (patched(GOOD, "NAXIS2", "1.5"), "NAXIS2 of the FITS header must be a whole number"),
        (patched(GOOD, "NAXIS2", "9" * 19), "must be a whole number"),
        (patched(GOOD, "NAXIS2", "1000000"), "cut: its table has 1000000 rows"),
        (patched(GOOD, "NAXIS1", "4"), "NAXIS1 of the FITS table must be 8, not 4"),
        (patched(GOOD, "TFIELDS", "2"), "TFIELDS of the FITS table must be 1, not 2"),
        (patched(GOOD, "PCOUNT", "8"), "PCOUNT"),
        (patched(GOOD, "XTENSION", "'IMAGE   '"), "must have a binary table"),
        (patched(GOOD, "TFORM1", "'1E      '"), "TFORM1 must be 1J or 1K, not '1E'"),
        (table([4], TZERO1=1), "TZERO1 is not taken"),
        (table([4], MOCDIM="TIME"), "MOCDIM must be SPACE, not TIME"),
        (table([4], COORDSYS="G"), "COORDSYS must be C .equatorial., not G"),
        (table([4], ORDERING="NESTED"), "ORDERING must be NUNIQ, or RANGE"),
        (table([4], MOCORD_S=99), "from 0 to 29, not 99"),
        (table([4 * 4**5], MOCORD_S=3), "names the order 3, and a cell has order 5"),
        (table([3]), "at least 4, not 3"),
        (table([-1]), "at least 4, not -1"),
        (table([16 * 4**29]), "beyond the last cell"),
        (table([2**62]), "beyond the last cell"),
        (table([2**63 - 1]), "beyond the last cell"),
        (table([]), "it has no cell"),
        (table([0], ORDERING="RANGE"), "ranges come in pairs"),
        (table([5, 4], ORDERING="RANGE"), "must be in order"),
        (table([0, 4, 2, 9], ORDERING="RANGE"), "must be in order"),
        (table([4, 4], ORDERING="RANGE"), "must be in order"),
        (table([-1, 4], ORDERING="RANGE"), "leaves the sky"),
        (table([0, 12 * 4**29 + 1], ORDERING="RANGE"), "leaves the sky"),
        (table([0, 5], ORDERING="RANGE", MOCORD_S=3), "names the order 3, and the ranges are those of order 29"),
        (GOOD[:5760] + b"\xff" * 2880, "at least 4, not -1"),
        (b"\x80\x81", "must be a MOC in FITS, or UTF-8 text"),
        (b" " * (MAX_FILE + 1), "at most"),
    ],
)
def test_a_wrong_file_is_explained(content: bytes, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        Region.read(content)


def test_files_of_other_kinds_are_no_moc() -> None:
    gti = io.BytesIO()
    columns = [fits.Column("START", "1D", array=[1.0]), fits.Column("STOP", "1D", array=[2.0])]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(gti)
    image = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 3)))]).writeto(image)
    for content in (gti.getvalue(), image.getvalue()):
        with pytest.raises(RegionError, match=r"TFIELDS|primary HDU"):
            Region.read(content)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_file_with_wrong_bytes_is_a_moc_of_the_sky_or_an_error(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([GOOD, table([0, 4**27, 4**28, 12 * 4**29], ORDERING="RANGE")])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(5760, 5800))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), 5700, 5768, 6000]))]
    try:
        region = Region.read(bytes(content))
    except RegionError:
        return
    assert len(ranges_of(region.moc())) > 0


def test_a_region_file_of_another_form_is_read() -> None:
    assert Region.read(b"icrs;circle(10,20,1)") == Region.parse("icrs;circle(10,20,1)")
    assert Region.read("# \N{GREEK SMALL LETTER ALPHA}\nicrs;circle(10,20,1)".encode()).shape == "circle"
    with pytest.raises(RegionError, match="at most"):
        Region.read(b"# " + b"x" * MAX_TEXT + b"\nicrs;circle(10,20,1)")
