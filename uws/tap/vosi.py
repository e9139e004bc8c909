"""What the service of ADQL says of itself: TAPRegExt 1.0, VOSI 1.1, DALI examples (DALI 1.1, section 2.1.3)."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

from uws import context, errors, services, vosi
from uws.client import client_of
from uws.context import Context
from uws.markup import XSI, add, serialise
from uws.tap import handlers, uploads
from uws.tap.formats import FORMATS
from uws.tap.names import GEOMETRY, OF_GEOMETRY
from uws.tap.published import Published
from uws.tap.tables import KEYS, OBSCORE, SCHEMAS, is_indexed, is_principal, is_standard, spelt

REGEXT = "http://www.ivoa.net/xml/TAPRegExt/v1.0"
FEATURES = "ivo://ivoa.net/std/TAPRegExt#features-"
OUTPUT = "ivo://ivoa.net/std/TAPRegExt#output-"
_TYPE = f"{{{XSI}}}type"
_IDS = {"votable/td": OUTPUT + "votable-td", "votable/b2": OUTPUT + "votable-binary2"}
_FUNCTIONS = {
    "adqlgeo": sorted({*GEOMETRY, *OF_GEOMETRY}),
    "adql-string": ["LOWER", "UPPER", "ILIKE"],
    "adql-sets": ["UNION", "EXCEPT", "INTERSECT"],
    "adql-common-table": ["WITH"],
    "adql-type": ["CAST"],
    "adql-offset": ["OFFSET"],
}


def capabilities(here: Context) -> bytes:
    """Return what the service can do and how much of it."""
    names = {
        **{"vosi": vosi.CAPABILITIES, "vr": vosi.RESOURCE, "vs": vosi.DATA_SERVICE, "tr": REGEXT, "xsi": XSI},
    }
    root = etree.Element(f"{{{vosi.CAPABILITIES}}}capabilities", {}, names)
    for name in ("capabilities", "availability", "tables"):
        vosi.add_capability(root, f"{services.VOSI}{name}", here.addresses.at("tap", name))
    vosi.add_capability(root, services.EXAMPLES, here.addresses.at("tap", "examples"))
    interface = vosi.add_capability(root, services.TAP, here.addresses.at("tap"), use="base")
    interface.set("version", "1.1")
    vosi.secure(interface, vosi.security_methods(here.settings))
    capability = interface.getparent()
    assert capability is not None  # noqa: S101 - it was made a moment ago
    capability.set(_TYPE, "tr:TableAccess")
    add(capability, "dataModel", "Obscore-1.1", **{"ivo-id": OBSCORE})
    _add_language(capability)
    for form in FORMATS:
        known = {"ivo-id": _IDS[form.name]} if form.name in _IDS else {}
        element = add(capability, "outputFormat", **known)
        add(element, "mime", form.content_type)
        add(element, "alias", form.name)
    for method in ("inline", *(("http", "https") if here.settings.upload_urls else ())):
        add(capability, "uploadMethod", **{"ivo-id": f"ivo://ivoa.net/std/TAPRegExt#upload-{method}"})
    settings = here.settings
    _add_limits(capability, "retentionPeriod", settings.retention, settings.retention_max)
    _add_limits(capability, "executionDuration", settings.duration, settings.duration_max)
    _add_limits(capability, "outputLimit", settings.tap_rows, settings.tap_rows_max, unit="row")
    _add_limits(capability, "uploadLimit", None, uploads.MAX_BYTES, unit="byte")
    return serialise(root, here.addresses.stylesheet)


def _add_language(capability: etree._Element) -> None:
    language = add(capability, "language")
    add(language, "name", "ADQL")
    for version in ("2.0", "2.1"):
        add(language, "version", version, **{"ivo-id": f"ivo://ivoa.net/std/ADQL#v{version}"})
    add(language, "description", "ADQL 2.0, with the optional features that are listed")
    for name, functions in _FUNCTIONS.items():
        features = add(language, "languageFeatures", type=FEATURES + name)
        for function in functions:
            add(add(features, "feature"), "form", function)


def _add_limits(parent: etree._Element, name: str, default: int | None, hard: int, **attributes: str) -> None:
    element = add(parent, name)
    if default is not None:
        add(element, "default", str(default), **attributes)
    add(element, "hard", str(hard), **attributes)


def tableset(published: Published, stylesheet: str) -> bytes:
    """Return all tables and columns (VOSI 1.1, section 4)."""
    names = {"vosi": vosi.TABLES, "vs": vosi.DATA_SERVICE, "xsi": XSI}
    root = etree.Element(f"{{{vosi.TABLES}}}tableset", {}, names)
    for name, tables in groupby(published.values(), lambda table: table.schema):
        schema = add(root, "schema")
        add(schema, "name", name)
        add(schema, "description", SCHEMAS[name])
        for table in tables:
            element = add(schema, "table", type="table")
            add(element, "name", table.full_name)
            add(element, "description", table.description)
            if table.utype:
                add(element, "utype", table.utype)
            for column in table.columns:
                flags = [
                    *(["indexed"] if is_indexed(table, column) else []),
                    *(["primary"] if is_principal(column) else []),
                ]
                vosi.add_column(
                    element, replace(column, name=spelt(column)), flags, standard=is_standard(table, column)
                )
            for source, target, one, other in KEYS.values():
                if source == table.full_name:
                    key = add(element, "foreignKey")
                    add(key, "targetTable", target)
                    pair = add(key, "fkColumn")
                    add(pair, "fromColumn", one)
                    add(pair, "targetColumn", other)
    return serialise(root, stylesheet)


async def show_capabilities(request: Request) -> Response:
    """Show what the service can do."""
    here = context.of(request)
    response = vosi.lasting(here, capabilities(here))
    if client_of(request).name is None:
        errors.challenge(response)
    return response


async def show_tables(request: Request) -> Response:
    """Show what can be asked about."""
    here = context.of(request)
    return vosi.lasting(here, tableset(handlers.published(here), here.addresses.stylesheet))
