"""The fit of a radial profile: a point source and a constant, with their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 12
"""Of the fit, each with the weights that the last one expects; after six nothing changes in the fourth digit."""

LEAST = 0.1
"""Counts that a ring is expected to have at least, lest one that the fit leaves dark weighs more than all others."""


def fit(counts: NDArray[np.int64], collected: Floats, shape: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return rate and level of counts = (rate shape + level) collected, and the error of each.

    The greatest likelihood of Poisson counts, by least squares weighted with 1 / expected counts, again and again
    (Fisher scoring: Nelder & Wedderburn 1972, J. R. Stat. Soc. A 135, 370). Weights of the observed counts would give
    more to rings in which chance has put less. The errors are the roots of the diagonal of the covariance
    (A^T W A)^-1 at the end. An error that the rings do not determine is infinite.

    :param counts: of each ring.
    :param collected: the sum of live time times area of each ring, s arcsec2.
    :param shape: what the model has of a source of rate 1 in each ring, 1/arcsec2.
    """
    model = np.column_stack([shape, np.ones(len(shape))]) * collected[:, None]
    error = np.sqrt(np.maximum(counts, 1.0))
    for _ in range(ROUNDS):
        base = model / error[:, None]
        rate, level = np.linalg.lstsq(base, counts / error, rcond=None)[0]
        error = np.sqrt(np.maximum(model @ (rate, level), LEAST))
    # columns of the same length: rates and levels differ by orders of magnitude
    length = np.sqrt(np.sum(base**2, axis=0))
    if np.linalg.matrix_rank(base / np.where(length > 0, length, 1.0)) < base.shape[1]:
        return (float(rate), float(level)), (float("inf"), float("inf"))
    scaled = base / length
    errors = np.sqrt(np.diag(np.linalg.inv(scaled.T @ scaled))) / length
    return (float(rate), float(level)), (float(errors[0]), float(errors[1]))
