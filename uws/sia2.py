"""Simple Image Access 2.0: ``/sia2/query`` finds datasets by what ObsCore tells of them.

Its parameters are those of :mod:`uws.asking` with the names of the standard. Each may be repeated, and any of its
values will do; a dataset must fit all parameters. POS is answered by the index: several are one region, their union.
A dataset is a table of events, not an image: ``dataproduct_type`` says so, and DPTYPE selects by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

from index.combination import MAX_PARTS, Combination
from index.errors import CoverageError
from index.query import AnyOf, Query
from index.region import MAX_TEXT, Region
from jobs.errors import ParameterError
from uws import context, dali, datalink, descriptors, discovery, errors, services
from uws.asking import FILTERS, MAX_ROWS, Parameter
from uws.context import Context, call
from uws.dali import Form, Format

if TYPE_CHECKING:
    from index.service import Index

NAMES = (
    *("BAND", "TIME", "POL", "FOV", "SPATRES", "SPECRP", "EXPTIME", "TIMERES"),
    *("COLLECTION", "FACILITY", "INSTRUMENT", "DPTYPE", "CALIB", "TARGET", "FORMAT"),
)
"""The parameters of the standard that filter by metadata (section 2.1)."""
PARAMETERS = tuple(parameter for parameter in FILTERS if parameter.name in NAMES)
TITLE = "Datasets that fit what was asked for, as ObsCore 1.1"
_NOTHING = AnyOf("id", ("",))
"""What no dataset fits."""


async def query(request: Request) -> Response:
    """Find datasets."""
    errors.set_form(request, "fault")
    here = context.of(request)
    form = await dali.read(request)
    return await call(_answer, here, form, dali.response_format(form, discovery.FORMATS))


def _answer(here: Context, form: Form, chosen: Format) -> Response:
    asked = query_of(form, here.engine.index)
    described = _described(here) if asked.limit == 0 else None
    infos = [("standardID", services.SIA2)]
    return discovery.respond(
        here, here.engine.index.answer(asked), chosen, "sia2", TITLE, infos=infos, described=described
    )


def query_of(form: Form, index: Index) -> Query:
    """Return what the form asks for.

    :raises ParameterError: a value is not allowed.
    """
    filters = [parameter.read(values) for parameter in PARAMETERS if (values := _values(form, parameter))]
    ids = set()
    for id_ in form.all("ID"):
        try:
            ids.add(index.short_id(id_))
        except CoverageError:
            continue  # the id of a dataset that is somewhere else
    if form.all("ID") and not ids:
        filters.append(_NOTHING)
    limit = form.integer("MAXREC", 0, MAX_ROWS)
    return Query(_region(form.all("POS"), index), ids=frozenset(ids), filters=tuple(filters), limit=limit)


def _values(form: Form, parameter: Parameter) -> list[str]:
    """Return the values of a parameter; none where one of them fits every dataset."""
    values = form.all(parameter.name)
    if parameter.name == "FORMAT" and any(_plain(value) == _plain(datalink.CONTENT_TYPE) for value in values):
        return []  # what access_url leads to
    return values


def _plain(media_type: str) -> str:
    return "".join(media_type.lower().split())


def _region(texts: list[str], index: Index) -> Region | None:
    """Return the union of regions."""
    length = sum(map(len, texts))
    if len(texts) > MAX_PARTS or length > MAX_TEXT:
        given = f"{len(texts)} values of {length} characters"
        raise ParameterError("POS", given, f"at most {MAX_PARTS} of {MAX_TEXT} characters together are allowed")
    regions = []
    for text in texts:
        try:
            regions.append(index.region(text))
        except CoverageError as error:
            raise ParameterError("POS", text, str(error)) from error
    if len(regions) < 2:
        return regions[0] if regions else None
    text = "; ".join(region.text for region in regions)
    try:
        return Region(text, Combination.of("union", [region.geometry for region in regions]))
    except CoverageError as error:
        raise ParameterError("POS", f"{len(texts)} values", str(error)) from error


def _described(here: Context) -> etree._Element:
    """Return the descriptor by which the service describes itself (SIA 2.0, section 4.1)."""
    groups = here.engine.index.statistics().groups
    options = {
        "COLLECTION": sorted({group.obs_collection for group in groups}),
        "INSTRUMENT": sorted({group.instrument_name for group in groups if group.instrument_name}),
    }
    address = here.addresses.at("sia2", "query")
    return descriptors.of_search(address, services.SIA2, TITLE, PARAMETERS, options)
