"""Tables that come with a query (TAP 1.1, section 2.5): VOTables, read with care.

astropy reads them, once :mod:`uws.tap.screening` has let them pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.columns import Column, Datatype
from uws.tap import screening
from uws.tap.errors import QueryError
from uws.tap.published import Table

SCHEMA = "TAP_UPLOAD"
MAX_BYTES = 32 * 2**20
"""Of all tables of a query together; one part that is named twice counts twice."""
MAX_TABLES = 16
KEY = "__row"
_SOME = 1000
"""Rows that are made into Python's values at once."""

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
        for start in range(0, len(self.content), _SOME):
            some = self.content[start : start + _SOME]
            cells = [_cells(some[name]) for name in some.dtype.names]
            yield from zip(range(start + 1, start + len(some) + 1), *cells, strict=True)


def check(files: Mapping[str, Path]) -> None:
    """Make sure that a query's tables are not too many and not too large, before any is read.

    :param files: by the names of the tables.
    :raises QueryError: they are.
    """
    if len(files) > MAX_TABLES:
        raise QueryError(f"UPLOAD: {len(files)} tables were sent; {MAX_TABLES} are allowed")
    size = sum(path.stat().st_size for path in files.values())
    if size > MAX_BYTES:
        raise QueryError(f"UPLOAD {', '.join(files)}: {size} bytes were sent; {MAX_BYTES} are allowed")


def read(name: str, path: Path, number: int) -> Upload:
    """Read a table.

    :param name: by which the query knows it, after ``TAP_UPLOAD.``.
    :param number: which of the query's tables it is.
    :raises QueryError: it is no VOTable, or has columns that no query can use.
    """
    if not _NAME.fullmatch(name):
        raise QueryError(f"UPLOAD: a table cannot be named {name!r}; letters, digits and _ are allowed")
    try:
        screening.screen(path)
        fields, content = _parsed(path)
    except QueryError as error:
        raise QueryError(f"UPLOAD {name}: {error}") from error
    columns = [_column(name, field) for field in fields]
    names = [column.name.lower() for column in columns]
    twice = {found for found in names if names.count(found) > 1}
    if twice:
        raise QueryError(f"UPLOAD {name}: columns must differ in more than the case: {', '.join(sorted(twice))}")
    place = f"upload_{number}"
    kinds = [(column.name, _TYPES[field.datatype][1]) for column, field in zip(columns, fields, strict=True)]
    source = f'SELECT * FROM "{place}"'  # noqa: S608
    table = Table(SCHEMA, name, "Sent with the query", tuple(columns), source, key=KEY, longest=_longest(content))
    return Upload(table, place, [(KEY, "integer"), *kinds], content)


def _parsed(path: Path) -> tuple[list[Any], Any]:
    from astropy.io.votable import parse_single_table  # noqa: PLC0415 - half a second that few queries need

    try:
        with path.open("rb") as file:
            table = parse_single_table(file, verify="ignore")
    except Exception as error:  # astropy names no exceptions for what can be wrong in a file
        told = re.sub(r"^None:(\d+):\d+: (\w\d\d: )?", r"line \1: ", str(error))
        raise QueryError(f"it cannot be read as a VOTable: {told[:300]}") from error
    if not table.fields:
        raise QueryError("it has no columns")
    return list(table.fields), table.array


def _column(name: str, field: Any) -> Column:
    if not field.name or '"' in field.name or len(field.name) > 64:
        raise QueryError(f"UPLOAD {name}: a column cannot be named {field.name!r}")
    datatype = _TYPES[field.datatype][0]
    told = (str(getattr(field, name, None) or "") for name in ("description", "unit", "ucd", "utype", "xtype"))
    return Column(field.name, datatype, *told)


def _longest(content: Any) -> int:
    """Return how many characters the longest text has."""
    texts = [content[name].data for name in content.dtype.names if content[name].dtype.kind in "OSU"]
    return max((len(cell) for cells in texts for cell in cells), default=0)


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
