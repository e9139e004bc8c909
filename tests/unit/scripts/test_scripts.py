"""The scripts' descriptors and documentation."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from astropy.io import fits

from jobs.descriptor import SHARED, load
from scripts.epic.cameras import CAMERAS
from tests.unit.scripts.conftest import SCRIPTS

NAMES = sorted(path.parent.name for path in SCRIPTS.glob("*/script.toml"))


def test_are_all_there():
    assert {"image", "spectrum", "probe"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_descriptor_loads_and_names_a_program(name):
    script = load(SCRIPTS / name)
    assert script.command[0] == "python"
    assert (script.folder / script.command[-1]).is_file()
    assert script.title
    assert script.summary.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_documentation_tells_of_each_parameter_and_product(name):
    script = load(SCRIPTS / name)
    for parameter in script.parameters:
        assert f"`{parameter.name}`" in script.documentation, parameter.name
        if parameter.default is None:
            assert parameter.default_description or parameter.required, parameter.name
    for product in script.products:
        tail = product.name.split("}")[-1]
        assert tail in script.documentation, product.name


@pytest.mark.parametrize("name", ["image", "spectrum"])
def test_shared_parameters_are_the_same_in_both(name):
    here, there = load(SCRIPTS / name), load(SCRIPTS / "image")
    for parameter in ("GTI", "FLARE_RATE", "FLAGS", "PATTERN"):
        assert here.parameter(parameter) == there.parameter(parameter)
    assert here.accepts.camera == tuple(camera.name for camera in CAMERAS.values())
    assert not {spec.name for spec in here.parameters} & set(SHARED)


@pytest.mark.parametrize("name", ["events", "hardness", "image", "lightcurve", "profile", "spectrum"])
def test_the_same_task_gives_the_same_bytes_at_another_time(name, run_script, simulated_m1):
    """Nothing in a product tells of the clock but DATE, and that is the creation of the job."""
    region = {"text": "CIRCLE 150.236 2.268 0.01", "shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.01}
    runs = []
    for seed in ("1", "2"):
        runs.append(run_script(name, simulated_m1, {}, region, SOURCE_DATE_EPOCH="1000000000", PYTHONHASHSEED=seed))
        second = time.time() // 1
        while time.time() // 1 == second:
            time.sleep(0.02)  # until the clock shows another second: that is what is tested
    first, again = ({path.name: path.read_bytes() for path in run.products.iterdir()} for run in runs)
    assert first, runs[0].err
    assert first == again
    for path in runs[0].products.glob("*.fits"):
        with fits.open(path, checksum=True) as file:
            assert file[0].header["DATE"] == "2001-09-09T01:46:40"
            assert file[0].header.comments["CHECKSUM"] == "updated 2001-09-09T01:46:40"


@pytest.mark.parametrize("name", ["events", "hardness", "image", "lightcurve", "spectrum"])
def test_starts_without_the_slow_parts_of_astropy(name):
    code = f"import runpy, sys; runpy.run_path({str(SCRIPTS / name / name) + '.py'!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"astropy.table", "astropy.coordinates", "astropy.wcs", "mocpy", "scipy", "pydantic"}
    assert not slow & set(done.stdout.split())


@pytest.mark.parametrize("name", ["image", "spectrum"])
def test_simulated_data_are_called_so_in_the_log_and_in_the_last_message(name, run_script, simulated_m1):
    circle = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.0083}
    run = run_script(name, simulated_m1, region=circle, slug="9999000101_M1_S001")
    assert run.code == 0, run.err
    *log, last = run.out.splitlines()
    assert any(line.startswith("SIMULATED DATA") for line in log)
    assert last == "progress 1 done, on SIMULATED data"
