"""The publishing registry: ``/oai`` hands out the records by OAI-PMH 2.0, as Registry Interfaces 1.1 wants it.

Every answer is one document, also for what is wrong in a request: HTTP knows nothing of it (OAI-PMH, section 3.6). A
resumption token says all that is needed to go on, so that nothing is kept between requests and it holds for ever.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response

from jobs.errors import RequestError
from uws import context, dali, ledger, registry
from uws.context import Context, call
from uws.ledger import Entry
from uws.markup import XSI, add, clean, serialise

OAI = "http://www.openarchives.org/OAI/2.0/"
DC = "http://purl.org/dc/elements/1.1/"
OAI_DC = f"{OAI}oai_dc/"
SET = "ivo_managed"
"""All records that originate here (Registry Interfaces 1.1, section 3.1.4): all there are."""
FORMATS = {
    "ivo_vor": (registry.RI, registry.RI),
    "oai_dc": (f"{OAI}oai_dc.xsd", OAI_DC),
}
"""Schema and namespace of each form of a record."""
ARGUMENTS = {
    "Identify": ((), ()),
    "ListMetadataFormats": ((), ("identifier",)),
    "ListSets": ((), ("resumptionToken",)),
    "ListIdentifiers": (("metadataPrefix",), ("from", "until", "set", "resumptionToken")),
    "ListRecords": (("metadataPrefix",), ("from", "until", "set", "resumptionToken")),
    "GetRecord": (("identifier", "metadataPrefix"), ()),
}
"""Which arguments a verb must have, and which it may."""
CONTENT_TYPE = "text/xml; charset=utf-8"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_UNRESERVED = r"[A-Za-z0-9_.!~*'()-]+"
_SYNTAX = {
    "metadataPrefix": re.compile(_UNRESERVED),
    "set": re.compile(rf"{_UNRESERVED}(:{_UNRESERVED})*"),
    "identifier": re.compile(
        r"([A-Za-z][A-Za-z0-9+.-]*:(//[A-Za-z0-9._~-]*(?=[/?]|$))?)?[A-Za-z0-9_.!~*'()/?=&+,;@$-]*"
    ),
}
"""What an answer can repeat of an argument, by the schema; of identifiers, a little less."""


class OaiError(Exception):
    """Something is wrong with a request.

    :param code: one of those of section 3.6.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Holdings:
    """All records, with what is known of them; a deleted one has no content."""

    entries: Mapping[str, Entry]
    contents: Mapping[str, etree._Element]

    @property
    def earliest(self) -> str:
        """The date of the oldest record."""
        return min(entry.created for entry in self.entries.values())

    def record(self, name: str) -> etree._Element:
        """Return a record with its dates."""
        root, entry = copy.deepcopy(self.contents[name]), self.entries[name]
        root.set("created", entry.created)
        root.set("updated", entry.updated)
        return root


def holdings(here: Context) -> Holdings:
    """Return the records as they are now."""
    contents = {root.findtext("identifier") or "": root for root in registry.records(here)}
    plain = {name: etree.tostring(root, method="c14n") for name, root in contents.items()}
    return Holdings(ledger.keep(here.settings.folder, plain), contents)


async def answer(request: Request) -> Response:
    """Answer a request of a harvester."""
    here = context.of(request)
    try:
        pairs = (await dali.read(request)).pairs
    except RequestError as error:
        return Response(_document(here, {}, str(error), "badArgument"), media_type=CONTENT_TYPE)
    return Response(await call(respond, here, pairs), media_type=CONTENT_TYPE)


def respond(here: Context, pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return the document that answers some arguments."""
    try:
        asked = _arguments(pairs)
    except OaiError as error:
        # the arguments that are wrong are not repeated (section 3.2)
        return _document(here, {}, str(error), error.code)
    have = holdings(here)
    try:
        return _document(here, asked, _VERBS[asked["verb"]](here, have, asked))
    except OaiError as error:
        return _document(here, {} if error.code == "badArgument" else asked, str(error), error.code)


def _verb(pairs: Sequence[tuple[str, str]]) -> str:
    verbs = [value for name, value in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in ARGUMENTS:
        given = " and ".join(map(repr, verbs)) if verbs else "none"
        raise OaiError("badVerb", f"One verb of {', '.join(ARGUMENTS)} must be given; {given} was given")
    return verbs[0]


def _arguments(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the arguments by name.

    :raises OaiError: they are not those of the verb, or their values are not allowed.
    """
    asked, verb = dict(pairs), _verb(pairs)
    if len(asked) < len(pairs):
        names = [name for name, _ in pairs]
        raise OaiError("badArgument", f"{next(n for n in names if names.count(n) > 1)} was given several times")
    needed, others = ARGUMENTS[verb]
    for name in asked:
        if name not in ("verb", *needed, *others):
            allowed = ", ".join((*needed, *others)) or "none"
            raise OaiError("badArgument", f"{verb} has no argument {name}; allowed are: {allowed}")
    if "resumptionToken" in asked:
        if len(asked) > 2:
            raise OaiError("badArgument", "resumptionToken excludes all other arguments")
        return asked
    for name in needed:
        if name not in asked:
            raise OaiError("badArgument", f"{verb} needs the argument {name}")
    for name, syntax in _SYNTAX.items():
        if not syntax.fullmatch(asked.get(name, "x")):
            raise OaiError("badArgument", f"{name} is {asked[name][:80]!r}, which none can be")
    _check_times(asked)
    return asked


def _check_times(asked: Mapping[str, str]) -> None:
    for name in ("from", "until"):
        if name in asked:
            _instant(name, asked[name])
    if "from" in asked and "until" in asked:
        if len(asked["from"]) != len(asked["until"]):
            raise OaiError("badArgument", "from and until must both be dates, or both have a time")
        if asked["from"] > asked["until"]:
            raise OaiError("badArgument", f"from {asked['from']} is later than until {asked['until']}")


def _instant(name: str, text: str) -> None:
    for form, pattern in ((_DAY, "%Y-%m-%d"), (_SECOND, "%Y-%m-%dT%H:%M:%SZ")):
        if form.fullmatch(text):
            try:
                datetime.strptime(text, pattern).replace(tzinfo=UTC)
            except ValueError:
                break
            return
    raise OaiError("badArgument", f"{name} is {text!r}; YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ is allowed")


# ---------------------------------------------------------------------- verbs

Body = etree._Element


def _identify(here: Context, have: Holdings, _asked: Mapping[str, str]) -> Body:
    root = etree.Element("Identify")
    add(root, "repositoryName", here.settings.title)
    add(root, "baseURL", here.addresses.at("oai"))
    add(root, "protocolVersion", "2.0")
    add(root, "adminEmail", here.settings.contact or registry.NOBODY)
    add(root, "earliestDatestamp", have.earliest)
    add(root, "deletedRecord", "persistent")
    add(root, "granularity", "YYYY-MM-DDThh:mm:ssZ")
    add(root, "description").append(have.record(registry.identifier(here.settings.authority, "registry")))
    return root


def _formats(_here: Context, have: Holdings, asked: Mapping[str, str]) -> Body:
    if "identifier" in asked:
        _known(have, asked["identifier"])
    root = etree.Element("ListMetadataFormats")
    for prefix, (schema, namespace) in FORMATS.items():
        element = add(root, "metadataFormat")
        add(element, "metadataPrefix", prefix)
        add(element, "schema", schema)
        add(element, "metadataNamespace", namespace)
    return root


def _sets(_here: Context, _have: Holdings, asked: Mapping[str, str]) -> Body:
    if "resumptionToken" in asked:
        raise OaiError("badResumptionToken", "The list of sets is never in parts")
    root = etree.Element("ListSets")
    element = add(root, "set")
    add(element, "setSpec", SET)
    add(element, "setName", "Resources that originate here")
    return root


def _get(_here: Context, have: Holdings, asked: Mapping[str, str]) -> Body:
    name = _known(have, asked["identifier"])
    root = etree.Element("GetRecord")
    _record(root, have, name, _prefix(asked["metadataPrefix"]))
    return root


def _list(_here: Context, have: Holdings, asked: Mapping[str, str]) -> Body:
    token = asked.get("resumptionToken")
    given = _opened(token, asked["verb"]) if token is not None else dict(asked)
    prefix = _prefix(given["metadataPrefix"])
    names = [name for name, entry in have.entries.items() if _wanted(entry, given)]
    if given.get("set", SET) != SET or not names:
        raise OaiError("noRecordsMatch", "No record is of that set, or has changed in that time")
    done = [name for name in names if name <= given.get("after", "")]
    page = names[len(done) : len(done) + registry.PAGE]
    root = etree.Element(asked["verb"])
    for name in page:
        if asked["verb"] == "ListRecords":
            _record(root, have, name, prefix)
        else:
            _header(root, have, name)
    more = len(done) + len(page) < len(names)
    if more or token is not None:
        text = _closed({**given, "after": page[-1]}) if more else ""
        add(root, "resumptionToken", text, completeListSize=str(len(names)), cursor=str(len(done)))
    return root


_VERBS: dict[str, Callable[[Context, Holdings, Mapping[str, str]], Body]] = {
    "Identify": _identify,
    "ListMetadataFormats": _formats,
    "ListSets": _sets,
    "ListIdentifiers": _list,
    "ListRecords": _list,
    "GetRecord": _get,
}


def _prefix(given: str) -> str:
    if given not in FORMATS:
        allowed = " and ".join(FORMATS)
        raise OaiError("cannotDisseminateFormat", f"metadataPrefix is {given!r}; allowed are {allowed}")
    return given


def _known(have: Holdings, name: str) -> str:
    if name not in have.entries:
        raise OaiError("idDoesNotExist", f"There is no record {name!r}")
    return name


def _wanted(entry: Entry, given: Mapping[str, str]) -> bool:
    begin, end = given.get("from", ""), given.get("until")
    return entry.updated[: len(begin)] >= begin and (end is None or entry.updated[: len(end)] <= end)


def _closed(given: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(given, separators=(",", ":")).encode()).decode().rstrip("=")


def _opened(token: str, verb: str) -> dict[str, str]:
    """Return the arguments that a token stands for."""
    wrong = OaiError("badResumptionToken", f"The resumptionToken {token[:80]!r} is none of {verb}")
    try:
        given = json.loads(base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
        texts = {str(name): str(value) for name, value in given.items()}
        after = texts.pop("after")
        if texts.get("verb") != verb or texts != _arguments(list(texts.items())):
            raise wrong
    except (binascii.Error, ValueError, AttributeError, KeyError, RecursionError, OaiError) as error:
        raise wrong from error
    return {**texts, "after": after}


# ---------------------------------------------------------------------- documents


def _document(here: Context, asked: Mapping[str, str], body: Body | str, code: str = "") -> bytes:
    """Return the document around an answer, or around an error."""
    root = etree.Element("OAI-PMH")
    add(root, "responseDate", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    add(root, "request", here.addresses.at("oai"), **{name: clean(value) for name, value in asked.items()})
    if isinstance(body, str):
        add(root, "error", body, code=code)
    else:
        root.append(body)
    _in_namespace(root)
    # with a prefix: the elements of a VOResource record are in no namespace
    whole = etree.Element(f"{{{OAI}}}OAI-PMH", {}, {"oai": OAI, "xsi": XSI})
    whole.set(f"{{{XSI}}}schemaLocation", f"{OAI} {OAI}OAI-PMH.xsd")
    whole.extend(list(root))
    return serialise(whole, here.addresses.stylesheet)


def _in_namespace(root: etree._Element) -> None:
    """Put the elements of the protocol into its namespace; what they carry keeps its own, or none."""
    for child in root:
        if isinstance(child.tag, str) and not child.tag.startswith("{"):
            child.tag = f"{{{OAI}}}{child.tag}"
            _in_namespace(child)


def _header(root: etree._Element, have: Holdings, name: str) -> None:
    entry = have.entries[name]
    header = add(root, "header", **({"status": "deleted"} if entry.deleted else {}))
    add(header, "identifier", name)
    add(header, "datestamp", entry.updated)
    add(header, "setSpec", SET)


def _record(root: etree._Element, have: Holdings, name: str, prefix: str) -> None:
    element = add(root, "record")
    _header(element, have, name)
    if have.entries[name].deleted:
        return
    resource = have.record(name)
    add(element, "metadata").append(resource if prefix == "ivo_vor" else _dublin_core(resource))


def _dublin_core(resource: etree._Element) -> etree._Element:
    """Return a record in unqualified Dublin Core (Registry Interfaces 1.1, section 3.1.2)."""
    root = etree.Element(f"{{{OAI_DC}}}dc", {}, {"oai_dc": OAI_DC, "dc": DC})
    root.set(f"{{{XSI}}}schemaLocation", f"{OAI_DC} {OAI}oai_dc.xsd")
    for name, path in (
        ("title", "title"),
        ("identifier", "identifier"),
        ("creator", "curation/creator/name"),
        ("publisher", "curation/publisher"),
        ("subject", "content/subject"),
        ("description", "content/description"),
        ("identifier", "content/referenceURL"),
        ("relation", "content/relationship/relatedResource"),
    ):
        for found in resource.iterfind(path):
            add(root, f"{{{DC}}}{name}", found.text or "")
    add(root, f"{{{DC}}}type", "Service")
    add(root, f"{{{DC}}}date", (resource.get("updated") or "")[:10])
    return root
