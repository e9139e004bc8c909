"""The tree of resources, their media types and their codes (UWS 1.1, sections 2.2.1, 2.2.2 and 2.2)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.protocol.client import HREF, NAMES, Job, Probe

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JAVA = "text/html, image/gif, image/jpeg, */*; q=0.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ATOMS = ["phase", "executionduration", "destruction", "quote", "owner"]


@pytest.fixture
def pending(probe: Probe):
    job = probe.create(SECONDS="0")
    yield job
    job.delete()


def test_01_every_resource_is_there(pending: Job):
    for path in [*ATOMS, "results", "parameters", "parameters/SECONDS"]:
        assert pending.get(path).status_code == 200, path


@pytest.mark.parametrize("path", ATOMS)
def test_03_atoms_are_plain_text(pending: Job, path: str):
    assert pending.get(path).headers["content-type"].partition(";")[0] == "text/plain"


@pytest.mark.parametrize("accept", ["*/*", JAVA, BROWSER, "text/plain", "application/xml,text/plain"])
def test_03_05_containers_are_xml_whatever_is_accepted(probe: Probe, pending: Job, accept: str):
    for url in (probe.url, pending.url, pending.url + "/parameters", pending.url + "/results"):
        response = probe.http.get(url, headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] in ("application/xml", "text/xml")


def test_01_06_46_atoms_say_what_the_document_says(pending: Job):
    document = pending.document()
    for path, name in (("phase", "phase"), ("executionduration", "executionDuration"), ("destruction", "destruction")):
        assert pending.get(path).text == document.findtext(f"uws:{name}", namespaces=NAMES)
    assert INSTANT.fullmatch(pending.get("destruction").text)
    assert INSTANT.fullmatch(document.findtext("uws:creationTime", namespaces=NAMES))
    assert pending.get("owner").text == ""
    quote = pending.get("quote").text
    assert quote == "" or INSTANT.fullmatch(quote)


def test_07_roots_have_version(probe: Probe, pending: Job):
    assert probe.list().get("version") == "1.1"
    assert pending.document().get("version") == "1.1"


@pytest.mark.parametrize(
    "path", ["error", "results/nosuch", "results/nosuch.log", "results/result", "parameters/NOSUCH", "nosuch", "phase/"]
)
def test_09_unknown_children_are_404(pending: Job, path: str):
    response = pending.get(path)
    assert response.status_code == 404
    assert response.text.strip()


def test_09_unknown_jobs_and_scripts_are_404(probe: Probe):
    gone = Job(probe.http, probe.url + "/nosuchjob")
    assert gone.get().status_code == 404
    for path in [*ATOMS, "results", "parameters", "error"]:
        assert gone.get(path).status_code == 404, path
    assert gone.post("phase", PHASE="RUN").status_code == 404
    assert gone.post(ACTION="DELETE").status_code == 404
    assert gone.delete().status_code == 404
    assert probe.get("scripts", "nosuch", "async").status_code == 404
    assert probe.http.post(probe.base + "/scripts/nosuch/async").status_code == 404


def test_09_a_job_is_found_below_its_own_script_only(probe: Probe, pending: Job):
    assert probe.get("scripts", "image", "async", pending.id).status_code == 404


def test_12_creation_is_303_to_the_job(probe: Probe):
    response = probe.post(SECONDS="0")
    assert response.status_code == 303
    location = response.headers["location"]
    assert re.fullmatch(re.escape(probe.url) + "/[A-Za-z0-9._~-]+", location)
    assert Job(probe.http, location).value("jobId") == location.rsplit("/", 1)[1]


def test_12_40_bad_value_is_400_and_makes_no_job(probe: Probe):
    before = probe.ids()
    response = probe.post(SECONDS="soon")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert "SECONDS" in response.text
    assert "soon" in response.text
    assert probe.ids() == before


@pytest.mark.parametrize("how", ["DELETE", "ACTION"])
def test_13_58_deletion_is_303_to_the_end_of_the_list_and_the_job_is_gone(probe: Probe, how: str):
    job = probe.create(SECONDS="0")
    response = job.delete() if how == "DELETE" else job.post(ACTION="DELETE")
    assert response.status_code == 303
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == probe.url
    assert re.fullmatch(r"LAST=\d+", location.query)
    assert job.get().status_code == 404
    assert job.id not in probe.ids()


def test_14_15_control_is_303_to_the_job(pending: Job):
    for path, data in (
        ("destruction", {"DESTRUCTION": "2999-01-01T00:00:00Z"}),
        ("executionduration", {"EXECUTIONDURATION": "60"}),
        ("parameters", {"SECONDS": "1"}),
        ("phase", {"PHASE": "RUN"}),
    ):
        response = pending.post(path, **data)
        assert response.status_code == 303, path
        assert response.headers["location"] == pending.url
    response = pending.post("phase", PHASE="ABORT")
    assert response.status_code in (303, 403)  # it may have ended before


def test_17_addresses_do_not_come_from_the_host_header(probe: Probe, pending: Job):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    created = probe.http.post(probe.url, headers=evil)
    assert created.headers["location"].startswith(probe.url + "/")
    for url in (pending.url, probe.url, probe.base + "/capabilities", probe.base + "/", pending.url + "/"):
        response = probe.http.get(url, headers=evil)
        assert "evil.example" not in response.text
        assert "evil.example" not in response.headers.get("location", "")
    for ref in probe.list().iterfind("uws:jobref", NAMES):
        assert ref.get(HREF) == f"{probe.url}/{ref.get('id')}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", ""),
        ("PUT", ""),
        ("PATCH", "/{id}"),
        ("POST", "/{id}/quote"),
        ("POST", "/{id}/owner"),
        ("POST", "/{id}/error"),
        ("POST", "/{id}/results"),
        ("DELETE", "/{id}/phase"),
        ("DELETE", "/{id}/results"),
        ("DELETE", "/{id}/parameters"),
    ],
)
def test_18_other_methods_are_405(probe: Probe, pending: Job, method: str, path: str):
    response = probe.http.request(method, probe.url + path.format(id=pending.id))
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    assert pending.phase == "PENDING"


@pytest.mark.parametrize("data", [{"PHASE": "RUN"}, {"ACTION": "RUN"}, {"action": "delete"}, {"SECONDS": "1"}])
def test_19_37_posting_anything_else_to_a_job_is_400(pending: Job, data: dict[str, str]):
    response = pending.post(**data)
    assert response.status_code == 400
    assert pending.phase == "PENDING"


def test_19_posting_nothing_to_a_job_shows_it(pending: Job):
    nothing = {"Content-Type": "multipart/form-data; boundary=b"}
    for response in (pending.post(), pending.http.post(pending.url, content=b"--b--\r\n", headers=nothing)):
        assert response.status_code == 200
        assert response.content == pending.get().content


def test_head_says_what_get_says(probe: Probe, pending: Job):
    for url in (probe.url, pending.url, pending.url + "/phase", probe.base + "/capabilities", probe.base + "/"):
        response = probe.http.head(url)
        assert response.status_code == 200
        assert response.content == b""
