"""The main job, shown: a service is started, and a client takes a region of the sky to checked products.

The client uses the public interface alone, as any other would: ``/observations``, a UWS job list, the phase, the
results. The check at the end counts the events by itself, from the files and the header's own words.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from lxml import etree
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from jobs.runner import Run
from uws.settings import Settings

UWS = {"uws": "http://www.ivoa.net/xml/UWS/v1.0", "xlink": "http://www.w3.org/1999/xlink"}
RADIUS = 30 / 3600
"""Of the spectrum's region, in degrees."""
FIELD = 3 / 60
"""Of the image's region, in degrees."""
EMIN, EMAX = 0.5, 10.0
"""The energies looked at, in keV."""


class DemoError(Exception):
    """The demonstration has failed; the message says where."""


@dataclass(frozen=True)
class Source:
    """The place that is looked at, in degrees."""

    ra: float
    dec: float

    def circle(self, radius: float) -> str:
        """Return a circle around it as the value of POS."""
        return f"CIRCLE {self.ra:.6f} {self.dec:.6f} {radius:.6f}"


def run(settings: Settings, data: Path | None) -> bool:
    """Show the main job on the files in ``data``, or on simulated ones; return whether all went well."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        _show(console, settings, data)
    except (DemoError, httpx.HTTPError) as error:
        console.print("[bold red]The demonstration failed:[/]", end=" ")
        console.print(str(error), markup=False)
        return False
    return True


def _show(console: Console, settings: Settings, data: Path | None) -> None:
    home = settings.folder
    home.mkdir(parents=True, exist_ok=True)
    folder = _simulate(console, home) if data is None else data.resolve()
    console.rule("1. Index the observations")
    _amora(home, "index", "add", str(folder))
    console.rule("2. Start the service")
    with service(home) as address, httpx.Client(base_url=address, timeout=60) as client:
        console.print(f"The service answers at {address}; everything it keeps is under {home}")
        lists = event_lists(folder, _indexed(client))
        if not lists:
            raise DemoError(f"no EPIC event list (P*EVLI*) in {folder} is in the index.")
        source = brightest(next(iter(lists.values())))
        console.rule("3. Which observations cover the region?")
        datasets, simulated = _observations(console, client, source, lists)
        console.rule("4. Run two scripts on them")
        energies = {"EMIN": str(EMIN), "EMAX": str(EMAX)}
        jobs = {
            "spectrum": _create(console, client, "spectrum", {"POS": source.circle(RADIUS), **energies}, datasets),
            "image": _create(
                console, client, "image", {"POS": source.circle(FIELD), **energies, "PIXEL": "4"}, datasets
            ),
        }
        _follow(console, client, jobs)
        console.rule("5. The products")
        products = {name: _download(console, client, job, home / "demo" / name) for name, job in jobs.items()}
    console.rule("6. Are they right?")
    _check(console, source, [lists[name] for name in datasets], datasets, products)
    of = f"{'SIMULATED' if simulated else 'the'} observations in {_short(folder)}"
    console.print(f"\n[bold green]All counts agree.[/] This was the main job on {of}.")
    console.print(f"The products are in {_short(home / 'demo')}.")
    console.print("To go on with the service and its page: make serve")


def _environment(home: Path) -> dict[str, str]:
    """Return the environment of embedded defaults, on a free port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMORA_")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address = {"AMORA_HOST": "127.0.0.1", "AMORA_PORT": port, "AMORA_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    return {**kept, **address, "AMORA_HOME": str(home)}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from uws.cli import main; main()", *words]


def _run(home: Path, command: list[str]) -> bool:
    """Run a program and return whether all went well.

    It starts in the home folder, where the settings file of the installation is not found. Ctrl-C is for this process
    alone, which then ends the program.
    """
    done = subprocess.run(command, cwd=home, env=_environment(home), check=False, start_new_session=True)
    return done.returncode == 0


def _amora(home: Path, *words: str) -> None:
    if not _run(home, _command(*words)):
        raise DemoError(f"`amora {' '.join(words)}` failed; its message is above.")


def _simulate(console: Console, home: Path) -> Path:
    folder = home / "simulated"
    console.rule("0. Simulate observations")
    console.print("No data were given (make demo DATA=folder), so [bold]SIMULATED[/] event lists are written.")
    if not _run(home, [sys.executable, "-m", "scripts.epic.simulate", str(folder)]):
        raise DemoError("the simulation failed; its message is above.")
    return folder


class _ServiceLog:
    """Takes what the service prints and waits for the line that says that it is ready."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.address: str | None = None
        self.ready = threading.Event()

    def write(self, line: bytes, /) -> int:
        text = line.decode(errors="replace").strip()
        self.lines.append(text)
        if match := re.search(r"ready at (http\S+)", text):
            self.address = match[1]
            self.ready.set()
        return len(line)

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def service(home: Path) -> Iterator[str]:
    """Run the service for the length of a block; it does not outlive this process, whatever becomes of it."""
    log = _ServiceLog()
    over = threading.Event()

    def guard() -> None:
        with Run(_command("serve"), home, _environment(home), log, grace=15) as service:
            service.wait(lambda _: not over.is_set(), 0.05)
        log.ready.set()

    thread = threading.Thread(target=guard, name="service")
    thread.start()
    try:
        log.ready.wait(60)
        if log.address is None:
            raise DemoError("the service did not start")
        yield log.address
    except (DemoError, httpx.HTTPError) as error:
        over.set()
        thread.join()  # it has said all then
        said = "\n  ".join(log.lines[-10:])
        raise DemoError(f"{error}\nWhat the service said last:\n  {said}") from error
    finally:
        over.set()
        thread.join()


# ---------------------------------------------------------------------- the client


def _indexed(client: httpx.Client) -> set[str]:
    """Ask which datasets there are at all; a file that cannot be used is none of them."""
    answer = client.get("/observations").raise_for_status()
    return {item["id"] for item in answer.json()["observations"]}


def _observations(
    console: Console, client: httpx.Client, source: Source, lists: dict[str, Path]
) -> tuple[list[str], bool]:
    """Ask which of the datasets cover the image's region; return them and whether any is simulated."""
    answer = client.get("/observations", params={"POS": source.circle(FIELD)})
    console.print(f"GET {answer.url}")
    answer.raise_for_status()
    found = [item for item in answer.json()["observations"] if item["id"] in lists]
    if not found:
        raise DemoError("none of the datasets covers the region.")
    table = Table(Column("dataset", no_wrap=True), "target", "filter", "exposure (s)", "region covered", "")
    for item in found:
        table.add_row(
            item["id"],
            item["target_name"] or "",
            item["filter"] or "",
            f"{item['t_exptime'] or 0:.0f}",
            f"{100 * item['region_fraction']:.1f} %",
            "SIMULATED" if item["simulated"] else "",
        )
    console.print(table)
    return [item["id"] for item in found], any(item["simulated"] for item in found)


def _create(
    console: Console, client: httpx.Client, script: str, parameters: dict[str, str], datasets: list[str]
) -> str:
    form = {**parameters, "ID": datasets, "PHASE": "RUN", "RUNID": "demo"}
    answer = client.post(f"/scripts/{script}/async", data=form)
    if answer.status_code != 303:
        raise DemoError(f"the {script} job was refused ({answer.status_code}): {answer.text.strip()}")
    console.print(f"POST {answer.url}  POS={parameters['POS']} PHASE=RUN\n  303 -> {answer.headers['Location']}")
    return str(answer.headers["Location"])


def _follow(console: Console, client: httpx.Client, jobs: dict[str, str]) -> None:
    """Show phase, progress and log of all jobs until the last has ended."""
    columns = (TextColumn("{task.description:9}"), BarColumn(), TextColumn("{task.fields[phase]}"), TimeElapsedColumn())
    offsets: dict[str, int] = {}
    with Progress(*columns, console=console) as bars:
        bar = {name: bars.add_task(name, total=1.0, phase="QUEUED") for name in jobs}
        phases = dict.fromkeys(jobs, "QUEUED")
        while running := [name for name, phase in phases.items() if phase in ("QUEUED", "EXECUTING")]:
            for name in running:
                # The blocking read of UWS 1.1, kept short so that the log and the other job are looked at too.
                document = client.get(jobs[name], params={"WAIT": "1", "PHASE": phases[name]}).content
                phases[name] = etree.fromstring(document).findtext("uws:phase", "", UWS)
                job = client.get("/api/jobs/" + jobs[name].rpartition("/")[2]).json()
                for task in job["tasks"]:
                    _show_log(bars.console, client, name, task, offsets)
                bars.update(bar[name], completed=job["progress"], phase=phases[name])
                if phases[name] in ("ERROR", "ABORTED"):
                    raise DemoError(f"the {name} job ended in {phases[name]}: {job['error']}")


def _show_log(console: Console, client: httpx.Client, name: str, task: dict[str, Any], offsets: dict[str, int]) -> None:
    address = task["log"]
    answer = client.get(address, params={"offset": offsets.get(address, 0)})
    offsets[address] = int(answer.headers["Amora-Log-Next"])
    for line in answer.text.splitlines():
        console.print(f"  {name} {task['dataset']}: {line}", style="dim", markup=False)


def _download(console: Console, client: httpx.Client, job: str, folder: Path) -> list[Path]:
    """Fetch all results of a job into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    document = etree.fromstring(client.get(f"{job}/results").content)
    paths = []
    for result in document.iterfind("uws:result", UWS):
        address = result.get(f"{{{UWS['xlink']}}}href", "")
        name = result.get("id", "")
        path = folder / (f"{name}.vot" if name == "result" else name)
        path.write_bytes(client.get(address).raise_for_status().content)
        paths.append(path)
        if name.endswith(".log"):
            continue
        console.print(f"[bold]{name}[/]  {result.get('mime-type')}, {path.stat().st_size} bytes")
        console.print(f"  from {address}\n  to   {_short(path)}")
    console.print(f"and {sum(path.suffix == '.log' for path in paths)} logs beside them")
    return paths


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


# ---------------------------------------------------------------------- the check


def event_lists(folder: Path, indexed: set[str]) -> dict[str, Path]:
    """Return the EPIC event lists below a folder that are indexed, by dataset id; in the order of their names."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("P*EVLI*")):
        try:
            with warnings.catch_warnings(action="ignore"):
                header = fits.getheader(path, "EVENTS")
            camera = {"EMOS1": "M1", "EMOS2": "M2", "EPN": "PN"}[header["INSTRUME"]]
            name = f"{header['OBS_ID']}/{camera}/{header['EXPIDSTR']}"
        except (OSError, EOFError, KeyError):  # the index has said of it why it cannot be used
            continue
        if name in indexed:
            found.setdefault(name, path)
    return found


@dataclass(frozen=True)
class Events:
    """Events of a list that pass the standard selection, within the energies looked at."""

    x: np.ndarray
    y: np.ndarray
    wcs: WCS
    """From X, Y to ICRS degrees."""

    @classmethod
    def read(cls, path: Path) -> Events:
        """Read a list: the header says itself which flags are standard (XMMEA_EM for MOS, XMMEA_EP for pn)."""
        with fits.open(path) as file:
            table, header = file["EVENTS"].data, file["EVENTS"].header
            pn = header["INSTRUME"] == "EPN"
            mask = re.search(r"FLAG\s*&\s*(0x[0-9a-fA-F]+)", header["XMMEA_EP" if pn else "XMMEA_EM"])
            if mask is None:
                raise DemoError(f"the header of {path.name} does not say which flags are standard.")
            good = (table["FLAG"] & int(mask[1], 16)) == 0
            good &= table["PATTERN"] <= (4 if pn else 12)
            good &= (table["PI"] >= 1000 * EMIN) & (table["PI"] <= 1000 * EMAX)
            columns = [table.columns.names.index(name) + 1 for name in ("X", "Y")]
            with warnings.catch_warnings(action="ignore", category=FITSFixedWarning):  # RADECSYS and such
                wcs = WCS(header, keysel=["pixel"], colsel=columns)
            return cls(table["X"][good].astype(float), table["Y"][good].astype(float), wcs)

    def inside(self, source: Source, radius: float) -> int:
        """Count the events in a circle."""
        x, y = self.wcs.all_world2pix(source.ra, source.dec, 1)
        return int(np.count_nonzero(np.hypot(self.x - x, self.y - y) <= radius / abs(self.wcs.wcs.cdelt[0])))


def brightest(path: Path) -> Source:
    """Find the brightest source of an event list: the densest 8 arcsec, then the mean of the events around it."""
    events = Events.read(path)
    bins = np.arange(0, 51841, 160)
    density, _, _ = np.histogram2d(events.x, events.y, bins=(bins, bins))
    ix, iy = np.unravel_index(np.argmax(density), density.shape)
    x, y = bins[ix] + 80.0, bins[iy] + 80.0
    for _ in range(5):
        near = np.hypot(events.x - x, events.y - y) < 200
        x, y = events.x[near].mean(), events.y[near].mean()
    ra, dec = events.wcs.all_pix2world(x, y, 1)
    return Source(round(float(ra), 6), round(float(dec), 6))


def _check(
    console: Console, source: Source, lists: list[Path], datasets: list[str], products: dict[str, list[Path]]
) -> None:
    """Hold the counts in the products against the counts in the event lists inside the region."""
    table = Table("dataset", "product", "counts in it", "events in the region", "")
    wrong = 0
    for name, dataset in zip(datasets, lists, strict=True):
        events = Events.read(dataset)
        for script, radius, counts in (("spectrum", RADIUS, _spectrum_counts), ("image", FIELD, _image_counts)):
            file_name = f"{name.replace('/', '_')}_{script}.fits"
            path = next((path for path in products[script] if path.name == file_name), None)
            if path is None:
                raise DemoError(f"the product {file_name} is missing; the log of its task says why.")
            found, expected = counts(path), events.inside(source, radius)
            wrong += found != expected
            table.add_row(
                name, script, str(found), str(expected), "equal" if found == expected else "[red]DIFFERENT[/]"
            )
    console.print(table)
    if wrong:
        raise DemoError(f"{wrong} products do not hold the events of their lists.")


def _spectrum_counts(path: Path) -> int:
    return int(fits.getdata(path, "SPECTRUM")["COUNTS"].sum())


def _image_counts(path: Path) -> int:
    return int(fits.getdata(path).sum())
