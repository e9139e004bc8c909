"""Vignetting, encircled energy and conversion factors against published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import ecf, psf, vignetting
from scripts.epic.projection import Projection


class Pointing:
    """What vignetting asks of an event list."""

    def __init__(self, header: fits.Header, camera: str) -> None:
        self._header = header
        self.projection = Projection(
            header["RA_PNT"], header["DEC_PNT"], (25921.0, 25921.0), (-0.05 / 3600, 0.05 / 3600)
        )
        self.camera = type("Named", (), {"name": camera})

    def number(self, name: str) -> float:
        return float(self._header[name])


@pytest.mark.parametrize("camera", ["M1", "M2", "PN"])
@pytest.mark.parametrize(
    "name", ["0886090801/P0886090801EPX000OBSMLI0000.fits", "0916810801/P0916810801EPX000OBSMLI0000.fits"]
)
def test_vignetting_is_that_of_the_pipelines_source_lists(shared, camera, name):
    with fits.open(shared / "data" / "xmm" / name) as file:
        pointing, rows = Pointing(file[0].header, camera), file[1].data
        theta, azimuth = vignetting.off_axis(pointing, *pointing.projection.to_pixel(rows["RA"], rows["DEC"]))
        for band in range(5):
            known = rows[f"{camera}_{band + 1}_VIG"]
            seen = known > 0
            if not seen.any():
                continue
            assert np.max(np.abs(theta - rows[f"{camera}_OFFAX"])[seen]) < 0.05
            ratio = vignetting.factor(camera, band, theta[seen], azimuth[seen]) / known[seen]
            assert np.std(ratio) < 0.008
            assert np.max(np.abs(ratio - 1)) < 0.05


def test_bands_are_chosen_by_their_centre():
    assert [vignetting.band_of(*band) for band in ((0.2, 0.5), (0.5, 1), (1, 2), (2, 4.5), (4.5, 12))] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert vignetting.band_of(0.5, 10) == 3


def test_encircled_energy_is_that_of_the_published_king():
    radii = np.array([15.0, 30.0, 45.0, 60.0])
    assert np.allclose(psf.king("M1", 1.5, 0).encircled(radii), [0.682, 0.836, 0.893, 0.923], atol=6e-4)
    assert np.allclose(psf.king("PN", 1.5, 0).encircled(radii), [0.634, 0.816, 0.883, 0.917], atol=6e-4)
    assert float(psf.king("M2", 1.0, 5).encircled(400)) == 1.0


@pytest.mark.parametrize(
    ("camera", "eupper", "share"), [("M1", [0.68, 0.83, 0.89, 0.92], 0.01), ("PN", [0.71, 0.88, 0.93, 0.95], 0.11)]
)
def test_encircled_energy_against_the_table_of_eupper(camera, eupper, share):
    """How far it is from the table of SAS eupper; scripts/photometry/README.md and profile/README.md state it."""
    ours = psf.king(camera, 1.5, 0).encircled(np.array([15.0, 30.0, 45.0, 60.0]))
    assert np.max(np.abs(ours / eupper - 1)) < share
    assert np.max(np.abs(ours / eupper - 1)) > 0.6 * share


@pytest.mark.parametrize("camera", ["M1", "M2", "PN"])
def test_density_and_draws_are_those_of_the_encircled_energy(camera):
    king = psf.king(camera, 2.0, 6.0)
    edges = np.linspace(0, 120, 4001)
    middle = (edges[1:] + edges[:-1]) / 2
    share = np.cumsum(king.density(middle) * np.pi * np.diff(edges**2))
    assert np.allclose(share, king.encircled(edges[1:]), atol=2e-5)
    drawn = king.draw(np.random.default_rng(1), 40000)
    for radius in (5.0, 20.0, 100.0):
        assert np.mean(drawn <= radius) == pytest.approx(float(king.encircled(radius)), abs=0.01)


def test_conversion_factors_of_single_bands_are_the_table():
    assert ecf.factor("PN", "Thin1", 0.5, 1.0) == pytest.approx(8.121e11)
    assert ecf.factor("M2", "Medium", 4.5, 12.0) == pytest.approx(0.157e11)
    assert ecf.factor("PN", "Thick", 0.5, 1.0) is None
    assert ecf.factor("PN", "Thin1", 0.5, 3.0) is None


def test_a_wide_band_lies_between_its_parts_weighted_by_flux():
    # fluxes of the model in 0.5-1 and 1-2 keV by XSPEC wabs*powerlaw are nearly equal: 0.91 of one another
    wide = ecf.factor("PN", "Thin1", 0.5, 2.0)
    assert 5.867e11 < wide < 8.121e11
    assert wide == pytest.approx((8.121e11 * 0.44 + 5.867e11 * 0.56), rel=0.03)
