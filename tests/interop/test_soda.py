"""SODA as pyvo uses it, and as its standard has it: cut-outs at once, and one result for each combination."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from lxml import etree
from pyvo.dal import AsyncTAPJob
from pyvo.dal.adhoc import DatalinkResults

from tests.service import Service

M1, PN = "9999000101/M1/S001", "9999000101/PN/S003"
SOURCE = "150.236 2.268 0.01"
UWS = {"uws": "http://www.ivoa.net/xml/UWS/v1.0"}


def events(content: bytes) -> Any:
    with fits.open(io.BytesIO(content)) as made:
        return np.array(made["EVENTS"].data), made["EVENTS"].header


def sync(here: Service, **query: Any) -> httpx.Response:
    return here.http.get("/soda/sync", params=query, follow_redirects=True)


def time_of(here: Service, id_: str = M1) -> tuple[float, float]:
    (row,) = here.http.get(f"/observations?ID={id_}").json()["observations"]
    return row["t_min"], row["t_max"]


def test_pyvo_processes_a_dataset(here: Service) -> None:
    links = DatalinkResults.from_result_url(f"{here.base_url}/datalink/links?ID={M1}")
    (this,) = [link for link in links if link["semantics"] == "#this"]
    stream = this.processed(circle=(150.236 * u.deg, 2.268 * u.deg, 0.01 * u.deg), band=(4e-10 * u.m, 8e-10 * u.m))
    found, header = events(stream.read())
    assert len(found) > 50
    kev_angstrom = 12.39841984
    assert (found["PI"] >= 1000 * kev_angstrom / 8 - 1).all()
    assert (found["PI"] <= 1000 * kev_angstrom / 4 + 1).all()
    assert header["OBS_ID"] == "9999000101"


def test_each_shape_and_the_names_of_the_parameters(here: Service) -> None:
    whole, _ = events(sync(here, ID=M1, POS=f"CIRCLE {SOURCE}").content)
    again, _ = events(sync(here, id=f"ivo://amora.local/amora?{M1}", circle=SOURCE).content)
    assert len(whole) == len(again) > 100
    box, _ = events(sync(here, ID=M1, POS="RANGE 150.23 150.24 2.26 2.27").content)
    same, _ = events(sync(here, ID=M1, POLYGON="150.23 2.26 150.24 2.26 150.24 2.27 150.23 2.27").content)
    assert len(box) == pytest.approx(len(same), rel=0.02)
    posted = here.http.post("/soda/sync", data={"ID": M1, "CIRCLE": SOURCE}, follow_redirects=True)
    assert len(events(posted.content)[0]) == len(whole)
    assert posted.headers["content-type"] == "application/fits"


def test_times_are_in_utc(here: Service) -> None:
    """The list is in TT, which was 69.184 s ahead when it says that it was made, or less before 2017."""
    first, last = time_of(here)
    middle = (first + last) / 2
    script = here.http.get(
        "/scripts/events/sync", params={"ID": M1, "CIRCLE": SOURCE, "TIME": f"{middle!r} +Inf"}, follow_redirects=True
    )
    native, header = events(script.content)
    utc, _ = events(sync(here, ID=M1, CIRCLE=SOURCE, TIME=f"{middle!r} +Inf").content)
    start = (middle - header["MJDREF"]) * 86400
    assert native["TIME"].min() >= start
    assert utc["TIME"].min() >= start + 60
    assert 0 < len(utc) <= len(native)


@pytest.mark.parametrize(
    "query",
    [
        {"CIRCLE": "10 10 1"},
        {"BAND": "1 2"},
        {"TIME": "-Inf 40000"},
        {"POL": "Q"},
        {"POL": ["U", "V"]},
    ],
)
def test_what_has_no_part_of_the_dataset_is_no_content(here: Service, query: dict[str, Any]) -> None:
    answer = sync(here, ID=M1, **query)
    assert (answer.status_code, answer.content) == (204, b"")


def test_polarisation_that_every_photon_has(here: Service) -> None:
    assert sync(here, ID=M1, CIRCLE=SOURCE, POL=["I", "Q"]).status_code == 200


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ({}, "UsageError", "ID is missing"),
        ({"ID": "nonsense"}, "UsageError", "nonsense"),
        ({"ID": "1/M1/S001"}, "UsageError", "no dataset"),
        ({"ID": [M1, PN]}, "MultiValuedParamNotSupported", "ID"),
        ({"ID": M1, "CIRCLE": [SOURCE, "1 1 1"]}, "MultiValuedParamNotSupported", "CIRCLE"),
        ({"ID": M1, "CIRCLE": SOURCE, "pos": f"CIRCLE {SOURCE}"}, "MultiValuedParamNotSupported", "POS and CIRCLE"),
        ({"ID": M1, "BAND": ["1e-10 2e-10", "2e-10 3e-10"]}, "MultiValuedParamNotSupported", "BAND"),
        ({"ID": M1, "CIRCLE": "10 20"}, "UsageError", "CIRCLE takes 3 numbers"),
        ({"ID": M1, "POS": "SQUARE 1 2 3"}, "UsageError", "SQUARE"),
        ({"ID": M1, "BAND": "0.5keV 2keV"}, "UsageError", "in m"),
        ({"ID": M1, "TIME": "2 1"}, "UsageError", "smaller first"),
        ({"ID": M1, "RESPONSEFORMAT": "csv"}, "UsageError", "fits"),
    ],
)
def test_errors_are_texts_with_the_codes_of_the_standard(
    here: Service, query: dict[str, Any], code: str, words: str
) -> None:
    answer = sync(here, **query)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(f"{code}: ")
    assert words in answer.text


def results(here: Service, job: str) -> list[Any]:
    return etree.fromstring(here.http.get(f"{job}/results").content).findall("uws:result", UWS)


def test_each_combination_has_one_result(here: Service) -> None:
    data = {"ID": [M1, PN], "CIRCLE": SOURCE, "POS": "CIRCLE 10 10 0.1", "BAND": ["1e-10 4e-10", "4e-10 8e-10"]}
    job = here.http.post("/soda/async", data=data).headers["location"]
    assert job.startswith(f"{here.base_url}/soda/async/")
    driven = AsyncTAPJob(job)
    driven.run().wait()
    assert driven.phase == "COMPLETED"
    listed = results(here, job)
    assert len(listed) == 8
    types = [result.get("mime-type") for result in listed]
    assert types == (["application/fits"] * 2 + ["text/plain"] * 2) * 2
    href = "{http://www.w3.org/1999/xlink}href"
    for result in listed:
        answer = here.http.get(result.get(href))
        if result.get("mime-type") == "text/plain":
            assert answer.text.startswith("UsageError: Nothing was made: the region CIRCLE 10 10 0.1 does not touch")
        else:
            assert len(events(answer.content)[0]) > 10
    hard, soft = (events(here.http.get(listed[number].get(href)).content)[0] for number in (0, 1))
    assert hard["PI"].min() > soft["PI"].max() - 2


def test_a_job_of_which_nothing_is_left_says_so_in_a_text(here: Service) -> None:
    job = here.http.post("/soda/async", data={"ID": M1, "CIRCLE": "10 10 1", "PHASE": "RUN"}).headers["location"]
    while here.http.get(f"{job}/phase").text in ("QUEUED", "EXECUTING"):
        here.http.get(job, params={"WAIT": "10"})
    assert here.http.get(f"{job}/phase").text == "ERROR"
    (result,) = results(here, job)
    for address in (result.get("{http://www.w3.org/1999/xlink}href"), f"{job}/error"):
        answer = here.http.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.startswith("UsageError: Nothing was made")


def test_bad_values_make_no_job(here: Service) -> None:
    many = {"ID": M1, "CIRCLE": ["1 1 1"] * 150, "BAND": ["1e-10 2e-10"] * 150}
    for data, words in (
        ({"ID": M1, "CIRCLE": ["1 1 1", "1 1"]}, "CIRCLE takes 3 numbers"),
        (many, "22500 combinations"),
    ):
        answer = here.http.post("/soda/async", data=data)
        assert answer.status_code == 400
        assert answer.text.startswith("UsageError: ")
        assert words in answer.text
