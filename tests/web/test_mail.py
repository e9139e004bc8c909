"""Mail at the end of a job, from the form of the page to the mail that comes in and the links in it."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.servers import free_port
from tests.service import Service
from tests.web.conftest import SIZE, Watch, accessible, ready

WAIT = 30.0


class _Talk(socketserver.StreamRequestHandler):
    """What a mail server says (RFC 5321, as far as one mail at a time goes)."""

    server: Post

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            said = line.decode("ascii").strip()
            word = said[:4].upper()
            if word == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.take(b"".join(part.removeprefix(b".") for part in lines))
            elif word == "RCPT":
                self.server.recipients.append(said.partition(":")[2])
                if "nobody" in said:
                    self.server.refused.set()
                    self._say("550 no such mailbox")
                    continue
            elif word == "QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Post(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent, and has no mailbox of nobody."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.came, self.refused = threading.Event(), threading.Event()

    def take(self, content: bytes) -> None:
        self.mails.append(message_from_bytes(content, EmailMessage, policy=policy.default))
        self.came.set()


@contextmanager
def post(port: int = 0) -> Iterator[Post]:
    with Post(port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def visiting(browser: Any, service: Service) -> Iterator[Any]:
    """Give a page of a visitor's; at the end, it has done nothing that it must not."""
    context, watch = browser.new_context(base_url=service.base_url, viewport=SIZE), Watch(service.base_url)
    watch.expected = ("400",)
    page = context.new_page()
    watch.over(page)
    yield page
    context.close()
    watch.nothing()


@contextmanager
def _open(browser: Any, home: Path, port: int) -> Iterator[tuple[Any, Service]]:
    """Start a service that sends its mails to a port; give a page and it."""
    mail = {"mail_server": "127.0.0.1", "mail_port": str(port), "mail_security": "none"}
    with (
        Service(home, mail_anonymous="true", mail_from="amora@archive.example", **mail) as service,
        visiting(browser, service) as page,
    ):
        yield page, service


def _job(page: Any) -> str:
    """Run a job in a session of the visitor's; return the id of the session."""
    made = page.request.post("/api/sessions", data={"name": "The cluster"}).json()
    page.request.post("/api/scripts/probe/jobs", data={"PHASE": "RUN", "SECONDS": "100", "RUNID": made["id"]})
    page.goto(f"/sessions/{made['id']}")
    ready(page).locator("#work tr[data-job] a").first.click()
    ready(page).locator("[data-tell]").wait_for()
    return str(made["id"])


def _tell(page: Any, target: str, says: str) -> None:
    page.fill("[data-tell] input", target)
    page.click("[data-tell] button")
    page.locator("[data-tell] [role=status]", has_text=says).wait_for()


def _notified(page: Any) -> list[dict[str, Any]]:
    job = page.locator("#job").get_attribute("data-job")
    return list(page.request.get(f"/api/jobs/{job}/notifications").json()["notifications"])


def _settled(page: Any, told: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return what is known of the first delivery, once it is as it should be."""
    for _ in range(150):
        [found] = _notified(page)
        if found["told"] and told(found["told"][0]):
            return dict(found["told"][0])
        page.wait_for_timeout(200)  # the service looks for what is owed every two seconds, and nobody is told of that
    raise AssertionError(found)


def test_a_mail_comes_and_its_links_lead_back(browser: Any, tmp_path: Path) -> None:
    with post() as server, _open(browser, tmp_path, server.server_address[1]) as (page, service):
        session = _job(page)
        for forged in (
            "alice@example.org, eve@example.org",
            "<alice@example.org>",
            "alice",
            "alice@example.org Bcc:e@f.gh",
        ):
            _tell(page, forged, "one plain address is wanted")
        job = page.locator("#job").get_attribute("data-job")
        for forged in (
            "alice@example.org\r\nBcc: eve@example.org",
            "alice@example.org\n\nhello",
            "alice@example.org\0",
        ):
            answer = page.request.post(f"/api/jobs/{job}/notifications", data={"mail": forged})
            assert answer.status == 400
        assert _notified(page) == []
        _tell(page, "alice@example.org", "You will be told")
        accessible(page)
        page.click("button:has-text('Abort')")
        assert server.came.wait(WAIT)
        [mail] = server.mails
        assert server.recipients == ["<alice@example.org>"]
        assert (mail["To"], mail["From"], mail["Bcc"]) == ("alice@example.org", "amora@archive.example", None)
        assert mail["Subject"] == "Amora: probe job aborted"
        links = re.findall(r"http\S+", mail.get_content())
        assert links == [f"{service.base_url}/jobs/{job}", f"{service.base_url}/sessions/{session}"]
        assert _settled(page, lambda one: one["delivered"])["tries"] == 1

        page.goto(links[0])
        ready(page).locator("#job[data-phase=ABORTED]").wait_for()
        page.goto(links[1])
        ready(page).locator("#work tr[data-phase=ABORTED]").wait_for()
        assert page.locator("h1").inner_text() == "The cluster"


def test_a_mail_server_that_is_dead_is_asked_again_later(browser: Any, tmp_path: Path) -> None:
    port = free_port()
    with _open(browser, tmp_path, port) as (page, _):
        _job(page)
        _tell(page, "alice@example.org", "You will be told")
        page.click("button:has-text('Abort')")
        page.locator("#job[data-phase=ABORTED]").wait_for()
        failed = _settled(page, lambda one: one["error"])
        assert "refused" in failed["error"]
        assert (failed["tries"], failed["delivered"]) == (1, None)


def test_an_address_that_is_refused_is_given_up(browser: Any, tmp_path: Path) -> None:
    with post() as server, _open(browser, tmp_path, server.server_address[1]) as (page, _service):
        _job(page)
        _tell(page, "nobody@example.org", "You will be told")
        page.click("button:has-text('Abort')")
        assert server.refused.wait(WAIT)
        failed = _settled(page, lambda one: one["error"])
        assert failed["error"] == "nobody@example.org is refused: 550 no such mailbox"
        assert server.mails == []
