"""Tables that come with a query (TAP 1.1, section 2.5): VOTables, read with care.

astropy reads them. What it would do with a file made to harm is looked at first: a document type with entities is
refused, and a field of many values, which would be given room for each row whether it has any or not.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree

from index.columns import Column, Datatype
from uws.tap.errors import QueryError
from uws.tap.published import Table

SCHEMA = "TAP_UPLOAD"
MAX_BYTES = 32 * 2**20
MAX_ROWS = 100_000
MAX_COLUMNS = 200
KEY = "__row"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_TYPES: dict[str, tuple[Datatype, str]] = {
    **{"unsignedByte": ("short", "integer"), "short": ("short", "integer"), "int": ("int", "integer")},
    **{"long": ("long", "integer"), "boolean": ("int", "integer")},
    **{"float": ("float", "double"), "double": ("double", "double")},
    **{"char": ("char", "text"), "unicodeChar": ("unicodeChar", "text")},
}
"""What each type of VOTable becomes: in the result, and in the database."""


@dataclass(frozen=True)
class Upload:
    """A table that came with a query, and how it is to be kept while the query runs."""

    table: Table
    place: str
    """The temporary table that it is put into."""
    columns: Sequence[tuple[str, str]]
    """Name and kind of each column of that, the key first."""
    content: Any

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, each with its number in front."""
        given = [_cells(self.content[name]) for name in self.content.dtype.names]
        yield from zip(range(1, len(self.content) + 1), *given, strict=True)


def read(name: str, path: Path, number: int) -> Upload:
    """Read a table.

    :param name: by which the query knows it, after ``TAP_UPLOAD.``.
    :param number: which of the query's tables it is.
    :raises QueryError: it is no VOTable, too large, or has columns that no query can use.
    """
    if not _NAME.fullmatch(name):
        raise QueryError(f"UPLOAD: a table cannot be named {name!r}; letters, digits and _ are allowed")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise QueryError(f"UPLOAD {name}: {size} bytes were sent; {MAX_BYTES} are allowed")
    raw = path.read_bytes()
    _refuse_harmful(name, raw)
    fields, content = _parsed(name, raw)
    columns = [_column(name, field) for field in fields]
    names = [column.name.lower() for column in columns]
    twice = {found for found in names if names.count(found) > 1}
    if twice:
        raise QueryError(f"UPLOAD {name}: columns must differ in more than the case: {', '.join(sorted(twice))}")
    place = f"upload_{number}"
    kinds = [(column.name, _TYPES[field.datatype][1]) for column, field in zip(columns, fields, strict=True)]
    content.dtype.names = tuple(column.name for column in columns)
    table = Table(SCHEMA, name, "Sent with the query", tuple(columns), f'SELECT * FROM "{place}"', key=KEY)  # noqa: S608
    return Upload(table, place, [(KEY, "integer"), *kinds], content)


def _refuse_harmful(name: str, raw: bytes) -> None:
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise QueryError(f"UPLOAD {name}: a VOTable with a document type or entities is not read")
    fields = rows = 0
    try:
        for _, element in etree.iterparse(io.BytesIO(raw), events=("start",), resolve_entities=False, no_network=True):
            tag = etree.QName(element).localname if isinstance(element.tag, str) else ""
            if tag == "FIELD":
                fields += 1
                _refuse_field(name, element)
            elif tag == "TR":
                rows += 1
                if rows > MAX_ROWS:
                    raise QueryError(f"UPLOAD {name}: it has more than {MAX_ROWS} rows")
            elif tag == "STREAM" and element.get("href"):
                raise QueryError(f"UPLOAD {name}: the data must be in the VOTable, not elsewhere")
            elif tag in ("TABLEDATA", "TD"):
                element.clear()
            if fields > MAX_COLUMNS:
                raise QueryError(f"UPLOAD {name}: it has more than {MAX_COLUMNS} columns")
    except etree.XMLSyntaxError as error:
        raise QueryError(f"UPLOAD {name}: it is no VOTable: {error}") from error


def _refuse_field(name: str, element: etree._Element) -> None:
    column, kind, length = element.get("name", ""), element.get("datatype", ""), element.get("arraysize", "1")
    if kind not in _TYPES:
        raise QueryError(f"UPLOAD {name}: column {column} is of the type {kind!r}; allowed are {', '.join(_TYPES)}")
    text = kind in ("char", "unicodeChar")
    allowed = r"[0-9]{0,5}\*?" if text else r"1?"
    if not re.fullmatch(allowed, length):
        raise QueryError(
            f"UPLOAD {name}: column {column} has the arraysize {length}; one value for each row is allowed"
        )


def _parsed(name: str, raw: bytes) -> tuple[list[Any], Any]:
    from astropy.io.votable import parse_single_table  # noqa: PLC0415 - half a second that few queries need

    try:
        table = parse_single_table(io.BytesIO(raw), verify="ignore")
    except QueryError:
        raise
    except Exception as error:  # astropy names no exceptions for what can be wrong in a file
        raise QueryError(f"UPLOAD {name}: it cannot be read as a VOTable: {error}") from error
    if len(table.array) > MAX_ROWS:
        raise QueryError(f"UPLOAD {name}: it has {len(table.array)} rows; {MAX_ROWS} are allowed")
    if not table.fields:
        raise QueryError(f"UPLOAD {name}: it has no columns")
    return list(table.fields), table.array


def _column(name: str, field: Any) -> Column:
    if not field.name or '"' in field.name or len(field.name) > 64:
        raise QueryError(f"UPLOAD {name}: a column cannot be named {field.name!r}")
    datatype = _TYPES[field.datatype][0]
    told = (str(getattr(field, name, None) or "") for name in ("description", "unit", "ucd", "utype", "xtype"))
    return Column(field.name, datatype, *told)


def _cells(values: Any) -> list[Any]:
    """Return the values of a column as SQL keeps them; what is masked or no number is unknown."""
    masked = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if plain.dtype.kind == "f":
        masked = masked | ~np.isfinite(plain)
    cells = [int(value) for value in plain] if plain.dtype.kind == "b" else plain.tolist()
    return [None if hidden else _text(cell) for cell, hidden in zip(cells, masked, strict=True)]


def _text(cell: Any) -> Any:
    return cell.decode("ascii", "replace") if isinstance(cell, bytes) else cell
