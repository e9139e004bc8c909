"""Which datasets cover a region: ``/observations``.

The region is one of ``POS`` (any form of ``docs/regions.md``), ``CIRCLE`` and ``POLYGON``, or a file sent as
``REGION``; without one every dataset answers. :mod:`uws.asking` has the parameters that filter by metadata.
``RELATION`` says what a dataset must be to the region (``overlaps``, ``contains``, ``inside``), ``ORDER`` how the rows
are ordered (``-overlap``, ``time``, ...), ``MAXREC`` how many are wanted, from row ``OFFSET`` on or behind the row
``AFTER`` which the page before ended; ``COUNT`` asks for their number alone. RESPONSEFORMAT is ``json`` (default),
``votable``, ``csv``, ``fits`` or ``html``. Where there are more rows than wanted the VOTable ends with the QUERY_STATUS
OVERFLOW (DALI 1.1, section 3.4.4), ``overflow`` is true in JSON, and the header ``Link`` tells the next page.

JSON: ``{"region": {"text", "shape", and the numbers of the shape} or null, "total": n, "count": n, "overflow": boolean,
"next": address or null, "observations": [...]}``. An observation has the names of ``index.columns.COLUMNS`` and
``ivoid``, which is its ``obs_publisher_did``; what is not known is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from index.answers import Answer, Link
from index.columns import COLUMNS, MATCH, Column
from index.region import MAX_FILE, Region
from jobs.errors import RequestError, TooLargeError
from uws import context, datalink, errors, fitstable, pages, votable
from uws.asking import query_of, region_of
from uws.context import call
from uws.dali import Form, Format, read, response_format
from uws.fragments import Fragments, Rows
from uws.tabular import CSV, FITS, VOTABLE, csv_document
from uws.uploads import sort_out

if TYPE_CHECKING:
    from uws.addresses import Addresses

JSON = Format("json", "application/json", ("text/json",))
HTML = Format("html", "text/html")
FORMATS = (JSON, VOTABLE, CSV, FITS, HTML)

NAME = "observations"
DESCRIPTION = "Datasets that cover the region"
FILE = "REGION"
"""The name under which a file with a region is sent."""
WHOLE = 200
"""Rows up to which an answer is sent in one piece."""

QUICK = re.compile(r"0?\.\d{1,17}", re.ASCII)
"""The radius of a circle whose datasets are found in less than a millisecond: under a degree."""
QUICK_NAMES = frozenset({"POS", "RESPONSEFORMAT", "MAXREC"})
QUICK_PARAMETERS = 3

_TOTAL = (Column("total", "long", "Number of datasets", ucd="meta.number"),)
_MATCH = ", ".join(f'"{column.name}": {"%r" if column.datatype == "double" else "%s"}' for column in MATCH) + "}"
_TRUTH = ("false", "true")


def _match(cells: Sequence[Any]) -> str:
    """Return the members that tell of a match, and the brace behind them."""
    overlap, of_dataset, of_region, contains, inside, order = cells
    if overlap is None:
        return _MATCH.replace("%r", "%s") % ("null", "null", "null", "null", "null", order)
    return _MATCH % (overlap, of_dataset, of_region, _TRUTH[contains], _TRUTH[inside], order)


def as_json(
    region: Region | None, answer: Answer, following: str | None, link: Link | None, fragments: Fragments
) -> Iterator[bytes]:
    """Give the answer as JSON, piece by piece.

    :param following: the address of the next page.
    """
    head = {
        "region": region and region.as_dict(),
        "total": answer.total,
        "count": len(answer),
        "overflow": answer.more,
        "next": following,
    }
    text = json.dumps(head, ensure_ascii=False, allow_nan=False)[:-1] + ', "observations": ['
    before, cells = "\n", answer.cells()
    while some := list(islice(cells, WHOLE)):
        objects = [
            fragments.of(answer, key, of_one, link) + _match(answer.of_match(key, of_one)) for key, of_one in some
        ]
        yield (text + before + ",\n".join(objects)).encode()
        text, before = "", ",\n"
    yield (text + "\n]}\n").encode()


def document(
    region: Region | None,
    answer: Answer,
    chosen: Format,
    *,
    following: str | None = None,
    link: Link | None = None,
    fragments: Fragments | None = None,
    kept: Rows | None = None,
) -> Iterator[bytes]:
    """Give the answer piece by piece in a format (JSON, VOTable, CSV or FITS).

    :param link: gives address and media type of a dataset.
    :param fragments: of former answers with the same links, for JSON.
    :param kept: the same for a VOTable.
    """
    if chosen.name == JSON.name:
        return as_json(region, answer, following, link, fragments or Fragments())
    rows = answer.rows(link)
    if chosen.name == CSV.name:
        return csv_document(COLUMNS, rows)
    if chosen.name == FITS.name:
        widths = {**answer.widths(), "access_url": 255}
        return fitstable.document(NAME, DESCRIPTION, COLUMNS, rows, len(answer), widths)
    infos = [("total", str(answer.total))] + ([("next", following)] if following else [])
    written = (kept or Rows()).lines(answer, link)
    return votable.document(NAME, DESCRIPTION, COLUMNS, (), written=written, overflow=answer.more, infos=infos)


def counted(total: int, chosen: Format) -> Iterator[bytes]:
    """Give the number of datasets, in JSON as ``{"total": n}``, else as a table of one cell."""
    if chosen.name == JSON.name:
        return iter([json.dumps({"total": total}).encode() + b"\n"])
    if chosen.name == CSV.name:
        return csv_document(_TOTAL, [[total]])
    if chosen.name == FITS.name:
        return fitstable.document(NAME, DESCRIPTION, _TOTAL, [[total]], 1, {})
    return votable.document(NAME, DESCRIPTION, _TOTAL, [[total]])


def linked(addresses: Addresses) -> Link:
    """Return what tells where a dataset is described."""
    before = f"{addresses.at('datalink', 'links')}?ID="

    def link(ivoid: str) -> tuple[str, str]:
        # the characters of ids (index.ids) that have a meaning in a query
        return before + ivoid.replace(":", "%3A").replace("/", "%2F").replace("?", "%3F"), datalink.CONTENT_TYPE

    return link


def _following(form: Form, answer: Answer, addresses: Addresses) -> str | None:
    """Return the address of the next page, None where there is none, or no address could have the region."""
    if answer.next is None or form.files:
        return None
    query = [*form.without(("AFTER", "OFFSET")), ("AFTER", str(answer.next))]
    return f"{addresses.at('observations')}?{urlencode(query)}"


async def asked(request: Request) -> tuple[Form, bytes | None]:
    """Return the form, and the content of the file that was sent as the region."""
    here = context.of(request)
    if request.method != "POST":
        return await read(request), None
    with here.jobs.inbox() as inbox:
        form, files = await sort_out(await read(request, inbox), inbox, here.settings)
        if unknown := files.keys() - {FILE}:
            raise RequestError(f"A file was sent as {min(unknown)}; a region can be sent as {FILE}")
        if FILE not in files:
            return form, None
        if files[FILE].size > MAX_FILE:
            raise TooLargeError(f"A file with a region can have at most {MAX_FILE} bytes")
        return form, await call(Path(files[FILE].path).read_bytes)


async def show(request: Request) -> Response:
    """Answer with the datasets that cover a region."""
    errors.set_form(request, "json")
    form, file = await asked(request)
    chosen = response_format(form, FORMATS)
    if chosen.name in (HTML.name, VOTABLE.name):
        errors.set_form(request, "html" if chosen.name == HTML.name else "votable")
    if _is_quick(request, form):
        return _respond(request, form, file, chosen)
    return await call(_respond, request, form, file, chosen)


def _is_quick(request: Request, form: Form) -> bool:
    """Whether an answer takes less time than handing it to a thread: a small circle, and a database in this process."""
    if request.method == "POST" or not context.of(request).engine.index.quick or len(form.pairs) > QUICK_PARAMETERS:
        return False
    names = {name.upper() for name, _ in form.pairs}
    words = (form.pairs[0][1] if form.pairs else "").split(maxsplit=4)
    small = len(words) == 4 and words[0].upper() == "CIRCLE" and QUICK.fullmatch(words[3]) is not None
    return small and form.pairs[0][0].upper() == "POS" and names <= QUICK_NAMES


def _respond(request: Request, form: Form, file: bytes | None, chosen: Format) -> Response:
    here = context.of(request)
    region = region_of(form, here.engine.index, file)
    answer = here.engine.index.answer(query_of(form, region))
    if chosen.name == HTML.name:
        return pages.observations(request, region, answer, form.without(("RESPONSEFORMAT",)))
    if form.flag("COUNT"):
        return Response(b"".join(counted(answer.total, chosen)), media_type=chosen.content_type)
    following = _following(form, answer, here.addresses)
    pieces = document(
        region,
        answer,
        chosen,
        following=following,
        link=linked(here.addresses),
        fragments=here.fragments,
        kept=here.rows,
    )
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    if len(answer) <= WHOLE:
        return Response(b"".join(pieces), media_type=chosen.content_type, headers=headers)
    return StreamingResponse(pieces, media_type=chosen.content_type, headers=headers)
