"""DataLink as STILTS judges it and as pyvo uses it: from a search to the product of a script."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import pytest
import pyvo
from astropy import units as u
from astropy.io import fits
from mocpy import MOC
from pyvo.dal.adhoc import DatalinkRecord, DatalinkResults

from tests.conftest import missing
from tests.service import Service

CONTENT = "application/x-votable+xml;content=datalink"
M1 = "9999000101/M1/S001"


def links(here: Service, *ids: str) -> DatalinkResults:
    query = "&".join(f"ID={id_}" for id_ in ids)
    return DatalinkResults.from_result_url(f"{here.base_url}/datalink/links?{query}")


def this(found: DatalinkResults) -> list[DatalinkRecord]:
    """The rows of the data themselves; pyvo's own question would fetch the vocabulary from the network."""
    return [link for link in found if link["semantics"] == "#this"]


@pytest.mark.parametrize("query", ["ID=" + M1, f"ID={M1}&ID=9999000101/PN/S003", "ID=1/M1/S001&ID=nonsense", ""])
def test_datalinklint_finds_no_error(here: Service, query: str) -> None:
    if shutil.which("stilts") is None:
        missing("the program stilts")
    address = f"{here.base_url}/datalink/links?{query}"
    for checker in (["datalinklint"], ["votlint", "ucd=true", "unit=true"]):
        command = ["stilts", *checker, f"votable={address}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "ERROR" not in said, said
        assert "E-" not in said, said
        warnings = [line for line in said.splitlines() if line.startswith(("W-", "WARNING"))]
        # arraysize="1" is deprecated: see uws/descriptors.py. Of many the last line only says how many more.
        assert all('arraysize="1" deprecated' in line or line.startswith("W-YAR1-x") for line in warnings), said


def test_a_dataset_asked_for_twice_is_answered_once(here: Service) -> None:
    once, twice = links(here, M1, "nonsense"), links(here, M1, "nonsense", M1, "nonsense")
    assert len(twice) == len(once) > 2


def test_the_file_and_the_coverage_are_what_the_links_say(here: Service, archive: Path) -> None:
    found = links(here, M1)
    (events,) = this(found)
    answer = here.http.get(events.access_url)
    path = next(archive.glob("P*101M1*"))
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert events.content_length == path.stat().st_size
    assert answer.headers["content-type"] == events.content_type
    (coverage,) = [link for link in found if link.description == "Coverage as a MOC"]
    moc = MOC.from_fits(io.BytesIO(here.http.get(coverage.access_url).content))
    (row,) = here.http.get(f"/observations?ID={M1}").json()["observations"]
    assert moc.contains_lonlat([row["s_ra"]] * u.deg, [row["s_dec"]] * u.deg).all()


def test_pyvo_calls_a_script_and_gets_its_product(here: Service) -> None:
    spectrum = next(proc for proc in links(here, M1).iter_procs() if proc["service_def"] == "script_spectrum")
    stream = spectrum.process(pos="CIRCLE 150.236 2.268 0.01", emin=0.5, emax=10)
    with fits.open(io.BytesIO(stream.read())) as made:
        assert made["SPECTRUM"].header["HDUCLAS1"] == "SPECTRUM"
        assert made["SPECTRUM"].header["TOTCTS"] > 100


def test_a_search_leads_to_the_links(here: Service) -> None:
    search = f"{here.base_url}/observations?CIRCLE=150.236+2.268+0.01&RESPONSEFORMAT=votable"
    rows = pyvo.dal.DALResults.from_result_url(search)
    assert len(rows) == 6
    assert {str(row["access_format"]) for row in rows} == {CONTENT}
    found = DatalinkResults.from_result_url(str(rows[0]["access_url"]))
    assert [str(link["ID"]) for link in this(found)] == [str(rows[0]["obs_publisher_did"])]


def test_calibration_and_preview_say_what_they_are(here: Service) -> None:
    found = {str(link["semantics"]): link for link in links(here, "9999000101/PN/S003") if link["access_url"]}
    for semantics, name, media_type in (
        ("#calibration", "P9999000101PNS003EXPMAP8000.FTZ", "application/fits"),
        ("#preview", "P9999000101PNS003IMAGE_8000.PNG", "image/png"),
    ):
        link = found[semantics]
        assert link.access_url.endswith(f"/9999000101/PN/S003/{name}")
        assert link.content_type == media_type
        answer = here.http.get(link.access_url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert len(answer.content) == link.content_length


def test_what_is_wrong_has_a_row_that_says_so(here: Service) -> None:
    messages = [
        str(link["error_message"]) for link in links(here, "1/M1/S001", "nonsense", M1) if link["error_message"]
    ]
    assert [message.partition(":")[0] for message in messages] == ["NotFoundFault", "UsageFault"]
    answer = here.http.get("/datalink/links?ID=nonsense")
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT)
    assert here.http.get(f"/datasets/{M1}/nosuch.fits").status_code == 404
    assert here.http.get(f"/datasets/{M1}/..%2F..%2Ftruth.json").status_code == 404
    assert here.http.get("/datasets/1/M1/S001/coverage").status_code == 404


def test_one_descriptor_for_each_script_that_takes_it(here: Service) -> None:
    document = here.http.get(f"/datalink/links?ID={M1}&ID=9999000101/PN/S003").text
    scripts = here.http.get("/scripts?RESPONSEFORMAT=json").json()["scripts"]
    for script in scripts:
        times = 1 if script["accepts"]["datasets"] else 0
        assert document.count(f'ID="script_{script["name"]}"') == times
    for name in ("soda_sync", "soda_async"):
        assert document.count(f'ID="{name}"') == 1
    assert 'ref="ID"' in document
    assert '<MIN value="0"/>' in document
    assert '<OPTION value="flare"/>' in document
