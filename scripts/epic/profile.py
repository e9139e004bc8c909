"""The fit of a radial profile: a point source and a constant, with their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit(counts: NDArray[np.int64], collected: Floats, shape: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return rate and level of counts = (rate shape + level) collected, and the error of each.

    By least squares, each ring weighted by 1 / max(counts, 1). The errors are the roots of the diagonal of the
    covariance (A^T W A)^-1 (Bevington & Robinson 2003, Data Reduction and Error Analysis, chapter 7); the weights are
    those of the counts, so that nothing is scaled by the chi2 of the fit. An error that the rings do not determine
    is infinite.

    :param counts: of each ring.
    :param collected: the sum of live time times area of each ring, s arcsec2.
    :param shape: what the model has of a source of rate 1 in each ring, 1/arcsec2.
    """
    error = np.sqrt(np.maximum(counts, 1))
    base = np.column_stack([shape, np.ones(len(shape))]) * (collected / error)[:, None]
    (rate, level), *_ = np.linalg.lstsq(base, counts / error, rcond=None)
    # columns of the same length: rates and levels differ by orders of magnitude
    length = np.sqrt(np.sum(base**2, axis=0))
    if np.linalg.matrix_rank(base / np.where(length > 0, length, 1.0)) < base.shape[1]:
        return (float(rate), float(level)), (float("inf"), float("inf"))
    scaled = base / length
    errors = np.sqrt(np.diag(np.linalg.inv(scaled.T @ scaled))) / length
    return (float(rate), float(level)), (float(errors[0]), float(errors[1]))
