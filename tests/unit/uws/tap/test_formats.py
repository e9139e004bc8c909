"""Results in each form, read back by astropy."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from hypothesis import given, settings
from hypothesis import strategies as st

from index.columns import Cell, Column
from uws.tap.formats import BINARY2, FORMATS, TABLEDATA, document

COLUMNS = (
    Column("name", "unicodeChar", "A name"),
    Column("code", "char", "A code"),
    Column("ra", "double", "Right ascension", "deg", "pos.eq.ra"),
    Column("count", "int", "A number"),
    Column("size", "long", "A large number"),
    Column("flag", "boolean", "Yes or no"),
)
ROWS: list[tuple[Cell, ...]] = [
    ("Crab é \U0001f980", "x", 83.6, 7, 2**40, True),
    ("<&>'\"", "a\tb", -0.0, -(2**31) + 1, -1, False),
    (None, None, None, None, None, None),
    ("", "", 1e-300, 0, 0, None),
]


def _written(name: str, rows: list[tuple[Cell, ...]] = ROWS, status: tuple[str, str] | None = None) -> bytes:
    chosen = next(form for form in FORMATS if form.name == name)
    return b"".join(document(chosen, COLUMNS, iter(rows), lambda: status, "SELECT *"))


@pytest.mark.parametrize("form", [TABLEDATA, BINARY2])
def test_a_votable_read_by_astropy(form) -> None:
    table = parse_single_table(io.BytesIO(_written(form.name)), verify="exception")
    found = table.array
    assert list(found["name"][:2]) == ["Crab é \U0001f980", "<&>'\""]
    assert found["ra"][0] == 83.6
    assert found["size"][0] == 2**40
    assert [bool(flag) for flag in found["flag"][:2]] == [True, False]
    assert found.mask["ra"].tolist() == [False, False, True, False]
    assert found.mask["count"].tolist() == [False, False, True, False]
    assert table.fields[2].unit == "deg"


@pytest.mark.parametrize("name", ["votable", "votable/b2"])
def test_what_is_said_after_the_rows(name: str) -> None:
    text = _written(name, status=("OVERFLOW", "")).decode()
    assert text.index('value="OVERFLOW"') > text.index("</TABLE>")
    assert "it broke &lt;here&gt;" in _written(name, status=("ERROR", "it broke <here>")).decode()
    assert text.count("QUERY_STATUS") == 2
    assert _written(name).decode().count("QUERY_STATUS") == 1


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=9),
            st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.integers(-(2**31) + 1, 2**31 - 1),
            st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
            st.booleans(),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_binary2_says_what_tabledata_says(rows: list[tuple[Cell, ...]]) -> None:
    found = [parse_single_table(io.BytesIO(_written(name, rows))).array for name in ("votable/td", "votable/b2")]
    for column in COLUMNS[2:5]:
        one, other = (array[column.name] for array in found)
        assert np.array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        assert one.filled(0).tolist() == other.filled(0).tolist()


def test_fits_read_by_astropy() -> None:
    with fits.open(io.BytesIO(_written("fits"))) as file:
        data = file[1].data
        assert data["ra"][0] == 83.6
        assert np.isnan(data["ra"][2])
        assert data["code"].tolist() == ["x", "a\tb", "", ""]
        assert file[1].header["TUNIT3"] == "deg"


def test_the_others() -> None:
    assert _written("csv").decode().splitlines()[0] == "name,code,ra,count,size,flag"
    lines = _written("tsv").decode().splitlines()
    assert lines[2].split("\t") == ["<&>'\"", "a b", "-0.0", str(-(2**31) + 1), "-1", "false"]
    told = json.loads(_written("json"))
    assert [entry["name"] for entry in told["metadata"]] == [column.name for column in COLUMNS]
    assert told["data"] == [list(row) for row in ROWS]
    assert json.loads(_written("json", []))["data"] == []
