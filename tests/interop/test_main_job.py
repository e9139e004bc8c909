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
        assert counts == funcnts(f"{plain}[EVENTS,PI>=0&&PI<12000]", region)


def funcnts(source: str, region: str) -> int:
    """Return what the program counts in a region."""
    command = [program("funcnts"), "-r", source, region]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (row,) = [line.split() for line in printed.splitlines() if line.strip().startswith("1 ")][:1]
    return int(float(row[1]))


def test_a_cut_out_and_an_image_have_the_counts_that_others_find(service: Service, real: Path, tmp_path: Path) -> None:
    """Held against funcnts in lists and images, and against CFITSIO's own region filter and binning."""
    selection = {"EMIN": "0.5", "EMAX": "10", "PATTERN": "12", **SOURCE}
    made = products(service, "events", ID="0002970201/M1/S001", **selection)
    made |= products(service, "image", ID="0002970201/M1/S001", PIXEL="4", **selection)
    cut, picture = tmp_path / "cut.fits", tmp_path / "image.fits"
    cut.write_bytes(next(content for name, content in made.items() if name.endswith("_events.fits")))
    picture.write_bytes(next(content for name, content in made.items() if name.endswith("_image.fits")))
    number = len(fits.getdata(cut, "EVENTS"))
    assert number == funcnts(f"{cut}[EVENTS]", 'fk5;circle(35.66498,43.03535,30.0")') > 500
    assert number == funcnts(str(picture), 'fk5;circle(35.66498,43.03535,60.0")')

    plain, circle, found = tmp_path / "all.fits", tmp_path / "circle.reg", tmp_path / "found.fits"
    with fits.open(real / "P0002970201M1S002MIEVLI.FTZ") as file:
        fits.HDUList([file[0], file["EVENTS"]]).writeto(plain)
        mask = file["EVENTS"].header["XMMEA_EM"].split("0x")[1].split(")")[0]
    circle.write_text('fk5;circle(35.66498,43.03535,30.0")\n')
    rows = f"regfilter('{circle}') && (FLAG & {int(mask, 16)}) == 0 && PATTERN <= 12 && PI >= 500 && PI <= 10000"
    header, ours = fits.getheader(picture), fits.getdata(picture)
    axes = [
        f"{name}={(low := header[f'CRVAL{n}L'] - 39.5)}:{low + 80 * header[f'NAXIS{n}'] - 1}:80"
        for n, name in ((1, "X"), (2, "Y"))
    ]
    source = f"{plain}[EVENTS][{rows}][bin {','.join(axes)}]"
    subprocess.run([program("fitscopy"), source, found], check=True, capture_output=True)
    assert np.array_equal(fits.getdata(found), ours)


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
