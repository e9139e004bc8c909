"""Exposure-corrected and smoothed images, in several bands."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import smoothing


def gapped(shape=(120, 120)):
    """An exposure map that falls off to the sides and has a gap and an edge."""
    row, column = np.indices(shape) - 59.5
    exposure = 1e4 * (1 - 0.6 * (row**2 + column**2) / 60**2)
    exposure[:, 70:73] = 0
    exposure[np.hypot(row, column) > 55] = 0
    return np.maximum(exposure, 0)


@pytest.mark.parametrize("sigma", [2.0, np.where(np.indices((120, 120))[0] < 50, 1.5, 4.0)])
def test_a_flat_sky_comes_out_flat_beside_gaps_and_edges(sigma):
    exposure = gapped()
    done = smoothing.smooth(0.003 * exposure, exposure, sigma)
    rate = done.values[np.isfinite(done.values)]
    assert np.allclose(rate, 0.003, rtol=1e-6)
    assert done.factor == pytest.approx(1.0)
    assert np.isfinite(done.values[exposure > 0]).all()


def test_a_flat_sky_of_photons_gives_its_rate():
    exposure, random = gapped(), np.random.default_rng(1)
    counts = random.poisson(2e-4 * exposure).astype(float)
    done = smoothing.smooth(counts, exposure, smoothing.widths(counts, 60, 1.0))
    assert np.nanmean(done.values) == pytest.approx(2e-4, rel=0.03)
    assert np.nanstd(done.values) < 0.25 * 2e-4


@pytest.mark.parametrize("exposure", [None, gapped()])
def test_no_count_is_lost(exposure):
    random = np.random.default_rng(2)
    row, column = np.indices((120, 120))
    sky = 0.05 + sum(
        n / 25 * np.exp(-(np.hypot(row - r, column - c) ** 2) / 8)
        for r, c, n in ((60, 60, 500), (60, 68, 200), (0, 0, 90))
    )
    counts = random.poisson(sky).astype(float)
    if exposure is not None:
        counts[exposure == 0] = 0
    for sigma in (1.7, smoothing.widths(counts, 25, 1.0)):
        done = smoothing.smooth(counts, exposure, sigma)
        total = np.nansum(done.values * (1 if exposure is None else exposure))
        assert total == pytest.approx(counts.sum(), rel=1e-9)
        assert done.factor == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("camera", ["M1", "M2", "PN"])
def test_real_sources_keep_their_flux(real, camera):
    """The eight brightest places of the field of 3C 66B, within 60 arcsec: scripts/image/README.md states the share."""
    with fits.open(real / f"{camera}_image.fits.gz") as hdus:
        counts, pixel = hdus[0].data.astype(np.float64), abs(hdus[0].header["CDELT2"]) * 3600
    smoothed = smoothing.smooth(counts, None, smoothing.widths(counts, 30.0, 1.0)).values
    rows, columns = np.indices(counts.shape)
    bright = smoothing.smooth(counts, None, 2.0).values
    for _ in range(8):
        row, column = np.unravel_index(np.argmax(bright), bright.shape)
        away = np.hypot(columns - column, rows - row) * pixel
        assert smoothed[away < 60].sum() == pytest.approx(counts[away < 60].sum(), rel=0.02)
        bright[away < 120] = 0


def test_the_adaptive_width_follows_the_counts():
    counts = np.full((100, 100), 0.05)
    counts[50, 50] = 1000
    sigma = smoothing.widths(counts, 40, 1.0)
    assert sigma[50, 50] == 1.0
    # 0.05 per pixel: 40 counts lie under 4 pi sigma^2 = 800 pixels, sigma = 8
    assert 8 <= sigma[5, 50] < 11.4
    # from pixel to pixel by a step of the ladder at most
    assert np.abs(np.diff(np.log2(sigma), axis=0)).max() < 0.51


def test_one_run_makes_all_images_of_all_bands(run_script, fitsverify, simulated_m1):
    asked = {"EMIN": 0.5, "EMAX": 2.0, "BANDS": [[0.5, 1.0], [1.001, 2.0]], "PIXEL": 8.0, "CORRECT": True}
    run = run_script("image", simulated_m1, asked | {"SMOOTH": "gaussian", "SIGMA": 16.0})
    assert run.code == 0, run.err
    images = {}
    for kind in ("image", "exposure", "rate", "smoothed"):
        path = next(run.products.glob(f"*_{kind}.fits"))
        fitsverify(path)
        with fits.open(path) as hdus:
            images[kind] = [np.array(hdus[n].data, dtype=float) for n in (0, "BAND1", "BAND2")]
            assert hdus["BAND2"].header["CRPIX1"] == hdus[0].header["CRPIX1"]
            assert "1001:2000" in {hdus["BAND2"].header.get(f"DSVAL{n}") for n in range(1, 9)}
            assert all(hdu.verify_checksum() == 1 for hdu in hdus)
    whole, *parts = images["image"]
    assert np.array_equal(whole, parts[0] + parts[1])
    for n, seconds, rate, smooth in zip(*(images[kind] for kind in images), strict=True):
        seen = np.isfinite(rate)
        assert np.allclose(rate[seen] * seconds[seen], n[seen], rtol=1e-5)
        assert not seen[seconds == 0].any()
        assert np.nansum(smooth * seconds) == pytest.approx(n[seconds > 0].sum(), rel=1e-4)
    # each band has its own vignetting
    assert not np.array_equal(images["exposure"][1], images["exposure"][2])
    assert {path.name.rpartition("_")[2] for path in run.products.glob("*.png")} == {"image.png", "smoothed.png"}


def test_the_plain_image_is_what_it_was(run_script, simulated_m1):
    region = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.02}
    plain = run_script("image", simulated_m1, {"EMIN": 0.5, "EMAX": 2.0}, region, SOURCE_DATE_EPOCH="1000000000")
    assert {path.suffix for path in plain.products.iterdir()} == {".fits", ".png"}
    more = run_script(
        "image",
        simulated_m1,
        {"EMIN": 0.5, "EMAX": 2.0, "SMOOTH": "adaptive"},
        region,
        SOURCE_DATE_EPOCH="1000000000",
    )
    name = "0002970201_M1_S001_image.fits"
    assert (plain.products / name).read_bytes() == (more.products / name).read_bytes()
    smooth = fits.getdata(more.products / "0002970201_M1_S001_smoothed.fits")
    assert smooth.sum() == pytest.approx(fits.getdata(more.products / name).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"BANDS": [[500, 2000]]}, "energies are in keV: for 500 eV give 0.5"),
        ({"BANDS": [[0.5, 2]] * 21}, "BANDS: 21 bands are given, at most 20"),
        ({"SMOOTH": "gaussian", "SIGMA": 600.0, "PIXEL": 1.0}, "SIGMA = 600 arcsec is 600 pixels"),
    ],
)
def test_what_makes_no_sense_is_named(run_script, simulated_m1, parameters, message):
    region = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.01}
    run = run_script("image", simulated_m1, parameters, region)
    assert run.code == 1
    assert message in run.message
