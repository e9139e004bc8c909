"""Smoothing of images, by a Gaussian of one width or of the width that the counts around each place ask for.

Counts N and exposure E are spread alike, each pixel j by the Gaussian G_j of its own width::

    S_i = sum_j G_ij N_j,    T_i = sum_j G_ij E_j,    R_i = c S_i / T_i

so that an evenly bright sky comes out evenly bright also beside gaps and towards the edge of the field, and the one
factor c makes the total right: sum R_i E_i = sum N_j. Without an exposure map a pixel's counts are shared out among the
pixels of the image, S_i = sum_j G_ij N_j / sum_k G_kj, and the sum is that of the counts.

The width of the adaptive kernel is the smallest of a ladder (each sqrt(2) times the one before) under which lie at
least n counts, sum_j G_ij N_j 4 pi sigma^2: an even brightness of as many counts in a top hat has the same noise (after
Ebeling et al. 2006, MNRAS 368, 65). Towards narrower ones it changes by at most :data:`SLOPE` a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEEN = 0.02
"""Share of the largest exposure below which a rate is not a number."""
LARGEST = 64.0
"""Pixels of the widest Gaussian."""
SLOPE = 0.3
"""By how much the width of the kernel may change from pixel to pixel: without a limit the wide kernels around a source
would take of its light."""


@dataclass(frozen=True)
class Smoothed:
    """An image after smoothing."""

    values: Floats
    """Counts, or counts per second, per pixel; not a number where there was no exposure."""
    sigma: Floats
    """Of each pixel's kernel, pixels."""
    factor: float
    """c."""


def _spread(image: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - it takes longer to import than a plain image

    return np.asarray(gaussian_filter(image, sigma, mode="constant", truncate=4.0), dtype=np.float64)


def widths(counts: Floats, least: float, smallest: float) -> Floats:
    """Return the adaptive kernel's sigma at each pixel, in pixels: from ``smallest`` to :data:`LARGEST`."""
    chosen = np.full(counts.shape, np.nan)
    sigma = smallest
    while True:
        enough = _spread(counts, sigma) * 4 * np.pi * sigma**2 >= least
        chosen[enough & np.isnan(chosen)] = sigma
        if sigma >= LARGEST or not np.isnan(chosen).any():
            break
        sigma = min(sigma * np.sqrt(2), LARGEST)
    return _gentle(np.where(np.isnan(chosen), sigma, chosen))


def _gentle(sigma: Floats) -> Floats:
    """Narrow the widths of a ladder where they would change by more than :data:`SLOPE` from pixel to pixel."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 - as above

    ladder = np.unique(sigma)
    limit = sigma.copy()
    for width in ladder[:-1]:
        limit = np.minimum(limit, width + SLOPE * distance_transform_edt(limit > width))
    return np.asarray(ladder[np.searchsorted(ladder, limit + 1e-9, side="right") - 1])


def smooth(counts: Floats, exposure: Floats | None, sigma: float | Floats) -> Smoothed:
    """Smooth an image.

    :param exposure: seconds, of the same shape; None to smooth counts.
    :param sigma: pixels, one or one for each pixel.
    """
    each = np.broadcast_to(np.asarray(sigma, dtype=np.float64), counts.shape)
    total, weight = np.zeros(counts.shape), np.zeros(counts.shape)
    for width in np.unique(each).tolist():
        mine = each == width
        if exposure is None:
            total += _spread(np.where(mine, counts / _spread(np.ones(counts.shape), width), 0.0), width)
        else:
            total += _spread(np.where(mine & (exposure > 0), counts, 0.0), width)
            weight += _spread(np.where(mine, exposure, 0.0), width)
    if exposure is None:
        return Smoothed(total, each, 1.0)
    rate = quotient(total, weight, float(exposure.max(initial=0.0)))
    came = float(np.nansum(rate * exposure))
    factor = float(counts[exposure > 0].sum()) / came if came > 0 else 1.0
    return Smoothed(rate * factor, each, factor)


def quotient(counts: Floats, exposure: Floats, largest: float) -> Floats:
    """Return counts over exposure, not a number below :data:`SEEN` of the largest exposure."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(exposure > SEEN * largest, counts / exposure, np.nan) if largest > 0 else counts * np.nan


def describe(kind: str, sigmas: Sequence[float], pixel: float) -> str:
    """Return in words how an image was smoothed.

    :param sigmas: pixels.
    :param pixel: arcsec.
    """
    if kind == "gaussian":
        return f"Gaussian of sigma {sigmas[0] * pixel:g} arcsec"
    return f"adaptive Gaussian of sigma {min(sigmas) * pixel:.3g} to {max(sigmas) * pixel:.3g} arcsec"
