"""Creation and parameters (UWS 1.1, sections 2.1.11 and 2.2.3; DALI 1.1, sections 2 and 3)."""

from __future__ import annotations

import pytest

from tests.protocol.client import NAMES, Job, Probe


def _parameters(job: Job) -> list[tuple[str, str]]:
    found = job.document().iterfind("uws:parameters/uws:parameter", NAMES)
    return [(parameter.get("id"), parameter.text) for parameter in found]


def _stilts(name: str, value: str) -> bytes:
    """A part as STILTS writes it: with a type and before the disposition."""
    return (
        b"--<<<--------------MULTIPART-BOUNDARY------->>>\r\n"
        b"Content-Type: text/plain; charset=UTF-8\r\n"
        b'Content-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value.encode() + b"\r\n"
    )


def test_35_creation_takes_urlencoded_query_and_multipart(probe: Probe):
    assert _parameters(probe.create(SECONDS="1")) == [("SECONDS", "1")]
    by_query = probe.http.post(probe.url + "?SECONDS=2&Foo=a+b%26")
    assert _parameters(Job(probe.http, by_query.headers["location"])) == [("SECONDS", "2"), ("Foo", "a b&")]
    by_multipart = probe.http.post(probe.url, files={"SECONDS": (None, "3"), "Target": (None, "Sgr A✱")})
    assert _parameters(Job(probe.http, by_multipart.headers["location"])) == [("SECONDS", "3"), ("Target", "Sgr A✱")]


def test_35_creation_takes_what_stilts_sends(probe: Probe):
    body = (
        _stilts("SECONDS", "1")
        + _stilts("QUERY", "SELECT\r\n1 é")
        + (b"--<<<--------------MULTIPART-BOUNDARY------->>>--\r\n")
    )
    response = probe.http.post(
        probe.url,
        content=iter([body[:40], body[40:]]),  # chunked, without Content-Length
        headers={"Content-Type": 'multipart/form-data; boundary="<<<--------------MULTIPART-BOUNDARY------->>>"'},
    )
    assert response.status_code == 303, response.text
    job = Job(probe.http, response.headers["location"])
    assert _parameters(job) == [("SECONDS", "1"), ("QUERY", "SELECT\r\n1 é")]


@pytest.mark.parametrize("where", ["body", "query"])
def test_36_phase_run_at_creation(probe: Probe, where: str):
    query, data = ("?PHASE=RUN", {}) if where == "query" else ("", {"phase": "RUN"})
    response = probe.http.post(probe.url + query, data={"SECONDS": "0", **data}, headers={"Accept": "text/plain"})
    assert response.status_code == 303
    job = Job(probe.http, response.headers["location"])
    assert job.phase != "PENDING"
    assert [name.upper() for name, _ in _parameters(job)] == ["SECONDS"]
    assert job.until("COMPLETED")


@pytest.mark.parametrize("phase", ["ABORT", "run", "", "PENDING"])
def test_36_another_phase_at_creation_is_400(probe: Probe, phase: str):
    response = probe.post(PHASE=phase)
    assert response.status_code == 400
    assert "PHASE" in response.text


def test_36_job_control_at_creation(probe: Probe):
    job = probe.create(RUNID="my run", EXECUTIONDURATION="77", DESTRUCTION="2099-01-01", SECONDS="0")
    assert job.value("runId") == "my run"
    assert job.get("executionduration").text == "77"
    assert job.get("destruction").text < "2099-01-02"
    assert [name for name, _ in _parameters(job)] == ["SECONDS"]


def test_37_parameters_while_pending(probe: Probe):
    job = probe.create(SECONDS="0", Other="x")
    assert job.post("parameters", seconds="0.5", New="y").status_code == 303
    assert sorted(_parameters(job)) == [("New", "y"), ("Other", "x"), ("SECONDS", "0.5")]
    assert job.get("parameters", "SECONDS").text == "0.5"
    assert job.get("parameters", "seconds").text == "0.5"


def test_37_parameters_only_while_pending(probe: Probe):
    job = probe.create(SECONDS="0", PHASE="RUN").until("COMPLETED")
    for data in ({"SECONDS": "1"}, {"RUNID": "late"}):
        assert job.post("parameters", **data).status_code == 403
    assert job.get("parameters", "SECONDS").text == "0"


def test_37_bad_or_no_parameters_change_nothing(probe: Probe):
    job = probe.create(SECONDS="0")
    assert job.post("parameters", SECONDS="-1", Foo="x").status_code == 400
    assert job.post("parameters").status_code == 400
    assert _parameters(job) == [("SECONDS", "0")]


def test_37_parameters_are_put_one_by_one(probe: Probe):
    job = probe.create(SECONDS="0", Other="x")
    for name, value in (("seconds", "0.25"), ("New", "a & b\u2731"), ("RUNID", "put")):
        response = probe.http.put(f"{job.url}/parameters/{name}", content=value.encode())
        assert response.status_code == 303
        assert response.headers["location"] == job.url
    assert sorted(_parameters(job)) == [("New", "a & b\u2731"), ("Other", "x"), ("SECONDS", "0.25")]
    assert job.value("runId") == "put"
    assert job.get("parameters", "SECONDS").text == "0.25"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("SECONDS", b"soon", 400),
        ("SECONDS", b"-1", 400),
        ("Foo", b"\xff", 400),
        ("Foo", b"a\0b", 400),
        ("Foo", b"x" * 500_000, 400),
        ("Foo", b"x" * 1_100_000, 413),
        ("%0A", b"x", 400),
        ("PHASE", b"RUN", 400),
        ("RUNID", b"x" * 65, 400),
    ],
)
def test_37_bad_values_are_not_put(probe: Probe, name: str, value: bytes, code: int):
    job = probe.create(SECONDS="0")
    before = job.get().content
    assert probe.http.put(f"{job.url}/parameters/{name}", content=value).status_code == code
    assert job.get().content == before


def test_37_parameters_are_put_only_while_pending(probe: Probe):
    job = probe.create(SECONDS="0", PHASE="RUN").until("COMPLETED")
    assert probe.http.put(job.url + "/parameters/SECONDS", content=b"1").status_code == 403
    assert probe.http.put(job.url + "/parameters", content=b"1").status_code == 405


@pytest.mark.parametrize("bad", [{"SECONDS": "-1", "RUNID": "good"}, {"SECONDS": "1", "RUNID": "x" * 65}])
def test_37_run_id_and_parameters_are_set_together_or_not_at_all(probe: Probe, bad: dict[str, str]):
    job = probe.create(SECONDS="0", RUNID="before")
    before = job.get().content
    assert job.post("parameters", **bad).status_code == 400
    assert job.get().content == before
    assert job.post("parameters", SECONDS="0.5", RUNID="after").status_code == 303
    assert (job.value("runId"), _parameters(job)) == ("after", [("SECONDS", "0.5")])


def test_38_names_are_case_insensitive(probe: Probe):
    job = probe.create(seconds="0.25", RunId="x", **{"ExecutionDuration": "9"})
    assert _parameters(job) == [("SECONDS", "0.25")]
    assert job.value("runId") == "x"
    assert job.get("executionduration").text == "9"


@pytest.mark.parametrize("name", ["PHASE", "RUNID", "RESPONSEFORMAT", "MAXREC", "REQUEST", "DESTRUCTION", "SECONDS"])
def test_39_repeated_single_valued_parameters_are_400(probe: Probe, name: str):
    response = probe.http.post(probe.url, data={name: "1", name.title(): "1"})
    assert response.status_code == 400
    assert name in response.text.upper()


def test_40_unknown_parameters_are_kept(probe: Probe):
    tap = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": "SELECT TOP 1 * FROM TAP_SCHEMA.schemas", "tapclient": "x"}
    job = probe.create(**tap)
    assert dict(_parameters(job)) == tap
    assert job.run().until("COMPLETED")


def test_33_run_id_is_echoed_and_can_be_set_while_pending(probe: Probe):
    job = probe.create(RUNID="TAPLINT-001")
    assert job.post("parameters", runId="TAPLINT-002").status_code == 303
    assert job.value("runId") == "TAPLINT-002"
    ref = next(ref for ref in probe.list().iterfind("uws:jobref", NAMES) if ref.get("id") == job.id)
    assert ref.findtext("uws:runId", namespaces=NAMES) == "TAPLINT-002"


@pytest.mark.parametrize("run_id", ["x" * 65, "a\r\nLocation: http://evil.example", "a\x1bb", "\u0085"])
def test_33_bad_run_ids_are_400(probe: Probe, run_id: str):
    response = probe.post(RUNID=run_id)
    assert response.status_code == 400
    assert "RUNID" in response.text
