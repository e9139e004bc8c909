"""A real browser before a real service: what every test of the pages shares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REAL, missing
from tests.service import Service

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
VENDOR = ROOT / "uws" / "static" / "vendor"
CHROMIUM = os.environ.get("CHROMIUM", "chromium")
ARGUMENTS = [
    *("--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic"),
]
DRAWING = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
SIZE = {"width": 900, "height": 700}
PATIENCE = 30_000


@contextmanager
def driving() -> Iterator[Any]:
    """Start what drives browsers. It has an event loop of its own, beside which no other test could run one."""
    if shutil.which(CHROMIUM) is None:
        missing("chromium")
    if not AXE.exists() or not (VENDOR / "aladin.js").exists():
        missing("what npm fetches (make setup)")
    with playwright.sync_playwright() as driver:
        yield driver


@contextmanager
def browser_with(driver: Any, *arguments: str) -> Iterator[Any]:
    """Start Chromium, which draws the sky without a graphics card unless told otherwise."""
    path = shutil.which(CHROMIUM)
    browser = driver.chromium.launch(executable_path=path, args=[*ARGUMENTS, *(arguments or DRAWING)])
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="package")
def driver() -> Iterator[Any]:
    with driving() as started:
        yield started


@pytest.fixture(scope="package")
def browser(driver: Any) -> Iterator[Any]:
    with browser_with(driver) as running:
        yield running


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Event lists: the real observation where it is here, else simulated ones."""
    if REAL.is_dir():
        return REAL
    folder = tmp_path_factory.mktemp("simulated") / "data"
    subprocess.run([sys.executable, "-m", "scripts.epic.simulate", str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A home with the observations, and one whose target has a hostile name."""
    folder = tmp_path_factory.mktemp("home")
    hostile = folder / "hostile.csv"
    hostile.write_text(
        "obs_id,instrument_name,target_name,s_ra,s_dec,s_fov,obs_publisher_did,dataproduct_type,t_min,t_max,t_exptime\n"
        f'h1,EPN,"{HOSTILE.replace(chr(34), chr(34) * 2)}",200.0,-10.0,0.5,ivo://x/y?h1,event,52000,52001,5000\n',
        encoding="utf-8",
    )
    for source in ((str(data),), ("--from", "obscore", str(hostile))):
        subprocess.run(
            [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", *source],
            env={**os.environ, "AMORA_HOME": str(folder)},
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture(scope="package")
def service(home: Path) -> Iterator[Service]:
    with Service(home, anonymous_list="false") as running:
        yield running


@pytest.fixture(scope="package")
def place(service: Service) -> tuple[float, float]:
    """Where several datasets lie over one another."""
    found = service.http.get("/observations", params={"CAMERA": "M1"}).json()["observations"]
    first = next(row for row in found if row["camera"] == "M1")
    return first["s_ra"], first["s_dec"]


class Watch:
    """What a page must not do: ask another host, complain in the console, have itself changed by what it shows."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.wrong: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of complaints that a test provokes."""

    def over(self, page: Any) -> None:
        """Watch a page."""
        page.on("request", lambda request: self._request(request.url))
        page.on("console", lambda said: said.type == "error" and self.wrong.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _request(self, url: str) -> None:
        # The hub of SAMP is on the reader's own machine, and asked only when a button is pressed.
        if not url.startswith((self.base, "data:", "blob:", "http://localhost:21012/")):
            self.wrong.append(f"request: {url}")

    def nothing(self) -> None:
        """Fail if there was anything."""
        assert [one for one in self.wrong if not any(part in one for part in self.expected)] == []


@pytest.fixture
def opened(browser: Any, service: Service) -> Iterator[Callable[..., Any]]:
    """Open pages in a browser of a visitor's own; at the end, none of them has done what it must not."""
    with ExitStack() as stack:
        watch = Watch(service.base_url)

        def open_(address: str = "/", *, of: Any = browser, context: Any = None, **options: Any) -> Any:
            if context is None:
                context = of.new_context(base_url=service.base_url, viewport=options.pop("viewport", SIZE), **options)
                stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            watch.over(page)
            page.goto(address)
            page.watch = watch
            return page

        yield open_
        watch.nothing()


def ready(page: Any) -> Any:
    """Wait until the modules of a page have begun."""
    page.locator("html[data-ready=yes]").wait_for(state="attached")
    return page


def accessible(page: Any) -> None:
    """Fail if axe finds anything outside of the sky, which is Aladin Lite's."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({exclude: [['#sky']]})")
    told = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]
    assert told == [], page.url


def fits(page: Any) -> None:
    """Fail if the page is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
