"""Light curves, cut-outs, hardness and profiles: against SAS, against what was put in, and on bad input."""

from __future__ import annotations

import gzip
import json
import re

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import area, gti, hardness, lightcurve
from scripts.epic.ccd import Geometry
from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList
from scripts.epic.lightcurve import Bins
from scripts.epic.region import Circle
from scripts.epic.selection import select
from scripts.epic.task import Parameters

NAMES = ["events", "hardness", "image", "lightcurve", "profile", "spectrum"]


def circle(source, radius=0.01):
    return {"shape": "circle", "ra": source["ra"], "dec": source["dec"], "radius": radius}


@pytest.fixture
def source(truth):
    return truth["sources"][0]


def test_clean_list_and_light_curves_equal_those_of_sas(real, real_camera, real_events):
    """Rows, order and values; counts, times and errors in 100 s bins of source and background."""
    wanted = {"GTI": "flare", "FLARE_RATE": 0.4, "EMIN": 0.5, "EMAX": 10.0}
    selection = select(real_events, Parameters(wanted))
    keep = selection.mask(real_events)
    clean = fits.getdata(real / f"{real_camera}_clean.fits.gz", "EVENTS")
    assert all(np.array_equal(real_events.column(name)[keep], clean[name]) for name in clean.names)
    bins = lightcurve.bins(real_events, 100.0)
    folders = sorted(real.glob(f"lcurve_100_{real_camera}_*"))
    assert folders
    for folder in folders:
        text = next(folder.glob("*region.txt")).read_text()
        for kind, name in (("src", "Source"), ("bgd", "Background")):
            shape = Circle("", *map(float, re.search(rf"{name}.*CIRCLE\(([^)]*)\)", text)[1].split(",")))
            mine = keep.copy()
            mine[mine] = shape.contains(real_events.column("X")[mine], real_events.column("Y")[mine])
            counts = bins.counts(real_events.column("TIME")[mine])
            sas = fits.getdata(next(folder.glob(f"*100_{kind}.lc.gz")), 1)
            assert np.array_equal(counts / 100.0, sas["RATE"])
            assert np.array_equal(np.sqrt(counts) / 100.0, sas["ERROR"])
            assert np.array_equal(bins.centre, sas["TIME"])


def test_live_time_per_bin_agrees_with_epiclccorr(real, real_camera, real_events):
    selection = select(real_events, Parameters({"GTI": "flare", "FLARE_RATE": 0.4}))
    for path in real.glob(f"lcurve_100_{real_camera}_*/*lccorr*"):
        with fits.open(path) as hdus:
            header, table = hdus[1].header, hdus[1].data
            bins = Bins(header["TSTART"], header["TIMEDEL"], len(table))
            share = lightcurve.live(real_events, bins, selection.times, {1: 1.0}) / bins.width
            assert abs(share.sum() / np.nansum(table["FRACEXP"]) - 1) < 0.003
            assert np.nanmedian(np.abs(share - table["FRACEXP"])) < 0.001


def test_live_time_per_bin_of_pn_agrees_with_epiclccorr(shared):
    """3,570 bins of a second, of 14 frames each."""
    folder = shared / "data" / "xmm" / "0916810801"
    events = EventList(folder / "0916810801_PN1_src.evt.gz")
    with fits.open(folder / "0916810801_PN1_dt1.lc.gz") as hdus:
        header, sas = hdus["RATE"].header, hdus["RATE"].data["FRACEXP"]
    bins = Bins(header["TSTART"], header["TIMEDEL"], len(sas))
    share = lightcurve.live(events, bins, select(events, Parameters({})).times, {5: 1.0}) / bins.width
    assert share.sum() / sas.sum() == pytest.approx(1, abs=1e-4)
    assert np.abs(share - sas).max() < 0.016
    assert np.median(np.abs(share - sas)) < 0.003


def test_the_pn_spectrum_equals_that_of_sas(shared):
    folder = shared / "data" / "xmm" / "0916810801"
    events = EventList(folder / "0916810801_PN1_src.evt.gz")
    keep = (events.column("FLAG") == 0) & (events.column("PATTERN") <= 4)
    from scripts.epic import spectrum

    sas = fits.getdata(folder / "0916810801_PN1spec.fits.gz", "SPECTRUM")
    assert np.array_equal(spectrum.counts(events, keep)[40:2400], sas["COUNTS"][40:2400])


def test_a_part_has_the_events_of_the_whole(simulated_m1, source):
    whole, part = EventList(simulated_m1), EventList(simulated_m1, [circle(source)])
    assert 0 < len(part) < len(whole) / 4
    from scripts.epic import flare, region

    shape = region.place(circle(source), whole.projection)
    inside = shape.contains(whole.column("X"), whole.column("Y"))
    mine = shape.contains(part.column("X"), part.column("Y"))
    for name in whole.names:
        assert np.array_equal(whole.column(name)[inside], part.column(name)[mine])
    assert np.array_equal(flare.curve(whole).counts, flare.curve(part).counts)


def test_a_list_of_chandra_gives_light_curve_and_image(shared):
    events = EventList(shared / "data" / "other" / "chandra_test.fits.gz", epic=False)
    assert lightcurve.bins(events, 1000.0).counts(events.column("TIME")).sum() == len(events) == 4612
    from scripts.epic import image

    grid = image.grid(events, 2 * events.projection.unit, None)
    assert image.counts(events, np.ones(len(events), dtype=bool), grid).sum() == 4612
    assert gti.duration(next(iter(events.standard_gti.values()))) > 0


def test_the_scripts_work_on_a_list_of_chandra_or_say_why_not(run_script, shared, fitsverify):
    """What needs no knowledge of the detectors is the same for all observatories."""
    events = shared / "data" / "other" / "chandra_test.fits.gz"
    place = {"shape": "circle", "ra": 149.0989, "dec": 69.7153, "radius": 0.02}
    table = fits.getdata(events, "EVENTS")
    x, y = 4096.5, 4096.5 + (69.7153 - 69.715351594383) / 0.00013666666666667
    near = np.hypot(table["x"] - x, table["y"] - y) <= 0.02 / 0.00013666666666667
    expected = np.count_nonzero(near & (table["energy"] >= 500) & (table["energy"] <= 7000))
    asked = {"EMIN": 0.5, "EMAX": 7.0}
    for script, extension, column in (("spectrum", "SPECTRUM", "COUNTS"), ("lightcurve", "RATE", "COUNTS")):
        run = run_script(script, events, asked, place)
        assert run.code == 0, run.err
        found = fits.getdata(next(run.products.glob(f"*_{script}.fits")), extension)
        assert found[column].sum() == pytest.approx(expected, abs=1)
        for path in run.products.glob("*.fits"):
            fitsverify(path)
    run = run_script("image", events, asked, place)
    assert fits.getdata(next(run.products.glob("*_image.fits"))).sum() == pytest.approx(expected, abs=1)
    run = run_script("events", events, asked, place)
    assert len(fits.getdata(next(run.products.glob("*_events.fits")), "EVENTS")) == pytest.approx(expected, abs=1)
    assert "of 4612 events" in run.out
    for script, parameters in (("detect", {}), ("profile", {}), ("image", {"CORRECT": True})):
        run = run_script(script, events, parameters, place)
        assert run.code == 1
        assert "a list of CHANDRA ACIS, whose detectors are not known here" in run.message
    assert "GTI=flare are for the EPIC cameras" in run_script("image", events, {"GTI": "flare"}, place).message


def test_the_live_time_of_all_bins_is_that_of_the_exposure(simulated_m1):
    from scripts.epic import exposure

    events = EventList(simulated_m1)
    bins = lightcurve.bins(events, 77.7)
    ccd = events.ccds[0]
    good = gti.intersection(events.standard_gti[ccd], np.array([[bins.start + 100.3, bins.start + 4000.1]]))
    total = lightcurve.live(events, bins, {ccd: good}, {ccd: 1.0}).sum()
    assert total == pytest.approx(exposure.live_time(events, ccd, good), rel=1e-9)


def test_blocks_find_a_step_and_seldom_invent_one():
    random, edges, live = np.random.default_rng(1), np.arange(101) * 100.0, np.full(100, 95.0)
    step = random.poisson(np.where(np.arange(100) < 60, 10, 25))
    found = lightcurve.bayesian_blocks(step, live, edges, 0.01)
    assert len(found.counts) == 2
    assert abs(found.edges[1] - 6000) <= 300
    assert found.counts.sum() == step.sum()
    constant = [lightcurve.bayesian_blocks(random.poisson(10, 100), live, edges, 0.05) for _ in range(100)]
    assert sum(len(blocks.counts) > 1 for blocks in constant) <= 15


def test_hardness_covers_the_truth_and_knows_its_limits():
    random = np.random.default_rng(3)
    soft, hard, sky, scale, hits = 12.0, 6.0, 20.0, 0.1, 0
    for _ in range(300):
        on = random.poisson(soft + scale * sky), random.poisson(hard + scale * sky)
        off = random.poisson(sky), random.poisson(sky)
        found = hardness.posterior(on, off, scale, 4000, int(random.integers(1 << 30))).summary(0.6827)
        hits += found["low"] <= (hard - soft) / (hard + soft) <= found["high"]
    assert 0.60 < hits / 300 < 0.77
    nothing = hardness.posterior((0, 0), (0, 0), 0.1).summary(0.6827)
    assert nothing["mean"] == pytest.approx(0, abs=0.01)
    # without a background it is a Beta distribution: HR = 1 - 2 Beta(S + 1, H + 1)
    plain = hardness.posterior((3, 8), (0, 0), 1e-9)
    assert plain.ratio.mean() == pytest.approx(1 - 2 * 4 / 13, abs=0.005)


@pytest.mark.parametrize("name", NAMES)
def test_each_script_makes_what_it_declares(name, run_script, simulated_m1, source, fitsverify):
    from jobs.descriptor import load
    from tests.unit.scripts.conftest import SCRIPTS

    run = run_script(name, simulated_m1, {}, circle(source), slug="a_b_c")
    assert run.code == 0, run.err
    declared = {p.name.replace("{dataset}", "a_b_c") for p in load(SCRIPTS / name).products if p.required}
    assert {path.name for path in run.products.iterdir()} == declared
    for path in run.products.glob("*.fits"):
        fitsverify(path)
    for path in run.products.glob("*.json"):
        json.loads(path.read_text())


def test_a_cut_out_is_a_list_that_the_scripts_read(run_script, simulated_m1, source):
    asked = {"EMIN": 0.5, "BAND": [1.239841984e-10, None], "FLAGS": "none", "PATTERN": 31}
    run = run_script("events", simulated_m1, asked, circle(source))
    (path,) = run.products.glob("*.fits")
    cut, whole = EventList(path), EventList(simulated_m1)
    energy = cut.column("PI")
    assert len(cut) > 100
    assert (energy.min() >= 500, energy.max() <= 10000) == (True, True)
    assert cut.header["SLCTEXPR"].startswith("PATTERN<=31 && PI>=500 && PI<=10000")
    assert cut.standard_gti.keys() == whole.standard_gti.keys()
    again = run_script("lightcurve", path, {}, circle(source))
    assert again.code == 0, again.err


def test_a_cut_out_of_pn_has_the_area_of_the_list(run_script, simulated):
    """Columns with offsets go along: with FLAG == 0 they have no events."""
    pn = simulated / "P9999000101PNS003PIEVLI0000.FTZ"
    whole = EventList(pn)
    u, v = Geometry(whole).to_sky(*offset_column(whole))
    (ra, dec) = (float(axis[0]) for axis in whole.projection.to_sky(u, v))
    run = run_script("events", pn, {}, {"shape": "circle", "ra": ra, "dec": dec, "radius": 0.03})
    assert run.code == 0, run.err
    cut = EventList(next(run.products.glob("*.fits")))
    region = Circle("", float(u[0]), float(v[0]), 2000)
    areas = [sum(area.live_area(region, one, Geometry(whole), "strict").values()) for one in (whole, cut)]
    assert areas[0] == areas[1] < 0.97 * np.pi * 2000**2


def offset_column(events):
    """Return DETX, DETY of the middle of the column with an offset of the first CCD."""
    column = float(fits.getdata(events.path, "OFFSETS")["RAWX"][0])
    return Geometry(events).chips[0].to_det(np.array([column]), np.array([120.0]))


def test_time_cuts_events_and_good_times(run_script, simulated_m1, source):
    events = EventList(simulated_m1)
    start = events.number("TSTART")
    mjd = [events.number("MJDREF") + (start + s) / 86400 for s in (1000.0, 3000.0)]
    run = run_script("events", simulated_m1, {"TIME": mjd}, circle(source))
    (path,) = run.products.glob("*.fits")
    cut = EventList(path)
    assert cut.column("TIME").min() >= start + 999.9
    assert cut.column("TIME").max() <= start + 3000.1
    assert gti.duration(cut.standard_gti[1]) == pytest.approx(2000, abs=1)
    late = run_script("events", simulated_m1, {"TIME": [mjd[0] + 10, mjd[1] + 10]}, circle(source))
    assert (late.code, late.message.startswith("TIME leaves no good time of P9999000101M1S001")) == (1, True)


@pytest.mark.parametrize(("low", "high", "split"), [(0.5, 10.0, 2.0), (4.0, 9.0, 6.0), (0.0, 1.0, 0.1)])
def test_a_band_is_parted_where_it_is_or_at_two_kiloelectronvolts(run_script, simulated_m1, source, low, high, split):
    run = run_script("lightcurve", simulated_m1, {"EMIN": low, "EMAX": high}, circle(source))
    assert fits.getheader(next(run.products.glob("*_lightcurve.fits")), "RATE")["ESPLIT"] == 1000 * split
    run = run_script("hardness", simulated_m1, {"EMIN": low, "EMAX": high}, circle(source))
    answer = json.loads(next(run.products.glob("*hardness.json")).read_text())
    assert answer["bands_keV"] == {"soft": [low, pytest.approx(split)], "hard": [pytest.approx(split), high]}


def test_the_hardness_is_that_of_the_source_not_of_its_background(run_script, simulated_m1, source):
    """Some 1400 counts: net counts of both bands give the ratio by themselves, with its error to first order."""
    run = run_script("hardness", simulated_m1, {}, circle(source))
    answer = json.loads(next(run.products.glob("*hardness.json")).read_text())
    seen, around, scale = answer["counts"], answer["background_counts"], answer["background_scale"]
    soft, hard = (seen[band] - scale * around[band] for band in ("soft", "hard"))
    error_s, error_h = (np.sqrt(seen[band] + scale**2 * around[band]) for band in ("soft", "hard"))
    ratio = (hard - soft) / (hard + soft)
    error = 2 * np.hypot(hard * error_s, soft * error_h) / (hard + soft) ** 2
    assert seen["soft"] + seen["hard"] > 1000
    assert answer["hardness_ratio"]["median"] == pytest.approx(ratio, abs=0.2 * error)
    half = (answer["hardness_ratio"]["high"] - answer["hardness_ratio"]["low"]) / 2
    assert half == pytest.approx(error, rel=0.1)


def test_grouping_has_enough_counts_in_each_good_group(run_script, simulated_m1, source):
    run = run_script("spectrum", simulated_m1, {"GROUP": 25, "EMIN": 0.3, "EMAX": 10.0}, circle(source))
    table = fits.getdata(next(run.products.glob("*spectrum.fits")), "SPECTRUM")
    starts = np.flatnonzero(table["GROUPING"] == 1)
    sums = np.add.reduceat(table["COUNTS"], starts)
    good = table["QUALITY"][starts] == 0
    assert good.sum() > 20
    assert (sums[good] >= 25).all()


def test_the_profile_finds_the_rate_that_was_put_in(run_script, simulated_m1, source, truth):
    run = run_script("profile", simulated_m1, {"PATTERN": 31, "EMIN": 0.2, "EMAX": 12.0}, circle(source))
    header = fits.getheader(next(run.products.glob("*.fits")), "PROFILE")
    (entry,) = [e for name, e in truth["lists"].items() if name == simulated_m1.name]
    expected = entry["source_counts"]["SIM 1"] / header["LIVETI01"]
    assert header["KINGRATE"] == pytest.approx(expected, rel=0.15)
    # least squares can know no better than the source's own counts
    assert expected**0.5 / header["LIVETI01"] ** 0.5 < header["KINGRERR"] < 0.05 * expected
    plot = json.loads(next(run.products.glob("*profile.json")).read_text())
    assert f"+- {header['KINGRERR']:.2g} ct/s" in json.dumps(plot)


@pytest.mark.parametrize("name", NAMES)
def test_electronvolts_are_told_from_kiloelectronvolts(name, run_script, simulated_m1, source):
    run = run_script(name, simulated_m1, {"EMIN": 500.0, "EMAX": 2000.0, "ESPLIT": 1000.0}, circle(source))
    assert run.code == 1
    assert "EMIN = 500 keV is beyond what EPIC sees" in run.message
    assert "give 0.5" in run.message


def changed(path, folder, change):
    other = folder / "other.fits"
    with fits.open(path) as hdus:
        change(hdus)
        hdus.writeto(other, output_verify="ignore")
    return other


def test_unsorted_and_overlapping_good_times_are_put_in_order(simulated_m1, tmp_path):
    def change(hdus):
        old = hdus["STDGTI01"].data
        start, stop = float(old["START"][0]), float(old["STOP"][-1])
        middle = (start + stop) / 2
        rows = np.array([[middle, stop], [start, middle + 5], [start, start]])
        columns = [fits.Column(n, "D", unit="s", array=rows[:, i]) for i, n in enumerate(("START", "STOP"))]
        hdus["STDGTI01"].data = fits.BinTableHDU.from_columns(columns).data

    whole = EventList(simulated_m1).standard_gti[1]
    found = EventList(changed(simulated_m1, tmp_path, change)).standard_gti[1]
    assert found.tolist() == [[whole[0, 0], whole[-1, 1]]]


def test_no_good_time_at_all_is_said(run_script, simulated_m1, tmp_path, source):
    def change(hdus):
        for n in range(1, 8):
            hdus[f"STDGTI{n:02d}"].data = hdus[f"STDGTI{n:02d}"].data[:0]

    path = changed(simulated_m1, tmp_path, change)
    run = run_script("hardness", path, {}, circle(source))
    assert (run.code, "has no good time: the good times of all its CCDs" in run.message) == (1, True)


def test_a_timing_mode_list_is_refused_with_words(simulated_m1, tmp_path):
    def change(hdus):
        hdus["EVENTS"].header["DATAMODE"] = "TIMING"

    with pytest.raises(EventFileError, match=r"other\.fits\[EVENTS\]: is a timing mode list.*MIEVLI"):
        EventList(changed(simulated_m1, tmp_path, change))


def test_a_column_more_and_another_order_do_not_matter(simulated_m1, tmp_path):
    def change(hdus):
        table = hdus["EVENTS"]
        names = [*reversed(table.columns.names)]
        more = [table.columns[name] for name in names] + [
            fits.Column("NEW", "3E", array=np.zeros((len(table.data), 3)))
        ]
        new = fits.BinTableHDU.from_columns(more, name="EVENTS")
        old = table.header
        new.header.extend([c for c in old.cards if not re.match(r"T[A-Z]+\d+$|NAXIS|XTEN|BITP|PCOU|GCOU", c.keyword)])
        for axis in "XY":
            here, there = names.index(axis) + 1, table.columns.names.index(axis) + 1
            for key in ("TLMIN", "TLMAX"):
                new.header[f"{key}{here}"] = old[f"{key}{there}"]
        hdus["EVENTS"] = new

    other, one = EventList(changed(simulated_m1, tmp_path, change)), EventList(simulated_m1)
    assert np.array_equal(other.column("PI"), one.column("PI"))
    assert other.grid == one.grid
    assert other.projection == one.projection


def test_complement_and_union_are_the_whole():
    some = np.array([[3.0, 5.0], [1.0, 2.0], [4.0, 6.0], [9.0, 9.0]])
    rest = gti.complement(some, 0.0, 10.0)
    assert rest.tolist() == [[0, 1], [2, 3], [6, 10]]
    assert gti.union(some, rest).tolist() == [[0, 10]]
    assert gti.complement(np.empty((0, 2)), 0.0, 1.0).tolist() == [[0, 1]]


def test_stingray_reads_the_light_curve(run_script, simulated_m1, source):
    stingray = pytest.importorskip("stingray")
    run = run_script("lightcurve", simulated_m1, {}, circle(source))
    for name in ("lightcurve.fits", "lightcurve_source.fits"):
        (path,) = run.products.glob(f"*_{name}")
        curve = stingray.Lightcurve.read(str(path), fmt="hea", skip_checks=True)
        assert curve.n > 50


def test_a_cut_compressed_list_is_named(run_script, simulated_m1, tmp_path, source):
    cut = tmp_path / "cut.FTZ"
    cut.write_bytes(gzip.compress(gzip.decompress(simulated_m1.read_bytes())[:200_000]))
    run = run_script("lightcurve", cut, {}, circle(source))
    assert run.code == 1
    assert re.match(r"cut\.FTZ\[EVENTS\]: the file is cut off: \d+ of \d+ bytes of data are there", run.message)


@pytest.mark.parametrize("script", ["spectrum", "lightcurve", "hardness"])
def test_how_much_of_a_region_across_a_gap_is_live_is_told(script, simulated_m1, run_script):
    events = EventList(simulated_m1)
    x, y = Geometry(events).to_sky(np.array([6600.0]), np.array([0.0]))
    ra, dec = (float(axis[0]) for axis in events.projection.to_sky(x, y))
    done = run_script(script, simulated_m1, {}, {"shape": "circle", "ra": ra, "dec": dec, "radius": 40 / 3600})
    assert done.code == 0, done.err
    source, sky = (
        float(re.search(rf"([\d.]+) % of the {kind} region lies on live detector", done.out)[1])
        for kind in ("source", "background")
    )
    assert 40 < source < sky < 100
