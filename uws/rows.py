"""Rows of a product that is a table, as JSON: ``/api/jobs/{job}/products/{product}/rows``.

VOTable, FITS (the first table extension, or the one that HDU names; of an image its header alone) and CSV. OFFSET and
MAXREC choose the rows. The answer: ``{"name", "columns": [{"name", "unit", "description", "ucd"}], "rows": [[...]],
"offset", "total", "header": [[keyword, value, comment]]}``; what is no number is null, an array of a cell is a text.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jobs.errors import RequestError
from uws import context, dali
from uws.context import call, job_of

MOST = 1000
"""Rows in one answer."""
SHOWN = 200
"""Rows where MAXREC is not given."""
LARGEST = 64 * 2**20
"""Bytes of a VOTable or a CSV that is read, which takes several times as much memory."""
_ELEMENTS = 8


async def show(request: Request) -> Response:
    """Show rows of a product that is a table."""
    form = await dali.read(request)
    offset, count = form.integer("OFFSET", 0, 2**31) or 0, form.integer("MAXREC", 0, MOST)
    hdu = form.integer("HDU", 0, 10_000)
    product, content = await call(context.of(request).jobs.product, *job_of(request), request.path_params["product"])

    def read() -> dict[str, Any]:
        media_type = product.content_type.partition(";")[0].strip()
        if media_type not in READERS:
            raise RequestError(f"{product.name} is {media_type}; rows can be had of {', '.join(READERS)}")
        reader = READERS[media_type]
        if reader is not _fits and content.size > LARGEST:
            raise RequestError(f"{product.name} has {content.size} bytes; rows are shown of at most {LARGEST}")
        with TemporaryDirectory() as folder:
            path = content.fetch(Path(folder) / "product")
            return reader(path, offset, SHOWN if count is None else count, hdu)

    return JSONResponse(await call(read))


def _fits(path: Path, offset: int, count: int, hdu: int | None) -> dict[str, Any]:
    from astropy.io import fits  # noqa: PLC0415 - few ask for this

    with fits.open(path, memmap=True) as opened:
        tables = [number for number, one in enumerate(opened) if isinstance(one, fits.BinTableHDU | fits.TableHDU)]
        pictures = [number for number, one in enumerate(opened) if one.is_image and one.header.get("NAXIS")]
        number = (
            hdu if hdu is not None else (pictures or tables or [0])[0] if pictures[:1] == [0] else (tables or [0])[0]
        )
        if number >= len(opened):
            raise RequestError(f"HDU {number} was asked for; there are {len(opened)}, counted from 0")
        chosen = opened[number]
        header = [[card.keyword, _cell(card.value), card.comment] for card in chosen.header.cards]
        if number not in tables:
            return {"name": chosen.name, "columns": [], "rows": [], "offset": 0, "total": 0, "header": header}
        data, columns = chosen.data, chosen.columns
        rows = [[_cell(value) for value in row] for row in data[offset : offset + count]]
        described = [{"name": one.name, "unit": one.unit or "", "description": "", "ucd": ""} for one in columns]
        return {
            "name": chosen.name,
            "columns": described,
            "rows": rows,
            "offset": offset,
            "total": len(data),
            "header": header,
        }


def _votable(path: Path, offset: int, count: int, _hdu: int | None) -> dict[str, Any]:
    from astropy.io.votable import parse  # noqa: PLC0415 - few ask for this

    table = next(iter(parse(path, verify="ignore").iter_tables()), None)
    if table is None:
        raise RequestError("The VOTable has no table")
    columns = [
        {
            "name": one.name,
            "unit": str(one.unit or ""),
            "description": " ".join(str(one.description or "").split()),
            "ucd": one.ucd or "",
        }
        for one in table.fields
    ]
    found = table.array[offset : offset + count]
    rows = [[_cell(value) for value in row] for row in found]
    name = table.name or table.ID or ""
    return {"name": name, "columns": columns, "rows": rows, "offset": offset, "total": len(table.array), "header": []}


def _csv(path: Path, offset: int, count: int, _hdu: int | None) -> dict[str, Any]:
    with path.open(encoding="utf-8", errors="replace", newline="") as opened:
        lines = csv.reader(opened)
        names: list[str] = next(lines, [])
        rows = list(islice(lines, offset, offset + count))
        total = offset + len(rows) + sum(1 for _ in lines)
    columns = [{"name": name, "unit": "", "description": "", "ucd": ""} for name in names]
    return {"name": "", "columns": columns, "rows": rows, "offset": offset, "total": total, "header": []}


READERS = {
    "application/x-votable+xml": _votable,
    "application/fits": _fits,
    "image/fits": _fits,
    "text/csv": _csv,
}


def _cell(value: Any) -> str | float | int | bool | None:
    """Return a cell as JSON has it; whatever it is, it is short."""
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Iterable):
        some = list(islice(value, _ELEMENTS + 1))
        text = " ".join(str(_cell(one)) for one in some[:_ELEMENTS])
        return f"{text} …" if len(some) > _ELEMENTS else text
    return None if hasattr(value, "mask") else str(value)  # a masked cell is none
