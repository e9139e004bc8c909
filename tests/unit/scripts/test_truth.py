"""Smaller versions of ``make bench ONLY=truth``, with bounds that the chance of the trials allows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scripts.epic import poisson, profile, truth


@pytest.mark.parametrize("level", [0.6827, 0.9, 0.9973])
@pytest.mark.parametrize("background", [0.5, 10.0])
def test_upper_limits_hold_what_they_state(level, background):
    share = truth.averaged_coverage(background + 20.0, background, level, trials=4000)
    assert share == pytest.approx(level, abs=4 * (level * (1 - level) / 4000) ** 0.5)


def test_upper_limits_hold_with_a_background_from_a_ring():
    assert truth.coverage(0.0, 5.0, 0.9, alpha=0.2, trials=2000) == 1.0
    assert truth.coverage(10.0, 5.0, 0.9, alpha=0.2, trials=4000) > 0.87


@pytest.mark.parametrize("radius", [15.0, 60.0])
def test_rates_come_back_from_apertures_across_a_gap(radius):
    ratio, error = truth.aperture_fluxes(radius, 100.0, trials=400)
    assert ratio == pytest.approx(1.0, abs=4 * error + 0.005)


def test_constant_sources_are_seldom_cut_into_blocks():
    assert truth.block_false_alarms(6, 30.0, 2.0, 0.1, trials=200) < 0.16


def test_detection_finds_the_bright_and_invents_nothing():
    field = truth.detection_truth(fields=1, levels=(15.0, 40.0, 160.0))
    assert field.completeness[160.0] == 1.0
    assert field.completeness[40.0] > 0.8
    assert field.false <= 2
    assert field.ratio == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("background", [0.5, 5.0, 30.0])
def test_intervals_hold_as_often_as_stated_over_all_brightnesses(background):
    share = truth.averaged_coverage(background + 20.0, background, 0.6827, interval=True)
    assert abs(share - 0.6827) < 0.015


@pytest.mark.parametrize(("source", "share"), [(3.0, 0.6246), (20.0, 0.6778), (4.5, 0.5678), (0.75, 0.8719)])
def test_intervals_of_one_brightness_hold_as_the_readme_says(source, share):
    """The exact sum over all counts, with the intervals of astropy beside ours where it has such."""
    from astropy.stats import poisson_conf_interval

    n = np.arange(0, 120.0)
    chance = stats.poisson.pmf(n, source + 5.0)
    low, high = poisson.interval(n, np.full(len(n), 5.0), 0.6827)
    exact = float(chance[(low <= source) & (source <= high)].sum())
    assert exact == pytest.approx(share, abs=0.0005)
    assert truth.interval_coverage(source, 5.0, 0.6827) == pytest.approx(exact, abs=0.02)
    theirs = poisson_conf_interval(n[1:60].astype(int), "kraft-burrows-nousek", background=5.0, confidence_level=0.6827)
    held = (theirs[0] <= source) & (source <= theirs[1])
    assert float(chance[1:60][held].sum()) + chance[0] * (source <= high[0]) == pytest.approx(exact, abs=0.0005)


@pytest.mark.parametrize(
    ("soft", "hard", "background", "low", "high"),
    [(2.0, 2.0, 1.0, 0.53, 0.63), (20.0, 10.0, 2.0, 0.63, 0.72), (200.0, 100.0, 5.0, 0.64, 0.72)],
)
def test_intervals_of_hardness_hold_as_the_readme_says(soft, hard, background, low, high):
    found = truth.hardness_truth(soft, hard, background, trials=800)
    assert low < found.within < high
    assert abs(found.bias) < 0.01 + 4 * found.bias_error


def test_medians_of_hardness_lie_toward_nought_for_few_counts():
    assert truth.hardness_truth(8.0, 2.0, 1.0, trials=800).bias == pytest.approx(0.11, abs=0.035)


@pytest.mark.parametrize("rate", [50.0, 500.0, 5000.0])
def test_a_fitted_profile_is_right_within_its_error(rate):
    off, scatter = truth.profile_truth(rate)
    assert abs(off) < 0.12
    assert 0.93 < scatter < 1.07


def test_an_error_that_the_rings_do_not_determine_is_infinite():
    collected = np.array([10.0, 10.0, 10.0])
    assert profile.fit(np.array([3, 4, 5]), collected, np.full(3, 0.1))[1] == (np.inf, np.inf)
    assert profile.fit(np.array([0, 0, 0]), np.zeros(3), np.array([0.3, 0.2, 0.1]))[1] == (np.inf, np.inf)
