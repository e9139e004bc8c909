"""Sessions, and the links by which they are shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.protocol.client import Probe

CIRCLE = "CIRCLE 83.633 22.014 0.05"
HOSTILE = "<script>alert(1)</script> \"'&"

Browser = Callable[[], httpx.Client]


@pytest.fixture
def browser(base_url: str) -> Iterator[Browser]:
    """Makes browsers: each keeps its own cookies, and follows no redirect by itself."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(httpx.Client(base_url=base_url, timeout=60))


@pytest.fixture
def alice(browser: Browser) -> httpx.Client:
    """A visitor."""
    return browser()


def _session(client: httpx.Client, **given: object) -> dict[str, object]:
    answer = client.post("/api/sessions", json=given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _link(client: httpx.Client, session: dict[str, object], **given: object) -> dict[str, str]:
    answer = client.post(f"/api/sessions/{session['id']}/shares", json=given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _run(client: httpx.Client, session: dict[str, object], **parameters: object) -> httpx.Response:
    return client.post("/api/scripts/probe/jobs", json={"RUNID": session["id"], "PHASE": "RUN", **parameters})


def test_a_session_from_its_making_to_its_end(alice: httpx.Client, browser: Browser):
    assert "set-cookie" not in alice.get("/api/sessions").headers, "a cookie is made with the first session, not before"
    answer = alice.post("/api/sessions", json={"name": HOSTILE, "region": CIRCLE, "datasets": ["0002970201/M1/S001"]})
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    made = answer.json()
    assert made["href"].endswith(f"/sessions/{made['id']}")
    assert made["name"] == HOSTILE
    assert (made["region"], made["datasets"], made["access"]) == (CIRCLE, ["0002970201/M1/S001"], "owner")
    own = answer.headers["location"]
    assert alice.get(own).json() == made
    changed = alice.patch(own, json={"name": "Crab", "region": None, "datasets": []}).json()
    assert (changed["name"], changed["region"], changed["datasets"]) == ("Crab", None, [])
    assert changed["modified"] > made["modified"]
    assert alice.patch(own, json={"region": CIRCLE}).json()["name"] == "Crab", "what is not given stays"
    assert [item["id"] for item in alice.get("/api/sessions").json()["sessions"]] == [made["id"]]
    assert browser().get("/api/sessions").json() == {"sessions": []}
    assert browser().get(own).status_code == 403
    assert alice.delete(own).status_code == 204
    assert alice.get(own).status_code == 404


def test_a_second_session_has_the_same_owner(alice: httpx.Client):
    _session(alice)
    secret = alice.cookies["amora_visitor"]
    _session(alice, name="two")
    assert alice.cookies["amora_visitor"] == secret
    assert len(alice.get("/api/sessions").json()["sessions"]) == 2


def test_a_form_does_too(alice: httpx.Client):
    made = alice.post("/api/sessions", data={"name": "by form", "datasets": ["a/b/c", "d/e/f"]}).json()
    assert made["datasets"] == ["a/b/c", "d/e/f"]
    assert made["name"] == "by form"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "x" * 201}, "at most 200"),
        ({"name": "a\u0000b"}, "control characters"),
        ({"region": "CIRCLE 1 2"}, "region"),
        ({"region": HOSTILE}, "region"),
        ({"datasets": ["has blank"]}, "datasets"),
        ({"datasets": ["x" * 256]}, "datasets"),
        ({"datasets": [f"{number}/M1/S001" for number in range(10_001)]}, "at most 10000"),
        ({"datasets": "one"}, "datasets"),
        ({"owner": "bob"}, "owner"),
        ({"name": 5}, "name"),
    ],
)
def test_what_cannot_be_kept_is_refused(alice: httpx.Client, given: dict[str, object], says: str):
    answer = alice.post("/api/sessions", json=given)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]
    own = _session(alice)
    assert alice.patch(f"/api/sessions/{own['id']}", json=given).status_code == 400
    assert alice.get(f"/api/sessions/{own['id']}").json() == own


def test_an_end_in_the_past_is_refused_and_one_in_the_future_is_cut(alice: httpx.Client):
    own = f"/api/sessions/{_session(alice)['id']}"
    assert alice.patch(own, json={"expires": "2020-01-01"}).status_code == 400
    assert alice.patch(own, json={"expires": "yesterday"}).status_code == 400
    assert alice.patch(own, json={"expires": "9999-01-01"}).json()["expires"] < "9999"


def test_the_jobs_of_a_session_are_listed_with_it(alice: httpx.Client):
    session = _session(alice)
    job = _run(alice, session).json()
    assert job["run_id"] == session["id"]
    assert [item["id"] for item in alice.get(session["jobs"]).json()["jobs"]] == [job["id"]]
    assert alice.get(session["jobs"], params={"LAST": 1, "PHASE": "ABORTED"}).json() == {"jobs": []}


def test_a_link_that_reads_reads_and_does_no_more(alice: httpx.Client, browser: Browser):
    session = _session(alice, region=CIRCLE)
    job = _run(alice, session, SECONDS=0).json()
    link = _link(alice, session)
    assert (link["access"], link["revoked"] or None) == ("read", None)
    listed = alice.get(f"/api/sessions/{session['id']}/shares").json()["shares"]
    assert [item["id"] for item in listed] == [link["id"]]
    assert link["href"].rpartition("/")[2] not in str(listed), "the secret is shown once"
    bob = browser()
    followed = bob.get(link["href"])
    assert followed.status_code == 303
    assert followed.headers["location"] == session["href"]
    assert followed.headers["referrer-policy"] == "no-referrer"
    assert bob.get(session["href"]).status_code == 200
    own = f"/api/sessions/{session['id']}"
    seen = bob.get(own).json()
    assert (seen["region"], seen["access"]) == (CIRCLE, "read")
    assert [item["id"] for item in bob.get("/api/sessions").json()["sessions"]] == [session["id"]]
    assert [item["id"] for item in bob.get(session["jobs"]).json()["jobs"]] == [job["id"]]
    assert bob.get(f"/api/jobs/{job['id']}").status_code == 200
    assert bob.patch(own, json={"name": "mine"}).status_code == 403
    assert bob.delete(own).status_code == 403
    assert bob.get(own + "/shares").status_code == 403
    assert bob.post(own + "/shares", json={}).status_code == 403
    assert _run(bob, session).status_code == 403
    assert bob.post(f"/api/jobs/{job['id']}/phase", json={"PHASE": "ABORT"}).status_code == 403
    assert bob.delete(f"/api/jobs/{job['id']}").status_code == 403
    copied = bob.post(own + "/copy")
    assert copied.status_code == 201, copied.text
    assert (copied.json()["region"], copied.json()["access"]) == (CIRCLE, "owner")
    assert bob.get(copied.json()["jobs"]).json() == {"jobs": []}
    assert alice.get(f"/api/sessions/{copied.json()['id']}").status_code == 403


def test_a_link_that_runs_runs(alice: httpx.Client, browser: Browser):
    session = _session(alice)
    bob = browser()
    assert bob.get(_link(alice, session, access="run")["href"]).status_code == 303
    job = _run(bob, session, SECONDS=60).json()
    assert [item["id"] for item in alice.get(session["jobs"]).json()["jobs"]] == [job["id"]]
    assert bob.post(f"/api/jobs/{job['id']}/phase", json={"PHASE": "ABORT"}).status_code == 200
    assert bob.patch(f"/api/sessions/{session['id']}", json={"name": "mine"}).status_code == 403


def test_a_link_is_revoked(alice: httpx.Client, browser: Browser):
    session = _session(alice)
    link, bob = _link(alice, session), browser()
    own = f"/api/sessions/{session['id']}"
    bob.get(link["href"])
    assert bob.get(own).status_code == 200
    assert alice.delete(f"{own}/shares/{link['id']}").status_code == 204
    for address in (own, session["href"], link["href"]):
        answer = bob.get(address)
        assert answer.status_code == 403, address
        assert "revoked" in answer.text
    assert bob.get("/api/sessions").json() == {"sessions": []}
    assert alice.delete(f"{own}/shares/{link['id']}").status_code == 404


@pytest.mark.parametrize("secret", ["x" * 43, "x", "%00", "<script>alert(1)"])
def test_a_forged_link_leads_nowhere(browser: Browser, secret: str):
    answer = browser().get(f"/s/{secret}", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert "set-cookie" not in answer.headers


def test_a_session_is_nobodys_run_id_but_its_own(alice: httpx.Client, browser: Browser, probe: Probe):
    session, bob = _session(alice), browser()
    assert _run(bob, session).status_code == 403
    assert probe.post(RUNID=str(session["id"])).status_code == 403
    job = bob.post("/api/scripts/probe/jobs", json={}).json()["id"]
    assert bob.post(f"/api/jobs/{job}/parameters", json={"RUNID": session["id"]}).status_code == 403
    put = bob.put(f"/scripts/probe/async/{job}/parameters/RUNID", content=str(session["id"]))
    assert put.status_code == 403
    assert probe.post(RUNID="any other name").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_changes_nothing(alice: httpx.Client, headers: dict[str, str]):
    session = _session(alice)
    own = f"/api/sessions/{session['id']}"
    assert alice.post("/api/sessions", json={}, headers=headers).status_code == 403
    assert alice.patch(own, json={"name": "x"}, headers=headers).status_code == 403
    assert alice.delete(own, headers=headers).status_code == 403
    assert alice.get(own, headers=headers).status_code == 200
    assert alice.patch(own, json={"name": "x"}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
