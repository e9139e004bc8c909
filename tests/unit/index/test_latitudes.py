"""No position inside of a shape lies outside of its latitudes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.inside import inside, latitudes
from index.region import Region

RNG = np.random.default_rng(1)
RA = RNG.uniform(0, 360, 20_000)
DEC = np.degrees(np.arcsin(RNG.uniform(-1, 1, 20_000)))

ra, dec = st.floats(0, 359.9), st.floats(-80, 80)


@given(ra, dec, st.floats(5, 60), st.sampled_from(["CIRCLE", "POLYGON", "RANGE", "STC"]))
def test_what_is_inside_is_between(ra: float, dec: float, size: float, form: str) -> None:
    south, north = max(-88.0, dec - size / 2), min(89.0, dec + size / 2)
    text = {
        "CIRCLE": f"CIRCLE {ra} {dec} {size}",
        "POLYGON": f"POLYGON {ra} {south} {(ra + size) % 360} {south} {(ra + size / 2) % 360} {north}",
        "RANGE": f"RANGE {ra} {(ra + size) % 360} {south} {north}",
        "STC": f"Union ICRS (Circle {ra} {dec} {size} Circle {(ra + 90) % 360} {-dec} 5)",
    }[form]
    region = Region.parse(text)
    low, high = latitudes(region.geometry)
    found = inside(region.geometry, RA, DEC)
    assert (DEC[found] >= low).all()
    assert (DEC[found] <= high).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CIRCLE 10 20 5", (15, 25)),
        ("CIRCLE 10 88 5", (83, 90)),
        ("RANGE 0 360 -10 10", (-10, 10)),
        ("Not ICRS (Circle 10 20 5)", (-90, 90)),
    ],
)
def test_they_are_narrow_where_that_is_easy(text: str, expected: tuple[float, float]) -> None:
    assert latitudes(Region.parse(text).geometry) == pytest.approx(expected, abs=1e-5)
