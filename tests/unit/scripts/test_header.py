"""Headers and HDUs of our own, held against astropy in both directions."""

from __future__ import annotations

import io
import math
import re
import warnings

import numpy as np
import pytest
from astropy.io import fits as astrofits
from hypothesis import given
from hypothesis import strategies as st

from scripts.epic import hdu
from scripts.epic.bintable import Column, bintable
from scripts.epic.hdu import HDU
from scripts.epic.header import Header

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    PRINTABLE.map(str.rstrip).filter(lambda text: "'" not in text or (len(text) < 30 and not re.search("' */", text))),
)
"""Not asked for are texts that astropy writes and cannot read again: it takes what follows a quote for a comment in
long ones, and where a slash follows the quote.
"""
COMMENTS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'"), max_size=20)


def opened(*parts: HDU) -> astrofits.HDUList:
    """Return a file as astropy reads it; a wrong checksum is a warning, and that an error."""
    content = b"".join(piece for part in parts for piece in map(bytes, part.tobytes("updated then")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = astrofits.open(io.BytesIO(content), checksum=True)
        for one in read:
            _ = one.data
    return read


@given(value=VALUES, comment=COMMENTS)
def test_astropy_reads_what_is_written(value: object, comment: str) -> None:
    part = hdu.primary()
    part.header["VALUE"] = (value, comment)
    (read,) = opened(part)
    assert read.header["VALUE"] == value
    assert type(read.header["VALUE"]) is type(value)
    if not isinstance(value, str):
        assert read.header.comments["VALUE"] == comment


@given(value=VALUES, comment=COMMENTS)
def test_what_astropy_writes_is_read(value: object, comment: str) -> None:
    theirs = astrofits.Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy says so where it has no room for the comment
        theirs["VALUE"] = (value, comment)
        raw = theirs.tostring().encode()
        known = astrofits.Header.fromstring(raw.decode())
    mine = Header.parse(raw)
    assert mine["VALUE"] == known["VALUE"]
    assert type(mine["VALUE"]) is type(known["VALUE"])
    assert mine.comment("VALUE") == known.comments["VALUE"]
    assert mine.copy().tobytes() == raw


@given(PRINTABLE.map(str.rstrip))
def test_a_text_of_any_length_is_read_again(text: str) -> None:
    header = Header()
    header["TEXT"] = (text, "said of it")
    raw = header.tobytes()
    assert Header.parse(raw)["TEXT"] == text
    assert all(raw[at : at + 8] in (b"TEXT    ", b"CONTINUE", b"END     ", b" " * 8) for at in range(0, len(raw), 80))


@pytest.mark.parametrize("text", ["'/", "a' /b", "x'/y'", "it's/"])
def test_a_quote_before_a_slash_ends_no_text(text: str) -> None:
    header = Header()
    header["TEXT"] = (text, "said of it")
    read = Header.parse(header.tobytes())
    assert (read["TEXT"], read.comment("TEXT")) == (text, "said of it")


def test_cards_keep_their_order_and_words_stay_at_the_end() -> None:
    header = Header()
    header["HISTORY"] = "x" * 100
    header["FIRST"] = (1, "one")
    header["COMMENT"] = "said"
    header["FIRST"] = 2
    header["SECOND"] = np.float32(0.5)
    read = astrofits.Header.fromstring(header.tobytes().decode())
    assert [card.keyword for card in read.cards] == ["FIRST", "SECOND", "HISTORY", "HISTORY", "COMMENT"]
    assert (read["FIRST"], read.comments["FIRST"], read["SECOND"]) == (2, "one", 0.5)


def test_what_cannot_stand_in_a_header() -> None:
    header = Header()
    header["TEXT"] = "Sternwarte Tübingen"
    assert astrofits.Header.fromstring(header.tobytes().decode())["TEXT"] == "Sternwarte T?bingen"
    for value in (math.nan, math.inf, [1]):
        header["VALUE"] = value
        with pytest.raises(ValueError, match="cannot stand in a FITS header"):
            header.tobytes()
    with pytest.raises(ValueError, match="is no keyword"):
        header["TOO_LONG_FOR_IT"] = 1


def test_a_card_that_is_no_fits_value_is_its_text() -> None:
    header = Header.parse(b"NAXIS2  = many / rows".ljust(80) + b"EMPTY   =".ljust(80) + b"END".ljust(80))
    assert (header["NAXIS2"], header["EMPTY"], header.get("OTHER")) == ("many", None, None)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50), st.sampled_from(["i2", "i4", "f4", "f8", "u1"]))
def test_data_and_checksums_are_those_of_astropy(values: list[int], form: str) -> None:
    array = np.array(values, dtype=np.int64).astype(form)
    table = bintable("T", [Column("A", "D", array), Column("B", "3A", ["x"] * len(array))])
    parts = [hdu.primary(), hdu.image(array[None, :], "I"), table]
    if len(array):
        parts[0] = hdu.primary(np.stack([array, array]))
        read = opened(*parts)
        np.testing.assert_array_equal(read[0].data, np.stack([array, array]))
        np.testing.assert_array_equal(read["I"].data[0], array)
        np.testing.assert_array_equal(read["T"].data["A"], array.astype(np.float64))
    else:
        assert opened(parts[0], table)["T"].header["NAXIS2"] == 0
