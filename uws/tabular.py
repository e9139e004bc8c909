"""The formats in which every table of the service can be had (DALI 1.1, section 3.4.3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from uws import votable
from uws.dali import Format
from uws.votable import Cell, Column, cell_text

VOTABLE = Format("votable", votable.CONTENT_TYPE, ("text/xml", "application/xml"))
CSV = Format("csv", "text/csv;header=present")
FITS = Format("fits", "application/fits", ("image/fits",))

ROWS = 200
"""In one piece."""


def csv_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return rows as CSV (RFC 4180) with a header line."""
    return b"".join(csv_document(columns, rows))


def csv_document(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], page: int = ROWS) -> Iterator[bytes]:
    """Give the same as :func:`csv_table` piece by piece, each of so many rows."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    left = iter(rows)
    while some := list(islice(left, page)):
        writer.writerows(map(cell_text, row) for row in some)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    if text.tell():
        yield text.getvalue().encode()
