"""What is let through to the library that reads uploaded tables, and what is not."""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from astropy.io.votable import parse_single_table
from astropy.io.votable.tree import Field, Resource, TableElement, VOTableFile
from hypothesis import given
from hypothesis import strategies as st

from uws.tap import screening
from uws.tap.errors import QueryError
from uws.tap.screening import screen

START = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>'
END = "</RESOURCE></VOTABLE>"
ONE = '<FIELD name="a" datatype="int"/>'


def votable(fields: str = ONE, data: str = "", *, table: str = "", before: str = "") -> str:
    return f"{START}{before}<TABLE {table}>{fields}<DATA>{data}</DATA></TABLE>{END}"


def rows(cells: str = "<TD>1</TD>", number: int = 1) -> str:
    return f"<TABLEDATA>{f'<TR>{cells}</TR>' * number}</TABLEDATA>"


def binary(raw: bytes, kind: str = "BINARY2", encoding: str = "base64") -> str:
    return f'<{kind}><STREAM encoding="{encoding}">{base64.b64encode(raw).decode()}</STREAM></{kind}>'


TEXT = '<FIELD name="t" datatype="char" arraysize="{}"/>'
MANY = "".join(f'<FIELD name="c{number}" datatype="double"/>' for number in range(200))
ENTITIES = '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>'

HARMFUL = {
    "no XML": ("hello", "no VOTable"),
    "entities": (ENTITIES + votable(data=rows("<TD>&b;</TD>")), "entities"),
    "a document type elsewhere": ('<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x">' + votable(data=rows()), "entities"),
    "no encoding": ('<?xml version="1.0" encoding="nosuch"?>' + votable(data=rows()), "no VOTable"),
    "rows": (votable(data=rows(number=100_001)), "100000 rows"),
    "rows without cells": (votable(MANY, rows("", 10_001)), "2000000 cells"),
    "rows that it says it has": (votable(data=rows(), table='nrows="2000000000"'), "2000000000 rows"),
    "no number of rows": (votable(data=rows(), table='nrows="1e9"'), "1e9 rows"),
    "rows of long texts": (votable(TEXT.format(99_999), rows("<TD/>", 1000)), "arraysizes"),
    "long texts that it says it has": (
        votable(TEXT.format("99999*"), rows("<TD/>"), table='nrows="1000"'),
        "arraysize",
    ),
    "cells": (votable(data=rows("<TD/>" * 1000)), "row 1 has more cells than there are columns (1)"),
    "columns": (votable(ONE * 201, rows()), "200 columns"),
    "a column of arrays": (votable('<FIELD name="a" datatype="int" arraysize="1000000000"/>', rows()), "arraysize"),
    "a parameter of arrays": (votable('<PARAM name="a" datatype="int" arraysize="999999999" value="1"/>'), "PARAM"),
    "elements": (votable(before='<INFO name="a" value="b"/>' * 20_001), "20000 elements"),
    "depth": (START + "<RESOURCE>" * 60 + "</RESOURCE>" * 60 + END, "50 elements in one another"),
    "attributes": (f"<VOTABLE {' '.join(f'a{number}=' for number in range(200_000))}/>".replace("=", '=""'), "bytes"),
    "a comment": (f"<!--{'x' * 2**21}-->" + votable(data=rows()), "bytes"),
    "FITS": (votable(data='<FITS><STREAM encoding="base64"/></FITS>'), "BINARY2"),
    "data elsewhere": (votable(data='<BINARY><STREAM href="http://127.0.0.1:1/x"/></BINARY>'), "elsewhere"),
    "zipped data": (votable(data=binary(b"x", encoding="gzip")), "gzip"),
    "no base64": (votable(data='<BINARY><STREAM encoding="base64">a</STREAM></BINARY>'), "base64"),
    "rows in binary": (
        votable('<FIELD name="a" datatype="boolean"/>', binary(b"T" * 100_001, "BINARY")),
        "100000 rows",
    ),
    "part of a row": (votable(data=binary(bytes(7))), "within a row, after 1 other"),
    "a false length": (votable(TEXT.format("*"), binary(b"\0" + struct.pack(">i", 2**31 - 1) + b"x")), "within a row"),
    "a negative length": (votable(TEXT.format("*"), binary(b"\0" + struct.pack(">i", -5) + b"x")), "within a row"),
    "a cut length": (votable(TEXT.format("*"), binary(b"\0\0\0")), "within a row"),
    "rows of texts": (votable(TEXT.format("*"), binary(bytes(5) * 100_001)), "100000 rows"),
    "rows of nothing": (votable(TEXT.format("0"), binary(b"x", "BINARY")), "no bytes"),
    "data without columns": (votable("", binary(b"xxx")), "no bytes"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_what_would_harm_is_refused(tmp_path: Path, name: str) -> None:
    content, words = HARMFUL[name]
    path = tmp_path / "table.vot"
    path.write_text(content)
    with pytest.raises(QueryError) as caught:
        screen(path)
    assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_entities_are_found_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.vot"
    path.write_bytes((ENTITIES + votable(data=rows())).encode(encoding))
    with pytest.raises(QueryError, match="entities"):
        screen(path)


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.text("ab", max_size=9), st.text("é", max_size=3)), max_size=30),
    st.sampled_from(("tabledata", "binary", "binary2")),
    st.sampled_from(("*", "9", "12*")),
)
def test_what_astropy_writes_passes_and_has_as_many_rows(
    given_rows: list[tuple[int, str, str]], form: str, length: str
) -> None:
    document = VOTableFile(version="1.4")
    document.resources.append(resource := Resource())
    resource.tables.append(table := TableElement(document))
    texts = (("char", length), ("unicodeChar", length))
    table.fields.append(Field(document, name="n", datatype="short"))
    table.fields.extend(
        Field(document, name=f"t{number}", datatype=kind, arraysize=size) for number, (kind, size) in enumerate(texts)
    )
    table.create_arrays(len(given_rows))
    for number, row in enumerate(given_rows):
        table.array[number] = row
    table.format = form
    written = io.BytesIO()
    document.to_xml(written)
    watch = screening._Watch()
    parser = screening.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = watch.start, watch.end
    parser.CharacterDataHandler = watch.text
    parser.Parse(written.getvalue(), True)
    assert watch._rows == len(parse_single_table(io.BytesIO(written.getvalue())).array) == len(given_rows)
    assert np.array_equal(table.array["n"], [row[0] for row in given_rows])
