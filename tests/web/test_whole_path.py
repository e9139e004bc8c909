"""The whole path of the page: from a region to a product that is downloaded and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from astropy.io import fits as astropy_fits

from tests.service import Service
from tests.web.conftest import accessible, browser_with, fits, ready

Opened = Callable[..., Any]


def completed(page: Any) -> None:
    page.locator("#job[data-phase=COMPLETED]").wait_for()
    page.locator("[data-part=products] .files li").first.wait_for()


def downloaded(page: Any, service: Service, link: str, folder: Path) -> Path:
    """Download a product and compare it with what the service says of it."""
    with page.expect_download() as caught:
        page.locator(f".files a:has-text('{link}')").first.click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    job = service.http.get(f"/api/jobs/{page.locator('#job').get_attribute('data-job')}").json()
    said = next(product for product in job["products"] if product["name"] == path.name)
    content = path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (said["size"], said["checksum"])
    return path


def draw_circle(page: Any) -> None:
    """Pull a circle from the middle of the sky with the mouse."""
    page.click("[data-draw=circle]")
    page.locator("html[data-drawing=circle]").wait_for(state="attached")
    box = page.locator("#sky").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 4, steps=4)
    page.mouse.move(x + 40, y + 6, steps=4)
    page.mouse.up()


def test_with_the_mouse(  # noqa: PLR0915 - one visit does much: each costs seconds
    opened: Opened, service: Service, place: tuple[float, float], tmp_path: Path
) -> None:
    ra, dec = place
    page = ready(opened(f"/?POS=CIRCLE {ra} {dec} 0.2&SCRIPT=image&EMIN=1"))
    page.locator("html[data-sky=ready]").wait_for(state="attached")
    page.locator("html[data-region]").wait_for(state="attached")
    first = page.locator("html").get_attribute("data-region")
    rows = page.locator("#table tbody tr[data-id]")
    rows.first.wait_for()
    accessible(page)

    draw_circle(page)
    page.locator(f"html:not([data-region='{first}'])").wait_for(state="attached")
    drawn = page.locator("html").get_attribute("data-region")
    _, x, y, radius = drawn.split()
    assert abs(float(x) - ra) < 0.05
    assert abs(float(y) - dec) < 0.05
    assert 0.01 < float(radius) < 0.2
    number = rows.count()
    assert number >= 2

    # where several footprints lie a click asks which
    box = page.locator("#sky").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    dialog = page.locator("#chooser[open]")
    dialog.wait_for()
    accessible(page)
    dialog.locator("input").first.uncheck()
    dialog.locator("button").click()
    assert page.locator("#table tbody input:checked").count() == number - 1
    page.click("#choose-all")
    rows.first.hover()
    assert "pointed" not in (rows.last.get_attribute("class") or "")

    assert page.locator("#start [value=image]").is_checked()
    page.check("#start [value=spectrum]")
    page.click("#go")
    page.locator("#run").wait_for()
    ready(page)
    assert page.locator("[name='image.EMIN']").input_value() == "1"
    assert page.locator(".field:has([name='image.EMIN']) .changed-mark").is_visible()
    page.fill("[name='image.PIXEL']", "8")
    told = page.locator("fieldset[data-script=image] [data-foreseen]")
    told.filter(has_text=re.compile(rf"^\s*{number} tasks")).wait_for()
    accessible(page)
    page.click("#run button.main")

    page.wait_for_url("**/sessions/*")
    ready(page)
    page.locator("#work tr[data-job]").nth(1).wait_for()
    accessible(page)
    page.click("#work tr[data-job]:has-text('Spectrum') a")
    completed(page)
    page.click("[data-plot] >> nth=0")
    page.locator(".drawing canvas").wait_for()
    page.locator(".opened input[type=checkbox]").first.uncheck()
    page.click(".opened summary")
    page.locator(".opened td").first.wait_for()
    with page.expect_download() as caught:
        page.click(".opened button:has-text('CSV')")
    assert Path(caught.value.path()).read_text(encoding="utf-8").startswith("series,")
    accessible(page)
    page.go_back()

    page.locator("#work tr[data-job]").nth(1).wait_for()
    page.click("#work tr[data-job]:has-text('Image') a")
    completed(page)
    path = downloaded(page, service, "_image.fits", tmp_path)
    with astropy_fits.open(path) as image:
        assert image[0].data.sum() > 0
    page.click("[data-table] >> nth=0")
    page.locator(".opened pre").wait_for()
    page.locator("#log div").first.wait_for()
    page.click("details:has-text('As curl') summary")
    assert "PIXEL=8" in page.locator(".snippet code").first.text_content()
    accessible(page)
    page.click("[data-sky] >> nth=0")
    page.locator("html[data-image]").wait_for(state="attached")
    page.keyboard.press("Escape")

    # run again, and the two side by side
    first = page.url
    page.click("button:has-text('Run again')")
    page.wait_for_url(lambda url: url != first)
    completed(page)
    page.goto(f"/jobs/compare?A={first.rpartition('/')[2]}&B={page.url.rpartition('/')[2]}")
    assert "same bytes" in page.locator("table.compare").inner_text()
    accessible(page)


def test_by_keyboard_without_webgl(opened: Opened, driver: Any, place: tuple[float, float]) -> None:
    with browser_with(driver, "--disable-gpu", "--disable-3d-apis") as plain:
        page = ready(opened("/", of=plain))
        page.locator("html[data-sky=none]").wait_for(state="attached")
        assert page.locator("#sky-told").inner_text()
        accessible(page)

        def tab_to(selector: str) -> None:
            for _ in range(120):
                if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                    return
                page.keyboard.press("Tab")
            raise AssertionError(f"{selector} is not reached by the tabulator")

        page.keyboard.press("Tab")
        assert "skip" in page.evaluate("document.activeElement.className")
        tab_to("#place")
        page.keyboard.type(f"{place[0]} {place[1]}")
        page.keyboard.press("Enter")
        page.locator("html[data-region]").wait_for(state="attached")
        tab_to("#table button.sort")
        page.keyboard.press("Enter")
        page.locator("#table th[aria-sort=ascending]").wait_for()
        tab_to("#start [value=image]")
        page.keyboard.press("Space")
        tab_to("#go")
        page.keyboard.press("Enter")
        page.locator("#run").wait_for()
        ready(page)
        tab_to("#run button.main")
        page.keyboard.press("Enter")
        page.wait_for_url("**/jobs/*")
        ready(page)
        completed(page)
        accessible(page)
        tab_to(".files a[download][href$='_image.fits']")
        with page.expect_download() as caught:
            page.keyboard.press("Enter")
        assert Path(caught.value.path()).stat().st_size > 2880
        page.context.close()


def test_without_scripts_of_the_page(opened: Opened, place: tuple[float, float]) -> None:
    page = opened("/", java_script_enabled=False)
    page.fill("#region-text", f"CIRCLE {place[0]} {place[1]} 0.1")
    page.click("#region-form button")
    page.locator("input[name=ID]").first.check()
    page.click("button:has-text('Choose scripts')")
    page.check("input[value=image]")
    page.click("button.main")
    page.watch.expected = ("400",)
    page.fill("[name='image.EMIN']", "11")
    page.click("#run button.main")
    assert "EMIN" in page.locator(".error").inner_text()
    page.fill("[name='image.EMIN']", "2")
    page.click("#run button.main")
    page.wait_for_url("**/jobs/*")
    for _ in range(60):
        if page.locator("h1 .phase").inner_text() == "COMPLETED":
            break
        page.reload()
        page.wait_for_timeout(300)  # the page has nothing that could tell it
    assert page.locator(".files a[download]").count() >= 2
    page.goto("/sessions")
    assert page.locator("section.session").count() == 1


def test_phone_dark_french(opened: Opened, place: tuple[float, float]) -> None:
    page = ready(
        opened("/", viewport={"width": 390, "height": 844}, color_scheme="dark", locale="fr-FR", has_touch=True)
    )
    assert page.locator("html").get_attribute("lang") == "fr"
    assert page.locator("h2").first.inner_text() == "1. Région"
    page.fill("#place", f"{place[0]} {place[1]}")
    page.press("#place", "Enter")
    page.locator("#table tbody tr[data-id]").first.wait_for()
    fits(page)
    accessible(page)
    page.check("#start [value=image]")
    page.click("#go")
    page.locator("#run").wait_for()
    ready(page)
    fits(page)
    accessible(page)
    page.click("#run button.main")
    page.wait_for_url("**/jobs/*")
    ready(page)
    completed(page)
    fits(page)
    accessible(page)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", dark))) < 60
    page.goto("/sessions")
    assert page.locator("section.session h2").inner_text().startswith("Session du ")
    for address in (
        "/jobs",
        "/sessions",
        "/scripts",
        "/scripts/image",
        "/nothing",
        "/sessions/nothing",
        "/jobs/nothing",
    ):
        answer = page.goto(address)
        page.watch.expected = ("404",)
        assert "text/html" in answer.headers["content-type"], address
        fits(page)
        accessible(page)
