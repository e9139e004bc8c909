"""The sky that datasets cover together: ``/coverage``, as a MOC (IVOA MOC 2.0).

It takes a region and the filters of ``/observations``. ORDER is that of its finest cells. RESPONSEFORMAT is ``fits``
(default), ``json`` or ``ascii``. A MOC is made once for all who ask the same while the index stays so.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from index.postings import PIXEL_ORDER
from index.query import Query
from jobs.errors import NotFoundError
from uws import conditional, context, errors
from uws.asking import query_of, region_of
from uws.conditional import tag_of
from uws.context import call
from uws.dali import Form, Format, response_format
from uws.observations import asked

if TYPE_CHECKING:
    from mocpy import MOC

    from index.service import Index
    from uws.unions import Unions

FITS = Format("fits", "application/fits", ("image/fits",))
JSON = Format("json", "application/json", ("text/json",))
ASCII = Format("ascii", "text/plain; charset=utf-8")
FORMATS = (FITS, JSON, ASCII)

ORDER = 9
"""Cells of 7 arcmin, unless another order is asked for."""
CONTROL = ("ORDER", "RESPONSEFORMAT", "MAXREC", "OFFSET", "AFTER")
"""Parameters that are no filters."""


def document(index: Index, query: Query, order: int, chosen: Format) -> tuple[str, bytes]:
    """Return the generation of the index, and the union of the datasets that answer a query, in a format.

    :raises NotFoundError: no dataset answers it.
    """
    generation, moc = index.union(query, order)
    if moc is None:
        raise NotFoundError("No dataset fits what was asked for, so that there is no coverage")
    return generation, written(moc, chosen)


def written(moc: MOC, chosen: Format) -> bytes:
    """Return a MOC in a format."""
    if chosen.name != FITS.name:
        return f"{str(moc.to_string(chosen.name)).strip()}\n".encode()
    buffer = io.BytesIO()
    moc.serialize("fits").writeto(buffer)
    return buffer.getvalue()


def order_of(form: Form) -> int:
    """Return the order that is asked for.

    :raises jobs.errors.ParameterError: it is none.
    """
    given = form.integer("ORDER", 0, PIXEL_ORDER)
    return ORDER if given is None else given


async def show(request: Request) -> Response:
    """Answer with the sky that datasets cover together."""
    here = context.of(request)
    form, file = await asked(request)
    chosen = response_format(form, FORMATS)
    if chosen.name == JSON.name:
        errors.set_form(request, "json")
    order = order_of(form)
    content = await call(_content, here.engine.index, here.unions, form, file, order, chosen)
    return conditional.answer(request, content, tag_of(content), chosen.content_type)


def _content(index: Index, unions: Unions, form: Form, file: bytes | None, order: int, chosen: Format) -> bytes:
    filters = Form(tuple(form.without(CONTROL)))
    query = query_of(filters, region_of(filters, index, file))
    key = order, chosen.name, filters.pairs, file
    return unions.get(index.generation(), key, lambda: document(index, query, order, chosen))
