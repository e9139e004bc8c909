"""The scripts over all datasets of a job, by the service: a task for each dataset, then the gathering."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from tests.service import Service

REGION = "CIRCLE 150.236 2.268 0.00833"
LISTS = ("P9999000101M1S001MIEVLI0000.FTZ", "P9999000101M2S002MIEVLI0000.FTZ", "P9999000201M1S001MIEVLI0000.FTZ")


@pytest.fixture(scope="module")
def service(simulated: Path, tmp_path_factory: pytest.TempPathFactory):
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    for name in LISTS:
        (data / name).symlink_to(simulated / name)
    with Service(home, workers="2") as here:
        subprocess.run(
            [sys.executable, "-c", "from uws.cli import main; main()", "index", "add", str(data)],
            env=here.environment,
            check=True,
            capture_output=True,
        )
        yield here


def products(service, folder, script, **parameters):
    """Run a job to its end and fetch what it made; the names as they are, and the job."""
    sent = {"POS": REGION, "PHASE": "RUN", **parameters}
    job = service.http.post(f"/scripts/{script}/async", data=sent).headers["Location"]
    for _ in range(4):
        if "COMPLETED" in service.http.get(f"{job}/phase?WAIT=30").text:
            break
        service.http.get(f"{job}?WAIT=30")
    assert service.http.get(f"{job}/phase").text.strip() == "COMPLETED", service.http.get(job).text
    (folder / "list.vot").write_bytes(service.http.get(f"{job}/results/result", follow_redirects=True).content)
    found = {}
    for row in Table.read(folder / "list.vot"):
        if not row["name"] or np.ma.is_masked(row["name"]):
            continue  # the task of one dataset: it hands on, and has no product
        path = folder / str(row["name"])
        path.write_bytes(service.http.get(str(row["address"]), follow_redirects=True).content)
        found[path.name] = path
    return found


def test_photometry_and_variability_gather_what_the_tasks_measured(service, run_job, simulated, tmp_path):
    lists = [simulated / name for name in LISTS]
    circle = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}
    for script in ("photometry", "variability"):
        folder = tmp_path / f"by service {script}"
        folder.mkdir()
        made = products(service, folder, script)
        mine = Table.read(run_job(script, lists, region=circle).products / f"{script}.vot")
        theirs = Table.read(made[f"{script}.vot"])
        for column in ("dataset", "counts", "rate", "rate_limit", "flux"):
            assert list(theirs[column]) == list(mine[column])
        assert f"{script}_plot.png" in made
        assert f"{script}_plot.json" in made


def test_a_mosaic_is_put_together_from_its_parts(service, run_job, simulated, tmp_path):
    made = products(service, tmp_path, "mosaic", PIXEL="8")
    circle = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}
    mine = run_job("mosaic", [simulated / name for name in LISTS], {"PIXEL": 8.0}, circle).products
    for name in ("counts", "exposure", "rate"):
        theirs, ours = fits.getdata(made[f"mosaic_{name}.fits"]), fits.getdata(mine / f"mosaic_{name}.fits")
        assert theirs.tobytes() == ours.tobytes()
    assert fits.getheader(made["mosaic_counts.fits"])["TOTCTS"] > 1000
