"""VOSI 1.1: capabilities and availability; and what a supervisor asks."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

from tests.protocol.client import Probe
from tests.schemas import valid

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
        for _, url in urls:
            assert probe.http.get(url).status_code == 200


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
    health = response.json()
    assert health["ok"] is True
    assert all(check["ok"] for check in health["checks"])
    assert health["checks"]
