"""The maps that ``amora index hips`` makes: ``/hips/NAME``, as HiPS 1.0 has them, and ``/hipslist``.

A FITS tile is kept compressed. Who can take it so, gets it so; to others it is sent as it is.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobs.errors import NotFoundError
from uws import conditional, context, page
from uws.context import Context, call, see_other
from uws.maps import MAPS

STANDARD = "ivo://ivoa.net/std/hips#hips-1.0"
LIST = "ivo://ivoa.net/std/hips#hipslist-1.0"
LISTED = (
    *("creator_did", "hips_release_date", "hips_service_url", "hips_status", "obs_title", "obs_description"),
    *("dataproduct_type", "hips_order", "hips_frame", "hips_tile_format", "hips_tile_width", "moc_sky_fraction"),
)
"""What the list tells of a map (section 5.2 asks for the first four)."""
_FILE = re.compile(r"Moc\.fits|Norder\d/(Allsky|Dir\d+/Npix\d+)\.(fits|png)")
_TYPES = {".fits": "application/fits", ".png": "image/png"}
_PACKED = b"\x1f\x8b"


def present(here: Context) -> dict[str, dict[str, str]]:
    """Return the properties of the maps that are there, by name."""
    found = {}
    for name in MAPS:
        try:
            found[name] = _properties(here, name)
        except FileNotFoundError:
            continue
    return found


def _properties(here: Context, name: str) -> dict[str, str]:
    lines = (here.settings.folder / "hips" / name / "properties").read_text(encoding="utf-8").splitlines()
    told = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines) if value}
    return {**told, "hips_service_url": here.addresses.at("hips", name)}


def _lines(told: dict[str, str]) -> str:
    return "".join(f"{name:20} = {value}\n" for name, value in told.items())


async def show_list(request: Request) -> Response:
    """List the maps, a record each (section 5.2)."""
    here = context.of(request)
    maps = await call(present, here)
    records = (_lines({name: told[name] for name in LISTED if name in told}) for told in maps.values())
    return PlainTextResponse("\n".join(records))


async def show(request: Request) -> Response:
    """Lead to the page of a map, below which its files are."""
    here, name = context.of(request), request.path_params["map"]
    await call(_told, here, name)
    return see_other(here.addresses.at("hips", name) + "/")


def _told(here: Context, name: str) -> dict[str, str]:
    """Return the properties of a map.

    :raises NotFoundError: there is no such map.
    """
    try:
        if name in MAPS:
            return _properties(here, name)
    except FileNotFoundError:
        pass
    raise NotFoundError(_missing(name))


async def show_file(request: Request) -> Response:
    """Serve a file of a map, or the page about it."""
    here, name, file = context.of(request), request.path_params["map"], request.path_params["file"]
    if file in ("", "properties") or name not in MAPS:
        told = await call(_told, here, name)
        return page.page(request, "hips.html", told=told) if not file else PlainTextResponse(_lines(told))
    if not _FILE.fullmatch(file):
        raise NotFoundError(f"A HiPS has no file {file}.")
    try:
        content = await call(_read, here.settings.folder / "hips" / name / file)
    except FileNotFoundError as error:
        there = await call((here.settings.folder / "hips" / name).exists)
        raise NotFoundError(f"The map {name} has nothing there." if there else _missing(name)) from error
    headers = {}
    if content.startswith(_PACKED):
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = await call(gzip.decompress, content)
    answer = conditional.answer(request, content, conditional.tag_of(content), _TYPES[Path(file).suffix])
    answer.headers.update(headers)
    return answer


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return path.read_bytes()  # it may have been replaced between the look at the link and at the file


def _missing(name: str) -> str:
    known = " and ".join(MAPS)
    if name not in MAPS:
        return f"There is no map {name}; there can be {known}."
    return f"There is no map {name} yet; whoever runs the service makes it with `amora index hips {name}`."
