"""Service descriptors (DataLink 1.1, section 4): how a client can call a script, made from the script's descriptor.

Those of scripts have no standardID, and so are called by GET (section 4.2): the accessURL is the script's blocking
form, which makes a job, runs it and redirects to the product. Aladin, TOPCAT and pyvo make their form of the
parameters. The script that is a cut-out has those of SODA too, which clients call by their standard.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from lxml import etree

from index.dataset import Dataset
from jobs.descriptor import ParameterSpec, Script
from uws.addresses import Addresses
from uws.asking import Parameter
from uws.markup import add, clean
from uws.services import LINKS, SODA_ASYNC, SODA_SYNC

_TYPES = {
    # A scalar would be the word for it, but pyvo 1.9 breaks on one without a value; validators warn of this.
    "real": {"datatype": "double", "arraysize": "1"},
    "integer": {"datatype": "long"},
    "boolean": {"datatype": "boolean"},
    "interval": {"datatype": "double", "arraysize": "2", "xtype": "interval"},
    "region": {"datatype": "char", "arraysize": "*"},
    "text": {"datatype": "char", "arraysize": "*"},
}
"""How the types of parameters are said in VOTable (DALI 1.1, section 3.3); files cannot be sent by GET."""

_REGION = (
    ("POS", {"datatype": "char", "arraysize": "*"}, "Region: CIRCLE ra dec radius, RANGE or POLYGON, ICRS degrees"),
    (
        "CIRCLE",
        {"datatype": "double", "arraysize": "3", "xtype": "circle", "unit": "deg"},
        "Region instead of POS: ra, dec, radius",
    ),
    (
        "POLYGON",
        {"datatype": "double", "arraysize": "*", "xtype": "polygon", "unit": "deg"},
        "Region instead of POS: ra and dec of each vertex",
    ),
)


def of_script(script: Script, addresses: Addresses, name: str, reference: str) -> etree._Element:
    """Return the descriptor of a script that works on the dataset of a row.

    :param name: the XML ID of the descriptor.
    :param reference: the XML ID of the FIELD that has the dataset's id.
    """
    resource, group = _descriptor(name, script.name, f"{script.title}: {script.summary}")
    _fixed(group, "accessURL", addresses.script(script.name, "sync"))
    if script.products:
        _fixed(group, "contentType", script.products[0].content_type)
    _fixed(group, "exampleURL", addresses.script(script.name))
    dataset = add(group, "PARAM", name="ID", datatype="char", arraysize="*", value="", ref=reference)
    dataset.set("ucd", "meta.id;meta.dataset")
    add(dataset, "DESCRIPTION", "The dataset to work on")
    if script.accepts.region != "none":
        for region, form, text in _REGION:
            param = add(group, "PARAM", name=region, value="", ucd="pos.outline;obs", **form)
            add(param, "DESCRIPTION", text)
    for spec in script.parameters:
        _parameter(group, spec)
    return resource


def of_cutout(
    script: Script, addresses: Addresses, name: str, reference: str, dataset: Dataset | None
) -> etree._Element:
    """Return the descriptor of a resource of SODA 1.0 (its section 4.2).

    :param name: ``soda_sync`` or ``soda_async``, also the XML ID.
    :param dataset: the only one that is spoken of: what can be had of it is told; None for several.
    """
    place = name.removeprefix("soda_")
    resource, group = _descriptor(name, name, f"{script.summary} SODA 1.0, {place}.")
    _fixed(group, "accessURL", addresses.script(script.name, place))
    _fixed(group, "standardID", {"sync": SODA_SYNC, "async": SODA_ASYNC}[place])
    _fixed(group, "contentType", script.products[0].content_type)
    param = add(group, "PARAM", name="ID", datatype="char", arraysize="*", value="", ref=reference)
    param.set("ucd", "meta.ref.url;meta.curation")
    add(param, "DESCRIPTION", "The dataset to cut out of")
    limits = _limits(dataset) if dataset else {}
    for region, form, text in _REGION:
        param = add(group, "PARAM", name=region, value="", ucd="pos.outline;obs", **form)
        add(param, "DESCRIPTION", text)
        _say_limits(param, limits.get(region, {}))
    for spec in script.parameters:
        _parameter(group, spec, limits.get(spec.name, {}))
    return resource


def _limits(dataset: Dataset) -> dict[str, dict[str, str]]:
    """Return MIN and MAX of what a dataset has, by the names of the parameters of SODA 1.0 (its section 4.2)."""
    limits: dict[str, dict[str, str]] = {}
    for name, ends in (("BAND", (dataset.em_min, dataset.em_max)), ("TIME", (dataset.t_min, dataset.t_max))):
        told = {tag: f"{end!r}" for tag, end in zip(("MIN", "MAX"), ends, strict=True) if end is not None}
        limits[name] = told
    word, _, corners = (dataset.s_region or "").partition("ICRS")
    numbers = [float(number) for number in corners.split()] if word.strip().lower() == "polygon" else []
    if len(numbers) >= 6:
        limits["POLYGON"] = {"MAX": " ".join(f"{number:.6f}" for number in numbers)}
        reach = max(
            separation(dataset.s_ra, dataset.s_dec, ra, dec)
            for ra, dec in zip(numbers[::2], numbers[1::2], strict=True)
        )
        limits["CIRCLE"] = {"MAX": f"{dataset.s_ra:.6f} {dataset.s_dec:.6f} {reach:.6f}"}
    return limits


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the angle between two positions, all in degrees (haversine formula)."""
    a, b, c, d = map(math.radians, (ra, dec, other_ra, other_dec))
    half = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, half))))


def of_links(addresses: Addresses, reference: str | None = None) -> etree._Element:
    """Return the descriptor of the links service, of itself (section 4.3) or beside a table of datasets (4.2).

    :param reference: the XML ID of the FIELD that has the dataset's id.
    """
    resource, group = _descriptor("links", "links", "What there is of a dataset: files, coverage, and scripts to run")
    _fixed(group, "accessURL", addresses.at("datalink", "links"))
    _fixed(group, "standardID", LINKS)
    dataset = add(group, "PARAM", name="ID", datatype="char", arraysize="*", value="", ucd="meta.id;meta.dataset")
    if reference is not None:
        dataset.set("ref", reference)
    add(dataset, "DESCRIPTION", "Id of a dataset; repeatable")
    return resource


_ASKED = {
    "interval": {"datatype": "double", "arraysize": "2", "xtype": "interval"},
    "time": {"datatype": "double", "arraysize": "2", "xtype": "interval"},
    "integer": {"datatype": "int", "arraysize": "1"},
}
"""How the parameters of a search are said in VOTable; the others are texts."""


def of_search(
    address: str,
    standard: str,
    description: str,
    parameters: Sequence[Parameter],
    options: Mapping[str, Sequence[str]],
) -> etree._Element:
    """Return the descriptor by which a search that takes POS describes itself.

    :param options: the values that make sense, by the names of parameters.
    """
    resource, group = _descriptor("search", "this", description)
    _fixed(group, "accessURL", address)
    _fixed(group, "standardID", standard)
    name, form, text = _REGION[0]
    add(add(group, "PARAM", name=name, value="", ucd="pos.outline;obs", **form), "DESCRIPTION", f"{text}; repeatable")
    for asked in parameters:
        form = _ASKED.get(asked.kind, _TYPES["text"])
        param = add(group, "PARAM", name=asked.name, value="", **form, **_meaning(asked))
        add(param, "DESCRIPTION", f"{asked.description}, such as {asked.example}; repeatable")
        _say_limits(param, {}, options.get(asked.name, ()))
    for name, text in (("ID", "Id of a dataset; repeatable"), ("RESPONSEFORMAT", "votable, csv or fits")):
        add(add(group, "PARAM", name=name, value="", **_TYPES["text"]), "DESCRIPTION", text)
    add(
        add(group, "PARAM", name="MAXREC", value="", datatype="int", arraysize="1"),
        "DESCRIPTION",
        "The most rows wanted",
    )
    return resource


def _descriptor(identifier: str, name: str, description: str) -> tuple[etree._Element, etree._Element]:
    resource = etree.Element("RESOURCE", type="meta", utype="adhoc:service", ID=identifier, name=name)
    add(resource, "DESCRIPTION", description)
    return resource, add(resource, "GROUP", name="inputParams")


def _fixed(group: etree._Element, name: str, value: str) -> None:
    """Say something of the service itself, before the parameters that a client gives."""
    group.addprevious(etree.Element("PARAM", name=name, datatype="char", arraysize="*", value=clean(value)))


def _parameter(group: etree._Element, spec: ParameterSpec, limits: Mapping[str, str] | None = None) -> None:
    """Describe a parameter.

    :param limits: its MIN and MAX where they are those of a dataset.
    """
    if spec.type not in _TYPES:
        return
    default = "" if spec.default is None else _text(spec.default)
    # a value that is not empty would be fixed (section 4.1): the default stands in the description
    param = add(group, "PARAM", name=spec.name, value="", **_TYPES[spec.type], **_meaning(spec))
    add(param, "DESCRIPTION", _description(spec, default))
    own = {tag: f"{end:.15g}" for tag, end in (("MIN", spec.minimum), ("MAX", spec.maximum)) if end is not None}
    _say_limits(param, limits or own, spec.options if spec.type != "region" else ())


def _meaning(asked: Parameter | ParameterSpec) -> dict[str, str]:
    return {key: value for key in ("unit", "ucd") if (value := getattr(asked, key))}


def _say_limits(param: etree._Element, limits: Mapping[str, str], options: Iterable[str] = ()) -> None:
    options = list(options)
    if not (limits or options):
        return
    values = add(param, "VALUES")
    for tag in ("MIN", "MAX"):
        if tag in limits:
            add(values, tag, value=limits[tag])
    for option in options:
        add(values, "OPTION", value=option)


def _description(spec: ParameterSpec, default: str) -> str:
    without = default or spec.default_description
    words: Iterable[str] = (
        spec.description,
        "It must be given." if spec.required else "",
        f"By default: {without}." if without and not spec.required else "",
    )
    return " ".join(word for word in words if word)


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
