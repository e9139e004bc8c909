"""Tables of results, as VOTable 1.4 and as FITS binary table with the same columns, units and UCDs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from scripts.epic import bintable, fits, hdu
from scripts.epic.hdu import HDU


class Column(NamedTuple):
    """A column; a value that is None is a null (NaN in FITS), a number with decimals is a double."""

    name: str
    kind: type
    """str, float, int or bool; an int or bool has no nulls."""
    ucd: str
    description: str
    unit: str = ""


Row = Mapping[str, Any]

_DATATYPE = {float: ("double", ""), int: ("long", ""), bool: ("boolean", ""), str: ("char", ' arraysize="*"')}


def write(path: Path, name: str, about: str, columns: Sequence[Column], rows: Sequence[Row], facts: Row) -> None:
    """Write ``path``.vot and ``path``.fits.

    :param facts: what holds for all rows (the spectral model, the selection, ...), by name.
    """
    path.with_suffix(".vot").write_text(votable(name, about, columns, rows, facts), encoding="utf-8")
    fits.write(path.with_suffix(".fits"), [primary(about, facts), extension(name, columns, rows)])


def votable(name: str, about: str, columns: Sequence[Column], rows: Sequence[Row], facts: Row) -> str:
    """Return the VOTable."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        '<RESOURCE type="results">',
        *(f"<INFO name={quoteattr(key)} value={quoteattr(str(value))}/>" for key, value in facts.items()),
        f'<TABLE name={quoteattr(name)} nrows="{len(rows)}">\n<DESCRIPTION>{escape(about)}</DESCRIPTION>',
    ]
    for column in columns:
        datatype, size = _DATATYPE[column.kind]
        unit = f" unit={quoteattr(column.unit)}" if column.unit else ""
        parts.append(
            f'<FIELD name="{column.name}" datatype="{datatype}"{size} ucd="{column.ucd}"{unit}>'
            f"<DESCRIPTION>{escape(column.description)}</DESCRIPTION></FIELD>"
        )
    parts.append("<DATA><TABLEDATA>")
    for row in rows:
        cells = (f"<TD>{escape(_cell(column, row.get(column.name)))}</TD>" for column in columns)
        parts.append(f"<TR>{''.join(cells)}</TR>")
    parts.append("</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n")
    return "\n".join(parts)


def _cell(column: Column, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if column.kind is bool:
        return "T" if value else "F"
    return repr(float(value)) if column.kind is float else str(value)


def primary(about: str, facts: Row) -> HDU:
    """Return the primary HDU, with what holds for all rows as HISTORY."""
    made = hdu.primary()
    made.header["DATE"] = (fits.date(), "[UTC] creation of the job")
    made.header["ORIGIN"] = "Amora"
    made.header["COMMENT"] = about
    for key, value in facts.items():
        made.header["HISTORY"] = f"{key} = {value}"
    return made


def extension(name: str, columns: Sequence[Column], rows: Sequence[Row]) -> HDU:
    """Return the binary table."""
    made = []
    for column in columns:
        values = [row.get(column.name) for row in rows]
        if column.kind is str:
            texts = ["" if value is None else str(value) for value in values]
            form, array = f"{max([1, *map(len, texts)])}A", np.array(texts, dtype="U")
        elif column.kind is float:
            form, array = "D", np.array([math.nan if value is None else value for value in values], dtype=np.float64)
        else:
            form = "L" if column.kind is bool else "K"
            array = np.array(values, dtype=bool if column.kind is bool else np.int64)
        made.append(bintable.Column(column.name.upper(), form, array, column.unit))
    table = bintable.bintable(name.upper(), made)
    for i, column in enumerate(columns, 1):
        table.header[f"TUCD{i}"] = column.ucd
        table.header[f"TCOMM{i}"] = column.description[:60]
    return table
