"""Hardness ratios from few counts (Park et al. 2006, ApJ 652, 610)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 200_000


@dataclass(frozen=True)
class Draws:
    """Draws of the source's counts in two bands."""

    soft: Floats
    hard: Floats

    @property
    def ratio(self) -> Floats:
        """(H - S) / (H + S)."""
        both: Floats = (self.hard - self.soft) / (self.hard + self.soft)
        return both

    def summary(self, level: float) -> dict[str, float]:
        """Return mean, median and the ends of the shortest interval that holds the share ``level``."""
        ordered = np.sort(self.ratio)
        inside = max(1, math.ceil(level * len(ordered)))
        spans = ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]
        first = int(np.argmin(spans))
        return {
            "mean": float(ordered.mean()),
            "median": float(np.median(ordered)),
            "low": float(ordered[first]),
            "high": float(ordered[first + inside - 1]),
        }


def weights(counts: int, background: int, scale: float) -> Floats:
    """Return how probable it is that j of the counts are the source's, j = 0 ... counts.

    Source and background have flat priors. With B background counts in an area (times live time) 1/``scale`` as
    large as the source's, k = counts - j of the counts are background with the weight
    C(k + B, k) (scale / (1 + scale))^k, the background's rate integrated out.
    """
    k = counts - np.arange(counts + 1)
    log_gamma = np.array([math.lgamma(n + background + 1) - math.lgamma(n + 1) for n in k.tolist()])
    log_weight = log_gamma + k * (math.log(scale / (1 + scale)) if scale > 0 else -np.inf if counts else 0.0)
    if scale <= 0:
        log_weight = np.where(k == 0, 0.0, -np.inf)
    weight = np.exp(log_weight - log_weight.max())
    share: Floats = weight / weight.sum()
    return share


def posterior(
    counts: tuple[int, int], background: tuple[int, int], scale: float, draws: int = DRAWS, seed: int = 2006
) -> Draws:
    """Draw from the exact posterior, a mixture of Gamma(j + 1) with the weights of :func:`weights`.

    :param counts: soft and hard counts of the source region.
    :param scale: area times live time of the source region over that of the background.
    :param seed: the same seed gives the same draws.
    """
    random = np.random.default_rng(seed)
    soft, hard = (
        random.gamma(random.choice(n + 1, draws, p=weights(n, b, scale)) + 1.0)
        for n, b in zip(counts, background, strict=True)
    )
    return Draws(soft, hard)
