"""The doors of the Virtual Observatory: searches with a thousand rows, cones and polygons in ADQL, a million rows.

The archive is that of ``answers``: the pointings of the real list, each three times, some 41,000 datasets. Time is told
as a client sees it and, since other processes may be at work, as processor time of the service for each request.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from tests.bench.answers import archive
from tests.bench.bare import bare_server
from tests.bench.figure import Figure
from tests.bench.load import Client
from tests.service import Service

ROUNDS = 15
MANY = 1_000_000
TICKS = os.sysconf("SC_CLK_TCK")
PLACES = ("83.8 -5.4", "10.7 41.3", "266.4 -29.0", "187.7 12.4", "350.9 58.8", "201.4 -43.0", "150.1 2.2", "49.9 41.5")
"""Crowded parts of the sky: around each, 25 degrees hold a thousand datasets."""

_SELECT = "SELECT * FROM ivoa.obscore WHERE 1="
QUERIES = {
    "pointings in a cone": _SELECT + "CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 83.8, -5.4, 0.5))",
    "coverages that touch a cone": _SELECT + "INTERSECTS(s_region, CIRCLE('ICRS', 83.8, -5.4, 0.5))",
    "pointings in a polygon": _SELECT
    + "CONTAINS(POINT('ICRS', s_ra, s_dec), POLYGON('ICRS', 83, -6, 85, -6, 85, -5, 83, -5))",
}


def figures() -> Iterator[Figure]:
    """Measure on a service of their own."""
    with tempfile.TemporaryDirectory() as folder:
        archive(Path(folder))
        with Service(Path(folder), access_log="false") as service:
            yield from _searches(service, Path(folder))
            yield from _queries(service)
            yield _million(service)
            yield _everything(service, "SIA2", "/sia2/query", {"POS": "CIRCLE 0 0 180"})
            yield _everything(service, "SCS", "/scs", {"RA": "0", "DEC": "0", "SR": "180"})


def _sia2(place: str) -> str:
    return f"/sia2/query?{urlencode({'POS': f'CIRCLE {place} 25', 'MAXREC': 1000})}"


def _scs(place: str) -> str:
    ra, dec = place.split()
    return f"/scs?{urlencode({'RA': ra, 'DEC': dec, 'SR': 25, 'MAXREC': 1000})}"


def _searches(service: Service, home: Path) -> Iterator[Figure]:
    yield _search(service, home, "SIA2", _sia2)
    yield _search(service, home, "SCS", _scs)


def _search(service: Service, home: Path, name: str, address: Callable[[str], str]) -> Figure:
    urls = [service.base_url + address(place) for place in PLACES]
    client = Client(urls[0])
    first = [_timed(partial(client.ask, url)) for url in urls]
    took, processor = _measured(service, client, urls)
    client.close()
    file = home / "answer.json"
    file.write_text(json.dumps([service.http.get(urls[0]).text]))
    with bare_server(str(file)) as (bare, _):
        time.sleep(1)  # its event loop starts after its socket listens
        other = Client(bare)
        floor = median(_timed(partial(other.ask, f"{bare}/json")) for _ in range(ROUNDS))
        other.close()
    return Figure(
        f"{name}, 1,000 rows of a region of 25 degrees, asked before (for the first time)",
        f"{1e3 * took:.0f} ms ({1e3 * median(first):.0f} ms)",
        f"a text of that size from memory {1e3 * floor:.0f} ms",
        f"{1e3 * processor:.0f} ms of processor time",
        "< 30 ms",
    )


def _queries(service: Service) -> Iterator[Figure]:
    for name, query in QUERIES.items():
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query}
        url = f"{service.base_url}/tap/sync?{urlencode(form)}"
        client = Client(url)
        client.ask(url)
        took, processor = _measured(service, client, [url])
        client.close()
        rows = service.http.get(url).text.count("<TR>")
        yield Figure(
            f"TAP sync, {name}, {rows} of 41,000 rows",
            f"{1e3 * took:.0f} ms",
            "-",
            f"{1e3 * processor:.0f} ms of processor time",
            "< 50 ms",
        )


def _million(service: Service) -> Figure:
    """Stream a million rows while the memory of the service is watched."""
    query = "SELECT a.obs_publisher_did, a.s_ra, b.t_min FROM ivoa.obscore AS a, amora.datasets AS b"
    peaks = {}
    start = time.perf_counter()
    for count in (MANY // 10, MANY):
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, "MAXREC": count, "RESPONSEFORMAT": "csv"}
        with _Watch(service.process.pid) as watch:
            lines = 0
            with service.http.stream("GET", "/tap/sync", params=form, timeout=300) as answer:
                for piece in answer.iter_raw():
                    lines += piece.count(b"\n")
        assert lines == count + 1
        peaks[count] = watch.peak
    growth = (peaks[MANY] - peaks[MANY // 10]) / 1e6
    return Figure(
        "TAP sync streams 1,000,000 rows",
        f"{peaks[MANY] / 1e6:.0f} MB at most",
        f"100,000 rows {peaks[MANY // 10] / 1e6:.0f} MB",
        f"{growth:+.0f} MB, {time.perf_counter() - start:.0f} s",
        "the same (+- 10 MB)",
    )


def _everything(service: Service, name: str, path: str, region: dict[str, str]) -> Figure:
    """Ask for the whole sky, a tenth of the rows and all of them, while the memory of the service is watched."""
    peaks: dict[int, int] = {}
    for limit in (4_000, 2**31 - 1, 4_000, 2**31 - 1):  # again: the index keeps what was asked
        with _Watch(service.process.pid) as watch:
            rows = 0
            with service.http.stream("GET", path, params={**region, "MAXREC": limit}, timeout=300) as answer:
                for piece in answer.iter_raw():
                    rows += piece.count(b"<TR>")
        peaks[limit] = watch.peak
    few, most = peaks.values()
    return Figure(
        f"{name} streams {rows:,} rows of the whole sky",
        f"{most / 1e6:.0f} MB at most",
        f"4,000 rows {few / 1e6:.0f} MB",
        f"{(most - few) / 1e6:+.0f} MB",
        "+10 MB at most",
    )


class _Watch:
    """The most memory that a process has during a block, bytes."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            (line,) = [line for line in self._status.read_text().splitlines() if line.startswith("VmRSS")]
            self.peak = max(self.peak, 1024 * int(line.split()[1]))

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _measured(service: Service, client: Client, urls: Sequence[str]) -> tuple[float, float]:
    """Return the median time of a request, and the processor time of the service for each."""
    before, times = _processor(service.process.pid), []
    for url, _ in zip(cycle(urls), range(max(ROUNDS, 2 * len(urls))), strict=False):
        times.append(_timed(partial(client.ask, url)))
    return median(times), (_processor(service.process.pid) - before) / len(times)


def _processor(pid: int) -> float:
    """Return the processor time that a process has taken, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
