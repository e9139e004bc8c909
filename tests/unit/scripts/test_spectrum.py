from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
from astropy.io import fits

from scripts.epic import spectrum
from tests.conftest import missing

SOURCE = {"shape": "circle", "ra": 35.7975, "dec": 42.9919444, "radius": 20 / 3600}
"""3C66B."""


def tables(run, slug="0002970201_M1_S001"):
    assert run.code == 0, run.err
    return [fits.open(run.products / f"{slug}_{kind}.fits") for kind in ("spectrum", "background")]


def cfitsio(events, shape, gti, folder):
    """Return the counts per channel of the standard selection as CFITSIO filters."""
    fitscopy = shutil.which("fitscopy")
    if fitscopy is None:
        missing("the program fitscopy")
    regions, out = folder / "shape.reg", folder / "filtered.fits"
    regions.write_text(f"fk5;{shape}\n")
    out.unlink(missing_ok=True)
    good = f"(FLAG & {0x766BA000}) == 0 && PATTERN <= 12"
    times = f" && gtifilter('{gti}')" if gti else ""
    wanted = f"{events}[EVENTS][regfilter('{regions}') && {good}{times}]"
    subprocess.run([str(fitscopy), wanted, out], check=True, capture_output=True)
    energy = fits.getdata(out, "EVENTS")["PI"]
    return np.bincount(energy[energy < 12000] // 5, minlength=2400)


def test_counts_equal_those_of_cfitsio(run_script, fitsverify, real_lists, real_camera, tmp_path):
    events = real_lists[real_camera]
    for filtered in (False, True):
        run = run_script("spectrum", events, {"GTI": "flare", "FLARE_RATE": 0.4} if filtered else {}, SOURCE)
        source, background = tables(run)
        gti = events.parent / f"{real_camera}_gti.fits" if filtered else None
        circle = f'circle({SOURCE["ra"]},{SOURCE["dec"]},{SOURCE["radius"] * 3600}")'
        ra, dec, inner, outer = map(float, source["SPECTRUM"].header["BACKREG"].split()[1:])
        annulus = f'annulus({ra},{dec},{inner * 3600}",{outer * 3600}")'
        for hdus, shape in ((source, circle), (background, annulus)):
            expected = cfitsio(events, shape, gti, tmp_path)
            assert np.array_equal(hdus["SPECTRUM"].data["COUNTS"], expected)
            assert expected.sum() > 100
        for path in run.products.glob("*.fits"):
            fitsverify(path)


def test_counts_in_a_polygon_and_a_wide_circle_equal_those_of_cfitsio(run_script, real_lists, tmp_path):
    corners = [[35.60, 43.00], [35.75, 43.10], [35.90, 43.02], [35.78, 42.97], [35.80, 42.90]]
    polygon = {"shape": "polygon", "vertices": corners}
    circle = {"shape": "circle", "ra": 35.81, "dec": 42.98, "radius": 0.1}
    drawn = {"shape": "circle", "ra": 35.95, "dec": 42.85, "radius": 0.02}
    for region, shape in (
        (polygon, f"polygon({','.join(str(v) for c in corners for v in c)})"),
        (circle, 'circle(35.81,42.98,360")'),
    ):
        run = run_script("spectrum", real_lists["M2"], {"BACKGROUND": drawn}, region)
        expected = cfitsio(real_lists["M2"], shape, None, tmp_path)
        assert np.array_equal(tables(run)[0]["SPECTRUM"].data["COUNTS"], expected)
        assert expected.sum() > 10000


def test_is_an_ogip_spectrum(run_script, real_lists):
    source, background = tables(run_script("spectrum", real_lists["M1"], {}, SOURCE))
    for hdus, kind in ((source, "TOTAL"), (background, "BKG")):
        header, table = hdus["SPECTRUM"].header, hdus["SPECTRUM"].data
        none = dict.fromkeys(("CORRFILE", "RESPFILE", "ANCRFILE"), "none")
        zero = dict.fromkeys(("TLMIN1", "QUALITY", "GROUPING", "SYS_ERR"), 0)
        names = {"HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "HDUCLAS2": kind, "HDUCLAS3": "COUNT"}
        grid = {"HDUVERS": "1.2.1", "CHANTYPE": "PI", "DETCHANS": 2400, "TLMAX1": 2399}
        data = {"TELESCOP": "XMM", "INSTRUME": "EMOS1", "FILTER": "Medium", "OBS_ID": "0002970201"}
        expected = {**none, **zero, **names, **grid, **data, "AREASCAL": 1.0, "POISSERR": True}
        assert {key: header[key] for key in expected} == expected
        assert np.array_equal(table["CHANNEL"], np.arange(2400))
        assert abs(header["EXPOSURE"] / 21929.76 - 1) < 0.003
        assert "REGION" in hdus
        assert "GTI01" in hdus
    assert source["SPECTRUM"].header["BACKFILE"] == "0002970201_M1_S001_background.fits"
    area = np.pi * (20 / 0.05) ** 2
    assert 0.9 * area < source["SPECTRUM"].header["BACKSCAL"] <= 1.005 * area
    ring = np.pi * ((75 / 0.05) ** 2 - (45 / 0.05) ** 2)
    assert 0.9 * ring < background["SPECTRUM"].header["BACKSCAL"] <= 1.005 * ring


def test_exposure_is_weighted_as_in_sas():
    """As EXPOSURE of SAS's flare curve of MOS1, 21936.17 s: live times weighted by each CCD's events."""
    live = {1: 100.0, 2: 200.0, 3: 400.0}
    assert spectrum.exposure({1: 30, 2: 10}, {3: 1.0}, live) == 125.0
    assert spectrum.exposure({}, {1: 1.0, 3: 3.0}, live) == 325.0
    assert spectrum.exposure({}, {}, live) == 0.0


def test_an_energy_range_marks_the_channels_it_cuts(run_script, simulated_m1, truth, fitsverify):
    region = {
        "shape": "circle",
        "ra": truth["sources"][0]["ra"],
        "dec": truth["sources"][0]["dec"],
        "radius": 0.01,
    }
    run = run_script("spectrum", simulated_m1, {"EMIN": 0.5, "EMAX": 2.0}, region)
    table = tables(run)[0]["SPECTRUM"]
    good = table.data["QUALITY"] == 0
    assert np.flatnonzero(good).tolist() == list(range(100, 400))
    assert set(table.data["QUALITY"][~good]) == {5}
    # channel 400 begins at 2000 eV, which the range includes
    assert not table.data["COUNTS"][~good][table.data["CHANNEL"][~good] != 400].any()
    assert "500:2000" in [table.header[key] for key in table.header if key.startswith("DSVAL")]
    fitsverify(run.products / "0002970201_M1_S001_spectrum.fits")


def test_the_background_of_ones_choice_is_used(run_script, simulated_m1, truth, fitsverify):
    ra, dec = truth["sources"][0]["ra"], truth["sources"][0]["dec"]
    corners = [
        [ra + 0.02, dec - 0.01],
        [ra + 0.04, dec - 0.01],
        [ra + 0.04, dec + 0.01],
        [ra + 0.02, dec + 0.01],
    ]
    background = {"shape": "polygon", "vertices": corners}
    region = {"shape": "circle", "ra": ra, "dec": dec, "radius": 0.01}
    run = run_script("spectrum", simulated_m1, {"BACKGROUND": background}, region)
    source, other = tables(run)
    assert source["SPECTRUM"].header["BACKREG"].startswith("POLYGON ")
    assert other["REGION"].data["SHAPE"][0] == "POLYGON"
    square = (0.02 * 72000) ** 2 * np.cos(np.radians(dec))
    assert 0.85 * square < other["SPECTRUM"].header["BACKSCAL"] < 1.01 * square
    fitsverify(run.products / "0002970201_M1_S001_background.fits")


def test_net_counts_of_a_simulated_source_are_what_was_put_in(run_script, simulated, truth):
    source = truth["sources"][0]
    region = {"shape": "circle", "ra": source["ra"], "dec": source["dec"], "radius": 60 / 3600}
    for name, entry in truth["lists"].items():
        run = run_script("spectrum", simulated / name, {"PATTERN": 31}, region)
        spectra = [hdus["SPECTRUM"] for hdus in tables(run)]
        counts = [int(table.data["COUNTS"].sum()) for table in spectra]
        scale = spectra[0].header["BACKSCAL"] / spectra[1].header["BACKSCAL"]
        net, error = counts[0] - scale * counts[1], np.sqrt(counts[0] + scale**2 * counts[1])
        # the King profile leaves about 8 % of the counts outside 60 arcsec, and some of it in the ring
        assert 0.87 * entry["source_counts"]["SIM 1"] - 3 * error < net < entry["source_counts"]["SIM 1"] + 3 * error


def test_a_region_without_detector_says_so(run_script, simulated_m1, truth):
    pointing = truth["pointings"][0]
    region = {"shape": "circle", "ra": pointing["ra"], "dec": pointing["dec"] + 0.3, "radius": 0.005}
    run = run_script("spectrum", simulated_m1, {}, region)
    assert run.code == 1
    assert re.match(
        r"The region 'CIRCLE .*' has no live detector area in P9999000101M1S001MIEVLI0000\.FTZ", run.message
    )


def test_a_region_that_nothing_fell_on_gives_an_empty_spectrum(run_script, simulated_m1, truth, fitsverify):
    source = truth["sources"][0]
    region = {"shape": "circle", "ra": source["ra"] - 0.03, "dec": source["dec"], "radius": 1.5 / 3600}
    run = run_script("spectrum", simulated_m1, {"EMIN": 9.9, "EMAX": 9.95}, region)
    table = tables(run)[0]["SPECTRUM"]
    assert table.data["COUNTS"].sum() == 0
    assert table.header["EXPOSURE"] > 8000
    assert table.header["BACKSCAL"] > 1000
    fitsverify(run.products / "0002970201_M1_S001_spectrum.fits")


def test_an_empty_flare_filter_says_so(run_script, simulated_m1, truth):
    source = truth["sources"][0]
    region = {"shape": "circle", "ra": source["ra"], "dec": source["dec"], "radius": 0.01}
    run = run_script("spectrum", simulated_m1, {"GTI": "flare", "FLARE_RATE": 0.0}, region)
    assert run.code == 1
    assert run.message.startswith("The flare filter leaves no time")


def test_a_task_without_a_region_says_so(run_script, simulated_m1):
    run = run_script("spectrum", simulated_m1)
    assert (run.code, run.err.count("\n")) == (1, 1)
    assert "needs a region" in run.message


def test_cfitsio_finds_the_same_events_by_the_region_extension(run_script, real_lists, tmp_path):
    """Holes and all: the ring around a wide circle leaves out 3C66B and others."""
    fitscopy = shutil.which("fitscopy")
    if fitscopy is None:
        missing("the program fitscopy")
    region = {"shape": "circle", "ra": 35.665, "dec": 43.0353, "radius": 0.05}
    run = run_script("spectrum", real_lists["M1"], {}, region)
    assert run.code == 0, run.err
    good = f"(FLAG & {0x766BA000}) == 0 && PATTERN <= 12 && PI < 12000"
    for kind, holes in (("spectrum", 0), ("background", 1)):
        path, out = next(run.products.glob(f"*_{kind}.fits")), tmp_path / f"{kind}.fits"
        wanted = f"{real_lists['M1']}[EVENTS][regfilter('{path}[REGION]') && {good}]"
        subprocess.run([fitscopy, wanted, out], check=True, capture_output=True)
        with fits.open(path) as hdus:
            shapes = [str(shape).strip() for shape in hdus["REGION"].data["SHAPE"]]
            assert len(fits.getdata(out, "EVENTS")) == hdus["SPECTRUM"].data["COUNTS"].sum()
        assert (shapes.count("!CIRCLE") > 0) == bool(holes)
