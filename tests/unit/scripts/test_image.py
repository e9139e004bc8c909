from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

WHOLE = {
    "EMIN": 0.5,
    "EMAX": 10.0,
    "PIXEL": 4.0,
    "GTI": "flare",
    "FLARE_RATE": 0.4,
    "FLAGS": "standard",
    "PATTERN": None,
}


def test_equals_the_image_of_sas_in_each_pixel(run_script, fitsverify, real, real_lists, real_camera):
    run = run_script("image", real_lists[real_camera], WHOLE, slug=f"0002970201_{real_camera}_S001")
    assert run.code == 0, run.err
    path = run.products / f"0002970201_{real_camera}_S001_image.fits"
    mine, sas = fits.getdata(path), fits.getdata(real / f"{real_camera}_image.fits.gz")
    assert mine.shape == (648, 648)
    assert np.array_equal(mine, sas)
    header, theirs = fits.getheader(path), fits.getheader(real / f"{real_camera}_image.fits.gz")
    keys = (
        "CTYPE1",
        "CTYPE2",
        "CRPIX1",
        "CRPIX2",
        "CRVAL1",
        "CRVAL2",
        "CUNIT1",
        "OBS_ID",
        "EXPIDSTR",
        "TELESCOP",
    )
    assert all(header[key] == theirs[key] for key in keys)
    for key in ("CDELT1", "CDELT2", "CRVAL1L", "CDELT1L", "LTV1", "LTM1_1", "ONTIME01", "ONTIME07"):
        assert header[key] == pytest.approx(theirs[key], rel=1e-9)
    assert "SIMULATE" not in header
    with fits.open(path) as hdus, fits.open(real / f"{real_camera}_image.fits.gz") as reference:
        for n in range(1, 8):
            for edge in ("START", "STOP"):
                assert np.allclose(hdus[f"GTI{n:02d}"].data[edge], reference[n].data[edge], rtol=0, atol=1e-6)
        for hdu in hdus:
            assert hdu.verify_checksum() == 1
            assert hdu.verify_datasum() == 1
    fitsverify(path)


def test_a_region_crops_on_the_same_grid(run_script, fitsverify, real_lists, real_camera):
    region = {"shape": "circle", "ra": 35.6650, "dec": 43.0356, "radius": 0.02}
    whole = run_script("image", real_lists[real_camera], WHOLE)
    part = run_script("image", real_lists[real_camera], WHOLE, region)
    assert part.code == 0, part.err
    whole_path, part_path = (next(run.products.glob("*_image.fits")) for run in (whole, part))
    image, header = fits.getdata(part_path), fits.getheader(part_path)
    i, j = (round(fits.getheader(whole_path)[f"CRPIX{n}"] - header[f"CRPIX{n}"]) for n in (1, 2))
    cut = fits.getdata(whole_path)[j : j + image.shape[0], i : i + image.shape[1]]
    x, y = WCS(header).all_world2pix(35.6650, 43.0356, 0)
    v, u = np.indices(image.shape)
    distance = np.hypot(u - x, v - y) * 4 / 3600
    inside, outside = distance < 0.02 - 0.003, distance > 0.02 + 0.003
    assert np.array_equal(image[inside], cut[inside])
    assert not image[outside].any()
    assert image.sum() > 1000
    assert image.shape[0] in (36, 37, 38)
    fitsverify(part_path)


def test_sources_come_out_where_they_were_put(run_script, fitsverify, simulated, truth):
    for name, entry in truth["lists"].items():
        slug = entry["dataset"].replace("/", "_")
        run = run_script("image", simulated / name, {"EMIN": 0.2, "EMAX": 10.0, "GTI": "flare"}, slug=slug)
        assert run.code == 0, run.err
        path = run.products / f"{slug}_image.fits"
        image, header = fits.getdata(path), fits.getheader(path)
        assert header["SIMULATE"] is True
        source = truth["sources"][0]
        x, y = WCS(header).all_world2pix(source["ra"], source["dec"], 0)
        v, u = np.indices(image.shape)
        near = np.hypot(u - x, v - y) < 5  # 20 arcsec
        centre = (np.average(u[near], weights=image[near]), np.average(v[near], weights=image[near]))
        # 0.5 arcsec: a few times the statistical error of 10 arcsec / sqrt(2000)
        assert np.hypot(centre[0] - x, centre[1] - y) * 4 < 1.0
        fitsverify(path)


def test_the_number_of_axes_stands_before_their_coordinates(run_script, simulated_m1):
    keys = list(fits.getheader(next(run_script("image", simulated_m1).products.glob("*.fits"))))
    assert keys.index("WCSAXESL") < min(keys.index(key) for key in ("CTYPE1L", "CRPIX1L", "CRVAL1L", "WCSNAMEL"))


def test_a_region_without_events_gives_zeros(run_script, simulated_m1, truth):
    pointing = truth["pointings"][0]
    region = {"shape": "circle", "ra": pointing["ra"], "dec": pointing["dec"] + 0.33, "radius": 0.005}
    run = run_script("image", simulated_m1, {}, region)
    assert run.code == 0, run.err
    image = fits.getdata(next(run.products.glob("*.fits")))
    assert image.size > 50
    assert not image.any()


def test_a_region_outside_the_field_says_so(run_script, simulated_m1):
    run = run_script("image", simulated_m1, {}, {"shape": "circle", "ra": 35.8, "dec": 43.0, "radius": 0.01})
    assert run.code == 1
    assert run.message.startswith("The region 'CIRCLE 35.8 43 0.01' lies outside the field")
    run = run_script("image", simulated_m1, {}, {"shape": "range", "ra": [10.0, 10.1], "dec": [2.0, 2.1]})
    assert run.code == 1
    assert run.message.startswith("The region 'RANGE 10 10.1 2 2.1' lies outside the field")


def test_a_bad_file_is_named_in_one_sentence(run_script, simulated_m1, tmp_path):
    cut = tmp_path / "cut.FTZ"
    cut.write_bytes(simulated_m1.read_bytes()[:100_000])
    run = run_script("image", cut)
    assert run.code == 1
    assert run.err.count("\n") == 1
    assert run.message.startswith("cut.FTZ: the compressed file is cut off or damaged")
    assert not list(run.products.iterdir())


def test_progress_rises_to_one(run_script, simulated_m1):
    lines = [
        line.split() for line in run_script("image", simulated_m1).out.splitlines() if line.startswith("progress ")
    ]
    fractions = [float(line[1]) for line in lines]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
