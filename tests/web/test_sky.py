"""Regions on the sky: drawn and changed with the mouse and by keys, and sent as files."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service
from tests.web.conftest import AXE, ROOT, VENDOR, Watch, accessible, fits, ready

Opened = Callable[..., Any]
Place = tuple[float, float]
WIDE = {"width": 900, "height": 800}


def sky(opened: Opened, region: str = "", **options: Any) -> Any:
    """Open the page at a region, with the sky."""
    page = ready(opened(f"/?POS={region}" if region else "/", viewport=WIDE, **options))
    page.locator("html[data-sky=ready]").wait_for(state="attached")
    if region:
        page.locator("html[data-region]").wait_for(state="attached")
        page.locator(".handle.middle").wait_for()
    return page


def region_of(page: Any, former: str = "") -> str:
    """Return the region of the page, once it is not a former one."""
    page.locator(f"html[data-region]:not([data-region='{former}'])").wait_for(state="attached")
    return str(page.locator("html").get_attribute("data-region"))


def numbers(region: str) -> list[float]:
    return [float(word) for word in region.split()[1:]]


def rows_of(page: Any, service: Service, region: str) -> int:
    """Return how many rows the list has, which are those that the service gives for the region."""
    found = service.http.get("/observations", params={"POS": region}).json()["observations"]
    page.locator("#observations-count", has_text=f"{len(found)} dataset" if found else "No observation").wait_for()
    rows = page.locator("#table tbody tr[data-id]")
    assert {row.get_attribute("data-id") for row in rows.all()} == {row["id"] for row in found}
    return len(found)


def pull(page: Any, handle: Any, right: float, down: float) -> None:
    """Pull a handle with the mouse."""
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2, steps=3)
    page.mouse.move(x + right, y + down, steps=3)
    page.mouse.up()


def inside(handle: Any) -> tuple[float, float]:
    """Return where a handle is on the sky, wherever the page is scrolled to."""
    matrix = handle.evaluate("(one) => new DOMMatrix(getComputedStyle(one).transform)")
    return matrix["e"], matrix["f"]


def frames(page: Any) -> None:
    """Let the page draw itself."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def drawing(page: Any, tool: str) -> tuple[float, float]:
    """Take a tool; return the middle of the sky in pixels."""
    page.click(f"[data-draw={tool}]")
    page.locator(f"html[data-drawing={tool}]").wait_for(state="attached")
    box = page.locator("#sky").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_circle_is_changed_with_the_mouse(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    first = f"CIRCLE {ra:.4f} {dec:.4f} 0.1"
    page = sky(opened, first)
    here = region_of(page)
    assert rows_of(page, service, here) > 0
    middle, rim = page.locator(".handle").all()
    assert (middle.get_attribute("aria-label"), rim.get_attribute("aria-label")) == (
        "Middle of the region",
        "Rim of the circle",
    )
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate("axe.run('.handles')")["violations"] == []

    pull(page, rim, 60, 0)
    wider = region_of(page, here)
    assert numbers(wider)[:2] == numbers(here)[:2]
    assert 1.2 < numbers(wider)[2] / 0.1 < 4
    rows_of(page, service, wider)
    assert page.locator("#radius").input_value() == f"{60 * numbers(wider)[2]:.6g}"

    pull(page, middle, 0, -70)
    moved = region_of(page, wider)
    assert numbers(moved)[2] == numbers(wider)[2]
    assert numbers(moved)[1] > dec + 0.05
    assert page.locator("#place").input_value() == " ".join(moved.split()[1:3])

    # beyond the border of the sky it stays in sight
    pull(page, middle, 0, -2000)
    assert middle.is_visible()
    far = region_of(page, moved)
    assert numbers(far)[1] < dec + 2
    page.keyboard.press("Escape")


def test_the_list_follows_the_region(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"CIRCLE {ra:.4f} {dec:.4f} 0.02")
    here = region_of(page)
    assert rows_of(page, service, here) > 0
    page.evaluate("window.aladin.setFoV(8)")
    pull(page, page.locator(".handle.middle"), 330, 0)
    away = region_of(page, here)
    assert rows_of(page, service, away) == 0


def test_a_polygon_is_changed_with_the_mouse_and_by_keys(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    corners = [(ra - 0.1, dec - 0.1), (ra + 0.1, dec - 0.1), (ra + 0.1, dec + 0.1), (ra - 0.1, dec + 0.1)]
    page = sky(opened, "POLYGON " + " ".join(f"{a:.4f} {d:.4f}" for a, d in corners))
    here = region_of(page)
    before = numbers(here)
    pull(page, page.get_by_label("Corner 2 of 4"), -40, 30)
    pulled = region_of(page, here)
    after = numbers(pulled)
    assert (after[2] > before[2], after[3] < before[3]) == (True, True)
    assert after[:2] + after[4:] == before[:2] + before[4:]
    rows_of(page, service, pulled)
    assert page.locator("#shape-text").input_value() == pulled

    pull(page, page.locator(".handle.middle"), 25, 0)
    moved = region_of(page, pulled)
    assert all(new < old for new, old in zip(numbers(moved)[::2], after[::2], strict=True))
    assert all(abs(new - old) < 0.001 for new, old in zip(numbers(moved)[1::2], after[1::2], strict=True))

    corner = page.get_by_label("Corner 3 of 4")
    corner.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    keyed = region_of(page, moved)
    assert numbers(keyed)[5] > numbers(moved)[5]
    assert corner.evaluate("one => one === document.activeElement")
    page.keyboard.press("Insert")
    more = region_of(page, keyed)
    assert len(numbers(more)) == 10
    page.keyboard.press("Delete")
    less = region_of(page, more)
    assert numbers(less) == numbers(keyed)
    assert page.get_by_label("Corner 4 of 4").evaluate("one => one === document.activeElement")

    # what crosses itself is no region: it is told, and the former one is there again
    page.watch.expected = ("400",)
    corner = page.get_by_label("Corner 1 of 4")
    at, before = corner.bounding_box(), inside(corner)
    top = page.get_by_label("Corner 3 of 4").bounding_box()
    pull(page, corner, top["x"] - at["x"] + 50, top["y"] - at["y"] - 10)
    page.locator("#region-told:not(:empty)").wait_for()
    assert region_of(page) == less
    frames(page)
    assert inside(corner) == before


def test_a_range_is_changed_with_the_mouse(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"RANGE {ra - 0.1:.4f} {ra + 0.1:.4f} {dec - 0.1:.4f} {dec + 0.1:.4f}")
    here = region_of(page)
    west, east, south, north = numbers(here)
    pull(page, page.get_by_label("Corner 2 of 4"), -60, 40)  # the east is to the left
    pulled = region_of(page, here)
    assert pulled.startswith("RANGE ")
    after = numbers(pulled)
    assert (after[0], after[3]) == (west, north)
    assert (after[1] > east + 0.01, after[2] < south - 0.01) == (True, True)
    rows_of(page, service, pulled)
    assert page.locator("#shape-text").input_value() == pulled
    assert page.locator("#shape-text").is_visible()

    pull(page, page.locator(".handle.middle"), 0, -50)
    moved = region_of(page, pulled)
    assert numbers(moved)[3] - numbers(moved)[2] == pytest.approx(after[3] - after[2], abs=3e-6)
    assert numbers(moved)[2] > after[2] + 0.01

    # what would turn it inside out is not taken
    corner = page.get_by_label("Corner 1 of 4")
    box = page.get_by_label("Corner 3 of 4").bounding_box()
    at = corner.bounding_box()
    pull(page, corner, box["x"] - at["x"] - 60, box["y"] - at["y"] - 60)
    kept = region_of(page, moved)
    assert numbers(kept)[2] < numbers(kept)[3]
    page.reload()
    page.locator("html[data-region]").wait_for(state="attached")
    page.get_by_label("Corner 4 of 4").wait_for()


def test_an_ellipse_is_changed_with_the_mouse_and_by_keys(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"DS9 icrs; ellipse({ra:.4f},{dec:.4f},0.2,0.1,30)")
    here = region_of(page)
    pull(page, page.get_by_label("End of the short axis"), 20, -15)
    wider = region_of(page, here)
    assert wider.startswith("Ellipse ICRS ")
    shape = service.http.get("/observations", params={"POS": wider}).json()["region"]
    assert (shape["shape"], shape["semi_major"], shape["angle"]) == ("ellipse", pytest.approx(0.2), pytest.approx(120))
    assert shape["semi_minor"] != pytest.approx(0.1)
    rows_of(page, service, wider)
    page.get_by_label("End of the long axis").focus()
    page.keyboard.press("Shift+ArrowUp")
    turned = region_of(page, wider)
    assert service.http.get("/observations", params={"POS": turned}).json()["region"]["angle"] != pytest.approx(120)
    pull(page, page.locator(".handle.middle"), 30, 0)
    moved = region_of(page, turned)
    assert float(moved.split()[2]) < float(turned.split()[2])
    assert moved.split()[4:] == turned.split()[4:]


@pytest.mark.parametrize(
    ("region", "lines", "handles"),
    [
        ("RANGE 350 10 -5 5", 1, 5),
        ("RANGE 0 360 -30 60", 2, 0),
        ("RANGE 0 360 80 90", 1, 0),
        ("RANGE 10 220 -5 5", 1, 0),
        ("AllSky ICRS", 0, 0),
        ("Position ICRS 35 43", 0, 1),
        ("DS9 icrs; annulus(35,43,0.1,0.2)", 2, 0),
        ("Union ICRS (Circle 35 43 0.1 Box 36 43 0.1 0.1)", 2, 0),
        ("3/5-9 4/60", 0, 0),
    ],
)
def test_each_form_is_drawn_and_says_how_it_is_changed(opened: Opened, region: str, lines: int, handles: int) -> None:
    page = ready(opened(f"/?POS={region}", viewport=WIDE))
    page.locator("html[data-sky=ready]").wait_for(state="attached")
    assert region_of(page) == region
    drawn = "window.aladin.view.overlays.find((one) => one.name === 'region').overlayItems.length"
    assert page.evaluate(drawn) == lines
    assert page.locator(".handle").count() == handles
    assert page.locator("#handles-told").is_visible() == bool(handles)
    assert page.locator("#field-told").is_visible() == (not handles)
    assert page.locator("#shape-text").input_value() == region
    across = page.evaluate("window.aladin.getRaDec()")
    if region == "RANGE 350 10 -5 5":
        assert across == pytest.approx([0, 0], abs=1e-6)
        assert page.evaluate("window.aladin.getFov()[0]") > 20
    accessible(page)


def test_handles_follow_the_sky(opened: Opened, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"CIRCLE {ra:.4f} {dec:.4f} 0.1")
    rim = page.get_by_label("Rim of the circle")

    def offset() -> float:
        one, other = page.locator(".handle.middle").bounding_box(), rim.bounding_box()
        return float(other["x"] - one["x"])

    width = offset()
    page.evaluate("window.aladin.setFoV(window.aladin.getFov()[0] / 2)")
    frames(page)
    assert 1.9 < offset() / width < 2.1
    page.evaluate(f"window.aladin.gotoRaDec({ra}, {dec + 20})")
    page.locator(".handle.middle").wait_for(state="hidden")
    page.evaluate(f"window.aladin.gotoRaDec({ra}, {dec})")
    page.locator(".handle.middle").wait_for()


def world(page: Any, x: float, y: float) -> list[float]:
    """Return where a pixel of the page lies on the sky."""
    box = page.locator("#sky").bounding_box()
    return list(page.evaluate(f"window.aladin.pix2world({x - box['x']}, {y - box['y']}, 'icrs')"))


def test_a_polygon_is_drawn_with_the_mouse(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"CIRCLE {ra:.4f} {dec:.4f} 0.05")
    here = region_of(page)
    x, y = drawing(page, "poly")
    corners = [(x - 60, y + 40), (x + 70, y + 50), (x + 10, y - 60)]
    places = [place for corner in corners for place in world(page, *corner)]
    for corner in corners:
        page.mouse.move(*corner, steps=3)
        page.mouse.click(*corner)
    page.mouse.move(*corners[0], steps=3)
    page.mouse.click(*corners[0])  # where the button is that ends it
    drawn = region_of(page, here)
    assert drawn.startswith("POLYGON ")
    assert numbers(drawn) == pytest.approx(places, abs=1e-4)
    assert rows_of(page, service, drawn) > 0
    page.get_by_label("Corner 3 of 3").wait_for()
    assert page.locator("[data-draw][aria-pressed=true]").count() == 0


def test_a_rectangle_is_drawn_with_the_mouse(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"CIRCLE {ra:.4f} {dec:.4f} 0.05")
    here = region_of(page)
    x, y = drawing(page, "rect")
    places = [
        place
        for corner in ((-50, -30), (50, -30), (50, 30), (-50, 30))
        for place in world(page, x + corner[0], y + corner[1])
    ]
    page.mouse.move(x - 50, y - 30)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + 50, y + 30, steps=4)
    page.mouse.up()
    drawn = region_of(page, here)
    assert drawn.startswith("POLYGON ")
    assert numbers(drawn) == pytest.approx(places, abs=1e-4)
    assert rows_of(page, service, drawn) > 0
    page.get_by_label("Corner 4 of 4").wait_for()


def test_the_sky_opens_on_what_there_is(opened: Opened, place: Place) -> None:
    page = sky(opened)
    seen = page.evaluate("[...window.aladin.getRaDec(), window.aladin.getFov()[0]]")
    # two fields far from one another are covered: one of them is in the middle
    assert any(math.hypot(seen[0] - ra, seen[1] - dec) < 1.5 for ra, dec in (place, (200.0, -10.0))), seen
    assert seen[2] > 90


def test_drawing_is_given_up(opened: Opened, place: Place) -> None:
    page = sky(opened, f"CIRCLE {place[0]:.4f} {place[1]:.4f} 0.05")
    here = region_of(page)
    for give_up in (lambda: page.keyboard.press("Escape"), lambda: page.click("[data-draw=poly]")):
        x, y = drawing(page, "poly")
        assert page.locator(".handle.middle").is_hidden()
        page.mouse.move(x - 40, y)
        page.mouse.click(x - 40, y)
        buttons = page.locator("#sky button:visible").count()
        give_up()
        page.locator(".handle.middle").wait_for()
        assert page.locator("[data-draw][aria-pressed=true]").count() == 0
        assert page.locator("#sky button:visible").count() <= buttons + 1  # two handles for the one that ends it
    assert region_of(page) == here


def test_files_with_regions(opened: Opened, service: Service, place: Place) -> None:
    ra, dec = place
    page = sky(opened)
    page.click("#other-ways summary")
    region = f'# Region file format: DS9 version 4.1\nicrs\ncircle({ra},{dec},120")\n'
    page.set_input_files("#region-file", {"name": "source.reg", "mimeType": "text/plain", "buffer": region.encode()})
    circle = region_of(page)
    assert circle.startswith("DS9 ")
    assert page.locator("#place").input_value() == f"{ra:.6f}".rstrip("0") + f" {dec:.6f}".rstrip("0")
    assert page.locator("#radius").input_value() == "2"
    assert rows_of(page, service, circle) > 0
    page.locator(".handle.middle").wait_for()

    coverage = service.http.get("/coverage", params={"CIRCLE": f"{ra} {dec} 0.01"}).content
    page.set_input_files("#region-file", {"name": "some.moc.fits", "mimeType": "application/fits", "buffer": coverage})
    moc = region_of(page, circle)
    assert rows_of(page, service, moc) > 0
    page.locator(".handle.middle").wait_for(state="detached")
    mocs = "window.aladin.view.mocs.map((one) => one.name)"
    assert page.evaluate(mocs) == ["coverage", "cells"]
    at = page.evaluate("window.aladin.getRaDec()")
    assert at == pytest.approx([ra, dec], abs=0.5)

    page.watch.expected = ("400",)
    page.set_input_files("#region-file", {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear Sirs"})
    page.locator("#region-told:not(:empty)").wait_for()
    assert region_of(page) == moc
    accessible(page)
    page.click("#circle-form button")
    region_of(page, moc)
    page.locator(".handle.middle").wait_for()
    assert page.evaluate(mocs) == ["coverage"]


def test_an_empty_index(browser: Any, tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        context = browser.new_context(base_url=service.base_url, viewport=WIDE)
        try:
            page, watch = context.new_page(), Watch(service.base_url)
            watch.over(page)
            page.goto("/")
            ready(page).locator("html[data-sky=ready]").wait_for(state="attached")
            page.get_by_text("The index is empty.").wait_for()
            page.uncheck("#show-coverage")
            accessible(page)
            page.fill("#place", "10 20")
            page.press("#place", "Enter")
            page.locator("#observations-count", has_text="No observation").wait_for()
            watch.nothing()
        finally:
            context.close()


@pytest.fixture
def without_npm(tmp_path: Path) -> dict[str, str]:
    """The environment of a service to which npm has fetched nothing: a copy of it without that folder."""
    shutil.copytree(ROOT / "uws", tmp_path / "uws", ignore=shutil.ignore_patterns(VENDOR.name, "__pycache__"))
    for name in ("jobs", "index", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    return {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}


STAND_IN = """
const any = new Proxy(function () {}, {
  get: (_, name) => (name === "then" || typeof name === "symbol" ? undefined : any),
  apply: () => any,
  construct: () => any,
});
window.A = new Proxy({ init: Promise.resolve() }, { get: (given, name) => given[name] ?? any[name] });
"""


def test_the_sky_of_its_makers_is_loaded_once_one_has_agreed(
    browser: Any, tmp_path: Path, without_npm: dict[str, str]
) -> None:
    with Service(tmp_path / "home", environment=without_npm) as service:
        context = browser.new_context(base_url=service.base_url, viewport=WIDE)
        try:
            page = context.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            there, said = "https://aladin.cds.unistra.fr/", [""]

            def answer(route: Any) -> None:
                """Say what the makers' server would say: nothing leaves this machine."""
                route.fulfill(body=said[0], content_type="text/javascript") if said[0] else route.abort()

            context.route(f"{there}**", answer)
            page.goto("/")
            ready(page)
            offer = page.get_by_role("button", name="Load it from there")
            offer.wait_for()
            assert "aladin.cds.unistra.fr" in page.locator("#sky").inner_text()
            assert not [url for url in asked if not url.startswith((service.base_url, "data:", "blob:"))]

            offer.click()
            page.locator("html[data-sky=none]").wait_for(state="attached")
            assert "could not be loaded" in page.locator("#sky-told").inner_text()
            accessible(page)

            said[0] = STAND_IN
            page.reload()
            page.get_by_role("button", name="Load it from there").click()
            page.locator("html[data-sky=ready]").wait_for(state="attached")
            assert [url for url in asked if url.startswith(there)] == [f"{there}AladinLite/api/v3/3.8.2/aladin.js"] * 2
        finally:
            context.close()


@pytest.mark.parametrize("look", [{}, {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}])
def test_observations_as_a_plain_page(opened: Opened, place: Place, look: dict[str, Any]) -> None:
    for query in (f"&POS=CIRCLE {place[0]} {place[1]} 0.1", "", "&POS=CIRCLE 10 80 0.01"):
        page = opened(f"/observations?RESPONSEFORMAT=html{query}", **look)
        accessible(page)
        fits(page)
        page.context.close()


def test_somebody_is_told_of_the_end(opened: Opened, service: Service) -> None:
    job = service.post("probe", SECONDS="100")
    page = ready(opened(f"/jobs/{job.rpartition('/')[2]}"))
    form = page.locator("[data-tell]")
    page.watch.expected = ("400",)
    form.locator("input").fill("nobody")
    form.locator("button").click()
    form.locator("[role=status]", has_text="sends no mail").wait_for()
    form.locator("input").fill("https://hook.invalid/amora")
    form.locator("button").click()
    form.locator("[role=status]", has_text="It is signed with").wait_for()
    accessible(page)
    told = service.http.get(f"/api/jobs/{job.rpartition('/')[2]}/notifications").json()["notifications"]
    assert [(one["kind"], one["target"]) for one in told] == [("webhook", "https://hook.invalid/amora")]
    page.goto("about:blank")
    service.http.delete(f"/api/jobs/{job.rpartition('/')[2]}")  # nobody is told
