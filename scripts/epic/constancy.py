"""Whether a source is constant over a handful of observations.

Each observation i saw N_i counts, expects B_i = alpha_i n_i of the background, and a source of brightness F leaves
F w_i (w: effective exposure, times the conversion factor).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """What the observations saw, each of shape (n,), in order of time."""

    counts: Floats
    background: Floats
    alpha: Floats
    worth: Floats
    """w."""

    def __len__(self) -> int:
        return len(self.counts)

    def part(self, first: int, last: int) -> Sample:
        """Return the observations from ``first`` to before ``last``."""
        cut = slice(first, last)
        return Sample(self.counts[cut], self.background[cut], self.alpha[cut], self.worth[cut])


def brightness(sample: Sample) -> float:
    """Return the F >= 0 of greatest likelihood (Cash 1979, ApJ 228, 939): sum N w / (F w + B) = sum w."""
    total = float(sample.worth.sum())
    if total <= 0 or not sample.counts.any():
        return 0.0
    background = np.maximum(sample.background, 1e-9)

    def slope(value: float) -> float:
        return float(np.sum(sample.counts * sample.worth / (value * sample.worth + background))) - total

    if slope(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(sample.counts.sum()) / total
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def log_likelihood(sample: Sample, value: float) -> float:
    """Return sum N ln(F w + B) - F w, up to a constant."""
    expected = value * sample.worth + np.maximum(sample.background, 1e-9)
    return float(np.sum(sample.counts * np.log(expected) - value * sample.worth))


@dataclass(frozen=True)
class Verdict:
    """What the tests say."""

    mean: float
    chi2: float
    freedom: int
    probability: float
    """Of so high a chi2 from a constant source."""
    excess: float
    """Normalised excess variance."""
    excess_error: float


def test(sample: Sample) -> Verdict:
    """Test for constancy.

    chi2 = sum (N - m)^2 / (m + alpha B) with m = F w + B and the F of greatest likelihood; n - 1 degrees of freedom.
    Normalised excess variance and its error: Nandra et al. 1997, ApJ 476, 70; Vaughan et al. 2003, MNRAS 345, 1271,
    eq. 11. NaN with fewer than two observations.
    """
    from scipy.special import gammaincc  # noqa: PLC0415 - it takes longer to import than all of a small task

    n, mean = len(sample), brightness(sample)
    expected = mean * sample.worth + sample.background
    spread = np.maximum(expected + sample.alpha * sample.background, 1e-9)
    if n < 2:
        return Verdict(mean, math.nan, 0, math.nan, math.nan, math.nan)
    chi2 = float(np.sum((sample.counts - expected) ** 2 / spread))
    value = (sample.counts - sample.background) / sample.worth
    error2 = (np.maximum(sample.counts, 1.0) + sample.alpha * sample.background) / sample.worth**2
    average = float(np.mean(value))
    excess = excess_error = math.nan
    if average > 0:
        excess = float(np.mean((value - average) ** 2 - error2)) * n / (n - 1) if n > 2 else math.nan
        excess = excess / average**2
        noise = float(np.mean(error2)) / average**2
        excess_error = math.sqrt(2 / n * noise**2 + noise / n * 4 * max(excess if n > 2 else 0.0, 0.0))
    return Verdict(mean, chi2, n - 1, float(gammaincc((n - 1) / 2, chi2 / 2)), excess, excess_error)


def penalty(observations: int, false_alarm: float) -> float:
    """Return how much the log likelihood must gain for a further block.

    Twice the gain of one change is distributed as chi2 of one degree of freedom for a constant source (Wilks); there
    are n - 1 places for it, so the chance of a change in a constant source is at most about ``false_alarm``.
    """
    from scipy.special import gammaincinv  # noqa: PLC0415 - as above

    return float(gammaincinv(0.5, 1 - false_alarm / max(observations - 1, 1)))


def blocks(sample: Sample, false_alarm: float) -> list[tuple[int, int, float]]:
    """Return the Bayesian blocks as (first, after the last, brightness), the best of all partitions.

    The dynamic programme of Scargle et al. 2013, ApJ 764, 167, with the Poisson likelihood above as fitness and
    :func:`penalty` for each block.
    """
    n, cost = len(sample), penalty(len(sample), false_alarm)
    best = [0.0]
    begin: list[int] = []
    for last in range(1, n + 1):
        values = [
            best[first] + log_likelihood(piece, brightness(piece)) - cost
            for first in range(last)
            for piece in (sample.part(first, last),)
        ]
        begin.append(int(np.argmax(values)))
        best.append(max(values))
    found: list[tuple[int, int, float]] = []
    last = n
    while last > 0:
        first = begin[last - 1]
        found.append((first, last, brightness(sample.part(first, last))))
        last = first
    return found[::-1]
