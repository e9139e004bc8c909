"""Intervals and upper limits of few counts."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import poisson_conf_interval
from hypothesis import given
from hypothesis import strategies as st

from scripts.epic.poisson import interval, significance, upper_limit


@pytest.mark.parametrize(
    ("n", "b", "limit"), [(3, 3, 9.34982), (5, 2.5, 12.61032), (80, 60, 48.30935), (10, 60, 6.99785)]
)
def test_upper_limits_are_those_of_kraft_burrows_and_nousek(n, b, limit):
    assert float(upper_limit(n, b, 0.9973)) == pytest.approx(limit, abs=6e-6)
    reference = poisson_conf_interval(n, "kraft-burrows-nousek", background=b, confidence_level=0.9973)
    assert np.allclose([float(x) for x in interval(n, b, 0.9973)], reference.ravel(), rtol=1e-8, atol=1e-12)


@given(n=st.integers(1, 90), b=st.floats(0.01, 60), level=st.sampled_from([0.6827, 0.9, 0.9973]))
def test_interval_is_that_of_astropy(n, b, level):
    low, high = (float(x) for x in interval(n, b, level))
    reference = poisson_conf_interval(n, "kraft-burrows-nousek", background=b, confidence_level=level).ravel()
    assert low == pytest.approx(reference[0], rel=1e-6, abs=1e-6)
    assert high == pytest.approx(reference[1], rel=1e-6)


def test_no_count_at_all_has_a_limit_too():
    assert float(upper_limit(0, 0, 0.9)) == pytest.approx(2.302585, abs=1e-6)
    assert float(upper_limit(0, 800, 0.9)) == pytest.approx(2.302585, abs=1e-6)
    low, high = interval(0, 5.0, 0.9)
    assert (float(low), float(high)) == (0.0, pytest.approx(2.302585, abs=1e-6))


@given(n=st.integers(0, 10**6), b=st.floats(0, 10**6))
def test_limits_are_finite_and_in_order(n, b):
    low, high = (float(x) for x in interval(n, b, 0.9))
    assert np.isfinite([low, high]).all()
    assert 0 <= low < high


def test_significance_does_not_underflow_and_joins_smoothly():
    n = np.array([0.0, 1.0, 100.0, 1e5])
    found = significance(n, np.array([1.0, 1.0, 10.0, 100.0]))
    assert found[0] == 0.0
    assert found[1] == pytest.approx(-np.log(1 - np.exp(-1.0)))
    assert np.isfinite(found).all()
    rising = significance(np.arange(200.0, 600.0), 10.0)
    assert (np.diff(rising) > 0).all()
