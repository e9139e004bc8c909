"""Which datasets cover a region: ``/observations``.

The region is one of ``POS`` (``CIRCLE ra dec r``, ``POLYGON ra dec ra dec ...``, ``RANGE ...``), ``CIRCLE``
(``ra dec r``) and ``POLYGON``, in ICRS degrees (DALI 1.1, section 3.3; SIA 2.0, section 2.1.1). ``ID`` (repeatable)
keeps the datasets named. ``POS`` takes the other forms of regions too (``docs/regions.md``). Without a region every
dataset answers. RESPONSEFORMAT is ``json`` (default), ``votable``, ``csv`` or ``html``. MAXREC is the most rows that
are wanted; where it cuts the answer short the VOTable ends with the QUERY_STATUS OVERFLOW, and ``overflow`` is true in
JSON (DALI 1.1, section 3.4.4).

JSON: ``{"region": {"text", "shape", and the numbers of the shape} or null, "count": n, "overflow": boolean,
"observations": [...]}`` in the order of the index. An observation has the names of :data:`COLUMNS` and ``ivoid``, which
is its ``obs_publisher_did``; what is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from index.region import Region
from jobs.errors import RequestError
from uws import context, errors, pages
from uws.context import call
from uws.dali import Form, Format, read, response_format
from uws.tabular import CSV, VOTABLE, csv_table
from uws.votable import Cell, Column, table

if TYPE_CHECKING:
    from index.service import Index, Match

JSON = Format("json", "application/json", ("text/json",))
HTML = Format("html", "text/html")
FORMATS = (JSON, VOTABLE, CSV, HTML)

_OBSCORE = "obscore:"
_WHERE = f"{_OBSCORE}Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2"
_WHEN = f"{_OBSCORE}Char.TimeAxis.Coverage"

NAME = "observations"
DESCRIPTION = "Datasets that cover the region"
COLUMNS = (
    Column("id", "unicodeChar", "Short id of the dataset: OBS/CAMERA/EXPOSURE", ucd="meta.id;meta.dataset"),
    Column(
        "obs_publisher_did",
        "unicodeChar",
        "IVOA id of the dataset",
        ucd="meta.ref.ivoid",
        utype=f"{_OBSCORE}Curation.PublisherDID",
    ),
    Column(
        "obs_collection",
        "unicodeChar",
        "Collection the dataset belongs to",
        ucd="meta.id",
        utype=f"{_OBSCORE}DataID.Collection",
    ),
    Column(
        "facility_name",
        "unicodeChar",
        "Observatory",
        ucd="meta.id;instr.tel",
        utype=f"{_OBSCORE}Provenance.ObsConfig.Facility.name",
    ),
    Column(
        "instrument_name",
        "unicodeChar",
        "Instrument",
        ucd="meta.id;instr",
        utype=f"{_OBSCORE}Provenance.ObsConfig.Instrument.name",
    ),
    Column("obs_id", "unicodeChar", "Observation", ucd="meta.id", utype=f"{_OBSCORE}DataID.observationID"),
    Column("camera", "unicodeChar", "Camera", ucd="meta.id;instr.det"),
    Column("exposure_id", "unicodeChar", "Exposure of the camera", ucd="meta.id;obs.exposure"),
    Column("target_name", "unicodeChar", "Target", ucd="meta.id;src", utype=f"{_OBSCORE}Target.Name"),
    Column("s_ra", "double", "Right ascension of the pointing, ICRS", "deg", "pos.eq.ra", f"{_WHERE}.C1"),
    Column("s_dec", "double", "Declination of the pointing, ICRS", "deg", "pos.eq.dec", f"{_WHERE}.C2"),
    Column("position_angle", "double", "Position angle, east of north", "deg", "pos.posAng"),
    Column("t_min", "double", "Start, MJD", "d", "time.start;obs.exposure", f"{_WHEN}.Bounds.Limits.StartTime"),
    Column("t_max", "double", "End, MJD", "d", "time.end;obs.exposure", f"{_WHEN}.Bounds.Limits.StopTime"),
    Column(
        "t_exptime",
        "double",
        "Exposure time",
        "s",
        "time.duration;obs.exposure",
        f"{_WHEN}.Support.Extent",
    ),
    Column("filter", "unicodeChar", "Filter", ucd="meta.id;instr.filter"),
    Column("mode", "unicodeChar", "Mode of the instrument", ucd="meta.code;instr.setup"),
    Column("simulated", "boolean", "Whether the data are simulated", ucd="meta.code"),
    Column("approximate", "boolean", "Whether the coverage is a guess from the pointing", ucd="meta.code"),
    Column("area", "double", "Area of the dataset's coverage", "deg**2", "phys.angArea;obs.field"),
    Column("overlap", "double", "Area that region and dataset share", "deg**2", "phys.angArea"),
    Column("dataset_fraction", "double", "Part of the dataset inside the region", ucd="stat.value;arith.ratio"),
    Column("region_fraction", "double", "Part of the region the dataset covers", ucd="stat.value;arith.ratio"),
    Column("order", "int", "HEALPix order at which the overlap was measured", ucd="meta.number"),
)
"""Names, units, UCDs and utypes are those of ObsCore 1.1 where it has them."""

_OF_MATCH = ("overlap", "dataset_fraction", "region_fraction", "order")


def region_of(form: Form, index: Index) -> Region | None:
    """Return the region that the form gives, None where it gives none; the index knows the targets.

    :raises RequestError: there are several regions.
    :raises index.errors.CoverageError: the region cannot be read.
    """
    readers: dict[str, Callable[[str], Region]] = {
        "POS": index.region,
        "CIRCLE": Region.circle,
        "POLYGON": Region.polygon,
    }
    given = [(name, value) for name in readers if (value := form.one(name)) is not None]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(name for name, _ in given)} were given; one region is allowed")
    return readers[given[0][0]](given[0][1]) if given else None


def row(match: Match) -> list[Cell]:
    """Return the cells of a match in the order of :data:`COLUMNS`."""
    cells: list[Cell] = []
    for column in COLUMNS:
        if column.name in _OF_MATCH:
            cells.append(getattr(match, column.name))
        else:
            name = "ivoid" if column.name == "obs_publisher_did" else column.name
            cells.append(getattr(match.dataset, name))
    return cells


def as_json(region: Region | None, matches: Sequence[Match], *, overflow: bool = False) -> bytes:
    """Return the answer as JSON."""
    names = [column.name for column in COLUMNS]
    found: list[dict[str, Any]] = [
        {**dict(zip(names, row(match), strict=True)), "ivoid": match.dataset.ivoid} for match in matches
    ]
    answer = {
        "region": region and region.as_dict(),
        "count": len(found),
        "overflow": overflow,
        "observations": found,
    }
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def as_votable(matches: Sequence[Match], *, overflow: bool = False) -> bytes:
    """Return the answer as a VOTable."""
    return table(NAME, DESCRIPTION, COLUMNS, map(row, matches), overflow=overflow)


def as_csv(matches: Sequence[Match]) -> bytes:
    """Return the answer as CSV (RFC 4180) with a header line."""
    return csv_table(COLUMNS, map(row, matches))


def answer(index: Index, region: Region | None, form: Form, chosen: Format) -> bytes:
    """Search the index for a region as the form asks; return the answer in the format chosen (JSON, VOTable or CSV)."""
    matches = index.search(region, ids=form.all("ID"))
    wanted = form.integer("MAXREC", 0, 2**31 - 1)
    overflow = wanted is not None and wanted < len(matches)
    matches = matches[:wanted]
    if chosen.name == VOTABLE.name:
        return as_votable(matches, overflow=overflow)
    return as_csv(matches) if chosen.name == CSV.name else as_json(region, matches, overflow=overflow)


async def show(request: Request) -> Response:
    """Answer with the datasets that cover a region."""
    errors.set_form(request, "json")
    form = await read(request)
    chosen = response_format(form, FORMATS)
    index = context.of(request).engine.index
    if chosen.name == HTML.name:
        errors.set_form(request, "html")
        region = await call(region_of, form, index)
        matches = await call(index.search, region, ids=form.all("ID"))
        return pages.observations(request, region, matches)
    if chosen.name == VOTABLE.name:
        errors.set_form(request, "votable")
    region = await call(region_of, form, index)
    content = await call(answer, index, region, form, chosen)
    return Response(content, media_type=chosen.content_type)
