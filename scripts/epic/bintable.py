"""Binary tables of products."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scripts.epic.hdu import HDU
from scripts.epic.header import Header

_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "S"}
_FORM = re.compile(r"(\d*)([LBIJKEDA])")


class Column(NamedTuple):
    """A column; ``form`` is a TFORM of the FITS standard, 4.0, section 7.3.1, without variable lengths."""

    name: str
    form: str
    values: ArrayLike
    """Shape (rows,), or (rows, n) where ``form`` says n."""
    unit: str = ""


def bintable(name: str, columns: Sequence[Column], rows: int | None = None) -> HDU:
    """Return a table.

    :param rows: where there is no column to tell.
    """
    fields: list[tuple[str, Any]] = []
    cards: list[tuple[str, Any, str]] = []
    for n, column in enumerate(columns, 1):
        found = _FORM.fullmatch(column.form)
        if found is None:
            raise ValueError(f"the form {column.form} of column {column.name} is unknown")
        repeat, kind = int(found[1] or 1), _TYPES[found[2]]
        many = found[2] != "A" and repeat > 1
        fields.append((f"f{n}", (kind, (repeat,)) if many else f"S{repeat}" if found[2] == "A" else kind))
        cards += [(f"TTYPE{n}", column.name, ""), (f"TFORM{n}", column.form, "")]
        cards += [(f"TUNIT{n}", column.unit, "")] if column.unit else []
    dtype = np.dtype(fields)
    number = len(np.asarray(columns[0].values)) if columns else rows or 0
    table = np.zeros(number, dtype=dtype)
    for (field, _), column in zip(fields, columns, strict=True):
        values = np.asarray(column.values)
        if values.dtype.kind == "b":
            values = np.where(values, b"T", b"F")
        elif values.dtype.kind == "U":
            values = np.array([text.encode("ascii", "replace") for text in values.tolist()])
        table[field] = values
    header = Header()
    header.update(
        [
            ("XTENSION", "BINTABLE", "binary table"),
            ("BITPIX", 8, ""),
            ("NAXIS", 2, ""),
            ("NAXIS1", dtype.itemsize, ""),
            ("NAXIS2", number, ""),
            ("PCOUNT", 0, ""),
            ("GCOUNT", 1, ""),
            ("TFIELDS", len(columns), ""),
            *cards,
            ("EXTNAME", name, ""),
        ]
    )
    return HDU(header, table.tobytes())
