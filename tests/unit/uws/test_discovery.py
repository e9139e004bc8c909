"""SIA 2.0 and cone search over a small archive: what they find, what they say of it, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from astropy.io.votable import parse
from astropy.table import Table
from lxml import etree

from index.columns import COLUMNS
from index.dataset import File
from tests.unit.uws.test_asking import Client, found
from uws import datalink, scs, services, sia2
from uws.app import create_app
from uws.engine import open_engine
from uws.settings import Settings

V = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
CONTENT_TYPE = "application/x-votable+xml"


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), public_url="https://amora.example/x")
    engine = open_engine(settings)
    engine.index.add(map(found, range(12)))
    yield Client(create_app(engine, settings), engine)
    engine.stop()


def rows(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return parse(io.BytesIO(response.content)).get_first_table().to_table(use_names_over_ids=True)


def ids(response: httpx.Response) -> list[str]:
    return sorted(map(str, rows(response)["id"]))


def observed(probe: Client, **query: Any) -> list[str]:
    return sorted(row["id"] for row in probe.get("observations", **query).json()["observations"])


def status(response: httpx.Response) -> tuple[str, str]:
    (*_, last) = etree.fromstring(response.content).iterfind(".//v:INFO[@name='QUERY_STATUS']", V)
    return str(last.get("value")), last.text or ""


@contextmanager
def kept(home: Path, file: File, dataset_files: str = "anybody", **about: str | None) -> Iterator[Client]:
    """A service with a dataset of one file."""
    settings = Settings(home=home, public_url="https://amora.example/x", dataset_files=dataset_files)
    engine = open_engine(settings)
    engine.index.add([replace(found(0), files=((file.kind, file.path, file.content_type),), **about)])
    yield Client(create_app(engine, settings), engine)
    engine.stop()


def test_names_that_xml_cannot_carry_stop_no_search(tmp_path: Path) -> None:
    file = File("events", tmp_path / "a.fits", "application/fits")
    with kept(tmp_path, file, obs_collection="A\x1b ]]> & <", instrument_name="\uffff") as here:
        for asked in ({"MAXREC": "0"}, {}, {"RESPONSEFORMAT": "csv"}, {"RESPONSEFORMAT": "fits"}):
            assert here.get("sia2", "query", **asked).status_code == 200
        root = etree.fromstring(here.get("sia2", "query", MAXREC="0").content)
        options = [option.get("value") for option in root.iterfind(".//v:OPTION", V)]
        assert "A\ufffd ]]> & <" in options
        (row,) = rows(here.get("sia2", "query"))
        assert row["obs_collection"] == "A\ufffd ]]> & <"


def links_of_the_data(here: Client) -> list[Any]:
    found = rows(here.get("datalink", "links", ID="0000000000/M1/S001"))
    return [row for row in found if row["semantics"] == "#this"]


def test_each_parameter_of_the_standard_selects(probe: Client) -> None:
    everything = ids(probe.get("sia2", "query"))
    assert len(everything) == 12
    asked = {
        **{"BAND": "1e-10", "TIME": "52003 52005.2", "POL": "Q", "EXPTIME": "2000 +Inf", "FOV": "0.3 +Inf"},
        **{"COLLECTION": "Toys", "FACILITY": "XMM-Newton", "INSTRUMENT": "EM1", "DPTYPE": "event", "CALIB": "2"},
        **{"TARGET": "Sgr A*<3>*", "SPATRES": "0 1", "SPECRP": "1 2", "TIMERES": "0 1", "FORMAT": "application/fits"},
    }
    assert set(asked) == set(sia2.NAMES)
    for name, value in asked.items():
        assert ids(probe.get("sia2", "query", **{name: value})) == observed(probe, **{name: value}), name
        assert ids(probe.get("sia2", "query", **{name.lower(): value})) == observed(probe, **{name: value}), name
    assert ids(probe.get("sia2", "query", INSTRUMENT="EM1")) != everything
    assert ids(probe.get("sia2", "query", FORMAT="Application/X-votable+xml; content=datalink")) == everything


def test_repeated_values_widen_and_parameters_narrow(probe: Client) -> None:
    one, other = "CIRCLE 10.0 -20.0 0.05", "RANGE 10.65 10.8 -20.1 -19.9"
    both = sorted({*observed(probe, POS=one), *observed(probe, POS=other)})
    answer = probe.get("sia2", "query", POS=[one, other])
    assert ids(answer) == both
    assert 2 < len(both) < 12
    assert all(rows(answer)["overlap"] > 0)
    assert ids(probe.get("sia2", "query", POS=[one, other], INSTRUMENT="EM1")) == [i for i in both if "/M1/" in i]
    assert ids(probe.get("sia2", "query", TIME=["52003.1 52003.2", "52007.1"])) == observed(
        probe, TIME=["52003.1 52003.2", "52007.1"]
    )
    mine = ["0000000001/M2/S001", "ivo://amora.local/amora?0000000002/PN/S001"]
    assert ids(probe.get("sia2", "query", ID=[*mine, "ivo://elsewhere/it?1"])) == [mine[0], "0000000002/PN/S001"]
    assert ids(probe.get("sia2", "query", ID="ivo://elsewhere/it?1")) == []


def test_rows_say_the_same_as_observations(probe: Client) -> None:
    where = {"POS": "CIRCLE 10.2 -20 0.2"}
    for name in ("csv", "fits"):
        answer = probe.get("sia2", "query", **where, RESPONSEFORMAT=name)
        ours = Table.read(io.BytesIO(answer.content), format="ascii.csv" if name == "csv" else "fits")
        assert ours.colnames == [column.name for column in COLUMNS]
    again = probe.get("sia2", "query", **where)
    theirs = probe.get("observations", **where, RESPONSEFORMAT="votable")
    for answer in (again, probe.get("sia2", "query", **where)):  # the second time from what is kept of the first
        table = etree.fromstring(answer.content).find(".//v:TABLEDATA", V)
        other = etree.fromstring(theirs.content).find(".//v:TABLEDATA", V)
        assert [cell.text for cell in table.iter("{*}TD")] == [cell.text for cell in other.iter("{*}TD")]
    row = rows(again)[0]
    assert row["access_format"] == datalink.CONTENT_TYPE
    assert row["access_url"].startswith("https://amora.example/x/datalink/links?ID=ivo%3A%2F%2F")
    assert row["target_name"].startswith("Sgr A✱ <")
    assert again.headers["content-type"] == CONTENT_TYPE


def test_overflow_and_maxrec(probe: Client) -> None:
    whole, cut = probe.get("sia2", "query"), probe.get("sia2", "query", MAXREC="3")
    assert status(whole)[0] == "OK"
    assert (len(rows(cut)), status(cut)[0]) == (3, "OVERFLOW")
    assert status(probe.get("sia2", "query", MAXREC="12"))[0] == "OK"


@pytest.mark.parametrize("query", [{"MAXREC": "0"}, {"MAXREC": "0", "POS": "CIRCLE 10 -20 1"}])
def test_maxrec_0_is_the_service_in_its_own_words(probe: Client, query: dict[str, str]) -> None:
    answer = probe.get("sia2", "query", **query)
    root = etree.fromstring(answer.content)
    assert not root.findall(".//v:TR", V)
    assert len(root.findall(".//v:FIELD", V)) == len(COLUMNS)
    told = {
        resource.find("v:PARAM[@name='standardID']", V).get("value"): resource
        for resource in root.findall("v:RESOURCE[@utype='adhoc:service']", V)
    }
    assert set(told) == {services.SIA2, services.LINKS}
    params = {param.get("name"): param for param in told[services.SIA2].findall("v:GROUP/v:PARAM", V)}
    assert set(params) == {"POS", "ID", "MAXREC", "RESPONSEFORMAT", *sia2.NAMES}
    assert params["BAND"].get("unit") == "m"
    assert [item.get("value") for item in params["COLLECTION"].iter("{*}OPTION")] == ["Toys"]
    assert told[services.SIA2].find("v:PARAM[@name='accessURL']", V).get("value").endswith("/sia2/query")


def test_both_lead_to_the_links(probe: Client) -> None:
    for answer in (probe.get("sia2", "query"), probe.get("scs", RA="10", DEC="-20", SR="1")):
        root = etree.fromstring(answer.content)
        (links,) = root.findall("v:RESOURCE[@utype='adhoc:service']", V)
        (param,) = links.findall("v:GROUP/v:PARAM[@name='ID']", V)
        (field,) = root.findall(f".//v:FIELD[@ID='{param.get('ref')}']", V)
        assert field.get("name") == "obs_publisher_did"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"POS": "CIRCLE 10 20"}, "CIRCLE takes 3 numbers"),
        ({"POS": ["CIRCLE 10 20 1", "SQUARE 1"]}, "SQUARE"),
        ({"POS": "CIRCLE 10 95 1"}, "95"),
        ({"POS": ["CIRCLE 10 20 1"] * 301}, "300"),
        ({"BAND": "2 1"}, "BAND"),
        ({"BAND": "0.5 keV"}, "(m)"),
        ({"TIME": "yesterday"}, "TIME"),
        ({"CALIB": "7"}, "0 to 4"),
        ({"MAXREC": "-1"}, "MAXREC"),
        ({"MAXREC": ["1", "2"]}, "several times"),
        ({"RESPONSEFORMAT": "pdf"}, "votable"),
        ({"TARGET": ""}, "TARGET"),
    ],
)
def test_sia2_refuses_with_a_fault(probe: Client, query: dict[str, Any], words: str) -> None:
    answer = probe.get("sia2", "query", **query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == CONTENT_TYPE
    value, text = status(answer)
    assert value == "ERROR"
    assert text.startswith("UsageFault: ")
    assert words in text


def test_a_cone_finds_what_the_index_finds(probe: Client) -> None:
    for ra, dec, radius in (("10.1", "-20", "0.05"), ("10.1", "-20.3", "0.2"), ("0", "90", "1"), ("10", "-20", "180")):
        answer = probe.get("scs", RA=ra, DEC=dec, SR=radius)
        assert ids(answer) == observed(probe, POS=f"CIRCLE {ra} {dec} {radius}")
        assert answer.headers["content-type"] == "text/xml;content=x-votable"


def test_the_columns_that_cone_search_wants(probe: Client) -> None:
    for verb in ("1", "2", "3", None):
        query = {"RA": "10", "DEC": "-20", "SR": "1"} | ({"VERB": verb} if verb else {})
        fields = etree.fromstring(probe.get("scs", **query).content).findall(".//v:FIELD", V)
        for ucd, datatype in (("ID_MAIN", "char"), ("POS_EQ_RA_MAIN", "double"), ("POS_EQ_DEC_MAIN", "double")):
            (field,) = [field for field in fields if field.get("ucd") == ucd]
            assert field.get("datatype") == datatype
        assert len(fields) == (len(scs.FEW) if verb == "1" else len(COLUMNS))
        assert all(field.get("ucd") and field.find("v:DESCRIPTION", V).text for field in fields)
    few = rows(probe.get("scs", RA="10", DEC="-20", SR="1", VERB="1"))
    many = rows(probe.get("scs", RA="10", DEC="-20", SR="1"))
    assert set(few.colnames) == set(scs.FEW)
    assert len(set(many["obs_publisher_did"])) == len(many)
    for name in scs.FEW:
        assert list(few[name]) == list(many[name])


@pytest.mark.parametrize("query", [{"SR": "0"}, {"SR": "1", "MAXREC": "0"}])
def test_a_cone_of_nothing_gives_the_columns_alone(probe: Client, query: dict[str, str]) -> None:
    answer = probe.get("scs", RA="10", DEC="-20", **query)
    assert (len(rows(answer)), len(rows(answer).colnames)) == (0, len(COLUMNS))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "RA is missing"),
        ({"RA": "10", "DEC": "20"}, "SR is missing"),
        ({"RA": "10", "DEC": "91", "SR": "1"}, "-90 to 90"),
        ({"RA": "as3f", "DEC": "9", "SR": "1"}, "as3f"),
        ({"RA": "NaN", "DEC": "9", "SR": "1"}, "NaN"),
        ({"RA": "10 00 00", "DEC": "9", "SR": "1"}, "decimal degrees"),
        ({"RA": "1_0", "DEC": "9", "SR": "1"}, "1_0"),
        ({"RA": "10", "DEC": "9", "SR": "-1"}, "SR"),
        ({"RA": "10", "DEC": "9", "SR": "1", "VERB": "4"}, "VERB"),
        ({"RA": ["10", "11"], "DEC": "9", "SR": "1"}, "RA"),
    ],
)
def test_a_cone_search_refuses_in_its_own_form(probe: Client, query: dict[str, Any], words: str) -> None:
    answer = probe.get("scs", **query)
    assert answer.status_code == 200  # or clients do not read what it says
    root = etree.fromstring(answer.content)
    (said,) = root.findall("v:INFO[@name='Error']", V)
    assert words in said.get("value")
    assert status(answer)[0] == "ERROR"


@pytest.mark.parametrize("service", services.SERVICES, ids=lambda service: service.name)
def test_each_service_tells_what_it_can_do(probe: Client, service: services.Service) -> None:
    own = etree.fromstring(probe.get(service.name, "capabilities").content)
    whole = etree.fromstring(probe.get("capabilities").content)
    available = etree.fromstring(probe.get(service.name, "availability").content)
    assert available.findtext("{*}available") in ("true", "false")
    for endpoint in service.endpoints:
        for root in (own,) if endpoint.standard == services.EXAMPLES else (own, whole):
            (capability,) = root.findall(f"capability[@standardID='{endpoint.standard}']")
            address = capability.findtext("interface/accessURL")
            assert address == "https://amora.example/x/" + "/".join(endpoint.path)
        assert probe.get(*endpoint.path).status_code in (200, 400)


@pytest.mark.parametrize(
    ("setting", "status", "auth"), [("anybody", 200, "false"), ("users", 401, "true"), ("nobody", 403, "true")]
)
def test_who_may_have_the_files(tmp_path: Path, setting: str, status: int, auth: str) -> None:
    (tmp_path / "events.fits").write_bytes(b"events")
    with kept(tmp_path / "home", File("events", tmp_path / "events.fits", "application/fits"), setting) as here:
        assert here.get("datasets", "0000000000", "M1", "S001", "events.fits").status_code == status
        assert here.get("datasets", "0000000000", "M1", "S001", "coverage").status_code == 200
        (this,) = links_of_the_data(here)
        assert this["link_auth"] == auth
        assert bool(this["link_authorized"]) is (status == 200)


def test_a_file_that_is_gone_has_no_link_but_says_so(tmp_path: Path) -> None:
    with kept(tmp_path, File("events", tmp_path / "gone.fits", "application/fits")) as here:
        (this,) = links_of_the_data(here)
        assert not this["access_url"]
        assert this["error_message"] == "NotFoundFault: the file gone.fits is not where it was indexed"
        assert not this["description"]  # an error has an ID and semantics, and nothing else (DataLink 1.1, 3.2.4)
        assert this["link_auth"] == ""
        assert here.get("datasets", "0000000000", "M1", "S001", "gone.fits").status_code == 404


@pytest.mark.parametrize(("setting", "status"), [("anybody", 307), ("nobody", 403)])
def test_a_file_at_an_address_is_led_to(tmp_path: Path, setting: str, status: int) -> None:
    elsewhere = "https://archive.example/x/a%20b.fits?release=2"
    with kept(tmp_path, File("events", Path(elsewhere), "application/fits"), setting) as here:
        (this,) = links_of_the_data(here)
        address = str(this["access_url"]).removeprefix("https://amora.example/x/").split("/")
        answer = here.get(*address)
        assert answer.status_code == status
        assert answer.headers.get("location") == (elsewhere if status == 307 else None)


def test_links_are_asked_for_by_any_media_type_of_a_votable(probe: Client) -> None:
    id_ = "0000000000/M1/S001"
    for asked, told in {
        "votable": datalink.CONTENT_TYPE,
        CONTENT_TYPE: datalink.CONTENT_TYPE,
        f"{CONTENT_TYPE}; serialization=tabledata": datalink.CONTENT_TYPE,
        "text/xml": "text/xml",
    }.items():
        answer = probe.get("datalink", "links", ID=id_, RESPONSEFORMAT=asked)
        assert answer.headers["content-type"] == told
        assert {str(row["ID"]) for row in rows(answer)} == {id_}


def test_links_are_refused_with_a_word_of_the_standard(probe: Client) -> None:
    for wrong in ({"RESPONSEFORMAT": "csv"}, {"ID": "a\0"}, {"RESPONSEFORMAT": ["votable", "votable"]}):
        answer = probe.get("datalink", "links", **wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, CONTENT_TYPE)
        assert status(answer)[1].startswith("UsageFault: ")  # DataLink 1.1, section 3.4


def test_the_links_of_an_id_follow_each_other(probe: Client) -> None:
    one, other = "0000000000/M1/S001", "0000000001/M1/S001"
    found = [str(row["ID"]) for row in rows(probe.get("datalink", "links", ID=[one, other, one]))]
    assert list(dict.fromkeys(found)) == [one, other]
    assert found == sorted(found)
    many = probe.get("datalink", "links", ID=[one] * (datalink.MAX_IDS + 1))
    assert status(many) == ("OK", "")


@pytest.mark.parametrize("instrument", [None, "E\x1b"])
def test_examples_name_no_instrument_that_cannot_be_asked_for(tmp_path: Path, instrument: str | None) -> None:
    with kept(tmp_path, File("events", tmp_path / "a.fits", "application/fits"), instrument_name=instrument) as here:
        test_the_examples_are_calls_that_work(here, "sia2")


@pytest.mark.parametrize("name", ["sia2", "scs", "soda"])
def test_the_examples_are_calls_that_work(probe: Client, name: str) -> None:
    answer = probe.get(name, "examples")
    assert answer.headers["content-type"].startswith("application/xhtml+xml")
    root = etree.fromstring(answer.content)
    examples = root.findall(".//{*}section[@typeof='example']")
    assert examples
    for example in examples:
        pairs = [
            (item.find("*[@property='key']").text, item.find("*[@property='value']").text)
            for item in example.iterfind(".//*[@property='generic-parameter']")
        ]
        assert pairs
        if name != "soda":
            path = services.named(name).endpoints[0].path
            assert len(rows(probe.get(*path, **dict(pairs)))) > 0 or ("MAXREC", "0") in pairs
