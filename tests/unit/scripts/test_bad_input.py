"""Lists that are not what they should be: a sentence that names file and reason and no product, or a right product."""

from __future__ import annotations

import json
import math
import re
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from scripts.epic import background, region
from scripts.epic.events import EventList
from scripts.epic.selection import select
from scripts.epic.task import Parameters

REGION = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}


@pytest.fixture
def damaged(simulated_m1, tmp_path):
    """Write the simulated list with a change."""

    def make(change):
        with fits.open(simulated_m1) as hdus:
            change(hdus)
            hdus.writeto(tmp_path / "damaged.fits")
        return tmp_path / "damaged.fits"

    return make


def set_keyword(name, value):
    def change(hdus):
        hdus["EVENTS"].header[name] = value

    return change


def never_exposed(hdus):
    for hdu in hdus:
        if hdu.name.startswith("EXPOSU"):
            hdu.data["FRACEXP"] = 0.0
        for name in list(hdu.header):
            if name.startswith("LIVETI"):
                hdu.header[name] = 0.0


def endless_times(hdus):
    """Good times that end nowhere: an infinite number cannot stand in a header."""
    for hdu in hdus:
        if hdu.name.startswith("STDGTI"):
            hdu.data["STOP"] = np.inf


def without_place(hdus):
    """Positions that are not a number, as floating-point columns have them."""
    old = hdus["EVENTS"]
    columns = []
    for column in old.columns:
        values = old.data[column.name]
        if column.name in ("X", "Y"):
            values = values.astype("f4")
            values[::7] = np.nan
        columns.append(fits.Column(column.name, "E" if column.name in ("X", "Y") else column.format, array=values))
    hdus["EVENTS"] = fits.BinTableHDU.from_columns(columns, header=old.header, name="EVENTS")
    for name in ("TNULL6", "TNULL7"):
        hdus["EVENTS"].header.remove(name, ignore_missing=True)


def without_time(hdus):
    """Every seventh event, among them some in the region."""
    hdus["EVENTS"].data["TIME"][::7] = np.nan
    hdus["EVENTS"].data["TIME"][7::49] = np.inf


def in_flawed_times(hdus):
    """One good time without an end and one that ends before it begins."""
    table = hdus["STDGTI01"]
    first = hdus["EVENTS"].header["TSTART"]
    table.data = np.concatenate([table.data, table.data[:1], table.data[:1]]).view(table.data.dtype)
    table.data["START"][-2:], table.data["STOP"][-2:] = (first, first + 100), (np.nan, first)


def nowhere(hdus):
    """All positions null: no event lies in any region, which is no reason for a limit."""
    for axis in "XY":
        hdus["EVENTS"].data[axis][:] = -99999999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            set_keyword("REFXCRVL", 999.0),
            "damaged.fits[EVENTS]: the world coordinates of X and Y make no sense: centre 999",
        ),
        (set_keyword("REFYCDLT", 0.0), "damaged.fits[EVENTS]: the world coordinates of X and Y make no sense"),
        (set_keyword("REFXCDLT", -1.0), "damaged.fits[EVENTS]: the world coordinates of X and Y make no sense"),
        (set_keyword("REFXCDLT", 0.05 / 3600), "damaged.fits[EVENTS]: the world coordinates of X and Y make no sense"),
        (
            set_keyword("REFXCRVL", 10.0),
            "damaged.fits[EVENTS]: the centre of X and Y, 10, 2.21, is more than 2 degrees",
        ),
        (nowhere, "damaged.fits[EVENTS]: none of its 29812 events has a place on the sky"),
        (endless_times, "damaged.fits has no good time"),
        (set_keyword("XMMEA_EM", "FLAG < 3"), "damaged.fits[EVENTS]: the header does not define the event selection"),
        (set_keyword("REFXCDLT", "none"), "damaged.fits[EVENTS]: the keyword REFXCDLT is 'none', not a number"),
        (set_keyword("INSTRUME", "RGS1"), "damaged.fits[EVENTS]: is not from an EPIC camera: INSTRUME is 'RGS1'"),
        (never_exposed, "damaged.fits has no live time in the good times asked for"),
    ],
)
def test_says_what_is_wrong_and_leaves_nothing(damaged, run_script, change, message):
    run = run_script("spectrum", damaged(change), {"EMIN": 0.5, "EMAX": 2.0}, REGION)
    assert run.code == 1
    assert run.message.startswith(message)
    assert not list(run.products.iterdir())


def test_events_without_a_place_are_in_no_product(damaged, run_script, simulated_m1):
    whole = run_script("spectrum", simulated_m1, {}, REGION)
    part = run_script("spectrum", damaged(without_place), {}, REGION)
    assert part.code == 0, part.err
    counts = [fits.getheader(next(run.products.glob("*_spectrum.fits")), 1)["TOTCTS"] for run in (whole, part)]
    assert counts[1] == pytest.approx(counts[0] * 6 / 7, rel=0.1)


def typed(column, form, values):
    """Another form and other values of a column of EVENTS."""

    def change(hdus):
        old = hdus["EVENTS"]
        columns = [
            fits.Column(one.name, form if one.name == column else one.format, array=old.data[one.name])
            if one.name != column
            else fits.Column(one.name, form, array=values(old.data[one.name]))
            for one in old.columns
        ]
        number = old.columns.names.index(column) + 1
        hdus["EVENTS"] = fits.BinTableHDU.from_columns(columns, header=old.header, name="EVENTS")
        hdus["EVENTS"].header.remove(f"TNULL{number}", ignore_missing=True)

    return change


def holed(values):
    """Every seventh value is none."""
    return np.where(np.arange(len(values)) % 7, values, np.nan)


def flawed(extension, column, values):
    """Another column, of floating-point numbers, in an extension other than EVENTS."""

    def change(hdus):
        old = hdus[extension]
        columns = [
            fits.Column(one.name, "D", array=values) if one.name == column else one.copy() for one in old.columns
        ]
        hdus[extension] = fits.BinTableHDU.from_columns(columns, header=old.header, name=extension)

    return change


def set_in(extension, name, value):
    def change(hdus):
        hdus[extension].header[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (typed("PI", "8A", lambda pi: pi.astype("U8")), "[EVENTS]: the column PI has the form TFORM9 = '8A', but must"),
        (typed("X", "2J", lambda x: np.stack([x, x], 1)), "[EVENTS]: the column X has the form TFORM6 = '2J', but"),
        (typed("PI", "E", lambda pi: pi / 1000), "[EVENTS]: the energies PI of its events go from "),
        (typed("X", "D", lambda x: x * 1e200), "[EVENTS]: none of its 29812 events has a place on the sky"),
        (typed("TIME", "D", lambda t: t + np.nan), "[EVENTS]: 29812 of 29812 events have no time"),
        (flawed("BADPIX01", "RAWX", [np.nan] * 9), "[BADPIX01]: 9 of 13 rows have no place (RAWX, RAWY or"),
        (set_in("EXPOSU01", "WINDOWDX", "wide"), "[EXPOSU01]: the window of the CCD makes no sense"),
        (set_in("EXPOSU01", "WINDOWDY", -5), "[EXPOSU01]: the window of the CCD makes no sense"),
        (set_keyword("LIVETI01", "long"), "[EVENTS]: the keyword LIVETI01 is 'long', not a number"),
        (set_keyword("LIVETI01", -5.0), "[EVENTS]: the keyword LIVETI01 is -5 s; a live time is not negative"),
        (set_keyword("MJDREF", "NaN"), "[EVENTS]: the keyword MJDREF is 'NaN', not a number"),
    ],
)
def test_damage_is_named_by_every_kind_of_script(damaged, run_script, run_job, change, message):
    path = damaged(change)
    if "MJDREF" not in message:
        run = run_script("spectrum", path, {"EMIN": 0.5}, REGION)
        assert (run.code, run.message.startswith(f"damaged.fits{message}")) == (1, True), run.err
    run = run_job("photometry", [path], {}, REGION)
    assert (run.code, f"damaged.fits{message}" in run.message) == (1, True), run.err


@pytest.mark.parametrize("column", ["RAWX", "DETX", "X", "PI", "FLAG", "PATTERN", "CCDNR"])
def test_an_event_without_a_number_is_none(damaged, run_script, simulated_m1, column):
    whole, part = (
        run_script("spectrum", path, {}, REGION) for path in (simulated_m1, damaged(typed(column, "E", holed)))
    )
    assert (part.code, part.err) == (0, "")
    headers = [fits.getheader(next(run.products.glob("*_spectrum.fits")), 1) for run in (whole, part)]
    assert headers[1]["TOTCTS"] == pytest.approx(headers[0]["TOTCTS"] * 6 / 7, rel=0.1)
    assert headers[1]["BACKSCAL"] == pytest.approx(headers[0]["BACKSCAL"], rel=0.01)
    assert (f"4259 of 29812 events have no {column}: LEFT OUT" in part.out) == (column != "X")


def test_a_frame_of_unknown_width_collects_nothing(damaged, run_script):
    def change(hdus):
        for hdu in hdus:
            if hdu.name.startswith("EXPOSU"):
                hdu.data["TIMEDEL"] = np.nan

    run = run_script("spectrum", damaged(change), {}, REGION)
    assert (run.code, run.err.count("\n")) == (1, 1)
    assert "has no live time" in run.message


COUNTS = {
    "events": ("_events.fits", lambda hdus: len(hdus["EVENTS"].data)),
    "image": ("_image.fits", lambda hdus: hdus[0].data.sum()),
    "spectrum": ("_spectrum.fits", lambda hdus: hdus["SPECTRUM"].header["TOTCTS"]),
    "lightcurve": ("_lightcurve.fits", lambda hdus: hdus["RATE"].data["COUNTS"].sum()),
    "profile": ("_profile.fits", lambda hdus: hdus["PROFILE"].data["COUNTS"].sum()),
    "photometry": ("photometry.fits", lambda hdus: hdus[1].data["counts"][0]),
    "mosaic": ("mosaic_counts.fits", lambda hdus: hdus[0].data.sum()),
}


@pytest.mark.parametrize("name", COUNTS)
def test_events_without_a_time_are_in_no_product(name, damaged, run_script, run_job, tmp_path):
    """The same as of a list that does not have them, and their number is told."""

    def counted(path):
        run = (
            run_script if name not in ("photometry", "mosaic") else lambda one, path, *rest: run_job(one, [path], *rest)
        )
        done = run(name, path, {"EMIN": 0.5, "EMAX": 2.0, "FLAGS": "standard"}, REGION)
        assert done.code == 0, done.err
        assert done.err == ""
        end, count = COUNTS[name]
        with fits.open(next(path for path in done.products.iterdir() if path.name.endswith(end))) as hdus:
            return int(count(hdus)), done.out

    with fits.open(damaged(without_time)) as hdus:
        hdus["EVENTS"].data = hdus["EVENTS"].data[np.isfinite(hdus["EVENTS"].data["TIME"])]
        hdus.writeto(tmp_path / "clean.fits")
    found, told = counted(tmp_path / "damaged.fits")
    assert found == counted(tmp_path / "clean.fits")[0] > 50
    assert "damaged.fits[EVENTS]: 4259 of 29812 events have no time" in told


def test_good_times_that_are_none_are_told(damaged, run_script, simulated_m1):
    whole, part = (run_script("spectrum", path, {}, REGION) for path in (simulated_m1, damaged(in_flawed_times)))
    assert part.code == 0, part.err
    for what in ("no beginning or no end", "an end before the beginning"):
        assert re.search(rf"damaged.fits\[STDGTI01\]: 1 of \d+ good times have {what}.*: LEFT OUT", part.out)
    headers = [fits.getheader(next(run.products.glob("*_spectrum.fits")), 1) for run in (whole, part)]
    assert headers[0]["EXPOSURE"] == headers[1]["EXPOSURE"]
    assert "STDGTI01" in str(headers[1]["HISTORY"])


def test_an_image_says_nothing_of_them(damaged, run_script):
    run = run_script("image", damaged(without_place), {})
    assert run.code == 0, run.err
    assert run.err == ""


def test_photometry_of_a_list_that_was_never_exposed_has_no_value(damaged, run_job):
    run = run_job("photometry", [damaged(never_exposed)], region=REGION)
    assert run.code == 0, run.err
    row = Table.read(run.products / "photometry.vot")[0]
    assert "has no live time in the good times" in row["problem"]
    assert np.ma.is_masked(row["rate_limit"])


def test_a_background_without_area_gives_no_value(simulated_m1, run_job):
    run = run_job("photometry", [simulated_m1], {"BACKGROUND": {**REGION, "radius": 0.0}}, REGION)
    assert (run.code, run.err) == (0, "")
    row = Table.read(run.products / "photometry.vot")[0]
    assert row["problem"].startswith("the background region has no live detector area; name another with BACKGROUND")
    assert np.ma.is_masked(row["rate_limit"])


def test_a_list_that_ends_before_it_begins_has_no_light_curve(damaged, run_script):
    run = run_script("lightcurve", damaged(set_keyword("TSTOP", 8.9e8)), {}, REGION)
    assert run.code == 1
    assert run.message.startswith("damaged.fits[EVENTS]: TSTOP = 890000000.000 is not after TSTART")


def test_another_part_of_the_sky_is_told_from_a_region_too_wide(simulated_m1, run_script):
    run = run_script("profile", simulated_m1, {}, {**REGION, "ra": 330.0, "dec": -2.0})
    assert (run.code, "lies outside the field, in another part of the sky" in run.message) == (1, True)


def test_a_ring_without_events_is_not_cut_into_cells(simulated_m1):
    """A circle of 5 degrees has a ring of 12.5: its cells of 8 arcsec would take 1 GB."""
    events = EventList(simulated_m1)
    source = region.place({**REGION, "radius": 5.0}, events.projection)
    keep = select(events, Parameters({})).mask(events)
    tracemalloc.start()
    assert background.automatic(events, source, keep).holes == ()
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


LIMIT = -math.log(1 - 0.9973)
"""Counts of a source that leaves none with a chance of 0.27 %."""


@pytest.mark.parametrize("name", ["events", "image", "spectrum", "lightcurve", "hardness", "profile", "mosaic"])
def test_nothing_counted_is_said_with_its_limit_in_log_and_product(name, simulated_m1, run_script, run_job):
    """In a band where there is no event; live time is that of the region's CCD."""
    run = run_script if name != "mosaic" else lambda one, path, *more: run_job(one, [path], *more)
    done = run(name, simulated_m1, {"EMIN": 14.9, "EMAX": 14.95, "ESPLIT": 14.92}, REGION)
    assert done.code == 0, done.err
    found = re.search(r"0 counts: the rate is below (\S+) ct/s", done.out)
    assert found
    header = fits.getheader(simulated_m1, "EVENTS")
    # mosaic: seconds of pn on its axis, of which the vignetted mirrors of MOS have less than a third
    seconds = (
        (0.1 * header["LIVETI01"], 0.30 * header["LIVETI01"])
        if name == "mosaic"
        else [0.99 * header["LIVETI01"], 1.01 * header["LIVETI01"]]
    )
    assert LIMIT / seconds[1] <= float(found[1]) <= LIMIT / seconds[0]
    if name == "hardness":
        assert found[0] in json.loads(next(done.products.glob("*hardness.json")).read_text())["note"]
        return
    texts = []
    for path in done.products.glob("*.fits"):
        with fits.open(path) as hdus:
            texts += ["".join(map(str, hdu.header.get("HISTORY", ""))) for hdu in hdus]
    assert any(found[0] in text for text in texts)


@pytest.mark.parametrize("name", ["image", "lightcurve", "hardness"])
def test_a_band_without_a_count_has_its_own_note(name, simulated_m1, run_script):
    """Where another band has counts: beside its name in the log, and in the part of the product that is of it."""
    bands = {"EMIN": 0.5, "EMAX": 14.95, "ESPLIT": 14.9, "BANDS": [[0.5, 2.0], [14.9, 14.95]]}
    done = run_script(name, simulated_m1, bands, REGION)
    assert done.code == 0, done.err
    found = re.findall(r"14.9 to 14.95 keV: (0 counts: the rate is below \S+ ct/s)", done.out)
    assert len(found) == done.out.count("0 counts:") == 1
    if name == "hardness":
        assert found[0] in json.loads(next(done.products.glob("*hardness.json")).read_text())["note"]
        return
    with fits.open(next(done.products.glob(f"*_{name}.fits"))) as hdus:
        texts = {hdu.name: "".join(map(str, hdu.header.get("HISTORY", ""))) for hdu in hdus}
    assert [part for part, text in texts.items() if found[0] in text] == ["BAND2" if name == "image" else "RATE"]


@pytest.mark.parametrize("name", ["events", "image"])
def test_a_place_that_was_not_exposed_has_no_limit(name, simulated_m1, run_script):
    """Beside the field of view, where a list has no event of the sky."""
    outside = {"shape": "circle", "ra": 150.0215, "dec": 1.9309, "radius": 0.004}
    done = run_script(name, simulated_m1, {"FLAGS": "standard"}, outside)
    assert done.code == 0, done.err
    assert "0 counts, and no upper limit: no place of what was asked for was exposed" in done.out


def without_times(hdus):
    """The central CCD has no good time, the others have theirs."""
    hdus["STDGTI01"].data = hdus["STDGTI01"].data[:0]


@pytest.mark.parametrize("name", ["spectrum", "lightcurve", "hardness"])
def test_a_region_on_a_ccd_without_live_time_is_refused(name, damaged, run_script):
    middle = {"shape": "circle", "ra": 150.12, "dec": 2.21, "radius": 0.008}
    run = run_script(name, damaged(without_times), {}, middle)
    assert run.code == 1
    assert "damaged.fits: the CCDs under the region 'CIRCLE 150.12 2.21 0.008' have no live time" in run.message
