"""Binary tables of products, written without astropy's tables, whose import takes as long as a product."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike

from scripts.epic.stream import BLOCK, CARD

_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "S"}
_FORM = re.compile(r"(\d*)([LBIJKEDA])")


class Column(NamedTuple):
    """A column; ``form`` is a TFORM of the FITS standard, 4.0, section 7.3.1, without variable lengths."""

    name: str
    form: str
    values: ArrayLike
    """Shape (rows,), or (rows, n) where ``form`` says n."""
    unit: str = ""


def bintable(name: str, columns: Sequence[Column], rows: int | None = None) -> Any:
    """Return a table as an HDU of astropy.

    :param rows: where there is no column to tell.
    """
    fields: list[tuple[str, Any]] = []
    cards = []
    for n, column in enumerate(columns, 1):
        found = _FORM.fullmatch(column.form)
        if found is None:
            raise ValueError(f"the form {column.form} of column {column.name} is unknown")
        repeat, kind = int(found[1] or 1), _TYPES[found[2]]
        many = found[2] != "A" and repeat > 1
        fields.append((f"f{n}", (kind, (repeat,)) if many else f"S{repeat}" if found[2] == "A" else kind))
        cards += [_card(f"TTYPE{n}", column.name), _card(f"TFORM{n}", column.form)]
        cards += [_card(f"TUNIT{n}", column.unit)] if column.unit else []
    dtype = np.dtype(fields)
    number = len(np.asarray(columns[0].values)) if columns else rows or 0
    table = np.zeros(number, dtype=dtype)
    for (field, _), column in zip(fields, columns, strict=True):
        values = np.asarray(column.values)
        if values.dtype.kind == "b":
            values = np.where(values, b"T", b"F")
        elif values.dtype.kind == "U":
            values = np.char.encode(values, "ascii", "replace")
        table[field] = values
    head = [
        "XTENSION= 'BINTABLE'           / binary table",
        _card("BITPIX", 8),
        _card("NAXIS", 2),
        _card("NAXIS1", dtype.itemsize),
        _card("NAXIS2", number),
        _card("PCOUNT", 0),
        _card("GCOUNT", 1),
        _card("TFIELDS", len(columns)),
        *cards,
        _card("EXTNAME", name),
        "END",
    ]
    text = "".join(card.ljust(CARD) for card in head).encode("ascii")
    content = table.tobytes()
    return fits.BinTableHDU.fromstring(
        text.ljust(-(-len(text) // BLOCK) * BLOCK) + content + b"\0" * (-len(content) % BLOCK)
    )


def _card(name: str, value: str | int) -> str:
    """Return a short keyword in fixed format (FITS standard, section 4.2)."""
    if isinstance(value, int):
        return f"{name:8}= {value:>20}"
    quoted = "'" + value.replace("'", "''").ljust(8) + "'"
    return f"{name:8}= {quoted:<20}"
