"""The forms in which the result of a query can be had (TAP 1.1, section 2.7.2; VOTable 1.4, section 5)."""

from __future__ import annotations

import base64
import json
import marshal
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from index.columns import Cell, Column
from index.readonly import PAGE
from uws import fitstable, votable
from uws.dali import Format
from uws.tabular import CSV, FITS, csv_document
from uws.votable import cell_text

BINARY2 = Format("votable/b2", "application/x-votable+xml;serialization=BINARY2")
VOTABLE = Format("votable", votable.CONTENT_TYPE, ("text/xml", "application/xml"))
TABLEDATA = Format("votable/td", "application/x-votable+xml;serialization=TABLEDATA")
TSV = Format("tsv", "text/tab-separated-values")
JSON = Format("json", "application/json", ("text/json",))
FORMATS = (VOTABLE, BINARY2, TABLEDATA, CSV, TSV, FITS, JSON)

NAME = "result"
Rows = Iterable[Sequence[Cell]]
Status = Callable[[], tuple[str, str] | None]
"""Gives, once the rows are out, what is to be said after them: OVERFLOW, or ERROR and why."""


def document(
    chosen: Format, columns: Sequence[Column], rows: Rows, status: Status, title: str, page: int = PAGE
) -> Iterator[bytes]:
    """Write a result piece by piece, each of so many rows.

    Only a VOTable can say after its rows that something went wrong; with an error the other forms break off.
    """
    if chosen.name in (VOTABLE.name, TABLEDATA.name):
        return votable.document(NAME, title, columns, rows, status=status, page=page)
    if chosen.name == BINARY2.name:
        return votable.document(NAME, title, columns, rows, status=status, binary=partial(binary2, page=page))
    if chosen.name == FITS.name:
        return _fits(columns, rows, title)
    return {CSV.name: csv_document, TSV.name: _tsv, JSON.name: _json}[chosen.name](columns, rows, page)


def _tsv(columns: Sequence[Column], rows: Rows, page: int) -> Iterator[bytes]:
    """Write as IANA has it: no quotes, so that a tab or line end in a cell becomes a blank."""
    plain = str.maketrans("\t\r\n", "   ")
    yield ("\t".join(column.name for column in columns) + "\n").encode()
    left = iter(rows)
    while some := list(islice(left, page)):
        yield "".join("\t".join(cell_text(cell).translate(plain) for cell in row) + "\n" for row in some).encode()


def _json(columns: Sequence[Column], rows: Rows, page: int) -> Iterator[bytes]:
    """Write ``{"metadata": [columns], "data": [rows]}``, as other TAP services do."""
    told = [
        {key: value for key in ("name", "datatype", "unit", "ucd", "description") if (value := getattr(column, key))}
        for column in columns
    ]
    yield b'{"metadata": ' + json.dumps(told, ensure_ascii=False).encode() + b',\n"data": ['
    left, between = iter(rows), "\n"
    while some := list(islice(left, page)):
        yield (between + ",\n".join(json.dumps(list(row), ensure_ascii=False) for row in some)).encode()
        between = ",\n"
    yield b"\n]}\n"


def _fits(columns: Sequence[Column], rows: Rows, title: str) -> Iterator[bytes]:
    """Write a binary table; its header tells how many rows there are, so they wait in a file until all are known."""
    with tempfile.TemporaryFile() as spool:
        count, widths = 0, dict.fromkeys((column.name for column in columns if column.is_text), 1)
        texts = [(number, column.name) for number, column in enumerate(columns) if column.is_text]
        for row in rows:
            kept = list(row)
            for number, name in texts:
                kept[number] = text = str(row[number] or "")[: fitstable.MAX_TEXT]
                widths[name] = max(widths[name], len(text))
            marshal.dump(tuple(kept), spool)
            count += 1
        spool.seek(0)
        again = (marshal.load(spool) for _ in range(count))  # noqa: S302 - what was written a moment ago
        yield from fitstable.document(NAME, title, columns, again, count, widths)


_CODES = {
    "short": ("h", 2),
    "int": ("i", 4),
    "long": ("q", 8),
    "float": ("f", 4),
    "double": ("d", 8),
    "boolean": ("c", 1),
}


def binary2(columns: Sequence[Column], rows: Rows, page: int = PAGE) -> Iterator[bytes]:
    """Write the BINARY2 element: for each row the bits of what is unknown, then the cells (VOTable 1.4, 5.4)."""
    yield b'<BINARY2><STREAM encoding="base64">\n'
    left, rest = iter(rows), b""
    while some := list(islice(left, page)):
        data = rest + b"".join(_packed(columns, row) for row in some)
        whole = len(data) - len(data) % 57  # lines of 76 characters
        yield base64.encodebytes(data[:whole])
        rest = data[whole:]
    yield base64.encodebytes(rest) + b"</STREAM></BINARY2>"


def _packed(columns: Sequence[Column], row: Sequence[Cell]) -> bytes:
    flags = 0
    for cell in row:
        flags = flags << 1 | (cell is None)
    length = (len(row) + 7) // 8
    parts = [(flags << (length * 8 - len(row))).to_bytes(length, "big")]
    parts += [_cell(column, cell) for column, cell in zip(columns, row, strict=True)]
    return b"".join(parts)


def _cell(column: Column, cell: Any) -> bytes:
    if column.is_text:
        text = "" if cell is None else str(cell)
        raw = (
            text.encode("utf-16-be", "replace") if column.datatype == "unicodeChar" else text.encode("ascii", "replace")
        )
        count = len(raw) // 2 if column.datatype == "unicodeChar" else len(raw)
        return struct.pack(">i", count) + raw
    if column.datatype == "boolean":
        return b"?" if cell is None else b"T" if cell else b"F"
    code, size = _CODES[column.datatype]
    return b"\0" * size if cell is None else struct.pack(f">{code}", cell)
