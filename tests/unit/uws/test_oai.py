"""The publishing registry: documents that are valid, what a harvester of others makes of them, and what is wrong."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from lxml import etree
from mocpy import MOC
from pyvo.io.vosi import parse_capabilities

from jobs.engine import Engine
from tests import schemas
from tests.schemas_registry import valid
from tests.unit.uws.test_asking import Client, found
from uws import ledger, oai, registry
from uws.app import create_app
from uws.engine import open_engine
from uws.settings import Settings

BASE = "https://amora.observatory.org/x"
ARCHIVE = "ivo://observatory.org/amora"
NAMES = {"oai": oai.OAI, "ri": registry.RI, "dc": oai.DC}


def settings_in(home: Path, **others: Any) -> Settings:
    return Settings(
        home=home,
        public_url=BASE,
        authority="observatory.org",
        publisher="Observatory & Sons",
        title="Toys <of the sky>",
        contact="archive@observatory.org",
        **others,
    )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(settings_in(tmp_path_factory.mktemp("home")))
    engine.index.add(map(found, range(6)))
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def probe(engine: Engine) -> Client:
    return Client(create_app(engine, engine.settings), engine)


def ask(probe: Client, *pairs: tuple[str, str]) -> etree._Element:
    answer = probe._ask("GET", "/oai", params=list(pairs))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    return valid(answer.content)


def error(root: etree._Element) -> tuple[str, str]:
    (element,) = root.findall("oai:error", NAMES)
    return element.get("code"), element.text


def every(probe: Client, verb: str, prefix: str, **others: str) -> list[etree._Element]:
    """Go through the list, part by part."""
    what = "record" if verb == "ListRecords" else "header"
    root = ask(probe, ("verb", verb), ("metadataPrefix", prefix), *others.items())
    items = root.findall(f".//oai:{what}", NAMES)
    while token := root.findtext(".//oai:resumptionToken", None, NAMES):
        root = ask(probe, ("verb", verb), ("resumptionToken", token))
        items += root.findall(f".//oai:{what}", NAMES)
    return items


def test_identify(probe: Client) -> None:
    root = ask(probe, ("verb", "Identify"))
    told = {etree.QName(item).localname: item.text for item in root.find("oai:Identify", NAMES)}
    assert told["repositoryName"] == "Toys <of the sky>"
    assert told["baseURL"] == f"{BASE}/oai"
    assert told["adminEmail"] == "archive@observatory.org"
    assert told["deletedRecord"] == "persistent"
    (resource,) = root.iterfind(".//ri:Resource", NAMES)
    assert resource.findtext("identifier") == "ivo://observatory.org/registry"
    assert resource.findtext("managedAuthority") == "observatory.org"


def test_all_records_are_there_part_by_part(probe: Client) -> None:
    records = every(probe, "ListRecords", "ivo_vor")
    ids = [record.findtext("oai:header/oai:identifier", None, NAMES) for record in records]
    scripts = probe.get("scripts", RESPONSEFORMAT="json").json()["scripts"]
    expected = {
        "ivo://observatory.org",
        *(f"ivo://observatory.org/{name}" for name in ("org", "registry", "amora", "sia2", "scs", "soda", "datalink")),
        "ivo://observatory.org/tap",
        *(f"ivo://observatory.org/scripts/{script['name']}" for script in scripts),
    }
    assert set(ids) == expected
    assert len(ids) == len(expected) > registry.PAGE
    for record in records:
        resource = record.find(".//ri:Resource", NAMES)
        assert resource.findtext("identifier") == record.findtext("oai:header/oai:identifier", None, NAMES)
        assert resource.get("updated") == record.findtext("oai:header/oai:datestamp", None, NAMES)
        assert resource.findtext("curation/publisher") == "Observatory & Sons"
        for address in (element.text for element in resource.iter("accessURL", "referenceURL")):
            assert address.startswith(BASE + "/")
    headers = every(probe, "ListIdentifiers", "oai_dc", set="ivo_managed")
    assert [header.findtext("oai:identifier", None, NAMES) for header in headers] == ids


def test_capabilities_are_those_that_vosi_tells(probe: Client) -> None:
    for record in every(probe, "ListRecords", "ivo_vor"):
        resource = record.find(".//ri:Resource", NAMES)
        addresses = {
            element.get("standardID"): [url.text for url in element.iter("accessURL")]
            for element in resource.iterfind("capability")
        }
        (place,) = addresses.get("ivo://ivoa.net/std/VOSI#capabilities", [None])
        if place is None or resource.findtext("identifier") == ARCHIVE:
            continue
        document = etree.fromstring(probe._ask("GET", place.removeprefix(BASE)).content)
        told = {item.get("standardID"): [url.text for url in item.iter("accessURL")] for item in document}
        assert addresses == told, place


def test_coverage_is_that_of_the_index(probe: Client, engine: Engine) -> None:
    resource = ask(probe, ("verb", "GetRecord"), ("metadataPrefix", "ivo_vor"), ("identifier", ARCHIVE))
    moc = MOC.from_string(resource.findtext(".//spatial"))
    first, *others = (engine.index.coverage(dataset.id) for dataset in engine.index.datasets())
    assert moc == first.union(*others).degrade_to_order(registry.COVERAGE_ORDER)
    assert [float(end) for end in resource.findtext(".//temporal").split()] == [52000.0, 52005.5]
    assert resource.findtext(".//tableset/schema/table/name")


def test_pyvo_reads_the_capabilities_of_a_record(probe: Client) -> None:
    import io

    resource = ask(
        probe, ("verb", "GetRecord"), ("metadataPrefix", "ivo_vor"), ("identifier", "ivo://observatory.org/tap")
    )
    root = etree.Element("{http://www.ivoa.net/xml/VOSICapabilities/v1.0}capabilities")
    root.extend(resource.findall(".//capability"))
    capabilities = parse_capabilities(io.BytesIO(etree.tostring(root)))
    tap = next(one for one in capabilities if one.standardid == "ivo://ivoa.net/std/TAP")
    assert tap.interfaces[0].accessurls[0].content == f"{BASE}/tap"
    assert tap.outputlimit.hard.content == probe.engine.settings.tap_rows_max


def test_dublin_core(probe: Client) -> None:
    root = ask(probe, ("verb", "GetRecord"), ("metadataPrefix", "oai_dc"), ("identifier", ARCHIVE))
    assert root.findtext(".//dc:title", None, NAMES) == "Toys <of the sky>"
    assert root.findtext(".//dc:publisher", None, NAMES) == "Observatory & Sons"


@pytest.mark.parametrize(
    ("pairs", "code", "message"),
    [
        ([], "badVerb", "One verb of Identify, "),
        ([("verb", "Nosuch")], "badVerb", "'Nosuch' was given"),
        ([("verb", "Identify"), ("verb", "Identify")], "badVerb", "'Identify' and 'Identify' was given"),
        ([("verb", "Identify"), ("x", "1")], "badArgument", "Identify has no argument x; allowed are: none"),
        ([("verb", "ListRecords")], "badArgument", "ListRecords needs the argument metadataPrefix"),
        ([("verb", "GetRecord"), ("metadataPrefix", "ivo_vor")], "badArgument", "needs the argument identifier"),
        (
            [("verb", "GetRecord"), ("metadataPrefix", "ivo_vor"), ("identifier", "ivo://a"), ("identifier", "b")],
            "badArgument",
            "identifier was given several times",
        ),
        (
            [("verb", "GetRecord"), ("metadataPrefix", "ivo_vor"), ("identifier", "ivo://nosuch/x")],
            "idDoesNotExist",
            "There is no record 'ivo://nosuch/x'",
        ),
        (
            [("verb", "GetRecord"), ("metadataPrefix", "marc"), ("identifier", ARCHIVE)],
            "cannotDisseminateFormat",
            "allowed are ivo_vor and oai_dc",
        ),
        ([("verb", "ListMetadataFormats"), ("identifier", "ivo://nosuch")], "idDoesNotExist", "no record"),
        ([("verb", "ListRecords"), ("metadataPrefix", "x")], "cannotDisseminateFormat", "metadataPrefix is 'x'"),
        ([("verb", "ListRecords"), ("metadataPrefix", "ivo_vor"), ("from", "yesterday")], "badArgument", "YYYY-MM-DD"),
        ([("verb", "ListRecords"), ("metadataPrefix", "ivo_vor"), ("from", "2026-02-30")], "badArgument", "'2026-02"),
        (
            [("verb", "ListRecords"), ("metadataPrefix", "ivo_vor"), ("from", "2026-02-01"), ("until", "2025-01-01")],
            "badArgument",
            "is later than until",
        ),
        (
            [
                ("verb", "ListRecords"),
                ("metadataPrefix", "ivo_vor"),
                ("from", "2026-02-01"),
                ("until", "2027-01-01T00:00:00Z"),
            ],
            "badArgument",
            "must both be dates",
        ),
        (
            [("verb", "ListRecords"), ("metadataPrefix", "ivo_vor"), ("until", "1999-01-01")],
            "noRecordsMatch",
            "No record is of that set",
        ),
        (
            [("verb", "ListIdentifiers"), ("metadataPrefix", "ivo_vor"), ("set", "other")],
            "noRecordsMatch",
            "No record is of that set",
        ),
        ([("verb", "ListRecords"), ("resumptionToken", "nonsense")], "badResumptionToken", "'nonsense' is none of"),
        ([("verb", "ListSets"), ("resumptionToken", "x")], "badResumptionToken", "never in parts"),
        (
            [("verb", "ListRecords"), ("resumptionToken", "x"), ("metadataPrefix", "ivo_vor")],
            "badArgument",
            "excludes all other",
        ),
    ],
)
def test_what_is_wrong_is_told_in_the_protocols_form(
    probe: Client, pairs: Sequence[tuple[str, str]], code: str, message: str
) -> None:
    root = ask(probe, *pairs)
    assert error(root)[0] == code
    assert message in error(root)[1]
    repeated = root.find("oai:request", NAMES).attrib
    assert (len(repeated) == 0) == (code in ("badVerb", "badArgument"))


def test_a_token_of_another_verb_is_refused(probe: Client) -> None:
    root = ask(probe, ("verb", "ListRecords"), ("metadataPrefix", "ivo_vor"))
    token = root.findtext(".//oai:resumptionToken", None, NAMES)
    assert error(ask(probe, ("verb", "ListIdentifiers"), ("resumptionToken", token)))[0] == "badResumptionToken"


@settings_of_hypothesis(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_token_is_answered(probe: Client, token: str) -> None:
    here = create_app(probe.engine, probe.engine.settings).state.context  # type: ignore[arg-type]
    root = etree.fromstring(oai.respond(here, [("verb", "ListRecords"), ("resumptionToken", token)]))
    assert error(root)[0] == "badResumptionToken"


def test_a_token_that_cannot_be_unfolded_is_refused(probe: Client) -> None:
    token = base64.urlsafe_b64encode(b"[" * 30_000).decode()
    assert error(ask(probe, ("verb", "ListRecords"), ("resumptionToken", token)))[0] == "badResumptionToken"


TEXTS = st.text(max_size=12) | st.text("a1:/?#[]%.,;=&<> \"'é\uff12", max_size=12)
ARGUMENTS = {"metadataPrefix": TEXTS, "set": TEXTS, "identifier": TEXTS | TEXTS.map("ivo://".__add__), "from": TEXTS}


@settings_of_hypothesis(max_examples=150, deadline=None)
@given(st.sampled_from(list(oai.ARGUMENTS)), st.fixed_dictionaries({}, optional=ARGUMENTS))
@example("ListRecords", {"metadataPrefix": "ivo_vor", "from": "\uff12026-01-01"})
@example("ListRecords", {"metadataPrefix": ""})
@example("ListRecords", {"metadataPrefix": "ivo_vor", "set": ""})
@example("GetRecord", {"metadataPrefix": "ivo_vor", "identifier": "é\U0001f680 ]]>&<"})
def test_any_argument_has_a_valid_answer(probe: Client, verb: str, given_: dict[str, str]) -> None:
    here = create_app(probe.engine, probe.engine.settings).state.context  # type: ignore[arg-type]
    asked = {"metadataPrefix": "ivo_vor", **given_} if verb != "ListMetadataFormats" else given_
    valid(oai.respond(here, [("verb", verb), *asked.items()]))


def test_post_is_answered_too(probe: Client) -> None:
    answer = probe._ask("POST", "/oai", data={"verb": "ListSets"})
    assert valid(answer.content).findtext(".//oai:setSpec", None, NAMES) == "ivo_managed"


# ---------------------------------------------------------------------- names that harm

HARMFUL = "A ]]> & <b a='1'>\"q\" --> <?x?> \x01\x1b\x85\ufffe\u2028 \U0001d54f\U0001f680 é "
LONG = "x" * 20_000 + " ]]>"


@pytest.fixture(scope="module", params=[HARMFUL, LONG], ids=["harmful", "long"])
def harmed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service whose settings, scripts and datasets have names that documents are hard to make with."""
    name, home = request.param, tmp_path_factory.mktemp("harmed")
    folder = home / "scripts" / "evil"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(name)
    quoted = json.dumps(name, ensure_ascii=False).replace("\x85", "\\u0085")
    about = f"description = {quoted}\nunit = {quoted}\ndefault = {quoted}\noptions = [{quoted}]\n"
    (folder / "script.toml").write_text(
        f"title = {quoted}\nsummary = {quoted}\nversion = {quoted}\ncommand = ['./run']\n"
        f"[[parameters]]\nname = 'A'\ntype = 'text'\n{about}"
        f"[[products]]\nname = 'x'\ncontent_type = 'a/b'\ndescription = {quoted}\n"
    )
    told = dict.fromkeys(("title", "publisher", "description"), name[:200])
    settings = Settings(home=home, public_url=BASE, authority="observatory.org", scripts=str(folder.parent), **told)
    engine = open_engine(settings)
    about_it = dict.fromkeys(("target_name", "obs_collection", "facility_name", "instrument_name", "filter"), name)
    engine.index.add([replace(found(0), **about_it)])
    yield Client(create_app(engine, settings), engine)
    engine.stop()


@pytest.mark.parametrize("prefix", oai.FORMATS)
def test_no_name_makes_a_record_invalid(harmed: Client, prefix: str) -> None:
    assert ask(harmed, ("verb", "Identify")) is not None
    records = every(harmed, "ListRecords", prefix)
    (evil,) = [record for record in records if "evil" in record.findtext("oai:header/oai:identifier", "", NAMES)]
    (title,) = [element.text for element in evil.iter("title", f"{{{oai.DC}}}title")]
    assert "]]>" in title
    assert "\x01" not in title


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("capabilities", "capabilities"),
        ("tables", "VOSITables-v1.1.xsd"),
        ("scripts/evil/capabilities", "capabilities"),
        ("tap/tables", "VOSITables-v1.1.xsd"),
        ("sia2/examples", None),
        ("scs/examples", None),
        ("soda/examples", None),
        ("tap/examples", None),
        ("sia2/query", "VOTable1.4.xsd"),
        ("sia2/query?MAXREC=0", "VOTable1.4.xsd"),
        ("scs?RA=10&DEC=-20&SR=1", "VOTable1.4.xsd"),
        ("datalink/links?ID=0000000000/M1/S001", "VOTable1.4.xsd"),
        ("tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+amora.scripts", "VOTable1.4.xsd"),
        ("tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+amora.datasets", "VOTable1.4.xsd"),
    ],
)
def test_no_name_makes_another_document_invalid(harmed: Client, path: str, schema: str | None, shared: Path) -> None:
    answer = harmed._ask("GET", f"/{path}")
    assert answer.status_code == 200
    root = schemas.valid(answer.content, shared, schema) if schema else etree.fromstring(answer.content)
    assert len(root) > 0


# ---------------------------------------------------------------------- what changes


def test_what_changed_is_dated_and_what_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def at(instant: str, contents: dict[str, bytes]) -> dict[str, ledger.Entry]:
        class Clock:
            @staticmethod
            def now(_zone: object) -> Any:
                from datetime import datetime

                return datetime.fromisoformat(instant)

        monkeypatch.setattr(ledger, "datetime", Clock)
        return ledger.keep(tmp_path, contents)

    at("2026-01-01T00:00:00", {"a": b"1", "b": b"1", "c": b"1"})
    assert at("2026-01-02T00:00:00", {"a": b"1", "b": b"2"})["b"].updated == "2026-01-02T00:00:00Z"
    entries = at("2026-01-03T00:00:00", {"a": b"1", "b": b"2"})
    assert [(name, entry.created[:10], entry.updated[:10], entry.deleted) for name, entry in entries.items()] == [
        ("a", "2026-01-01", "2026-01-01", False),
        ("b", "2026-01-01", "2026-01-02", False),
        ("c", "2026-01-01", "2026-01-02", True),
    ]
    assert not at("2026-01-04T00:00:00", {"a": b"1", "b": b"2", "c": b"1"})["c"].deleted
    (tmp_path / "registry.json").write_text("{damaged")
    assert at("2026-01-05T00:00:00", {"a": b"1"})["a"].created == "2026-01-05T00:00:00Z"
    assert json.loads((tmp_path / "registry.json").read_text())


def test_many_at_once_keep_one_truth(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=ledger.keep, args=(tmp_path, {str(n): b"x" for n in range(20)})) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((tmp_path / "registry.json").read_text())) == 20


def test_a_record_that_is_gone_is_a_header_that_says_so(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    ledger.keep(tmp_path, {"ivo://observatory.org/scripts/old": b"x"})
    engine = open_engine(settings)
    client = Client(create_app(engine, settings), engine)
    root = ask(
        client,
        ("verb", "GetRecord"),
        ("metadataPrefix", "ivo_vor"),
        ("identifier", "ivo://observatory.org/scripts/old"),
    )
    assert root.find(".//oai:header", NAMES).get("status") == "deleted"
    assert root.find(".//oai:metadata", NAMES) is None
    engine.stop()


def test_who_must_say_who_they_are_is_told_one_way_an_interface(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path, anonymous=False, oidc_audience="amora", oidc_issuer="https://login.observatory.org"
    )
    engine = open_engine(settings)
    client = Client(create_app(engine, settings), engine)
    root = ask(
        client,
        ("verb", "GetRecord"),
        ("metadataPrefix", "ivo_vor"),
        ("identifier", "ivo://observatory.org/scripts/probe"),
    )
    jobs = next(item for item in root.iter("capability") if item.get("standardID") == "ivo://ivoa.net/std/UWS#rest-1.1")
    methods = [[method.get("standardID") for method in one.iter("securityMethod")] for one in jobs.iter("interface")]
    assert methods == [["ivo://ivoa.net/sso#BasicAA"], ["ivo://ivoa.net/sso#OAuth"]]
    engine.stop()


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ({}, 4),
        ({"authority": "observatory.org", "publisher": "The observatory", "contact": "a@observatory.org"}, 1),
        ({"authority": "observatory.org", "public_url": "https://amora.observatory.org"}, 2),
        ({"authority": "x.example.com", "public_url": "http://localhost:8000"}, 4),
    ],
)
def test_what_lacks_before_it_can_be_registered(settings: dict[str, str], lacks: int) -> None:
    assert len(registry.lacking(Settings(**settings))) == lacks
