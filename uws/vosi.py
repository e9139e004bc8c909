"""VOSI 1.1: what the service can do and whether it is up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from lxml import etree
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from index.columns import COLUMNS, Column
from jobs.descriptor import Script
from uws import context, document, errors, observations, scs, services, sia2
from uws.addresses import Addresses
from uws.client import client_of
from uws.context import Context, call
from uws.markup import XSI, add, serialise
from uws.routing import Handler
from uws.services import VOSI
from uws.times import format_instant

if TYPE_CHECKING:
    from jobs.service import Check
    from uws.settings import Settings

CAPABILITIES = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
AVAILABILITY = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
TABLES = "http://www.ivoa.net/xml/VOSITables/v1.0"
RESOURCE = "http://www.ivoa.net/xml/VOResource/v1.0"
DATA_SERVICE = "http://www.ivoa.net/xml/VODataService/v1.1"

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"

_TYPE = f"{{{XSI}}}type"

SSO = "ivo://ivoa.net/sso#"


def capabilities(
    addresses: Addresses, scripts: Iterable[Script], *place: str, methods: Sequence[str | None] = (None,)
) -> bytes:
    """Return the capabilities of the service at ``place``: VOSI, and what each script has.

    That is its job list, and its blocking form. No standard is named for the latter: DALI says how such a resource
    behaves but gives it no id, and what it takes and returns is the script's own. Its parameters are not here but in
    the script's documentation, and POST is not told of: pyvo warns of each ``param`` and of a second ``queryType``.

    :param methods: any one of which lets a client make jobs, as in :func:`security_methods`.
    """
    names = {"vosi": CAPABILITIES, "vr": RESOURCE, "vs": DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{CAPABILITIES}}}capabilities", {}, names)
    add_capability(root, VOSI + "capabilities", addresses.at(*place, "capabilities"))
    add_capability(root, VOSI + "availability", addresses.at(*place, "availability"))
    if not place:
        add_capability(root, VOSI + "tables", addresses.at("tables"))
        for endpoint in (endpoint for service in services.SERVICES for endpoint in service.endpoints):
            if endpoint.standard != services.EXAMPLES:  # each service tells of its own
                _endpoint(root, endpoint, addresses)
    for script in scripts:
        # The jobs are below the list: pyvo takes "full" to mean that no other address has these methods.
        interface = add_capability(root, UWS, addresses.jobs(script.name), use="base")
        secure(interface, methods)
        _sync(root, script, addresses.script(script.name, "sync"), methods)
    return serialise(root, addresses.stylesheet)


def security_methods(settings: Settings) -> list[str | None]:
    """Return how a client may say who it is (VOResource 1.1, section 2.2.2; SSO 2.0), None for not at all."""
    anonymous = [None] if settings.anonymous else []
    return [*anonymous, SSO + "BasicAA", *([SSO + "OAuth"] if settings.oidc_issuer else [])]


def of_service(service: services.Service, addresses: Addresses) -> bytes:
    """Return the capabilities of a service by itself."""
    names = {"vosi": CAPABILITIES, "vr": RESOURCE, "vs": DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{CAPABILITIES}}}capabilities", {}, names)
    for endpoint in (*service.vosi(), *service.endpoints):
        _endpoint(root, endpoint, addresses)
    return serialise(root, addresses.stylesheet)


def _endpoint(root: etree._Element, endpoint: services.Endpoint, addresses: Addresses) -> None:
    interface = add_capability(root, endpoint.standard, endpoint.address(addresses), use=endpoint.use)
    if endpoint.version:
        interface.set("version", endpoint.version)


def add_capability(root: etree._Element, standard: str, address: str, use: str = "full") -> etree._Element:
    """Add what follows a standard at an address, and return its interface."""
    interface = add(
        add(root, "capability", standardID=standard),
        "interface",
        **{_TYPE: "vs:ParamHTTP", "role": "std"},
    )
    add(interface, "accessURL", address, use=use)
    return interface


def secure(interface: etree._Element, methods: Sequence[str | None]) -> None:
    """Add how a client may say who it is."""
    for method in methods:
        add(interface, "securityMethod", **({"standardID": method} if method else {}))


def _sync(root: etree._Element, script: Script, address: str, methods: Sequence[str | None]) -> None:
    capability = add(root, "capability")
    add(capability, "description", f"{script.title}: {script.summary}")
    interface = add(capability, "interface", **{_TYPE: "vs:ParamHTTP"})
    add(interface, "accessURL", address, use="base")
    secure(interface, methods)
    add(interface, "queryType", "GET")


def tables(addresses: Addresses) -> bytes:
    """Return the columns of what searches return as a table set (VOSI 1.1; VODataService 1.1, section 3.4)."""
    names = {"vosi": TABLES, "vs": DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{TABLES}}}tableset", {}, names)
    schema = add(root, "schema")
    add(schema, "name", "default")
    for name, title, columns, place in (
        (observations.NAME, observations.DESCRIPTION, COLUMNS, ("observations",)),
        ("sia2", sia2.TITLE, COLUMNS, ("sia2", "query")),
        ("scs", scs.TITLE, scs.FIELDS, ("scs",)),
    ):
        table = add(schema, "table", type="output")
        add(table, "name", name)
        add(table, "description", f"{title}: what {addresses.at(*place)} returns")
        for column in columns:
            add_column(table, column)
    return serialise(root, addresses.stylesheet)


def add_column(
    table: etree._Element, column: Column, flags: Sequence[str] = (), *, standard: bool | None = None
) -> None:
    """Add a column to a table (VODataService 1.1, section 3.4.3).

    :param flags: of ``indexed``, ``primary`` and ``nullable``.
    :param standard: whether a standard defines it, None where nothing is said.
    """
    element = add(table, "column", **({} if standard is None else {"std": str(standard).lower()}))
    for name in ("name", "description", "unit", "ucd", "utype"):
        if text := getattr(column, name):
            add(element, name, text)
    size = {"arraysize": "*"} if column.is_text else {}
    extended = {"extendedType": column.xtype} if column.xtype else {}
    add(element, "dataType", column.datatype, **{_TYPE: "vs:VOTableType"}, **size, **extended)
    for flag in flags:
        add(element, "flag", flag)


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
    """Show what the service, or one script, can do; it changes only with a restart.

    An anonymous client gets the challenges too, though it is answered: it may say who it is if it likes.
    """
    here = context.of(request)
    methods = security_methods(here.settings)
    registry = here.jobs.scripts
    if script := request.path_params.get("script"):
        content = capabilities(here.addresses, [registry.get(script)], "scripts", script, methods=methods)
    else:
        content = capabilities(here.addresses, map(registry.get, registry.names()), methods=methods)
    response = lasting(here, content)
    if client_of(request).name is None:
        errors.challenge(response)
    return response


def show_service(service: services.Service) -> Handler:
    """Return what shows the capabilities of a service."""

    async def show(request: Request) -> Response:
        """Show what the service can do."""
        here = context.of(request)
        return lasting(here, of_service(service, here.addresses))

    return show


async def show_tables(request: Request) -> Response:
    """Show what tables the service answers with; they change only with a restart."""
    here = context.of(request)
    return lasting(here, tables(here.addresses))


def lasting(here: Context, content: bytes) -> Response:
    """Answer with a document that changes only with a restart (VOSI 1.1, section 2)."""
    headers = {"Last-Modified": format_datetime(here.started, usegmt=True)}
    return Response(content, headers=headers, media_type=document.CONTENT_TYPE)


async def show_availability(request: Request) -> Response:
    """Show whether the service, or one script, is up."""
    here = context.of(request)
    if script := request.path_params.get("script"):
        here.jobs.scripts.get(script)
    checks = await call(here.jobs.health)
    return Response(availability(here.addresses, checks, here.started), media_type=document.CONTENT_TYPE)


async def healthz(_request: Request) -> Response:
    """Show a supervisor that the process lives; whether the service is well is told by ``/availability``.

    It asks nobody: a supervisor that starts the service again because the database is away would only make it worse.
    """
    return JSONResponse({"ok": True})
