"""Rates from few counts: Bayesian intervals and upper limits of a source on a known background.

N counts are seen where B are expected of the background. With a flat prior on the source's counts S >= 0 the
posterior is exp(-(S+B)) (S+B)^N up to a factor, and its integral is an incomplete gamma function, so that everything
here is in closed form or one root (Kraft, Burrows & Nousek 1991, ApJ 374, 344). Equal to
``astropy.stats.poisson_conf_interval('kraft-burrows-nousek')`` where that works; it fails for N = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 100
"""Bisections: more than the digits of a double need."""


def upper_limit(counts: Floats | float, background: Floats | float, level: float) -> Floats:
    """Return the S below which the share ``level`` of the posterior lies, of the shape of the inputs.

    S = Q^-1(N + 1, (1 - level) Q(N + 1, B)) - B, with Q the regularised upper incomplete gamma function; for N = 0
    it is -ln(1 - level) whatever B.
    """
    n, b = _pair(counts, background)
    return np.where(n == 0, -np.log1p(-level), _quantile(n, b, np.full(n.shape, level)))


def interval(counts: Floats | float, background: Floats | float, level: float) -> tuple[Floats, Floats]:
    """Return the ends of the shortest interval that holds the share ``level`` of the posterior.

    Both ends have the same density, or the lower one is 0: then the upper is :func:`upper_limit`.
    """
    n, b = _pair(counts, background)
    mode = np.maximum(n - b, 0.0)
    low, high = np.zeros(n.shape), mode.copy()
    for _ in range(STEPS):
        middle = (low + high) / 2
        far = _quantile(n, b, _share(n, b, middle) + level)
        # the lower end has to rise until the density there is that of the upper one
        rise = _density(n, b, middle) < _density(n, b, far)
        low, high = np.where(rise, middle, low), np.where(rise, high, middle)
    nought = (mode <= 0) | (_density(n, b, np.zeros(n.shape)) >= _density(n, b, upper_limit(n, b, level)))
    lower = np.where(nought, 0.0, low)
    return lower, np.where(nought, upper_limit(n, b, level), _quantile(n, b, _share(n, b, lower) + level))


def significance(counts: Floats | float, background: Floats | float) -> Floats:
    """Return L = -ln P(at least N counts | B), which does not underflow for bright sources.

    Where the probability is too small for a double it is the leading term of its expansion,
    N ln(N/B) - (N - B) + ln(2 pi N) / 2 + ln(1 - B/N).
    """
    from scipy.special import gammainc  # noqa: PLC0415 - it takes longer to import than all of a small task

    n, b = _pair(counts, background)
    b = np.maximum(b, 1e-12)
    chance = np.where(n > 0, gammainc(np.maximum(n, 1.0), b), 1.0)
    safe = np.where(n > b, n, b + 1)
    bright = safe * np.log(safe / b) - (safe - b) + 0.5 * np.log(2 * np.pi * safe) + np.log1p(-b / safe)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(chance > 1e-280, np.abs(np.log(chance)), bright), dtype=np.float64)


def _pair(counts: Floats | float, background: Floats | float) -> tuple[Floats, Floats]:
    n, b = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(background, dtype=np.float64))
    return n, np.maximum(b, 0.0)


def _quantile(n: Floats, b: Floats, share: Floats) -> Floats:
    from scipy.special import gammaincc, gammainccinv  # noqa: PLC0415 - as above

    left = np.clip(1 - share, 0.0, 1.0)
    whole = gammaincc(n + 1, b)
    # so far below the background the posterior is exponential: S (1 - N/B) is what counts
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = -np.log(left) / (1 - n / np.where(b > n, b, n + 1))
    return np.asarray(np.where(whole > 1e-290, np.maximum(gammainccinv(n + 1, left * whole) - b, 0.0), tail))


def _share(n: Floats, b: Floats, source: Floats) -> Floats:
    from scipy.special import gammaincc  # noqa: PLC0415 - as above

    whole = gammaincc(n + 1, b)
    return np.asarray(np.where(whole > 1e-290, 1 - gammaincc(n + 1, b + source) / np.maximum(whole, 1e-290), 0.0))


def _density(n: Floats, b: Floats, source: Floats) -> Floats:
    """The logarithm of the posterior, up to a constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(n > 0, n * np.log(source + b), 0.0) - source)
