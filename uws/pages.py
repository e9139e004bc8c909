"""The pages for people: the first one, the scripts and their documentation, observations as a table, errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from index.columns import COLUMNS
from jobs.descriptor import ParameterSpec, Script
from uws import access, context, dali
from uws.addresses import Addresses
from uws.context import Context, call
from uws.firstview import first_view
from uws.page import ALADIN, page
from uws.work import jobs_of, titles

if TYPE_CHECKING:
    from index.answers import Answer
    from index.region import Region

LATEST = 20
"""How many jobs the first page shows."""
SHOWN = 200
"""How many datasets a page shows."""

JSON = dali.Format("json", "application/json", ("text/json",))
HTML = dali.Format("html", "text/html")


def examples(request: Request, given: Sequence[object], path: Sequence[str] = ("tap",)) -> Response:
    """Show examples of queries, as XHTML that programs read too (DALI 1.1, section 2.1.3).

    :param path: where they are asked.
    """
    shown = page(request, "examples.html", examples=given, place=context.of(request).addresses.at(*path))
    shown.headers["Content-Type"] = "application/xhtml+xml; charset=utf-8"
    return shown


def _pos(request: Request) -> str:
    """Return what stands in the form: the region that was given."""
    for name, value in reversed(request.query_params.multi_items()):
        if name.upper() in ("POS", "CIRCLE", "POLYGON") and value.strip():
            return value if name.upper() == "POS" else f"{name.upper()} {value}"
    return ""


def error(request: Request, status: int, message: str) -> Response:
    """Say what is wrong with what was given; where it was a region, above the form to put it right."""
    region = request.url.path == "/observations"
    return page(request, "error.html", status=status, message=message.rstrip("."), pos=_pos(request), region=region)


def script_as_json(script: Script, addresses: Addresses) -> dict[str, object]:
    """Return a script's descriptor as JSON, with its addresses."""
    described = script.model_dump(mode="json", exclude={"folder", "command", "libraries"})
    return {
        **described,
        "shared_parameters": [spec.model_dump(mode="json", exclude_defaults=True) for spec in shared(script)],
        "documentation": addresses.script(script.name),
        "jobs": addresses.jobs(script.name),
    }


def shared(script: Script) -> list[ParameterSpec]:
    """Return the parameters that a script takes because every script does that works on datasets or regions."""
    found = []
    if script.accepts.datasets:
        found.append(ID)
    if script.accepts.region != "none":
        required = script.accepts.region == "required"
        found += [spec.model_copy(update={"required": required and spec.name == "POS"}) for spec in REGIONS]
    return found


ID = ParameterSpec(
    name="ID",
    type="text",
    ucd="meta.id;meta.dataset",
    multiple=True,
    default_description="all that cover the region",
    description="Dataset to work on, OBS/CAMERA/EXPOSURE or its IVOA id.",
)
REGIONS = (
    ParameterSpec(
        name="POS",
        type="region",
        ucd="pos.outline;obs",
        default_description="CIRCLE or POLYGON",
        description="Region of the sky: CIRCLE ra dec radius, RANGE, POLYGON, or another form; ICRS degrees.",
    ),
    ParameterSpec(
        name="CIRCLE",
        type="text",
        unit="deg",
        ucd="pos.outline;obs",
        default_description="POS or POLYGON",
        description="Circle on the sky: ra, dec and radius, ICRS.",
    ),
    ParameterSpec(
        name="POLYGON",
        type="text",
        unit="deg",
        ucd="pos.outline;obs",
        default_description="POS or CIRCLE",
        description="Polygon on the sky: ra and dec of each vertex, ICRS, counter-clockwise seen from inside.",
    ),
)


def _scripts(here: Context) -> list[Script]:
    return [here.jobs.scripts.get(name) for name in here.jobs.scripts.names()]


async def front(request: Request) -> Response:
    """Show the sky, the form for a region, and the latest jobs; of a session, what is in it."""
    here, owners, run_id, session, right = context.of(request), access.listed(request), None, None, None
    if "session" in request.path_params:
        session, right = access.session_of(request)
        owners, run_id = None, session.id

    def gather() -> dict[str, Any]:
        return {
            "scripts": _scripts(here),
            "titles": titles(here),
            "count": here.engine.index.count(),
            "view": first_view(here.engine.index, here.unions),
            "jobs": jobs_of(here, owners, run_id, LATEST),
        }

    hips = here.addresses.at("hips", "exposure") if (here.settings.folder / "hips" / "exposure").is_dir() else ""
    found = await call(gather)
    return page(request, "front.html", sky=True, aladin=ALADIN, hips=hips, session=session, right=right, **found)


async def scripts(request: Request) -> Response:
    """List the scripts."""
    here = context.of(request)
    chosen = dali.response_format(await dali.read(request), (HTML, JSON))
    listed = await call(_scripts, here)
    if chosen.name == JSON.name:
        shown = [script_as_json(script, here.addresses) for script in listed]
        return JSONResponse({"scripts": shown, "broken": here.jobs.scripts.broken})
    return page(request, "scripts.html", scripts=listed, broken=here.jobs.scripts.broken)


async def script(request: Request) -> Response:
    """Show a script's documentation, parameters and products."""
    here = context.of(request)
    chosen = dali.response_format(await dali.read(request), (HTML, JSON))
    found = here.jobs.scripts.get(request.path_params["script"])
    if chosen.name == JSON.name:
        readme = await call(lambda: found.documentation)
        return JSONResponse({**script_as_json(found, here.addresses), "readme": readme})
    documentation = await call(lambda: found.documentation)
    return page(
        request,
        "script.html",
        script=found,
        parameters=[*shared(found), *found.parameters],
        documentation=documentation,
    )


def observations(request: Request, region: Region | None, answer: Answer, query: Sequence[tuple[str, str]]) -> Response:
    """Show the datasets that answer a query, the parameters of which link to the same in other formats."""
    names = [column.name for column in COLUMNS]
    here = context.of(request).addresses.at("observations")
    formats = ("votable", "csv", "fits", "json")
    return page(
        request,
        "observations.html",
        region=region,
        pos=_pos(request) or (region.text if region else ""),
        found=[dict(zip(names, row, strict=True)) for row in islice(answer.rows(), SHOWN)],
        count=answer.total,
        others={name: f"{here}?{urlencode([*query, ('RESPONSEFORMAT', name)])}" for name in formats},
    )
