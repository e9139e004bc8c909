from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from scripts.epic.projection import Projection

STEP = 0.05 / 3600


@pytest.mark.parametrize("centre", [(35.829, 42.975), (0.001, -89.7), (359.99, 0.0), (262.77, -34.4)])
def test_equals_astropy(centre):
    projection = Projection(*centre, (25921.0, 25921.0), (-STEP, STEP))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = centre, (25921, 25921), (-STEP, STEP)
    x, y = np.random.default_rng(1).uniform(1, 51840, (2, 1000))
    ra, dec = projection.to_sky(x, y)
    expected = wcs.all_pix2world(x, y, 1)
    assert np.allclose(np.cos(np.radians(dec)) * (np.mod(ra - expected[0] + 180, 360) - 180), 0, atol=1e-11)
    assert np.allclose(dec, expected[1], rtol=0, atol=1e-11)
    assert np.allclose(projection.to_pixel(ra, dec), (x, y), rtol=0, atol=1e-5)


def test_the_other_side_of_the_sky_has_no_place():
    projection = Projection(10.0, 0.0, (1.0, 1.0), (-1.0, 1.0))
    x, _ = projection.to_pixel(np.array([190.0, 100.0, 99.0]), np.zeros(3))
    assert np.isnan(x).tolist() == [True, True, False]


def sphere(number):
    """Return places spread evenly over the sky, degrees."""
    k = np.arange(number) + 0.5
    return np.mod(np.degrees(np.pi * (1 + 5**0.5) * k), 360), np.degrees(np.arcsin(1 - 2 * k / number))


def test_how_far_icrs_is_from_fk5():
    """The greatest offset on the sky, which scripts/image/README.md and spectrum/README.md state."""
    ra, dec = sphere(20_000)
    moved = SkyCoord(ra, dec, unit="deg", frame="icrs").fk5
    same = SkyCoord(moved.ra, moved.dec, frame="icrs")
    apart = same.separation(SkyCoord(ra, dec, unit="deg", frame="icrs")).arcsec
    assert apart.max() == pytest.approx(0.0317, abs=0.0002)


def test_how_far_a_circle_in_x_y_is_from_one_on_the_sky():
    """The greatest distance between the two, of circles within half a degree of the centre; scripts/image/README.md."""
    centre = SkyCoord(150.0, 2.2, unit="deg")
    projection = Projection(150.0, 2.2, (25921.0, 25921.0), (-STEP, STEP))
    worst = 0.0
    for radius in (0.01, 0.1, 0.25, 0.5):
        for away in np.linspace(0, 0.5 - radius, 5):
            middle = centre.directional_offset_by(0.6 * u.rad, away * u.deg)
            edge = middle.directional_offset_by(np.linspace(0, 360, 90) * u.deg, radius * u.deg)
            x, y = projection.to_pixel(edge.ra.deg, edge.dec.deg)
            x0, y0 = projection.to_pixel(middle.ra.deg, middle.dec.deg)
            worst = max(worst, float(np.abs(np.hypot(x - x0, y - y0) * 0.05 - 3600 * radius).max()))
    assert 0.04 < worst < 0.05
