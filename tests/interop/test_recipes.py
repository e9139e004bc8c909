"""The recipes of docs/recipes, run as they stand there against a service with simulated observations."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from nbclient import NotebookClient
from PIL import Image

from tests.conftest import missing
from tests.service import Service

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes"
WRITTEN = "http://127.0.0.1:8000"
"""The address of the service in the recipes."""
CENTRE, RADIUS = SkyCoord(150.236, 2.268, unit="deg"), 0.02
NEEDED = {"stilts": ["stilts"], "topcat": ["topcat"], "aladin": ["aladin", "Xvfb", "curl"], "curl": ["curl"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, "-m", "scripts.epic.simulate", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with Service(home) as service:
        command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(data)]
        subprocess.run(command, env={**service.environment}, check=True, capture_output=True)
        yield service


def blocks(name: str, language: str, address: str) -> str:
    """Give the code of a recipe in one language, for another address."""
    found = re.findall(rf"^```{language}\n(.*?)^```", (RECIPES / f"{name}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{name}.md has no {language}"
    return "\n".join(found).replace(WRITTEN, address)


def test_the_job_of_curl_ends_where_it_fails(here: Service, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        missing("the program curl")
    code = blocks("curl", "sh", str(here.base_url))
    job = code[code.index("job=$(") :].replace("9999000101/M1/S001", "9999000101/M1/S999")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", job], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "404" in done.stderr
    assert not (tmp_path / "from_job.fits").exists()


def run(name: str, here: Service, folder: Path) -> str:
    """Run a recipe in a folder, and give what it prints."""
    for program in NEEDED.get(name, ()):
        if shutil.which(program) is None:
            missing(f"the program {program}")
    language = "python" if name in ("pyvo", "astroquery") else "sh"
    code = blocks(name, language, str(here.base_url))
    before = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
    environment = {**here.environment, "HOME": str(folder), "JAVA_TOOL_OPTIONS": f"-Duser.home={folder}"}
    done = subprocess.run(
        [*before, code], cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected(data: Path) -> int:
    """Count the events in the circle by wcslib."""
    path = next(data.glob("*101M1*EVLI*"))
    with warnings.catch_warnings(action="ignore"), fits.open(path) as file:
        table = file["EVENTS"].data
        columns = [table.columns.names.index(name) + 1 for name in ("X", "Y")]
        wcs = WCS(file["EVENTS"].header, keysel=["pixel"], colsel=columns)
        ra, dec = wcs.all_pix2world(table["X"], table["Y"], 1)
    return int(np.count_nonzero(SkyCoord(ra * u.deg, dec * u.deg).separation(CENTRE).deg <= RADIUS))


@pytest.mark.parametrize("name", ["curl", "pyvo", "astroquery", "stilts", "topcat"])
def test_a_recipe_ends_with_the_events_of_the_circle(name: str, here: Service, data: Path, tmp_path: Path) -> None:
    run(name, here, tmp_path)
    events = fits.getdata(tmp_path / "events.fits", "EVENTS" if name not in ("stilts", "topcat") else 1)
    assert len(events) == pytest.approx(expected(data), abs=2)  # one on the edge may fall to either side
    assert len(events) > 100


def test_the_notebook_ends_with_the_events_of_the_circle(here: Service, data: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(RECIPES / "amora.ipynb", 4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    for cell in notebook.cells:
        cell.source = cell.source.replace(WRITTEN, str(here.base_url))
    NotebookClient(notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert len(fits.getdata(tmp_path / "events.fits", "EVENTS")) == pytest.approx(expected(data), abs=2)


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """A screen that nobody sees."""
    if shutil.which("Xvfb") is None:
        missing("the program Xvfb")
    read, write = os.pipe()
    # it takes a free number by itself, and tells which
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with (tmp_path / "screen.log").open("w") as log:
        process = subprocess.Popen(command, pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    with os.fdopen(read) as told:
        yield f":{told.readline().strip()}"
    process.terminate()
    process.wait(30)


def test_aladin_shows_image_coverage_and_observations(
    here: Service, tmp_path: Path, display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(here.environment, "DISPLAY", display)
    run("aladin", here, tmp_path)
    if pictures := os.environ.get("DESKTOP_PICTURES"):
        shutil.copy(tmp_path / "view.png", Path(pictures) / "aladin.png")
    seen = np.asarray(Image.open(tmp_path / "view.png").convert("RGB")).astype(int)
    red, _, blue = seen[..., 0], seen[..., 1], seen[..., 2]
    assert (red > blue + 60).mean() > 0.2, "the coverage is not in the picture"
    assert (blue > red + 20).any(), "the pointings are not in the picture"
    # Aladin gives back what the script counted, pixel for pixel
    image, again = (fits.getdata(tmp_path / name) for name in ("image.fits", "again.fits"))
    assert again.shape == image.shape
    assert (again == image).all()


def test_the_plugin_asks_for_the_image_of_the_longest_observation(here: Service, tmp_path: Path) -> None:
    jar = Path("/usr/share/java/aladin.jar")
    if not jar.exists() or shutil.which("javac") is None:
        missing("Aladin or a Java compiler")
    (tmp_path / "AmoraImage.java").write_text(blocks("aladin", "java", str(here.base_url)))
    ask = "public class Ask { public static void main(String[] a) throws Exception { "
    ask += "System.out.print(AmoraImage.address(150.236, 2.268)); } }"
    (tmp_path / "Ask.java").write_text(ask)
    subprocess.run(["javac", "-cp", jar, "AmoraImage.java", "Ask.java"], cwd=tmp_path, check=True, capture_output=True)
    command = ["java", "-cp", f"{jar}:.", "Ask"]
    address = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    (longest,) = here.http.get("/observations?CIRCLE=150.236+2.268+0.001&ORDER=-exposure&MAXREC=1").json()[
        "observations"
    ]
    assert address == f"{here.base_url}/scripts/image/sync?ID={longest['id']}"
    answer = here.http.get(address, follow_redirects=True)
    assert answer.headers["content-type"] == "image/fits"


def test_every_recipe_is_listed_and_run() -> None:
    listed = re.findall(r"\]\((\w+)\.(?:md|ipynb)\)", (RECIPES / "README.md").read_text())
    there = [path.stem for path in RECIPES.iterdir() if path.suffix in (".md", ".ipynb") and path.stem != "README"]
    assert sorted(listed) == sorted(there)
