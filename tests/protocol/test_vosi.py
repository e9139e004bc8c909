"""VOSI 1.1: capabilities and availability; and what a supervisor asks."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

from lxml import etree

from tests.protocol.client import Probe
from tests.schemas import valid
from tests.service import Service

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"
VOSI = "ivo://ivoa.net/std/VOSI#"
AVAILABILITY = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"


def test_02_08_62_63_capabilities(probe: Probe, shared: Path):
    for place in ((), ("scripts", "probe")):
        response = probe.get(*place, "capabilities")
        assert response.headers["content-type"] == "application/xml"
        root = valid(response.content, shared, "capabilities")
        urls = [(item.get("standardID"), item.findtext("interface/accessURL")) for item in root]
        assert (UWS, probe.url) in urls
        assert (VOSI + "capabilities", "/".join((probe.base, *place, "capabilities"))) in urls
        assert (VOSI + "availability", "/".join((probe.base, *place, "availability"))) in urls
        for standard, url in urls:
            if standard is not None:
                # SODA's blocking form takes no request without a dataset
                assert probe.http.get(url).status_code == (400 if "SODA#sync" in standard else 200)
        assert (None, probe.url.removesuffix("async") + "sync") in urls


def test_63_65_the_blocking_form_is_declared_without_a_standard(probe: Probe, shared: Path):
    root = valid(probe.get("scripts", "probe", "capabilities").content, shared, "capabilities")
    [sync] = [item for item in root if item.get("standardID") is None]
    assert [item.text for item in sync.iter("queryType")] == ["GET"]


def test_62_tables_are_the_columns_of_what_searches_answer(probe: Probe, shared: Path):
    response = probe.get("tables")
    root = valid(response.content, shared, "VOSITables-v1.0.xsd")
    asked = {
        "observations": {"MAXREC": "0", "RESPONSEFORMAT": "votable"},
        "sia2": {"MAXREC": "0"},
        "scs": {"RA": "0", "DEC": "0", "SR": "0"},
    }
    for table in root.iter("table"):
        name = table.findtext("name")
        described = [
            (item.findtext("name"), item.findtext("dataType"), item.findtext("ucd")) for item in table.iter("column")
        ]
        answer = etree.fromstring(probe.get(name, **asked.pop(name)).content)
        assert described == [
            (item.get("name"), item.get("datatype"), item.get("ucd")) for item in answer.iter("{*}FIELD")
        ]
    assert not asked
    assert len(described) > 10
    assert parsedate_to_datetime(response.headers["last-modified"])
    assert ("VOSI#tables" in probe.get("capabilities").text) is True


def test_62_an_unknown_script_has_neither(probe: Probe):
    for name in ("capabilities", "availability"):
        assert probe.get("scripts", "nosuch", name).status_code == 404


def test_64_capabilities_have_head_and_last_modified(probe: Probe):
    response = probe.http.head(probe.base + "/capabilities")
    assert response.status_code == 200
    assert parsedate_to_datetime(response.headers["last-modified"])


def test_62_availability(probe: Probe, shared: Path):
    root = valid(probe.get("availability").content, shared, "VOSIAvailability-v1.0.xsd")
    assert root.findtext(AVAILABILITY + "available") == "true"
    assert root.findtext(AVAILABILITY + "upSince").endswith("Z")


def test_healthz(probe: Probe):
    response = probe.get("healthz")
    assert response.status_code == 200
    assert response.json() == {"ok": True}


def _available(service: Service) -> tuple[bool, str]:
    answer = service.http.get("/availability")
    assert answer.status_code == 200
    root = etree.fromstring(answer.content)
    assert service.http.get("/healthz").status_code == 200  # to start it again would mend nothing
    return root.findtext("{*}available") == "true", " ".join(note.text for note in root.iterfind("{*}note"))


def test_62_not_available_without_storage(tmp_path: Path):
    with Service(tmp_path) as service:
        assert _available(service)[0]
        (tmp_path / "work").rename(tmp_path / "away")
        available, notes = _available(service)
        assert not available
        assert "storage" in notes
        (tmp_path / "away").rename(tmp_path / "work")
        assert _available(service)[0]


def test_62_not_available_without_disk(tmp_path: Path):
    with Service(tmp_path, MIN_FREE=str(10**18)) as service:
        available, notes = _available(service)
        assert not available
        assert "GiB are free" in notes


def test_62_not_available_without_database(tmp_path: Path):
    with Service(tmp_path) as service:
        for path in tmp_path.glob("amora.sqlite*"):
            path.write_bytes(b"this is no database" * 1000)
        available, notes = _available(service)
        assert not available
        assert "database" in notes
