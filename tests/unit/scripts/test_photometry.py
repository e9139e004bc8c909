"""Photometry, variability and mosaic as a user's job runs them."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from tests.conftest import missing

BRIGHT = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}


@pytest.fixture
def votlint():
    program = shutil.which("stilts")
    if program is None:
        missing("the program stilts")

    def check(path):
        done = subprocess.run([program, "votlint", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert not done.stdout + done.stderr

    return check


def test_rows_are_the_datasets_and_their_sums(run_job, simulated_lists, fitsverify, votlint):
    run = run_job("photometry", simulated_lists, region=BRIGHT)
    assert run.code == 0, run.err
    table = Table.read(run.products / "photometry.vot")
    assert len(table) == 6 + 3 + 1
    assert table["counts"][-1] == sum(table["counts"][:6])
    assert all(table["rate_low"][:6] < table["rate"][:6])
    assert all(table["rate"][:6] < table["rate_limit"][:6])
    assert table["rate"].mask[-1]
    assert not table["flux"].mask[-1]
    fitsverify(run.products / "photometry.fits")
    votlint(run.products / "photometry.vot")
    with fits.open(run.products / "photometry.fits") as file:
        assert list(file[1].data["COUNTS"]) == list(table["counts"])
        assert "photon index 1.7" in str(file[0].header["HISTORY"])


def test_counts_are_those_of_a_plain_cut(run_job, simulated_m1):
    from scripts.epic.events import EventList

    run = run_job("photometry", [simulated_m1], region=BRIGHT)
    events = EventList(simulated_m1)
    x, y = events.projection.to_pixel(BRIGHT["ra"], BRIGHT["dec"])
    near = np.hypot(events.column("X") - x, events.column("Y") - y) <= BRIGHT["radius"] * 3600 / 0.05
    soft = (events.column("PI") >= 500) & (events.column("PI") <= 2000) & (events.column("PATTERN") <= 12)
    clean = events.flagged_clear("XMMEA_EM")
    assert Table.read(run.products / "photometry.vot")["counts"][0] == np.count_nonzero(near & soft & clean)


def test_no_count_has_a_limit_and_outside_the_field_has_a_reason(run_job, simulated_m1):
    dark = {"shape": "circle", "ra": 150.05, "dec": 2.33, "radius": 0.0006}
    run = run_job("photometry", [simulated_m1], {"EMIN": 9.9, "EMAX": 9.91}, dark)
    assert run.code == 0, run.err
    row = Table.read(run.products / "photometry.vot")[0]
    assert row["counts"] == 0
    assert row["rate_limit"] > 0
    far = {"shape": "circle", "ra": 150.9, "dec": 2.33, "radius": 0.01}
    run = run_job("photometry", [simulated_m1], region=far)
    assert run.code == 0, run.err
    table = Table.read(run.products / "photometry.vot")
    assert table["rate_limit"].mask[0]
    assert "EXPOSURE_MIN" in table["problem"][0] or "outside the field" in table["problem"][0]


def test_across_a_gap_there_is_never_a_limit_of_zero(run_job, simulated_m1):
    """Places all over the field, gaps among them: a limit above 0, or none and the reason."""
    seen = 0
    for step in range(12):
        place = {"shape": "circle", "ra": 150.03 + 0.018 * step, "dec": 2.2, "radius": 0.002}
        row = Table.read(run_job("photometry", [simulated_m1], region=place).products / "photometry.vot")[0]
        if row["problem"]:
            assert np.ma.is_masked(row["rate_limit"])
        else:
            seen += 1
            assert row["rate_limit"] > 0
    assert seen


def test_a_missing_region_and_a_broken_list_are_named(run_job, simulated_m1, tmp_path):
    assert "A region is needed" in run_job("photometry", [simulated_m1]).message
    cut = tmp_path / simulated_m1.name
    cut.write_bytes(simulated_m1.read_bytes()[:100_000])
    message = run_job("photometry", [cut], region=BRIGHT).message
    assert cut.name in message
    assert "cut off" in message


def test_one_broken_dataset_does_not_stop_the_others(run_job, simulated_lists, tmp_path):
    cut = tmp_path / simulated_lists[0].name
    cut.write_bytes(simulated_lists[0].read_bytes()[:100_000])
    run = run_job("photometry", [cut, simulated_lists[1]], region=BRIGHT)
    assert run.code == 0, run.err
    assert "NOT MEASURED" in run.out
    assert len(Table.read(run.products / "photometry.vot")) == 1


def test_measurements_of_tasks_of_their_own_give_the_same_table(run_job, simulated_lists, tmp_path):
    """The gather task reads what the tasks of the datasets measured."""
    from dataclasses import asdict

    from scripts.epic.aperture import measure
    from scripts.epic.task import Parameters, Task

    parts = []
    for i, path in enumerate(simulated_lists[:2]):
        folder = tmp_path / f"part{i}"
        folder.mkdir()
        name = "/".join([path.name[1:11], path.name[11:13], path.name[13:17]])
        job = Task(
            "slug",
            {"id": name, "files": [{"kind": "events", "path": str(path)}]},
            BRIGHT,
            Parameters({"EMIN": 0.5, "EMAX": 2.0}),
        )
        (folder / "measurement.json").write_text(json.dumps(asdict(measure(job, name, 0.3))))
        parts.append({"dataset": name, "task": i, "folder": str(folder), "failed": False, "message": ""})
    alone = run_job("photometry", simulated_lists[:2], region=BRIGHT)
    gathered = run_job("photometry", simulated_lists[:2], region=BRIGHT, parts=parts)
    assert gathered.code == 0, gathered.err
    assert (gathered.products / "photometry.vot").read_bytes() == (alone.products / "photometry.vot").read_bytes()


def test_light_curve_over_observations(run_job, simulated_lists, fitsverify, votlint):
    run = run_job("variability", simulated_lists, region=BRIGHT)
    assert run.code == 0, run.err
    fitsverify(run.products / "variability.fits")
    votlint(run.products / "variability.vot")
    table = Table.read(run.products / "variability.vot")
    assert list(table["t_start"]) == sorted(table["t_start"])
    plot = json.loads((run.products / "variability_plot.json").read_text())
    assert {one["kind"] for one in plot["series"]} == {"points", "line"}
    with fits.open(run.products / "variability.fits") as file:
        assert file["BLOCKS"].data["DATASETS"].sum() == 6


def test_mosaic_conserves_counts_and_lies_in_place(run_job, simulated_lists, fitsverify):
    # the standard selection of pn keeps what fell outside the field of view, where there is no exposure
    lists = [path for path in simulated_lists if "PIEVLI" not in path.name]
    run = run_job("mosaic", lists, {"PIXEL": 8.0})
    assert run.code == 0, run.err
    from astropy.wcs import WCS

    from scripts.epic.events import EventList
    from scripts.epic.selection import select
    from scripts.epic.task import Parameters

    kept = 0
    for path in lists:
        events = EventList(path)
        kept += np.count_nonzero(
            select(events, Parameters({"EMIN": 0.5, "EMAX": 10.0})).mask(events) & (events.column("X") > 0)
        )
    for name in ("counts", "exposure", "rate"):
        fitsverify(run.products / f"mosaic_{name}.fits")
    with fits.open(run.products / "mosaic_counts.fits") as file:
        image, header = file[0].data, file[0].header
    assert image.sum() == kept == header["TOTCTS"]
    x, y = WCS(header).world_to_pixel_values(BRIGHT["ra"], BRIGHT["dec"])
    box = image[int(y) - 2 : int(y) + 4, int(x) - 2 : int(x) + 4]
    assert box.max() == image.max()
    exposure = fits.getdata(run.products / "mosaic_exposure.fits")
    assert image[exposure == 0].sum() < 0.002 * kept


def test_a_mosaic_too_large_says_so(run_job, simulated_m1):
    assert "raise PIXEL" in run_job("mosaic", [simulated_m1], {"PIXEL": 0.1}).message
