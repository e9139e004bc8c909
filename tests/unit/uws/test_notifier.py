"""Mails and webhooks at the end of jobs: each is sent, signed, tried again, and survives a restart."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from jobs.engine import Engine
from jobs.store.notifications import NotificationStore
from jobs.tables import delivery
from uws import notifier
from uws.accounts import Accounts
from uws.app import create_app
from uws.notifier import PATIENCE, Notifier
from uws.settings import Settings
from uws.store import AccountStore

ALICE = ("alice", "correct horse")


class _Hook(BaseHTTPRequestHandler):
    """Somebody's address."""

    heard: list[tuple[dict[str, str], bytes]] = []  # noqa: RUF012 - one for all, as the server is
    answers: list[int] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((dict(self.headers), body))
        self.send_response(self.answers.pop(0) if self.answers else 204)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    """An address that takes what is posted to it."""
    _Hook.heard, _Hook.answers = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook?who=me"
    server.shutdown()
    server.server_close()


class _Mail(socketserver.StreamRequestHandler):
    """A mail server that keeps what it is sent (RFC 5321, as far as smtplib goes)."""

    mails: list[str] = []  # noqa: RUF012

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.mails.append(b"".join(lines).decode())
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


class House:
    """A service whose notifier is called by hand."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.settings = Settings(home=home, **settings)
        self.engine = Engine(self.settings)
        self.app = create_app(self.engine, self.settings)
        self.store = NotificationStore(self.engine.database)

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                return await http.request(method, path, **more)

        return asyncio.run(send())

    def notifier(self, **more: object) -> Notifier:
        return Notifier(self.engine, self.settings, self.app.state.context.signer, **more)

    def job(self, **more: object) -> str:
        made = self.ask("POST", "/api/scripts/probe/jobs", json={"PHASE": "RUN"}, **more)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def abort(self, job: str, **more: object) -> None:
        assert self.ask("POST", f"/api/jobs/{job}/phase", json={"PHASE": "ABORT"}, **more).status_code == 200


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "home")
    Accounts(AccountStore(house.engine.database)).add(*ALICE)
    yield house
    house.engine.stop()


def _anywhere(_address: object) -> bool:
    return True


def _asked(house: House, place: str, **given: str) -> dict[str, str]:
    answer = house.ask("POST", f"{place}/notifications", json=given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_webhook_hears_of_the_end_once_and_knows_who_speaks(house: House, hook: str):
    job = house.job()
    asked = _asked(house, f"/api/jobs/{job}", webhook=hook)
    telling = house.notifier(permitted=_anywhere)
    telling.work()
    assert _Hook.heard == []
    house.abort(job)
    telling.work()
    telling.work()
    [(headers, body)] = _Hook.heard
    told = json.loads(body)
    assert (told["event"], told["job"], told["phase"]) == ("job.ended", job, "ABORTED")
    at, _, signature = headers["Amora-Signature"].partition(",v1=")
    secret = asked["secret"].encode()
    assert signature == hmac.new(secret, at.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
    listed = house.ask("GET", f"/api/jobs/{job}/notifications").json()["notifications"]
    assert "secret" not in listed[0]
    assert listed[0]["told"][0]["tries"] == 1
    assert listed[0]["told"][0]["delivered"]


def test_each_job_of_a_session_is_told(house: House, hook: str):
    made = house.ask("POST", "/api/sessions", json={})
    owner = {"Cookie": made.headers["set-cookie"].partition(";")[0]}
    place = f"/api/sessions/{made.json()['id']}"
    run = {"RUNID": made.json()["id"], "PHASE": "RUN"}
    house.ask("POST", "/api/scripts/probe/jobs", json=run, headers=owner)
    assert house.ask("POST", f"{place}/notifications", json={"webhook": hook}, headers=owner).status_code == 201
    assert house.ask("GET", f"{place}/notifications").status_code == 403
    jobs = [house.ask("POST", "/api/scripts/probe/jobs", json=run, headers=owner).json()["id"] for _ in range(2)]
    for job in jobs:
        house.abort(job, headers=owner)
    house.notifier(permitted=_anywhere).work()
    assert sorted(json.loads(body)["job"] for _, body in _Hook.heard) == sorted(jobs)


def test_a_restart_loses_nothing(house: House, hook: str, tmp_path: Path):
    job = house.job()
    _asked(house, f"/api/jobs/{job}", webhook=hook)
    house.abort(job)  # and the power fails
    again = House(tmp_path / "home")
    again.notifier(permitted=_anywhere).work()
    assert len(_Hook.heard) == 1
    again.engine.stop()


def test_whoever_dies_while_sending_sends_again(house: House, hook: str):
    job = house.job()
    _asked(house, f"/api/jobs/{job}", webhook=hook)
    house.abort(job)
    house.store.owe()
    taken = house.store.due((0.0,))
    assert taken is not None  # and whoever took it is killed
    house.notifier(permitted=_anywhere).work()
    assert len(_Hook.heard) == 1
    assert house.store.due(PATIENCE) is None


def test_what_fails_is_tried_again_and_given_up_in_the_end(house: House, hook: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifier, "PATIENCE", (0.0, 0.0))
    _Hook.answers = [500, 302, 404, 404]
    job = house.job()
    asked = _asked(house, f"/api/jobs/{job}", webhook=hook)
    house.abort(job)
    house.notifier(permitted=_anywhere).work()
    assert len(_Hook.heard) == 3, "as often as there is patience, redirects are not followed"
    [(_, tries, delivered, error)] = house.store.state(asked["id"])
    assert (tries, delivered) == (3, None)
    assert "404" in error
    assert len({headers["Amora-Delivery"] for headers, _ in _Hook.heard}) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "0.0.0.0"])  # noqa: S104
def test_only_public_hosts_are_told(house: House, hook: str, host: str):
    job = house.job()
    port = hook.split(":")[2].partition("/")[0]
    asked = _asked(house, f"/api/jobs/{job}", webhook=f"http://{host}:{port}/")
    house.abort(job)
    house.notifier().work()
    assert _Hook.heard == []
    assert "public" in house.store.state(asked["id"])[0][3]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "one of them"),
        ({"mail": "a@b.org", "webhook": "https://b.org"}, "one of them"),
        ({"webhook": "file:///etc/passwd"}, "http and https"),
        ({"webhook": "https://me:secret@b.org"}, "user name"),
        ({"webhook": "https://b.org/" + "x" * 2000}, "at most 2000"),
        ({"mail": "a@b.org"}, "sends no mail"),
    ],
)
def test_what_cannot_be_told_is_refused(house: House, given: dict[str, str], says: str):
    answer = house.ask("POST", f"/api/jobs/{house.job()}/notifications", json=given)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_there_is_a_limit_and_an_end(house: House):
    place = f"/api/jobs/{house.job()}"
    ids = [_asked(house, place, webhook="https://b.org/")["id"] for _ in range(5)]
    assert house.ask("POST", f"{place}/notifications", json={"webhook": "https://b.org/"}).status_code == 429
    assert house.ask("GET", f"{place}/notifications/{ids[0]}").json()["kind"] == "webhook"
    assert house.ask("DELETE", f"{place}/notifications/{ids[0]}").status_code == 204
    for method in ("GET", "DELETE"):
        assert house.ask(method, f"{place}/notifications/{ids[0]}").status_code == 404
    assert house.ask("DELETE", place).status_code == 204
    house.notifier().work()


def test_a_mail_is_sent_to_users_alone(tmp_path: Path):
    _Mail.mails = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        house = House(tmp_path / "home", mail_server="127.0.0.1", mail_port=port, mail_security="none")
        Accounts(AccountStore(house.engine.database)).add(*ALICE)
        job = house.job(auth=ALICE)
        place = f"/api/jobs/{job}/notifications"
        assert house.ask("POST", f"/api/jobs/{house.job()}/notifications", json={"mail": "a@b.org"}).status_code == 400
        for forged in ("a@b.org\nBcc: c@d.org", "a@b.org, c@d.org", "<a@b.org>", "a", "a@b.org\x00"):
            assert house.ask("POST", place, json={"mail": forged}, auth=ALICE).status_code == 400
        assert house.ask("POST", place, json={"mail": "alice@example.org"}, auth=ALICE).status_code == 201
        house.abort(job, auth=ALICE)
        house.notifier().work()
        [mail] = _Mail.mails
        assert "To: alice@example.org" in mail
        assert "Subject: Amora: probe job aborted" in mail
        assert f"http://127.0.0.1:8000/jobs/{job}" in mail.replace("=\r\n", "")
        server.shutdown()
        house.engine.stop()


def test_a_mail_server_that_is_away_holds_nobody_up(tmp_path: Path):
    house = House(tmp_path / "home", mail_server="127.0.0.1", mail_port=9, mail_anonymous=True)
    job = house.job()
    asked = _asked(house, f"/api/jobs/{job}", mail="a@b.org")
    house.abort(job)
    house.notifier().work()
    assert house.store.state(asked["id"])[0][1:3] == (1, None)
    house.engine.stop()


class _Refusing(_Mail):
    """A mail server that has no such mailbox, or is busy."""

    codes: list[bytes] = []  # noqa: RUF012

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            answers = {b"RCPT": lambda: self.codes.pop(0), b"QUIT": lambda: b"221 bye\r\n"}
            self.wfile.write(answers.get(line[:4].upper(), lambda: b"250 ok\r\n")())


def test_an_address_that_is_refused_for_good_is_not_tried_again(tmp_path: Path):
    _Refusing.codes = [b"451 try later\r\n", b"550 no such mailbox\r\n"]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        house = House(
            tmp_path / "home", mail_server="127.0.0.1", mail_port=port, mail_security="none", mail_anonymous=True
        )
        asked = []
        for _ in range(2):
            job = house.job()
            asked.append(_asked(house, f"/api/jobs/{job}", mail="a@b.org")["id"])
            house.abort(job)
            house.notifier().work()
        busy, gone = (house.store.state(id_)[0] for id_ in asked)
        assert (busy[1], busy[3]) == (1, "a@b.org is refused: 451 try later")
        assert (gone[1], gone[3]) == (1, "a@b.org is refused: 550 no such mailbox")
        assert _due(house) == 1, "who is busy is asked again"
        server.shutdown()
        house.engine.stop()


def _due(house: House) -> int:
    """Return how many deliveries are still to be tried."""
    with house.engine.database.read() as connection:
        return connection.execute(select(func.count()).where(delivery.c.due.is_not(None))).scalar_one()
