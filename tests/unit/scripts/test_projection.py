from __future__ import annotations

import numpy as np
import pytest
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
