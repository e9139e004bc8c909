"""The main job on real data, through the public interface alone, held against what SAS and others made of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table

from tests.conftest import missing
from tests.service import Service

FIELD = {"EMIN": "0.5", "EMAX": "10", "PIXEL": "4", "GTI": "flare", "FLARE_RATE": "0.4"}
SOURCE = {"POS": "CIRCLE 35.66498 43.03535 0.00833333"}


@pytest.fixture(scope="module")
def service(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has indexed the real lists."""
    home = tmp_path_factory.mktemp("real") / "home"
    with Service(home) as running:
        command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(real)]
        subprocess.run(command, env={**running.environment}, check=True, capture_output=True)
        yield running


def products(service: Service, script: str, **parameters: str) -> dict[str, bytes]:
    """Run a job and return its products by name."""
    job = service.post(script, **parameters)
    assert service.end(job) == "COMPLETED", service.http.get(job).text
    table = parse_single_table(BytesIO(service.http.get(f"{job}/results/result").content)).to_table()
    return {str(row["name"]): service.http.get(str(row["address"])).content for row in table}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(f"the program {name}")
    return str(found)


def test_the_whole_field_is_that_of_sas(service: Service, real: Path) -> None:
    """No pixel of 648 x 648 differs, for both cameras."""
    made = products(service, "image", ID="0002970201/M1/S001", **FIELD)
    made |= products(service, "image", ID="0002970201/M2/S002", **FIELD)
    for name, camera in (("0002970201_M1_S001_image.fits", "M1"), ("0002970201_M2_S002_image.fits", "M2")):
        ours = fits.getdata(BytesIO(made[name]))
        theirs = fits.getdata(real / f"{camera}_image.fits.gz")
        assert ours.shape == (648, 648)
        assert np.count_nonzero(ours != theirs) == 0


def test_a_spectrum_has_the_counts_that_funcnts_finds(service: Service, real: Path, tmp_path: Path) -> None:
    made = products(service, "spectrum", FLAGS="none", PATTERN="31", **SOURCE)
    for camera, exposure, name in (
        ("M1", "S001", "P0002970201M1S002MIEVLI"),
        ("M2", "S002", "P0002970201M2S003MIEVLI"),
    ):
        counts = int(fits.getdata(BytesIO(made[f"0002970201_{camera}_{exposure}_spectrum.fits"]))["COUNTS"].sum())
        plain = tmp_path / f"{name}.fits"
        with fits.open(real / f"{name}.FTZ") as file:
            fits.HDUList([file[0], file["EVENTS"]]).writeto(plain)
        region = 'fk5;circle(35.66498,43.03535,30.0")'
        command = [program("funcnts"), "-r", f"{plain}[EVENTS,PI>=0&&PI<12000]", region]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        (row,) = [line.split() for line in printed.splitlines() if line.strip().startswith("1 ")][:1]
        assert counts == int(float(row[1])), printed


def test_every_product_is_sound(service: Service, tmp_path: Path) -> None:
    """``fitsverify`` finds no error in any FITS product."""
    made = products(service, "spectrum", **SOURCE, GTI="flare")
    made |= products(service, "image", **SOURCE)
    made = {name: content for name, content in made.items() if name.endswith(".fits")}  # the others are previews
    assert len(made) == 6
    for name, content in made.items():
        path = tmp_path / name
        path.write_bytes(content)
        found = subprocess.run([program("fitsverify"), "-q", path], check=False, capture_output=True, text=True)
        assert "verification OK" in found.stdout, found.stdout


def test_one_damaged_list_spoils_only_its_own_task(real: Path, tmp_path: Path) -> None:
    """The list is cut off in the middle after it was indexed: the product list says so, the other camera is there."""
    data = tmp_path / "data"
    data.mkdir()
    for path in real.glob("P*EVLI.FTZ"):
        shutil.copy(path, data)
    with Service(tmp_path / "home") as service:
        command = [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(data)]
        subprocess.run(command, env={**service.environment}, check=True, capture_output=True)
        cut = data / "P0002970201M1S002MIEVLI.FTZ"
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        job = service.post("spectrum", **SOURCE)
        assert service.end(job) == "COMPLETED"
        tasks = service.detail(job)["tasks"]
        assert [task["phase"] for task in tasks] == ["ERROR", "COMPLETED"]
        assert cut.name in tasks[0]["message"]
        assert "cut" in tasks[0]["message"] or "incomplete" in tasks[0]["message"]


@pytest.mark.parametrize("real_data", [False, True], ids=["simulated", "real"])
def test_the_demonstration(real_data: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """``amora demo`` ends with checked products and exit code 0."""
    data = ["--data", str(request.getfixturevalue("real"))] if real_data else []
    environment = {"PATH": "/usr/bin:/bin", "AMORA_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", "from uws.cli import main; main()", "demo", *data]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All counts agree." in done.stdout
    assert ("SIMULATED" in done.stdout) is not real_data
    assert {path.name for path in tmp_path.iterdir()} == {"home"}, "nothing is written elsewhere"
