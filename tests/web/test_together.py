"""What concerns more than one: two visitors, hostile content, a desktop tool, a service that is started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import free_port
from tests.service import Service
from tests.web.conftest import HOSTILE, SIZE, Watch, accessible, ready

Opened = Callable[..., Any]


def begun(page: Any, service: Service, script: str = "image") -> str:
    """Make a session with the region of the page and a job; return the session's address."""
    page.check(f"#start [value={script}]")
    page.click("#go")
    page.locator("#run").wait_for()
    ready(page)
    page.click("#run button.main")
    page.wait_for_url("**/jobs/*")
    ready(page)
    page.locator("#job[data-phase=COMPLETED]").wait_for()
    run_id = service.http.get(f"/api/jobs/{page.locator('#job').get_attribute('data-job')}").json()["run_id"]
    return f"/sessions/{run_id}"


def test_a_session_is_shared_and_the_link_revoked(opened: Opened, service: Service, place: tuple[float, float]) -> None:
    mine = ready(opened(f"/?POS=CIRCLE {place[0]} {place[1]} 0.1"))
    mine.locator("#table tbody tr[data-id]").first.wait_for()
    session = begun(mine, service)
    mine.goto(session)
    ready(mine)
    mine.click("#share summary")
    mine.fill("#session-name", HOSTILE)
    mine.click("#name-form button")
    mine.locator("h1", has_text="<img").wait_for()
    mine.click("#share-form button")
    link = mine.locator("#share-link").inner_text()
    mine.locator("#shares li").first.wait_for()
    accessible(mine)

    theirs = ready(opened(link.removeprefix(service.base_url)))
    assert theirs.url == service.base_url + session
    assert theirs.locator("#share").count() == 0
    theirs.locator("#table tbody tr[data-id]").first.wait_for()
    theirs.check("#start [value=image]")
    assert theirs.locator("#go").is_disabled()
    assert "copy the session" in theirs.locator("#go-told").inner_text()
    theirs.locator("#work tr[data-job] a").first.wait_for()
    assert HOSTILE in theirs.locator("h1").inner_text()
    accessible(theirs)
    theirs.click("#copy-session")
    theirs.wait_for_url(lambda url: url.startswith(service.base_url + "/sessions/") and not url.endswith(session))
    ready(theirs)
    assert theirs.locator("#share").count() == 1

    mine.click("#shares button")
    mine.locator("#shares li", has_text="revoked").wait_for()
    theirs.watch.expected = ("403", "404")
    answer = theirs.goto(session)
    assert answer.status == 403
    assert theirs.locator("h1").inner_text() == "This link is no longer good"
    accessible(theirs)
    assert theirs.goto("/s/" + "A" * 43).status == 404
    assert mine.title() != "taken"
    assert theirs.title() != "taken"


def test_hostile_content_is_text(opened: Opened, service: Service) -> None:
    page = ready(opened("/?POS=CIRCLE 200 -10 0.05"))
    row = page.locator("#table tbody tr[data-id]").first
    row.wait_for()
    assert HOSTILE in row.inner_text()
    page.fill("#place", HOSTILE + " of no dataset")
    page.watch.expected = ("404", "400")
    page.press("#place", "Enter")
    page.locator("#region-told", has_text="<img").wait_for()
    answer = service.http.post("/scripts/probe/async", data={"FAIL": HOSTILE, "NOTE": HOSTILE, "PHASE": "RUN"})
    job = answer.headers["Location"].rpartition("/")[2]
    page.goto(f"/jobs/{job}")
    ready(page)
    page.locator("#job[data-phase=ERROR]").wait_for()
    assert HOSTILE in page.locator("[data-part=head] p.error").inner_text()
    assert HOSTILE in page.locator("[data-part=how]").inner_text()
    page.locator("#log div").first.wait_for()
    accessible(page)
    page.goto("/observations?RESPONSEFORMAT=html&POS=CIRCLE 200 -10 0.05")
    assert HOSTILE in page.locator("table").inner_text()
    page.goto(f"/observations?RESPONSEFORMAT=html&POS={HOSTILE}")
    assert "<img" in page.locator("p.error").inner_text()
    assert page.title() != "taken"
    assert page.evaluate("document.querySelectorAll('main img[src=x], main script').length") == 0


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A hub of SAMP with its profile for web pages, and a desktop tool that takes images."""
    samp = pytest.importorskip("pyvo.samp")
    lock = tmp_path / "samp"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")

    class Consent(samp.WebProfileDialog):
        def show_dialog(self, *_: Any) -> None:
            self.consent()

    dialog, over = Consent(), threading.Event()
    server = samp.SAMPHubServer(web_profile=True, web_profile_dialog=dialog, lockfile=str(lock), addr="127.0.0.1")
    server.start()

    def answer() -> None:
        while not over.wait(0.05):
            dialog.handle_queue()

    thread = threading.Thread(target=answer)
    thread.start()
    tool = samp.SAMPIntegratedClient(name="tool", addr="127.0.0.1")
    tool.connect()
    try:
        yield tool
    finally:
        over.set()
        thread.join()
        tool.disconnect()
        server.stop()


def test_an_image_is_sent_to_a_desktop_tool(
    opened: Opened, service: Service, place: tuple[float, float], hub: Any
) -> None:
    came: list[dict[str, str]] = []
    hub.bind_receive_notification("image.load.fits", lambda _k, _s, _m, params, _e: came.append(params))
    job = service.post("image", POS=f"CIRCLE {place[0]} {place[1]} 0.02")
    assert service.end(job) == "COMPLETED"
    page = ready(opened(f"/jobs/{job.rpartition('/')[2]}"))
    page.locator("button[data-samp=image]").first.click()
    page.locator("#samp-told", has_text="Sent to 1 program").wait_for()
    for _ in range(100):
        if came:
            break
        time.sleep(0.05)  # the hub tells the tool in its own time
    content = httpx.get(came[0]["url"])  # as the tool does: without cookies
    assert content.status_code == 200
    assert content.content.startswith(b"SIMPLE")


def test_the_service_is_started_again_while_the_page_is_open(browser: Any, tmp_path: Path) -> None:
    port = str(free_port())
    context = browser.new_context(viewport=SIZE)
    try:
        with Service(tmp_path, port=port, lease="3") as service:
            job = service.post("probe", SECONDS="5", TASKS="2")
            page = context.new_page()
            watch = Watch(service.base_url)
            watch.over(page)
            watch.expected = ("ERR_",)  # it is away for a while
            page.goto(f"{service.base_url}/jobs/{job.rpartition('/')[2]}")
            ready(page)
            page.locator("#job[data-phase=EXECUTING]").wait_for()
            service.kill()
        with Service(tmp_path, port=port, lease="3") as service:
            page.locator("#job[data-phase=COMPLETED]").wait_for(timeout=60_000)
            page.locator("[data-part=head] .phase.completed").wait_for()
            assert page.locator("[data-part=tasks] .phase.completed").count() == 2
            page.locator(".files li").nth(1).wait_for()
        watch.nothing()
    finally:
        context.close()
