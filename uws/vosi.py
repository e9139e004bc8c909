"""VOSI 1.1: what the service can do and whether it is up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from lxml import etree
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from uws import context, document, errors
from uws.addresses import Addresses
from uws.client import client_of
from uws.context import call
from uws.markup import XSI, add, serialise
from uws.times import format_instant

if TYPE_CHECKING:
    from jobs.service import Check
    from uws.settings import Settings

CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
RESOURCE = "http://www.ivoa.net/xml/VOResource/v1.0"
DATA_SERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"
VOSI = "ivo://ivoa.net/std/VOSI#"


SSO = "ivo://ivoa.net/sso#"


def capabilities(
    addresses: Addresses, scripts: Iterable[str], *place: str, methods: Sequence[str | None] = (None,)
) -> bytes:
    """Return the capabilities of the service at ``place``: VOSI, and the job list of each script.

    :param methods: any one of which lets a client make jobs, as in :func:`security_methods`.
    """
    names = {"vosi": CAPABILITIES, "vr": RESOURCE, "vs": DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{CAPABILITIES}}}capabilities", {}, names)
    _capability(root, VOSI + "capabilities", addresses.at(*place, "capabilities"))
    _capability(root, VOSI + "availability", addresses.at(*place, "availability"))
    for script in scripts:
        # The jobs are below the list: pyvo takes "full" to mean that no other address has these methods.
        interface = _capability(root, UWS, addresses.jobs(script), use="base")
        for method in methods:
            add(interface, "securityMethod", **({"standardID": method} if method else {}))
    return serialise(root)


def security_methods(settings: Settings) -> list[str | None]:
    """Return how a client may say who it is (VOResource 1.1, section 2.2.2; SSO 2.0), None for not at all."""
    anonymous = [None] if settings.anonymous else []
    return [*anonymous, SSO + "BasicAA", *([SSO + "OAuth"] if settings.oidc_issuer else [])]


def _capability(root: etree._Element, standard: str, address: str, use: str = "full") -> etree._Element:
    interface = add(
        add(root, "capability", standardID=standard),
        "interface",
        **{f"{{{XSI}}}type": "vs:ParamHTTP", "role": "std"},
    )
    add(interface, "accessURL", address, use=use)
    return interface


def availability(checks: Sequence[Check], since: datetime) -> bytes:
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
    return serialise(root)


async def show_capabilities(request: Request) -> Response:
    """Show what the service, or one script, can do; it changes only with a restart.

    An anonymous client gets the challenges too, though it is answered: it may say who it is if it likes.
    """
    here = context.of(request)
    methods = security_methods(here.settings)
    registry = here.jobs.scripts
    if script := request.path_params.get("script"):
        registry.get(script)
        content = capabilities(here.addresses, [script], "scripts", script, methods=methods)
    else:
        content = capabilities(here.addresses, registry.names(), methods=methods)
    headers = {"Last-Modified": format_datetime(here.started, usegmt=True)}
    response = Response(content, headers=headers, media_type=document.CONTENT_TYPE)
    if client_of(request).name is None:
        errors.challenge(response)
    return response


async def show_availability(request: Request) -> Response:
    """Show whether the service, or one script, is up."""
    here = context.of(request)
    if script := request.path_params.get("script"):
        here.jobs.scripts.get(script)
    checks = await call(here.jobs.health)
    return Response(availability(checks, here.started), media_type=document.CONTENT_TYPE)


async def healthz(request: Request) -> Response:
    """Show the checks for a supervisor: 200 where all passed, 503 else."""
    checks = await call(context.of(request).jobs.health)
    ok = all(check.ok for check in checks)
    listed = [{"name": check.name, "ok": check.ok, "message": check.message} for check in checks]
    return JSONResponse({"ok": ok, "checks": listed}, 200 if ok else 503)
