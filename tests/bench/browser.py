"""The page in a real browser: until it can be used, long lists, long logs; each is held against a floor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.figure import Figure
from tests.service import Service
from tests.web.conftest import browser_with, driving, ready

RUNS = 5
ROWS = 5000
LINES = 1_000_000


def figures() -> Iterator[Figure]:
    """Measure the page."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _index(home)
        with Service(home) as service, driving() as driver, browser_with(driver) as browser:
            yield from _start(service, browser)
            yield from _list(service, browser)
            yield _log(service, browser)


def _index(home: Path) -> None:
    rows = [
        f"{number:010d},EPN,Target {number % 97},{150 + (number % 71) / 70:.4f},{(number // 71) / 71:.4f},0.5,"
        f"ivo://x/y?{number},event,{50000 + number / 3:.3f},{50001 + number / 3:.3f},{5000 + 7 * number % 60000}"
        for number in range(ROWS)
    ]
    head = (
        "obs_id,instrument_name,target_name,s_ra,s_dec,s_fov,obs_publisher_did,dataproduct_type,t_min,t_max,t_exptime"
    )
    table = home / "many.csv"
    table.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from uws.cli import main; main()",
        "index",
        "add",
        "--from",
        "obscore",
        str(table),
    ]
    environment = {**os.environ, "AMORA_HOME": str(home)}
    subprocess.run(command, env=environment, cwd=home, check=True, capture_output=True)


def _start(service: Service, browser: Any) -> Iterator[Figure]:
    usable, sky, floor = [], [], []
    for _ in range(RUNS):
        context = browser.new_context(base_url=service.base_url, viewport={"width": 900, "height": 700})
        page = context.new_page()
        page.goto("/healthz")
        floor.append(page.evaluate("performance.now()") / 1000)
        page.goto("/")
        ready(page)
        usable.append(page.evaluate("performance.now()") / 1000)
        page.locator("html[data-sky=ready]").wait_for(state="attached")
        sky.append(page.evaluate("performance.now()") / 1000)
        context.close()
    against = f"a page of two words: {median(floor):.2f} s"
    yield Figure("first page can be used", f"{median(usable):.2f} s", against, f"least {min(usable):.2f} s", "< 1 s")
    yield Figure("sky is ready", f"{median(sky):.2f} s", against, f"least {min(sky):.2f} s", "< 3 s")


_SORT = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const times = [];
  for (const button of document.querySelectorAll('#table button.sort')) {
    const begin = performance.now(); button.click(); await frame(); times.push(performance.now() - begin);
  }
  const place = document.querySelector('#table'); const scrolls = [];
  for (let step = 1; step <= 30; step++) {
    const begin = performance.now();
    place.scrollTop = step * place.scrollHeight / 31; await frame(); scrolls.push(performance.now() - begin);
  }
  const empty = [];
  for (let step = 0; step < 30; step++) {
    const begin = performance.now(); await frame(); empty.push(performance.now() - begin);
  }
  const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  return [Math.max(...times), middle(scrolls), middle(empty), document.querySelectorAll('#table tbody tr').length];
}"""


def _list(service: Service, browser: Any) -> Iterator[Figure]:
    """Sort and scroll as soon as the rows are there, while the sky is still made, and once it is ready."""
    early, late = [], []
    for _ in range(RUNS):
        context = browser.new_context(base_url=service.base_url, viewport={"width": 900, "height": 700})
        page = context.new_page()
        page.goto("/?POS=RANGE 149 152 -1 72")
        page.locator("#table tbody tr[data-id]").first.wait_for(timeout=60_000)
        early.append(page.evaluate(_SORT))
        page.locator("html[data-sky=ready]").wait_for(state="attached")
        late.append(page.evaluate(_SORT))
        context.close()
    for when, runs in (("while the sky is made", early), ("the sky is there", late)):
        sort, scroll, frame, shown = (median(column) for column in zip(*runs, strict=True))
        yield Figure(
            f"{ROWS:,} observations, {when}: slowest of 8 sorts, a scroll",
            f"{sort:.0f} ms, {scroll:.0f} ms",
            f"an empty frame: {frame:.0f} ms",
            f"worst sort {max(run[0] for run in runs):.0f} ms; {shown:.0f} rows in the page",
            "sort < 200 ms, scroll < 50 ms more than an empty frame",
        )


_FOLLOW = """async () => {
  const log = document.querySelector('#log'); const times = [];
  for (let step = 0; step < 30; step++) {
    const begin = performance.now(); log.scrollTop = (step % 2) * log.scrollHeight;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return [times[15], log.childElementCount, performance.memory ? performance.memory.usedJSHeapSize : 0];
}"""


def _log(service: Service, browser: Any) -> Figure:
    job = service.post("probe")
    service.end(job)
    name = job.rpartition("/")[2]
    log = next(service.home.rglob(f"*{name}*/**/*.log"), None) or next(service.home.rglob(f"{name}/**/*log*"))
    with log.open("w", encoding="utf-8") as written:
        written.writelines(f"line {number} of a log that is long\n" for number in range(LINES))
    context = browser.new_context(base_url=service.base_url, viewport={"width": 900, "height": 700})
    page = context.new_page()
    page.goto(f"/jobs/{name}")
    page.locator("#log div").last.filter(has_text=f"line {LINES - 1} ").wait_for(timeout=60_000)
    opened = page.evaluate("performance.now()") / 1000
    scroll, lines, heap = page.evaluate(_FOLLOW)
    context.close()
    return Figure(
        f"a log of {LINES:,} lines: its end is shown, a scroll",
        f"{opened:.2f} s, {scroll:.0f} ms",
        f"{json.dumps(log.stat().st_size // 10**6)} MB of log",
        f"{lines:,} lines and {heap / 2**20:.0f} MB in the page",
        "< 2 s, scroll < 100 ms",
    )
