"""Make the pictures of README and docs: ``make screenshots``. They are looked at before they are committed.

Each is taken from a service with the observations of the tests, and reduced to a palette, so that it stays small.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.conftest import REAL
from tests.service import Service
from tests.web.conftest import ROOT, browser_with, driving, ready

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1180, "height": 800}
COLOURS = 128


def keep(page: Any, name: str) -> None:
    """Take a picture of what is seen."""
    page.wait_for_timeout(1500)  # the sky draws itself for a while and says nothing of it
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)
    print(f"{name}: {(FOLDER / f'{name}.png').stat().st_size // 1000} kB")


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        data = REAL
        if not data.is_dir():
            data = home / "data"
            subprocess.run([sys.executable, "-m", "scripts.epic.simulate", str(data)], cwd=ROOT, check=True)
        command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(data)]
        subprocess.run(command, env={"AMORA_HOME": str(home / "home"), "PATH": "/usr/bin:/bin"}, cwd=home, check=True)
        with Service(home / "home") as service, driving() as driver, browser_with(driver) as browser:
            _take(service, browser)


def _take(service: Service, browser: Any) -> None:
    first = service.http.get("/observations", params={"CAMERA": "M1"}).json()["observations"][0]
    region = f"CIRCLE {first['s_ra']:.4f} {first['s_dec']:.4f} 0.1"
    context = browser.new_context(base_url=service.base_url, viewport=SIZE)
    page = context.new_page()
    page.goto(f"/?POS={region}")
    ready(page).locator("html[data-sky=ready]").wait_for(state="attached")
    page.locator("#table tbody tr[data-id]").first.wait_for()
    keep(page, "sky")
    for script in ("image", "spectrum"):
        page.check(f"#start [value={script}]")
    page.click("#go")
    page.locator("#run").wait_for()
    ready(page)
    page.fill("[name='image.PIXEL']", "2")
    page.locator("[data-foreseen]").first.wait_for()
    keep(page, "run")
    page.click("#run button.main")
    page.wait_for_url("**/sessions/*")
    ready(page)
    for title in ("Spectrum", "Image"):
        page.locator(f"#work tr[data-phase=COMPLETED]:has-text('{title}')").wait_for(timeout=60_000)
    session = page.url
    page.locator("#work").scroll_into_view_if_needed()
    page.click("#share summary")
    keep(page, "session")
    page.click("#work tr:has-text('Spectrum') a")
    ready(page)
    page.locator("[data-plot]").first.click()
    page.locator(".drawing canvas").wait_for()
    page.locator(".made").first.evaluate("one => scrollTo(0, one.getBoundingClientRect().top + scrollY + 290)")
    keep(page, "job")
    page.goto(session)
    ready(page)
    page.click("#work tr:has-text('Image') a")
    ready(page).locator("#log div").first.wait_for()
    page.locator("#log-part").scroll_into_view_if_needed()
    keep(page, "log")
    context.close()
    small = {"base_url": service.base_url, "viewport": {"width": 390, "height": 800}, "color_scheme": "dark"}
    context = browser.new_context(**small, locale="fr-FR")
    page = context.new_page()
    page.goto(f"/?POS={region}")
    ready(page).locator("html[data-sky=ready]").wait_for(state="attached")
    page.locator("#table tbody tr[data-id]").first.wait_for()
    keep(page, "phone")
    context.close()


if __name__ == "__main__":
    main()
