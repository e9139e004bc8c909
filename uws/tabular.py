"""The formats in which every table of the service can be had (DALI 1.1, section 3.4.3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from uws import votable
from uws.dali import Format
from uws.votable import Cell, Column, cell_text

VOTABLE = Format("votable", votable.CONTENT_TYPE, ("text/xml", "application/xml"))
CSV = Format("csv", "text/csv;header=present")


def csv_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return rows as CSV (RFC 4180) with a header line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    writer.writerows(map(cell_text, row) for row in rows)
    return text.getvalue().encode()
