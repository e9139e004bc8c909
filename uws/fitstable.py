"""Tables as FITS binary tables (FITS 4.0, section 7.3), written row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from index.columns import Cell, Column

if TYPE_CHECKING:
    from astropy.io.fits import Header

CONTENT_TYPE = "application/fits"
ROWS = 500
"""In one piece."""
BYTES = 2**23
"""The same, where its rows are long."""
MAX_TEXT = 4096
"""Characters of a text; what is longer is cut."""

MAX_VALUE = 67
"""Characters of a value in one card; a longer one would need a convention that few readers know."""

_BLOCK = 2880
_FORMS = {
    "short": ("1I", ">i2"),
    "int": ("1J", ">i4"),
    "long": ("1K", ">i8"),
    "float": ("1E", ">f4"),
    "double": ("1D", ">f8"),
    "boolean": ("1L", "S1"),
}
_UNKNOWN: dict[str, Any] = {
    "short": -(2**15),
    "int": -(2**31),
    "long": -(2**63),
    "float": np.nan,
    "double": np.nan,
    "boolean": b"\0",
}


def document(
    name: str,
    description: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    count: int,
    widths: Mapping[str, int],
    cards: Iterable[tuple[str, Cell, str]] = (),
) -> Iterator[bytes]:
    """Give a file with an empty primary HDU and one table, piece by piece.

    A text keeps its ASCII characters, the others become ``?``. What is not known is blank, NaN, a boolean of zero
    or the integer that TNULL names.

    :param count: the number of rows; further ones are left out, missing ones are unknown throughout.
    :param widths: the most characters that the texts of a column have; a column that is not named has 64.
    :param cards: further keywords of the table, with value and comment.
    """
    from astropy.io.fits import Header  # noqa: PLC0415 - 15 MB that a service does without until it is asked

    forms = [_form(column, widths) for column in columns]
    dtype = np.dtype([(f"c{number}", form[1]) for number, form in enumerate(forms)])
    primary = Header([("SIMPLE", True, "conforms to the FITS standard"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    yield _bytes(primary) + _bytes(_table_header(name, description, columns, forms, dtype.itemsize, count, cards))
    left, written = iter(rows), 0
    page = max(1, min(ROWS, BYTES // dtype.itemsize))
    nothing = np.array([tuple(_cell(column, None) for column in columns)], dtype)
    while written < count:
        some = list(islice(left, min(page, count - written)))
        data = np.repeat(nothing, len(some) or min(page, count - written))
        for number, column in enumerate(columns):
            if some:
                data[f"c{number}"] = [_cell(column, row[number]) for row in some]
        written += len(data)
        yield data.tobytes()
    yield b"\0" * (-count * dtype.itemsize % _BLOCK)


def _form(column: Column, widths: Mapping[str, int]) -> tuple[str, str]:
    """Give TFORM and the type of numpy."""
    if not column.is_text:
        return _FORMS[column.datatype]
    width = max(1, min(widths.get(column.name, 64), MAX_TEXT))
    return f"{width}A", f"S{width}"


def _cell(column: Column, cell: Cell) -> Any:
    if column.is_text:
        return str(cell).encode("ascii", "replace") if cell is not None else b""
    if cell is None:
        return _UNKNOWN[column.datatype]
    return (b"T" if cell else b"F") if column.datatype == "boolean" else cell


def _table_header(
    name: str,
    description: str,
    columns: Sequence[Column],
    forms: Sequence[tuple[str, str]],
    width: int,
    count: int,
    cards: Iterable[tuple[str, Cell, str]],
) -> Header:
    from astropy.io.fits import Card, Header  # noqa: PLC0415 - as above

    header = Header(
        [
            ("XTENSION", "BINTABLE", "binary table"),
            ("BITPIX", 8),
            ("NAXIS", 2),
            ("NAXIS1", width, "bytes of a row"),
            ("NAXIS2", count, "rows"),
            ("PCOUNT", 0),
            ("GCOUNT", 1),
            ("TFIELDS", len(columns)),
            ("EXTNAME", name.upper()),
        ]
    )
    for number, (column, (form, _)) in enumerate(zip(columns, forms, strict=True), 1):
        header.append(Card(f"TTYPE{number}", _plain(column.name)[:MAX_VALUE], _plain(column.description[:47])))
        header.append(Card(f"TFORM{number}", form))
        if column.unit:
            header.append(Card(f"TUNIT{number}", _plain(column.unit)[:MAX_VALUE]))
        if column.datatype in ("short", "int", "long"):
            header.append(Card(f"TNULL{number}", _UNKNOWN[column.datatype]))
        for key, text in (("TUCD", column.ucd), ("TUTYP", column.utype)):
            if 0 < len(text) <= MAX_VALUE:
                header.append(Card(f"{key}{number}", _plain(text)))
    for keyword, value, comment in cards:
        header.append(Card(keyword, value, comment))
    header.add_comment(_plain(description))
    return header


def _plain(text: str) -> str:
    """Return a text as a card can hold it (FITS 4.0, section 4.1): printable ASCII, ``?`` for any other character."""
    return "".join(character if " " <= character <= "~" else "?" for character in " ".join(text.split()))


def _bytes(header: Header) -> bytes:
    return str(header.tostring(sep="", endcard=True, padding=True)).encode("ascii")
