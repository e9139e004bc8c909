"""The desk of administrators, asked by forms as a browser without JavaScript sends them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from index.database import Database
from jobs.database import upgrade
from jobs.engine import Engine
from tests.production import Production
from uws.accounts import Accounts
from uws.app import create_app
from uws.settings import Settings
from uws.store import AccountStore, ServiceStore

ROOT, ALICE = ("root", "troubador 3"), ("alice", "correct horse")
HOSTILE = "<script>alert(1)</script>"
PAGES = ("", "/jobs", "/tasks", "/scripts", "/users", "/errors", "/audit")


class Desk:
    """A service with an administrator and a user; no worker runs."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.engine = Engine(self.settings)
        self.app = create_app(self.engine, self.settings)
        self.kept = ServiceStore(self.engine.database)

    def ask(self, method: str, path: str, auth: tuple[str, str] | None = ROOT, **more: object) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await http.request(method, path, auth=auth, **more)

        return asyncio.run(send())

    def page(self, path: str) -> str:
        answer = self.ask("GET", f"/admin{path}")
        assert answer.status_code == 200, answer.text
        assert HOSTILE not in answer.text
        return unescape(answer.text)

    def token(self, auth: tuple[str, str] = ROOT) -> str:
        found = re.search(r'name="TOKEN" value="([^"]+)"', self.ask("GET", "/admin", auth).text)
        assert found is not None
        return found[1]

    def act(self, path: str, action: str, **fields: object) -> httpx.Response:
        return self.ask("POST", f"/admin{path}", data={"TOKEN": self.token(), "ACTION": action, **fields})

    def job(self, auth: tuple[str, str] | None = ALICE, script: str = "probe", **given: object) -> str:
        answer = self.ask("POST", f"/api/scripts/{script}/jobs", auth, json={"PHASE": "RUN", **given})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def phase(self, job: str) -> str:
        return str(self.ask("GET", f"/api/jobs/{job}").json()["phase"])

    def trail(self) -> list[tuple[str, str, str]]:
        return [(entry.who, entry.action, entry.target) for entry in self.kept.trail(100)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "home")
    accounts = Accounts(AccountStore(desk.engine.database))
    accounts.add(*ROOT, admin=True)
    accounts.add(*ALICE)
    yield desk
    desk.engine.stop()


@pytest.mark.parametrize("path", PAGES)
def test_it_is_for_administrators(desk: Desk, path: str):
    for method in ("GET", "POST"):
        anonymous = desk.ask(method, f"/admin{path}", None)
        assert anonymous.status_code == 401
        assert "Basic" in anonymous.headers["www-authenticate"]
        assert desk.ask(method, f"/admin{path}", ALICE).status_code == 403
    shown = desk.ask("GET", f"/admin{path}")
    assert shown.status_code == 200
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["referrer-policy"] == "same-origin"
    french = desk.ask("GET", f"/admin{path}", headers={"Accept-Language": "fr"})
    assert 'lang="fr"' in french.text
    assert "Vue d'ensemble" in unescape(french.text)


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"TOKEN": "x"}, {}),
        ({"TOKEN": None}, {"Sec-Fetch-Site": "cross-site"}),
        ({"TOKEN": None}, {"Origin": "https://evil.example"}),
    ],
)
def test_a_form_of_another_site_does_nothing(desk: Desk, fields: dict[str, str | None], headers: dict[str, str]):
    given = {name: value or desk.token() for name, value in fields.items()}
    form = {"ACTION": "announce", "TEXT": "forged", **given}
    assert desk.ask("POST", "/admin", data=form, headers=headers).status_code == 403
    assert desk.kept.announcement() is None
    assert desk.trail() == []


def test_the_token_of_one_is_none_of_another(desk: Desk):
    Accounts(AccountStore(desk.engine.database)).set_admin("alice", admin=True)
    form = {"ACTION": "announce", "TEXT": "forged", "TOKEN": desk.token(ALICE)}
    assert desk.ask("POST", "/admin", data=form).status_code == 403
    assert desk.ask("POST", "/admin", ALICE, data=form).status_code == 303


def test_jobs_are_found_sorted_and_paged(desk: Desk):
    jobs = [desk.job(RUNID=f"run {number:02}") for number in range(55)]
    anonymous = desk.job(None, RUNID=HOSTILE)
    first = desk.page("/jobs")
    assert "Page 1 of 2" in first
    assert anonymous in first
    assert jobs[0] not in first
    assert jobs[0] in desk.page("/jobs?PAGE=2")
    assert jobs[0] in desk.page("/jobs?ORDER=created")
    found = desk.page("/jobs?WORD=RUN+07")
    assert jobs[7] in found
    assert jobs[8] not in found
    assert anonymous not in desk.page("/jobs?WORD=alice")
    assert "No job is found" in desk.page("/jobs?PHASE=COMPLETED")
    assert "No job is found" in desk.page("/jobs?WORD=%25")
    for bad in ("ORDER=password", "PHASE=DONE", "PAGE=0", "PAGE=x"):
        assert desk.ask("GET", f"/admin/jobs?{bad}").status_code == 400
    assert jobs[3] in desk.page(f"/tasks?WORD={jobs[3]}")


def test_jobs_are_aborted_and_deleted_in_bulk(desk: Desk):
    one, two, three = (desk.job(RUNID=name) for name in ("a", "b", "c"))
    done = desk.act("/jobs", "abort", JOB=[one, two])
    assert done.status_code == 303
    assert "2 jobs have been aborted" in desk.page("/jobs?" + done.headers["location"].partition("?")[2])
    assert [desk.phase(job) for job in (one, two, three)] == ["ABORTED", "ABORTED", "QUEUED"]
    assert desk.act("/jobs", "abort", WHICH="all", WORD="alice").status_code == 303
    assert desk.phase(three) == "ABORTED"
    assert desk.act("/jobs", "delete", JOB=one).status_code == 303
    assert desk.ask("GET", f"/api/jobs/{one}").status_code == 404
    assert desk.act("/jobs", "abort").status_code == 400
    assert desk.act("/jobs", "explode", JOB=two).status_code == 400
    assert desk.act("/jobs", "abort", JOB="none").status_code == 404
    assert desk.trail()[0] == ("root", "delete jobs", one)
    assert ("root", "abort jobs", f"{one} {two}") in desk.trail()


def test_a_script_is_switched_off_everywhere_and_on_again(desk: Desk, tmp_path: Path):
    pending = desk.ask("POST", "/api/scripts/probe/jobs", json={}).json()["id"]
    before = desk.job()
    assert desk.act("/scripts", "disable", SCRIPT="probe", REASON=f"being mended {HOSTILE}").status_code == 303
    assert "being mended" in desk.page("/scripts")
    other = Desk(tmp_path / "home")  # another process
    for service in (desk, other):
        refused = service.ask("POST", "/api/scripts/probe/jobs", ALICE, json={"PHASE": "RUN"})
        assert refused.status_code == 503
        assert "being mended" in refused.json()["error"]
        assert service.ask("POST", f"/api/jobs/{pending}/phase", json={"PHASE": "RUN"}).status_code == 503
        assert service.phase(before) == "QUEUED", "what there is goes on"
        assert "probe" not in service.engine.jobs.scripts.names()
        assert service.ask("GET", "/scripts/probe/async").status_code == 200
    assert desk.act("/scripts", "enable", SCRIPT="probe").status_code == 303
    desk.job()
    other.engine.jobs.scripts.refresh()
    other.job()
    other.engine.stop()
    assert desk.act("/scripts", "disable", SCRIPT="none").status_code == 400
    assert [action for _, action, _ in desk.trail()][:2] == ["enable script", "disable script"]


def test_accounts_and_tokens_are_looked_after(desk: Desk):
    desk.job()
    users = desk.page("/users")
    assert "alice" in users
    made = desk.act("/users", "token", NAME="alice", LABEL="nightly")
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    token = re.search(r"amora_[\w-]{43}", made.text)
    assert token is not None
    assert desk.ask("GET", "/api/jobs", None, headers={"Authorization": f"Bearer {token[0]}"}).status_code == 200
    assert token[0] not in desk.page("/users")
    id_ = re.search(r'name="TOKENID" value="(\w+)"', desk.page("/users"))
    assert id_ is not None
    assert desk.act("/users", "revoke", TOKENID=id_[1]).status_code == 303
    assert desk.ask("GET", "/api/jobs", None, headers={"Authorization": f"Bearer {token[0]}"}).status_code == 401
    assert desk.act("/users", "promote", NAME="alice").status_code == 303
    assert desk.ask("GET", "/admin", ALICE).status_code == 200
    assert desk.act("/users", "demote", NAME="root").status_code == 400, "nobody locks himself out"
    assert desk.act("/users", "removeuser", NAME="root").status_code == 400
    assert desk.act("/users", "demote", NAME="alice").status_code == 303
    assert desk.act("/users", "adduser", NAME="carol", PASSWORD="battery staple").status_code == 303  # noqa: S106
    assert desk.act("/users", "adduser", NAME=HOSTILE).status_code == 400
    assert desk.act("/users", "removeuser", NAME="carol").status_code == 303
    assert "carol" not in desk.page("/users")
    assert all("staple" not in str(entry) for entry in desk.kept.trail(100))


def test_an_announcement_is_on_each_page(desk: Desk):
    assert desk.act("", "announce", TEXT=f"Down on Friday {HOSTILE}", UNTIL="2999-01-01").status_code == 303
    for path in ("/", "/scripts", "/sessions", "/admin/jobs"):
        shown = desk.ask("GET", path).text
        assert "Down on Friday &lt;script&gt;" in shown, path
    assert desk.act("", "announce", TEXT="x" * 501).status_code == 400
    assert desk.act("", "announce", TEXT="").status_code == 303
    assert "Down on Friday" not in desk.ask("GET", "/scripts").text
    desk.act("", "announce", TEXT="over already", UNTIL="2020-01-01")
    assert "over already" not in desk.ask("GET", "/scripts").text


def test_what_has_failed_is_shown_with_its_log(desk: Desk):
    job = desk.job(TASKS=1)
    claim = desk.engine._store.claim("default", "w", 60)
    assert claim is not None
    with desk.engine._storage.open_log(job, 1, 1) as log:
        log.write(f"{HOSTILE} in the log\n".encode())
    desk.engine._store.fail_task(claim, f"{HOSTILE} was the reason")
    errors = desk.page("/errors")
    assert f"{HOSTILE} was the reason" in errors
    assert f"{HOSTILE} in the log" in errors
    assert "probe" in desk.page("/errors?SCRIPT=probe")
    assert "No task has failed" in desk.page("/errors?SCRIPT=image")
    assert f"{HOSTILE} was the reason" in desk.page("/scripts")


def test_what_an_administrator_does_to_the_jobs_of_others_is_in_the_trail(desk: Desk):
    job = desk.job()
    assert desk.ask("POST", f"/scripts/probe/async/{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert desk.trail() == [("root", "change job", job)]
    assert job in desk.page(f"/audit?WORD={job}")
    assert "Nothing has been done" in desk.page("/audit?WORD=nothing")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_the_trail_is_never_changed(request: pytest.FixtureRequest, backend: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    if backend == "postgresql":
        servers: Production = request.getfixturevalue("servers")
        with servers.postgresql.database() as address:
            _refuse(Database(address))
        return
    _refuse(Database(url))


def _refuse(database: Database) -> None:
    upgrade(database)
    store = ServiceStore(database)
    store.record("root", "announce", "", "x")
    for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="never changed"), database.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert [entry.who for entry in store.trail(10)] == ["root"]
    database.close()


def test_sessions_by_plain_forms(desk: Desk):
    def act(action: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="TOKEN" value="([^"]+)"', desk.ask("GET", "/sessions", ALICE).text)
        assert token is not None
        return desk.ask("POST", "/sessions", ALICE, data={"TOKEN": token[1], "ACTION": action, **fields})

    made = act("new", NAME=f"Crab {HOSTILE}")
    assert made.status_code == 303
    id_ = made.headers["location"].rpartition("/")[2]
    assert "Crab &lt;script&gt;" in desk.ask("GET", "/sessions", ALICE).text
    shared = act("share", SESSION=id_, ACCESS="run", DAYS="3")
    link = re.search(r"http://127.0.0.1:8000/s/[\w-]{43}", shared.text)
    assert link is not None
    assert link[0] not in desk.ask("GET", "/sessions", ALICE).text
    assert desk.ask("GET", link[0], None).status_code == 303
    share = re.search(r'name="SHARE" value="(\w+)"', shared.text)
    assert share is not None
    assert act("revoke", SESSION=id_, SHARE=share[1]).status_code == 303
    assert desk.ask("GET", link[0], None).status_code == 403
    assert act("rename", SESSION=id_, NAME="Nebula").status_code == 303
    assert "Nebula" in desk.ask("GET", "/sessions", ALICE).text
    assert act("copy", SESSION=id_).status_code == 303
    assert act("delete", SESSION=id_).status_code == 303
    assert act("delete", SESSION=id_).status_code == 404
    assert act("explode", SESSION=id_).status_code == 400
    assert desk.ask("POST", "/sessions", ALICE, data={"ACTION": "new", "NAME": "x"}).status_code == 403


def test_an_anonymous_visitor_begins_a_session_by_a_form(desk: Desk):
    token = re.search(r'name="TOKEN" value="([^"]+)"', desk.ask("GET", "/sessions", None).text)
    assert token is not None
    made = desk.ask("POST", "/sessions", None, data={"TOKEN": token[1], "ACTION": "new", "NAME": "mine"})
    assert made.status_code == 303
    cookie = {"Cookie": made.headers["set-cookie"].partition(";")[0]}
    assert "mine" in desk.ask("GET", "/sessions", None, headers=cookie).text
    assert "mine" not in desk.ask("GET", "/sessions", None).text


@pytest.mark.parametrize(
    "path", ["/capabilities", "/scripts/probe/async", "/scripts?RESPONSEFORMAT=json", "/tap/examples"]
)
def test_every_answer_is_protected(desk: Desk, path: str):
    answer = desk.ask("GET", path, None)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    if "json" not in answer.headers["content-type"]:
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_user_gets_other_limits(desk: Desk):
    desk.job(TASKS=2)
    assert desk.act("/users", "limits", NAME="alice", QUEUED="3", DISK="1.5").status_code == 303
    shown = desk.page("/users")
    assert "2 of 3" in shown
    assert "of 1.5 GB" in shown
    refused = desk.ask("POST", "/api/scripts/probe/jobs", ALICE, json={"PHASE": "RUN", "TASKS": 2})
    assert "at most 3 may wait at once" in refused.text
    desk.job(ROOT, TASKS=4)
    assert ("root", "set limits", "alice") in desk.trail()
    assert desk.act("/users", "limits", NAME="alice", RUNNING="7", QUEUED="3", DISK="").status_code == 303
    assert "0 of 7" in desk.page("/users")
    assert desk.act("/users", "limits", NAME="alice", QUEUED="-1").status_code == 400
    assert desk.act("/users", "limits", NAME="alice", QUEUED="", DISK="").status_code == 303
    assert "2 of 3" not in desk.page("/users")
    desk.job(TASKS=2)


def test_anonymous_visitors_get_limits_together(desk: Desk):
    assert desk.act("/users", "limits", NAME="", QUEUED="1").status_code == 303
    desk.job(None)
    refused = desk.ask("POST", "/api/scripts/probe/jobs", None, json={"PHASE": "RUN"})
    assert "at most 1 may wait at once" in refused.text
    assert ("root", "set limits", "anonymous") in desk.trail()
