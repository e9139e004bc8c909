"""Regions on the sky: drawn and changed with the mouse and by keys, and sent as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.web.conftest import AXE, ready

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


def rows_of(page: Any, service: Any, region: str) -> int:
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


def frames(page: Any) -> None:
    """Let the page draw itself."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def drawing(page: Any, tool: str) -> tuple[float, float]:
    """Take a tool; return the middle of the sky in pixels."""
    page.click(f"[data-draw={tool}]")
    page.locator(f"html[data-drawing={tool}]").wait_for(state="attached")
    box = page.locator("#sky").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_circle_is_changed_with_the_mouse(opened: Opened, service: Any, place: Place) -> None:
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


def test_the_list_follows_the_region(opened: Opened, service: Any, place: Place) -> None:
    ra, dec = place
    page = sky(opened, f"CIRCLE {ra:.4f} {dec:.4f} 0.02")
    here = region_of(page)
    assert rows_of(page, service, here) > 0
    page.evaluate("window.aladin.setFoV(8)")
    pull(page, page.locator(".handle.middle"), 330, 0)
    away = region_of(page, here)
    assert rows_of(page, service, away) == 0


def test_a_polygon_is_changed_with_the_mouse_and_by_keys(opened: Opened, service: Any, place: Place) -> None:
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
    at = corner.bounding_box()
    top = page.get_by_label("Corner 3 of 4").bounding_box()
    pull(page, corner, top["x"] - at["x"] + 50, top["y"] - at["y"] - 10)
    page.locator("#region-told:not(:empty)").wait_for()
    assert region_of(page) == less
    frames(page)
    assert corner.bounding_box() == at


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
