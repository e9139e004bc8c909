"""The jobs as JSON: the same jobs as the UWS resources show, made and controlled by the same rules."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.protocol.client import FINAL, Probe


class Api:
    """A client of the JSON resources."""

    def __init__(self, probe: Probe) -> None:
        self.http = probe.http
        self.base = probe.base + "/api"

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(f"{self.base}/{path}", params=query)

    def post(self, path: str, **members: Any) -> httpx.Response:
        return self.http.post(f"{self.base}/{path}", json=members)

    def create(self, **members: Any) -> dict[str, Any]:
        response = self.post("scripts/probe/jobs", **members)
        assert response.status_code == 201, response.text
        return response.json()

    def end(self, job: dict[str, Any]) -> dict[str, Any]:
        while job["phase"] not in FINAL:
            job = self.get(f"jobs/{job['id']}", WAIT=10, PHASE=job["phase"]).json()
        return job


@pytest.fixture
def api(probe: Probe) -> Api:
    return Api(probe)


def test_a_job_from_json_to_its_products(api: Api, probe: Probe):
    response = api.post("scripts/probe/jobs", TASKS=2, Foo=["bar", True, 1.50, None], RUNID="mine", PHASE="RUN")
    assert response.status_code == 201
    made = response.json()
    assert response.headers["location"] == f"{api.base}/jobs/{made['id']}"
    assert made["phase"] != "PENDING"
    assert (made["address"], made["run_id"], made["script"]) == (f"{probe.url}/{made['id']}", "mine", "probe")
    given = [(parameter["name"], parameter["value"]) for parameter in made["parameters"]]
    assert given == [("TASKS", "2"), ("Foo", "bar"), ("Foo", "true"), ("Foo", "1.5")]
    ended = api.end(made)
    assert (ended["phase"], ended["progress"], ended["error"]) == ("COMPLETED", 1.0, None)
    assert [task["number"] for task in ended["tasks"]] == [1, 2]
    for product in ended["products"]:
        assert len(probe.http.get(product["address"]).content) == product["size"]
    assert probe.http.get(ended["results"]).status_code == 200


def test_a_form_makes_a_job_too(api: Api, probe: Probe):
    response = probe.http.post(f"{api.base}/scripts/probe/jobs", data={"seconds": "1"})
    assert response.status_code == 201
    assert response.json()["parameters"] == [{"name": "SECONDS", "value": "1"}]


def test_control(api: Api, probe: Probe):
    job = api.create(SECONDS=60)
    place = f"jobs/{job['id']}"
    assert api.get(f"{place}/phase").json() == {"phase": "PENDING"}
    changed = api.post(f"{place}/parameters", SECONDS=0.5, RUNID="later")
    assert changed.status_code == 200
    assert changed.json()["run_id"] == "later"
    assert api.get(f"{place}/parameters").json() == {"parameters": [{"name": "SECONDS", "value": "0.5"}]}
    assert api.post(f"{place}/executionduration", EXECUTIONDURATION=99).json()["execution_duration"] == 99
    assert api.get(f"{place}/executionduration").json() == {"execution_duration": 99}
    moved = api.post(f"{place}/destruction", DESTRUCTION="2999-01-01").json()["destruction"]
    assert api.get(f"{place}/destruction").json() == {"destruction": moved}
    aborted = api.post(f"{place}/phase", PHASE="ABORT")
    assert (aborted.status_code, aborted.json()["phase"]) == (200, "ABORTED")
    assert probe.http.get(job["address"] + "/phase").text == "ABORTED"
    again = api.post(f"{place}/phase", PHASE="RUN")
    assert again.status_code == 403
    assert "ABORTED" in again.json()["error"]
    gone = probe.http.delete(f"{api.base}/{place}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.get(place).status_code == 404
    assert probe.http.get(job["address"]).status_code == 404


def test_the_list_has_the_filters_of_the_uws_list(api: Api, probe: Probe):
    jobs = [api.create(RUNID=str(number)) for number in range(3)]
    newest = [job["id"] for job in reversed(jobs)]

    def ids(**query: Any) -> list[str]:
        return [ref["id"] for ref in api.get("jobs", **query).json()["jobs"]]

    assert ids(LAST=3) == ids(LAST=3, SCRIPT="probe") == newest
    assert ids(PHASE=["PENDING", "ABORTED"], LAST=1) == newest[:1]
    assert ids(AFTER=jobs[0]["created"]) == newest[:2]
    assert ids(PHASE="HELD") == []
    assert ids(SCRIPT="probe") == probe.ids()
    assert api.get("scripts/probe/jobs", LAST=3).json() == api.get("jobs", LAST=3).json()
    ref = api.get("jobs", LAST=1).json()["jobs"][0]
    assert ref.items() <= api.get(f"jobs/{ref['id']}").json().items()


def test_the_log_can_be_followed(api: Api, probe: Probe):
    (task,) = api.end(api.create(PHASE="RUN"))["tasks"]
    whole = probe.http.get(task["log"])
    assert whole.headers["content-type"].startswith("text/plain")
    assert whole.headers["amora-log-ended"] == "true"
    assert whole.headers["amora-log-next"] == str(len(whole.content))
    rest = probe.http.get(task["log"], params={"offset": "1"})
    assert rest.content == whole.content[1:]
    beyond = probe.http.get(task["log"], params={"offset": str(len(whole.content))})
    assert (beyond.content, beyond.headers["amora-log-ended"]) == (b"", "true")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "", 404),
        ("GET", "nosuch", 404),
        ("GET", "jobs/nosuch", 404),
        ("DELETE", "jobs/nosuch", 404),
        ("POST", "jobs/nosuch/phase", 404),
        ("GET", "jobs/{id}/nosuch", 404),
        ("GET", "jobs/{id}/tasks/2/log", 404),
        ("GET", "jobs/{id}/tasks/x/log", 404),
        ("GET", "jobs/{id}/tasks/99999999999999999999/log", 404),
        ("GET", "jobs/{id}/tasks/1/log?offset=1.5", 400),
        ("GET", "jobs/{id}/tasks/1/log?offset=x", 400),
        ("GET", "jobs/{id}?WAIT=-2", 400),
        ("GET", "jobs?PHASE=BOGUS", 400),
        ("GET", "jobs?LAST=-1", 400),
        ("GET", "jobs?SCRIPT=nosuch", 404),
        ("GET", "scripts/nosuch/jobs", 404),
        ("POST", "scripts/nosuch/jobs", 404),
        ("POST", "jobs", 405),
        ("DELETE", "jobs", 405),
        ("POST", "jobs/{id}", 405),
        ("PATCH", "jobs/{id}", 405),
        ("POST", "jobs/{id}/phase", 400),
    ],
)
def test_errors_are_json(api: Api, method: str, path: str, code: int):
    job = api.create()
    response = api.http.request(method, f"{api.base}/{path.format(id=job['id'])}")
    assert response.status_code == code
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b'"SECONDS"', "object"),
        (b'{"SECONDS": {"a": 1}}', "SECONDS"),
        (b'{"SECONDS": [[1]]}', "SECONDS"),
        (b'{"SECONDS": [{}]}', "SECONDS"),
        (b'{"SECONDS": 1, "SECONDS": 2}', "SECONDS"),
        (b'{"SECONDS": "soon"}', "SECONDS"),
        (b'{"SECONDS": NaN}', "NaN"),
        (b'{"SECONDS": 1e999}', "SECONDS"),
        (b'{"SECONDS": %s}' % (b"9" * 10_000), "SECONDS"),
        (b'{"Foo": "\xff"}', "JSON"),
        (b'{"Foo": "\\u0000"}', "Foo"),
        (b'{"Foo": "\\ud800"}', "Foo"),
        (b'{"": 1}', "name"),
        (b'{"Foo": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"Foo": [%s1]}' % (b"1," * 10_000), "parameters"),
        (b'{"Foo": "%s"}' % (b"x" * 500_000), "Foo"),
        (b'{"PHASE": "ABORT"}', "PHASE"),
    ],
)
def test_bad_bodies_are_400_and_make_no_job(api: Api, probe: Probe, body: bytes, says: str):
    before = probe.ids("?LAST=1")
    url = f"{api.base}/scripts/probe/jobs"
    response = probe.http.post(url, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert says in response.json()["error"]
    assert len(response.content) < 1000
    assert probe.ids("?LAST=1") == before


def test_a_body_that_is_too_large_is_413_in_json(api: Api, probe: Probe):
    response = probe.http.post(f"{api.base}/scripts/probe/jobs", content=b"x" * 1_100_000)
    assert response.status_code == 413
    assert response.json()["error"]
