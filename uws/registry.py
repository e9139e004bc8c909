"""What a registry of the VO is told of this service: a record for each resource (VOResource 1.1, VODataService 1.2).

There is one for the naming authority, the organisation, the publishing registry, the archive, each service of
:mod:`uws.services`, each script and each map. Their capabilities are those that VOSI tells. :mod:`uws.ledger` knows
since when a record is as it is, :mod:`uws.oai` hands the records out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lxml import etree

from index.query import Query
from index.wavebands import wavebands
from uws import hips, pages, services, vosi
from uws.markup import XSI, add
from uws.tap import vosi as tap_vosi

if TYPE_CHECKING:
    from index.store import Extent
    from jobs.descriptor import Script
    from uws.context import Context
    from uws.settings import Settings

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
VORESOURCE = vosi.RESOURCE
VOREGISTRY = "http://www.ivoa.net/xml/VORegistry/v1.0"
CONE_SEARCH = "http://www.ivoa.net/xml/ConeSearch/v1.0"
NAMES = {
    "ri": RI,
    "vr": VORESOURCE,
    "vg": VOREGISTRY,
    "vs": vosi.DATA_SERVICE,
    "cs": CONE_SEARCH,
    "tr": tap_vosi.REGEXT,
    "xsi": XSI,
}
RESOURCE = f"{{{RI}}}Resource"
REGISTRY = "ivo://ivoa.net/std/Registry"
COVERAGE_ORDER = 6
"""Cells of 55 arcmin: what registries keep (VODataService 1.2, section 3.3.1)."""
PAGE = 10
"""Records in one answer of the publishing registry."""
JOULE_METRES = 1.986445857e-25
"""Planck's constant times the speed of light."""

SUBJECTS = {
    "Gamma-ray": "gamma-ray-astronomy",
    "X-ray": "x-ray-astronomy",
    "EUV": "ultraviolet-astronomy",
    "UV": "ultraviolet-astronomy",
    "Optical": "optical-astronomy",
    "Infrared": "infrared-astronomy",
    "Millimeter": "millimeter-astronomy",
    "Radio": "radio-astronomy",
}
"""Concepts of the Unified Astronomy Thesaurus for the wavebands."""
_TYPE = f"{{{XSI}}}type"
RESERVED = ("localhost", "example", "invalid", "test", "local")
"""Last parts of names that nobody can own."""
NOBODY = "unset@example.org"
"""Where nobody can be written to: OAI-PMH wants an address."""


@dataclass(frozen=True)
class Record:
    """A resource, as registries are told of it."""

    identifier: str
    kind: str
    """Its xsi:type."""
    title: str
    description: str
    reference: str
    """Where people read on."""
    subjects: Sequence[str]
    short_name: str = ""
    types: Sequence[str] = ()
    fill: Callable[[etree._Element], None] = field(default=lambda _root: None, compare=False)
    """Adds what follows ``content``."""
    relations: Sequence[tuple[str, str, str]] = ()
    """Kind, title and id of related resources."""


def identifier(authority: str, *path: str) -> str:
    """Return the id of a resource of the authority."""
    return "/".join((f"ivo://{authority}", *path))


def records(here: Context) -> list[etree._Element]:
    """Return all records, without their dates."""
    return [_element(here, record) for record in _described(here)]


def lacking(settings: Settings) -> list[str]:
    """Return what the records lack before a registry should have them; nothing where they are complete."""
    found = []
    if is_example(settings.authority):
        found.append(f"the authority {settings.authority} is an example (AMORA_AUTHORITY)")
    if settings.publisher == type(settings).model_fields["publisher"].default:
        found.append("nobody is named as the publisher (AMORA_PUBLISHER)")
    if settings.contact is None:
        found.append("there is no address to write to (AMORA_CONTACT)")
    host = urlsplit(settings.base).hostname or ""
    if host == "::1" or host.startswith("127.") or is_example(host):
        found.append(f"others cannot reach {settings.base} (AMORA_PUBLIC_URL)")
    return found


def is_example(name: str) -> bool:
    """Whether nobody can own a name (RFC 2606, RFC 6762)."""
    own = re.search(r"(^|\.)example\.(com|net|org)$", name)
    return name.rpartition(".")[2] in RESERVED or own is not None


# ---------------------------------------------------------------------- what there is


def _described(here: Context) -> Iterator[Record]:
    settings, addresses = here.settings, here.addresses
    title, authority = settings.title, settings.authority
    extent = here.engine.index.extent()
    bands = wavebands(extent.em_min, extent.em_max)
    subjects = list(dict.fromkeys(SUBJECTS[band] for band in bands)) or ["observational-astronomy"]
    front = f"{addresses.base}/"
    archive = identifier(authority, "amora")
    part_of = [("IsPartOf", title, archive)]
    maps = hips.present(here)
    coverage = _coverage(here, extent, bands)

    yield Record(
        identifier(authority),
        "vg:Authority",
        f"Naming authority {authority}",
        f"The naming authority of the resources that {settings.publisher} publishes with Amora.",
        front,
        ["virtual-observatories"],
        fill=lambda root: _organisation(add(root, "managingOrg", settings.publisher), authority),
    )
    yield Record(
        identifier(authority, "org"),
        "vr:Organisation",
        settings.publisher,
        f"{settings.publisher}, which runs {title}.",
        front,
        ["virtual-observatories"],
        types=["Organisation"],
    )
    yield Record(
        identifier(authority, "registry"),
        "vg:Registry",
        f"{title}: publishing registry",
        f"Hands out the records of the resources of {authority} by OAI-PMH.",
        front,
        ["virtual-observatories"],
        types=["Registry"],
        fill=lambda root: _publishing(root, here),
    )
    yield Record(
        archive,
        "vs:CatalogService",
        title,
        settings.description,
        front,
        subjects,
        short_name=title[:16].strip(),
        types=["Archive"],
        fill=lambda root: _archive(root, here, maps, coverage),
        relations=[
            ("HasPart", f"{title}: {service.title}", identifier(authority, service.name))
            for service in (*services.SERVICES, services.TABLE_ACCESS)
        ],
    )
    for service in services.SERVICES:
        searches = service.name in ("sia2", "scs")
        yield Record(
            identifier(authority, service.name),
            "vs:CatalogService" if searches else "vs:DataService",
            f"{title}: {service.title}",
            f"{settings.description} {service.description}",
            front,
            subjects,
            relations=part_of,
            fill=_filled_with(here, service, coverage, searches),
        )
    yield Record(
        identifier(authority, "tap"),
        "vs:CatalogService",
        f"{title}: {services.TABLE_ACCESS.title}",
        f"{settings.description} {services.TABLE_ACCESS.description}",
        addresses.at("tap", "examples"),
        subjects,
        relations=part_of,
        fill=lambda root: _tap(root, here, coverage),
    )
    for name in here.jobs.scripts.names():
        script = here.jobs.scripts.get(name)
        yield Record(
            identifier(authority, "scripts", name),
            "vs:DataService",
            f"{title}: {script.title}",
            f"{script.summary} A script on the observations of {title}, as UWS jobs and by plain GET.",
            addresses.script(name),
            subjects,
            relations=part_of,
            fill=_script(here, script),
        )
    for name, told in maps.items():
        yield Record(
            identifier(authority, "hips", name),
            "vs:DataService",
            told["obs_title"],
            f"{told['obs_description']}, as HiPS.",
            addresses.at("hips", name) + "/",
            subjects,
            relations=part_of,
            fill=_map(here, name, coverage),
        )


# ---------------------------------------------------------------------- what records hold


def _element(here: Context, record: Record) -> etree._Element:
    settings = here.settings
    root = etree.Element(RESOURCE, {_TYPE: record.kind, "status": "active"}, NAMES)
    add(root, "title", _line(record.title))
    if record.short_name:
        add(root, "shortName", record.short_name)
    add(root, "identifier", record.identifier)
    curation = add(root, "curation")
    _organisation(add(curation, "publisher", settings.publisher), settings.authority)
    add(add(curation, "creator"), "name", settings.publisher)
    contact = add(curation, "contact")
    add(contact, "name", settings.publisher)
    if settings.contact:
        add(contact, "email", settings.contact)
    content = add(root, "content")
    for subject in record.subjects:
        add(content, "subject", subject)
    add(content, "description", record.description)
    add(content, "referenceURL", record.reference)
    for type_ in record.types:
        add(content, "type", type_)
    add(content, "contentLevel", "Research")
    for kind, title, related in record.relations:
        relationship = add(content, "relationship")
        add(relationship, "relationshipType", kind)
        add(relationship, "relatedResource", _line(title), **{"ivo-id": related})
    record.fill(root)
    for interface in list(root.iter("interface")):
        _one_method(interface)
    return root


def _one_method(interface: etree._Element) -> None:
    """Give each way to say who one is an interface of its own, none where nobody must.

    Erratum 1 of VOResource 1.1 allows several again, as VOSI has them; registries may validate with the schema before.
    """
    methods = interface.findall("securityMethod")
    anonymous = any(method.get("standardID") is None for method in methods)
    for method in methods if anonymous else methods[1:]:
        interface.remove(method)
    for method in methods[1:] if not anonymous else ():
        other = copy.deepcopy(interface)
        for own in other.findall("securityMethod"):
            own.set("standardID", method.get("standardID") or "")
        interface.addnext(other)


def _line(text: str) -> str:
    return " ".join(text.split())


def _organisation(element: etree._Element, authority: str) -> None:
    element.set("ivo-id", identifier(authority, "org"))


def _embed(root: etree._Element, document: bytes) -> list[etree._Element]:
    """Add the children of a document of VOSI."""
    parsed = etree.fromstring(document)
    etree.cleanup_namespaces(parsed, keep_ns_prefixes=["vs", "tr"])
    children = list(parsed)
    root.extend(children)
    return children


def _publishing(root: etree._Element, here: Context) -> None:
    capability = add(root, "capability", standardID=REGISTRY, **{_TYPE: "vg:Harvest"})
    interface = add(capability, "interface", role="std", version="1.0", **{_TYPE: "vg:OAIHTTP"})
    add(interface, "accessURL", here.addresses.at("oai"), use="base")
    add(capability, "maxRecords", str(PAGE))
    add(root, "full", "false")
    add(root, "managedAuthority", here.settings.authority)


def _archive(
    root: etree._Element, here: Context, maps: dict[str, dict[str, str]], coverage: Callable[[etree._Element], None]
) -> None:
    """Add what the archive has beside the services with records of their own."""
    addresses = here.addresses
    for name in ("capabilities", "availability", "tables"):
        vosi.add_capability(root, services.VOSI + name, addresses.at(name))
    if maps:
        vosi.add_capability(root, hips.LIST, addresses.at("hipslist"), use="full")
    capability = add(root, "capability")
    add(capability, "description", "The page of the service, for people")
    add(add(capability, "interface", **{_TYPE: "vr:WebBrowser"}), "accessURL", f"{addresses.base}/", use="full")
    coverage(root)
    _tables(root, vosi.tables(addresses))


def _tables(root: etree._Element, document: bytes) -> None:
    _embed(add(root, "tableset"), document)


def _filled_with(
    here: Context, service: services.Service, coverage: Callable[[etree._Element], None], searches: bool
) -> Callable[[etree._Element], None]:
    def fill(root: etree._Element) -> None:
        for capability in _embed(root, vosi.of_service(service, here.addresses)):
            if capability.get("standardID") == services.SCS:
                capability.set(_TYPE, "cs:ConeSearch")
                _cone_search(capability, here)
        if searches:
            coverage(root)

    return fill


def _cone_search(capability: etree._Element, here: Context) -> None:
    first = next(iter(here.engine.index.datasets()), None)
    ra, dec = (first.s_ra, first.s_dec) if first else (0.0, 0.0)
    add(capability, "maxSR", "180")
    add(capability, "maxRecords", str(here.settings.tap_rows_max))
    add(capability, "verbosity", "true")
    query = add(capability, "testQuery")
    for name, value in (("ra", ra), ("dec", dec), ("sr", 0.1)):
        add(query, name, f"{value:.6g}")


def _tap(root: etree._Element, here: Context, coverage: Callable[[etree._Element], None]) -> None:
    from uws.tap import handlers  # noqa: PLC0415 - it needs the whole of TAP

    _embed(root, tap_vosi.capabilities(here))
    coverage(root)
    _tables(root, tap_vosi.tableset(handlers.published(here), here.addresses.stylesheet))


def _script(here: Context, script: Script) -> Callable[[etree._Element], None]:
    def fill(root: etree._Element) -> None:
        methods = vosi.security_methods(here.settings)
        document = vosi.capabilities(here.addresses, [script], "scripts", script.name, methods=methods)
        _embed(root, document)
        for interface in root.iter("interface"):
            if (interface.findtext("accessURL") or "").endswith("/sync"):
                _parameters(interface, script)

    return fill


def _parameters(interface: etree._Element, script: Script) -> None:
    """Add the parameters of a script (VODataService 1.2, section 3.5.1)."""
    kinds = {"real": "real", "integer": "integer", "boolean": "boolean"}
    for spec in (*pages.shared(script), *script.parameters):
        if spec.type == "file":
            continue
        param = add(interface, "param", std="false", use="required" if spec.required else "optional")
        add(param, "name", spec.name)
        add(param, "description", _line(spec.description))
        for name in ("unit", "ucd"):
            if value := getattr(spec, name):
                add(param, name, value)
        add(param, "dataType", kinds.get(spec.type, "string"))


def _map(here: Context, name: str, coverage: Callable[[etree._Element], None]) -> Callable[[etree._Element], None]:
    def fill(root: etree._Element) -> None:
        vosi.add_capability(root, hips.STANDARD, here.addresses.at("hips", name), use="base")
        coverage(root)

    return fill


def _coverage(here: Context, extent: Extent, bands: Sequence[str]) -> Callable[[etree._Element], None]:
    """Return what adds where, when and at which energies there are observations."""
    _, moc = here.engine.index.union(Query(), COVERAGE_ORDER)
    cells = "" if moc is None else " ".join(str(moc.to_string("ascii")).replace(",", " ").split())

    def fill(root: etree._Element) -> None:
        if not cells:
            return
        coverage = add(root, "coverage")
        add(coverage, "spatial", cells)
        if extent.t_min is not None and extent.t_max is not None:
            add(coverage, "temporal", f"{extent.t_min:.5f} {extent.t_max:.5f}")
        if extent.em_min and extent.em_max:
            add(coverage, "spectral", f"{JOULE_METRES / extent.em_max:.6g} {JOULE_METRES / extent.em_min:.6g}")
        add(coverage, "footprint", here.addresses.at("coverage"), **{"ivo-id": "ivo://ivoa.net/std/moc"})
        for band in bands:
            add(coverage, "waveband", band)

    return fill
