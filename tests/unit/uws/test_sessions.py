"""Sessions of users, links whose time is over, and what a restart leaves of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from jobs.engine import Engine
from jobs.errors import QuotaError
from jobs.sessions import digest, new_secret
from jobs.store.sessions import Holder, SessionStore
from uws.accounts import Accounts
from uws.app import create_app
from uws.settings import Settings
from uws.store import AccountStore
from uws.visitors import MAX_SHARES

ALICE, BOB, ROOT = ("alice", "correct horse"), ("bob", "battery staple"), ("root", "troubador 3")


class House:
    """An application that is asked by users and browsers."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.settings = Settings(home=home, **settings)
        self.engine = Engine(self.settings)
        self.app = create_app(self.engine, self.settings)

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await http.request(method, path, **more)

        return asyncio.run(send())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "home")
    accounts = Accounts(AccountStore(house.engine.database))
    for name, password in (ALICE, BOB, ROOT):
        accounts.add(name, password, admin=name == "root")
    yield house
    house.engine.stop()


def _session(house: House, **more: object) -> dict[str, str]:
    answer = house.ask("POST", "/api/sessions", json={}, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _cookie(response: httpx.Response) -> dict[str, str]:
    return {"Cookie": response.headers["set-cookie"].partition(";")[0]}


def test_a_users_session_is_the_users(house: House):
    made = _session(house, auth=ALICE)
    own = f"/api/sessions/{made['id']}"
    assert made["owner"] == "alice"
    assert "set-cookie" not in house.ask("POST", "/api/sessions", json={}, auth=ALICE).headers
    assert house.ask("GET", own, auth=ALICE).json()["access"] == "owner"
    assert house.ask("GET", own, auth=BOB).status_code == 403
    assert house.ask("GET", own).status_code == 401, "whoever has an account is to say so"
    assert house.ask("GET", own, auth=ROOT).json()["access"] == "owner"
    assert house.ask("PATCH", own, auth=ROOT, json={"name": "looked after"}).json()["name"] == "looked after"


def test_a_users_jobs_are_seen_by_whoever_the_session_is_shared_with(house: House):
    made = _session(house, auth=ALICE)
    job = house.ask("POST", "/api/scripts/probe/jobs", json={"RUNID": made["id"]}, auth=ALICE).json()
    address = f"/api/jobs/{job['id']}"
    assert house.ask("GET", address).status_code == 401
    link = house.ask("POST", f"/api/sessions/{made['id']}/shares", json={}, auth=ALICE).json()
    visitor = _cookie(house.ask("GET", link["href"]))
    assert house.ask("GET", address, headers=visitor).status_code == 200
    assert house.ask("GET", f"/scripts/probe/async/{job['id']}/results", headers=visitor).status_code == 200
    assert house.ask("GET", address, headers=visitor, auth=BOB).status_code == 200
    assert house.ask("DELETE", address, headers=visitor).status_code == 403
    assert house.ask("DELETE", address, headers=visitor, auth=BOB).status_code == 403
    assert house.ask("DELETE", f"/api/sessions/{made['id']}/shares/{link['id']}", auth=ALICE).status_code == 204
    assert house.ask("GET", address, headers=visitor).status_code == 401


def test_the_owner_of_a_session_stops_what_others_run_in_it(house: House):
    made = _session(house, auth=ALICE)
    link = house.ask("POST", f"/api/sessions/{made['id']}/shares", json={"access": "run"}, auth=ALICE).json()
    visitor = _cookie(house.ask("GET", link["href"]))
    job = house.ask("POST", "/api/scripts/probe/jobs", json={"RUNID": made["id"]}, auth=BOB, headers=visitor).json()
    assert job["owner"] == "bob"
    assert house.ask("DELETE", f"/api/jobs/{job['id']}", auth=ALICE).status_code == 204


def test_an_expired_link_says_so(house: House):
    made = _session(house, auth=ALICE)
    secret = new_secret()
    past = datetime.now(UTC) - timedelta(seconds=1)
    SessionStore(house.engine.database).add_share("s1", made["id"], digest(secret), "read", past, 50)
    answer = house.ask("GET", f"/s/{secret}")
    assert answer.status_code == 410
    assert answer.headers["content-type"].startswith("text/html")
    assert "expired" in answer.text
    cookie = {"Cookie": f"amora_shares={secret}"}
    assert house.ask("GET", f"/sessions/{made['id']}", headers=cookie).status_code == 410
    listed = house.ask("GET", f"/api/sessions/{made['id']}/shares", auth=ALICE).json()["shares"]
    assert [item["id"] for item in listed] == ["s1"]


def test_of_two_links_the_better_one_counts(house: House):
    made = _session(house, auth=ALICE)
    shares = f"/api/sessions/{made['id']}/shares"
    secrets = [
        house.ask("POST", shares, json={"access": access}, auth=ALICE).json()["href"].rpartition("/")[2]
        for access in ("run", "read")
    ]
    cookie = {"Cookie": f"amora_shares={'.'.join(secrets)}"}
    assert house.ask("GET", f"/api/sessions/{made['id']}", headers=cookie).json()["access"] == "run"
    assert house.ask("GET", "/api/sessions", headers=cookie).json()["sessions"][0]["access"] == "run"


def test_a_browser_forgets_the_oldest_links(house: House):
    made = _session(house, auth=ALICE)
    link = house.ask("POST", f"/api/sessions/{made['id']}/shares", json={}, auth=ALICE).json()["href"]
    secrets = [new_secret() for _ in range(MAX_SHARES)]
    answer = house.ask("GET", link, headers={"Cookie": f"amora_shares={'.'.join(secrets)}"})
    kept = _cookie(answer)["Cookie"].partition("=")[2].split(".")
    assert kept == [*secrets[1:], link.rpartition("/")[2]]


def test_a_restart_keeps_sessions_and_links(house: House, tmp_path: Path):
    answer = house.ask("POST", "/api/sessions", json={"name": "kept"})
    owner, made = _cookie(answer), answer.json()
    link = house.ask("POST", f"/api/sessions/{made['id']}/shares", json={}, headers=owner).json()
    again = House(tmp_path / "home")
    assert again.ask("GET", f"/api/sessions/{made['id']}", headers=owner).json() == made
    assert again.ask("GET", link["href"]).status_code == 303
    again.engine.stop()


def test_no_secret_is_kept(house: House, tmp_path: Path):
    answer = house.ask("POST", "/api/sessions", json={})
    owner = _cookie(answer)
    link = house.ask("POST", f"/api/sessions/{answer.json()['id']}/shares", json={}, headers=owner).json()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("amora.sqlite*"))
    assert answer.json()["id"].encode() in kept
    assert owner["Cookie"].partition("=")[2].encode() not in kept
    assert link["href"].rpartition("/")[2].encode() not in kept


def test_expired_sessions_are_forgotten_and_their_jobs_are_not(house: House):
    made = _session(house, auth=ALICE)
    job = house.ask("POST", "/api/scripts/probe/jobs", json={"RUNID": made["id"]}, auth=ALICE).json()
    store = SessionStore(house.engine.database)
    store.change(made["id"], {}, 0, None)
    house.engine.sessions.forget_expired()
    assert house.ask("GET", f"/api/sessions/{made['id']}", auth=ALICE).status_code == 404
    assert house.ask("GET", f"/api/jobs/{job['id']}", auth=ALICE).status_code == 200


def test_there_is_a_limit_of_sessions_and_links(tmp_path: Path):
    house = House(tmp_path / "home", sessions_user=2, sessions_anonymous=3)
    first = house.ask("POST", "/api/sessions", json={})
    owner = _cookie(first)
    _session(house, headers=owner)
    answer = house.ask("POST", "/api/sessions", json={}, headers=owner)
    assert answer.status_code == 429
    assert "2 sessions" in answer.json()["error"]
    _session(house)
    assert "3 sessions together" in house.ask("POST", "/api/sessions", json={}).json()["error"]
    store = SessionStore(house.engine.database)
    until = datetime.now(UTC) + timedelta(days=1)
    store.add_share("s1", first.json()["id"], "d1", "read", until, 1)
    with pytest.raises(QuotaError, match="Revoke one"):
        store.add_share("s2", first.json()["id"], "d2", "read", until, 1)
    house.engine.stop()


def test_where_only_users_make_jobs_only_they_make_sessions(tmp_path: Path):
    house = House(tmp_path / "home", anonymous=False)
    assert house.ask("POST", "/api/sessions", json={}).status_code == 401
    house.engine.stop()


def test_a_secret_of_somebody_else_is_no_use(house: House):
    made = house.ask("POST", "/api/sessions", json={}).json()
    for forged in ("x" * 43, "", "a b", "\u00e9", "x" * 5000):
        cookie = {"Cookie": f"amora_visitor={forged}".encode()}
        assert house.ask("GET", f"/api/sessions/{made['id']}", headers=cookie).status_code == 403
    assert house.engine.sessions.rights(made["id"], Holder(visitor="0" * 64)) == (True, None)
