"""VOSI 1.1: what the service can do and whether it is up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from lxml import etree
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from uws import context, document
from uws.addresses import Addresses
from uws.context import call
from uws.markup import XSI, add, serialise
from uws.times import format_instant

if TYPE_CHECKING:
    from jobs.service import Check

CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
RESOURCE = "http://www.ivoa.net/xml/VOResource/v1.0"
DATA_SERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"
VOSI = "ivo://ivoa.net/std/VOSI#"


def capabilities(addresses: Addresses, scripts: Iterable[str], *place: str) -> bytes:
    """Return the capabilities of the service at ``place``: VOSI, and the job list of each script."""
    names = {"vosi": CAPABILITIES, "vr": RESOURCE, "vs": DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{CAPABILITIES}}}capabilities", {}, names)
    _capability(root, VOSI + "capabilities", addresses.at(*place, "capabilities"))
    _capability(root, VOSI + "availability", addresses.at(*place, "availability"))
    for script in scripts:
        _capability(root, UWS, addresses.jobs(script))
    return serialise(root, addresses.stylesheet)


def _capability(root: etree._Element, standard: str, address: str) -> None:
    interface = add(
        add(root, "capability", standardID=standard),
        "interface",
        **{f"{{{XSI}}}type": "vs:ParamHTTP", "role": "std"},
    )
    add(interface, "accessURL", address, use="full")


def availability(addresses: Addresses, checks: Sequence[Check], since: datetime) -> bytes:
    """Return whether every check passed, since when the service is up, and what each check says."""
    root = etree.Element(f"{{{AVAILABILITY}}}availability", {}, {"vosi": AVAILABILITY})
    add(root, f"{{{AVAILABILITY}}}available", "true" if all(check.ok for check in checks) else "false")
    add(root, f"{{{AVAILABILITY}}}upSince", format_instant(since))
    for check in checks:
        add(
            root,
            f"{{{AVAILABILITY}}}note",
            f"{check.name}: {check.message or ('ok' if check.ok else 'down')}",
        )
    return serialise(root, addresses.stylesheet)


async def show_capabilities(request: Request) -> Response:
    """Show what the service, or one script, can do; it changes only with a restart."""
    here = context.of(request)
    registry = here.jobs.scripts
    if script := request.path_params.get("script"):
        registry.get(script)
        content = capabilities(here.addresses, [script], "scripts", script)
    else:
        content = capabilities(here.addresses, registry.names())
    headers = {"Last-Modified": format_datetime(here.started, usegmt=True)}
    return Response(content, headers=headers, media_type=document.CONTENT_TYPE)


async def show_availability(request: Request) -> Response:
    """Show whether the service, or one script, is up."""
    here = context.of(request)
    if script := request.path_params.get("script"):
        here.jobs.scripts.get(script)
    checks = await call(here.jobs.health)
    return Response(availability(here.addresses, checks, here.started), media_type=document.CONTENT_TYPE)


async def healthz(request: Request) -> Response:
    """Show the checks for a supervisor: 200 where all passed, 503 else."""
    checks = await call(context.of(request).jobs.health)
    ok = all(check.ok for check in checks)
    listed = [{"name": check.name, "ok": check.ok, "message": check.message} for check in checks]
    return JSONResponse({"ok": ok, "checks": listed}, 200 if ok else 503)
