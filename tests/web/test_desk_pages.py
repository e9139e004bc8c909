"""The desk and the list of sessions in a browser: by keyboard and mouse, light and dark, French, narrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from index.database import Database
from tests.service import Service
from tests.web.conftest import accessible, fits
from uws.accounts import Accounts
from uws.store import AccountStore

ROOT = ("root", "troubador 3")
HOSTILE = "<script>document.title='taken'</script>"
PAGES = ("", "/jobs", "/tasks", "/scripts", "/users", "/errors", "/audit")
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def operated(service: Service) -> Service:
    """The service with an administrator, and with jobs whose names and messages are hostile."""
    database = Database(service.database_url)
    accounts = Accounts(AccountStore(database))
    if accounts.get(ROOT[0]) is None:
        accounts.add(*ROOT, admin=True)
    database.close()
    for _ in range(2):
        given = {"PHASE": "RUN", "RUNID": HOSTILE, "FAIL": f"{HOSTILE} failed"}
        service.end(service.post("probe", **{name: value for name, value in given.items() if name != "PHASE"}))
    return service


def _administrator(service: Service, **more: object) -> dict[str, Any]:
    word = {"username": ROOT[0], "password": ROOT[1], "origin": service.base_url, "send": "always"}
    return {"http_credentials": word, **more}


@pytest.mark.parametrize(
    "look",
    [{}, {"color_scheme": "dark", "viewport": NARROW}, {"locale": "fr-FR"}, {"java_script_enabled": False}],
    ids=["light", "dark and narrow", "french", "without scripts"],
)
def test_each_page_of_the_desk(operated: Service, opened: Callable[..., Any], look: dict[str, Any]):
    page = opened("/admin", **_administrator(operated, **look))
    for path in PAGES:
        page.goto(f"{operated.base_url}/admin{path}")
        assert "taken" not in page.title()
        assert page.locator("h1").count() == 1
        if path == "/tasks" and not look:  # on a screen of common width nothing is cut
            page.set_viewport_size({"width": 1280, "height": 800})
            assert page.locator(".wide").evaluate("one => one.scrollWidth <= one.clientWidth")
        if look.get("java_script_enabled", True):
            accessible(page)
            fits(page)


def test_a_bulk_abort_by_keyboard(operated: Service, opened: Callable[..., Any]):
    job = operated.post("probe", SECONDS="60").rpartition("/")[2]
    page = opened("/admin/jobs", **_administrator(operated))
    page.get_by_label("Search").fill(job)
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name=f"Job {job}").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Abort").focus()
    page.keyboard.press("Enter")
    page.get_by_text("One job has been aborted.").wait_for()
    assert operated.detail(job)["phase"] == "ABORTED"
    page.get_by_role("link", name="Audit trail").click()
    page.get_by_role("cell", name=job).first.wait_for()


def test_a_session_is_made_shared_and_revoked_by_forms(operated: Service, opened: Callable[..., Any]):
    page = opened("/sessions", viewport=NARROW)
    page.get_by_label("Name of a new session").fill(f"Crab {HOSTILE}")
    page.get_by_role("button", name="Begin").click()
    page.goto(f"{operated.base_url}/sessions")
    assert page.title() != "taken"
    accessible(page)
    fits(page)
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("pre").inner_text()
    accessible(page)
    other = opened(link)
    assert "/sessions/" in other.url
    page.get_by_role("button", name="Revoke").click()
    page.watch.expected = ("403",)
    assert other.goto(link).status == 403
    accessible(other)
