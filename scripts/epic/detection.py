"""Source detection in one image: sliding box, background map, and a fit of the point spread function.

1. A box of 5 x 5 pixels slides over the image; the background in it is that of the ring between boxes of 9 x 9 and
   15 x 15 pixels, scaled by exposure. Where L = -ln P(at least n counts | b) is at least :data:`BOX_LIKELIHOOD` and
   the greatest around, a candidate is.
2. The candidates are masked and the rest, over exposure, is smoothed: the background map. The box slides again with it.
3. Each candidate is fitted in its surroundings, in order of brightness and with the fitted ones held: position, counts
   and extent of a King profile, convolved with a Gaussian, on the background map, by the statistic C of Cash (1979, ApJ
   228, 939). Its likelihood is L = -ln P of chi2 = C(no source) - C(source) with the free parameters as degrees of
   freedom, as SAS ``emldetect`` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.epic import poisson
from scripts.epic.psf import King

Floats = NDArray[np.float64]

BOX, INNER, OUTER = 5, 9, 15
"""Pixels of the sliding box, and of the ring that its background is taken from."""
BOX_LIKELIHOOD = 6.0
"""Of a candidate; far below what a fitted source needs."""
SEEN = 0.05
"""Share of the largest exposure below which a pixel takes no part."""
REACH = 12
"""Pixels to each side that a fit looks at."""
EXTENDED = 4.0
"""Gain in likelihood that an extended source needs over a point."""


@dataclass(frozen=True)
class Found:
    """A source, in pixels from 0 at the centre of the first."""

    column: float
    row: float
    position_error: float
    """Of each axis, 1 sigma, pixels."""
    counts: float
    """Of the whole source, as if seen at the place's exposure without gaps."""
    counts_error: float
    extent: float
    """Sigma of the Gaussian, pixels; 0 for a point."""
    likelihood: float
    box_likelihood: float
    background: float
    """Counts per pixel at its place."""
    exposure: float
    """Seconds at its place."""


def _box(image: Floats, size: int) -> Floats:
    """Return the sum over a square around each pixel."""
    half = size // 2
    total = np.pad(np.cumsum(np.cumsum(np.pad(image, half), 0), 1), ((1, 0), (1, 0)))
    ny, nx = image.shape
    inner = total[size : size + ny, size : size + nx] - total[:ny, size : size + nx]
    return np.asarray(inner - total[size : size + ny, :nx] + total[:ny, :nx])


def _peaks(likelihood: Floats, least: float) -> list[tuple[int, int]]:
    """Return rows and columns of the local maxima of at least ``least``, the greatest first."""
    wide = np.pad(likelihood, 2, constant_values=-1.0)
    ny, nx = likelihood.shape
    around = np.max([wide[i : i + ny, j : j + nx] for i in range(5) for j in range(5)], axis=0)
    rows, columns = np.nonzero((likelihood >= least) & (likelihood >= around))
    order = np.argsort(-likelihood[rows, columns], kind="stable")
    kept: list[tuple[int, int]] = []
    for k in order:
        place = int(rows[k]), int(columns[k])
        if all(abs(place[0] - i) > 2 or abs(place[1] - j) > 2 for i, j in kept):
            kept.append(place)
    return kept


def candidates(counts: Floats, exposure: Floats, background: Floats | None) -> tuple[list[tuple[int, int]], Floats]:
    """Return where candidates are, as rows and columns, and the map of box likelihoods.

    :param background: counts per pixel; None for that of the ring around each place.
    """
    seen = exposure > SEEN * exposure.max(initial=0.0)
    counts, exposure = np.where(seen, counts, 0.0), np.where(seen, exposure, 0.0)
    mine = _box(counts, BOX)
    if background is None:
        ring = _box(exposure, OUTER) - _box(exposure, INNER)
        share = np.divide(_box(exposure, BOX), ring, out=np.zeros_like(ring), where=ring > 0)
        expected = share * (_box(counts, OUTER) - _box(counts, INNER))
    else:
        expected = _box(np.where(seen, background, 0.0), BOX)
    # a ring without a count says little more than that there are fewer than one
    expected = np.maximum(np.rint(expected * 1e6) / 1e6, 0.02)
    likelihood = np.zeros(counts.shape)
    high = seen & (mine > expected)
    likelihood[high] = poisson.significance(np.rint(mine[high]), expected[high])
    return _peaks(likelihood, BOX_LIKELIHOOD), likelihood


def background_map(counts: Floats, exposure: Floats, found: list[tuple[int, int]], sigma: float = 8.0) -> Floats:
    """Return the counts per pixel without the sources: the rest over its exposure, smoothed, times the exposure.

    :param sigma: of the Gaussian, pixels.
    """
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to import, needed here alone

    free = _free(counts, exposure, found)
    top = gaussian_filter(np.where(free, counts, 0.0), sigma, truncate=4.0)
    bottom = gaussian_filter(np.where(free, exposure, 0.0), sigma, truncate=4.0)
    mean = counts[free].sum() / max(float(exposure[free].sum()), 1e-9)
    rate = np.where(bottom > 1e-3 * exposure.max(), top / np.maximum(bottom, 1e-9), mean)
    return np.asarray(np.maximum(rate, 0.02 * mean) * exposure)


def normalised(
    background: Floats, counts: Floats, exposure: Floats, found: list[tuple[int, int]]
) -> tuple[Floats, float]:
    """Scale a background map that was made of other good times or events to the counts beside the sources.

    :returns: the map, with at least a fiftieth of its mean where something was exposed, and the factor.
    """
    free = _free(counts, exposure, found)
    there = float(background[free].sum())
    factor = float(counts[free].sum()) / there if there > 0 else 0.0
    seen = exposure > 0
    mean = float(background[seen].mean()) if seen.any() else 0.0
    return np.where(seen, np.maximum(background, 0.02 * mean), 0.0) * factor, factor


def _free(counts: Floats, exposure: Floats, found: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell which pixels are exposed and lie beside the sources."""
    free = exposure > SEEN * exposure.max(initial=0.0)
    rows, columns = np.mgrid[-25:26, -25:26]
    bright = _box(counts, BOX)
    for row, column in found:
        # the wings of a bright source reach farther
        radius = float(np.clip(5 + 2.5 * np.log10(max(bright[row, column], 10) / 10) * 2, 5, 25))
        hole = np.hypot(rows, columns) <= radius
        i, j = rows[hole] + row, columns[hole] + column
        on = (i >= 0) & (i < counts.shape[0]) & (j >= 0) & (j < counts.shape[1])
        free[i[on], j[on]] = False
    return np.asarray(free)


def profile(king: King, extent: float, shape: tuple[int, int], row: float, column: float, pixel: float) -> Floats:
    """Return a source's share per pixel, over 2 x 2 points in each, exact in sum to the encircled energy.

    :param extent: sigma of the Gaussian in pixels: a King profile with a core widened by 2 sigma^2, of the same slope.
    :param pixel: arcsec.
    """
    core = float(np.sqrt(king.core**2 + 2 * (extent * pixel) ** 2))
    wide = King(core, king.slope)
    total = np.zeros(shape)
    for di in (-0.25, 0.25):
        for dj in (-0.25, 0.25):
            y, x = np.mgrid[: shape[0], : shape[1]]
            total += wide.density(np.hypot(y + di - row, x + dj - column) * pixel)
    return total * pixel**2 / 4


def fit(
    counts: Floats,
    exposure: Floats,
    background: Floats,
    places: list[tuple[int, int]],
    boxes: Floats,
    king_at: Callable[[float, float], King],
    pixel: float,
    least: float,
) -> list[Found]:
    """Fit the candidates and return those of at least the likelihood ``least``.

    :param king_at: the point spread function at a row and column.
    :param pixel: arcsec.
    """
    from scipy.special import gammaincc  # noqa: PLC0415 - as above

    model = np.array(background)
    found: list[Found] = []
    for row, column in places:
        top, left = max(0, row - REACH), max(0, column - REACH)
        cut = np.s_[top : row + REACH + 1, left : column + REACH + 1]
        image, seconds, rest = counts[cut], exposure[cut], model[cut]
        use = seconds > SEEN * exposure.max()
        king = king_at(row, column)
        here = float(np.median(seconds[use])) if use.any() else 0.0
        if here <= 0:
            continue
        local = _Local(image, seconds / here, np.maximum(rest, 1e-9), use, king, pixel)
        best = local.search(row - top, column - left)
        gain = local.nothing - best.statistic
        freedom = 4 if best.extent else 3
        chance = float(gammaincc(freedom / 2, max(gain, 0.0) / 2))
        # beyond what a double holds, the leading term of the tail
        likelihood = -np.log(chance) if chance > 1e-280 else gain / 2 - (freedom / 2 - 1) * np.log(gain / 2)
        if likelihood < least or best.counts <= 0:
            continue
        source = profile(king, best.extent, image.shape, best.row, best.column, pixel)
        model[cut] += best.counts * source * seconds / here
        found.append(
            Found(
                column=best.column + left,
                row=best.row + top,
                position_error=local.position_error(best),
                counts=best.counts,
                counts_error=local.counts_error(best),
                extent=best.extent,
                likelihood=float(likelihood),
                box_likelihood=float(boxes[row, column]),
                background=float(background[row, column]),
                exposure=here,
            )
        )
    return found


@dataclass(frozen=True)
class _Trial:
    row: float
    column: float
    extent: float
    counts: float
    statistic: float


class _Local:
    """The surroundings of one candidate."""

    def __init__(
        self, image: Floats, share: Floats, rest: Floats, use: NDArray[np.bool_], king: King, pixel: float
    ) -> None:
        self.image, self.share, self.rest, self.use, self.king, self.pixel = image, share, rest, use, king, pixel
        self.n, self.b = image[use], rest[use]
        self.nothing = self._cash(self.b)

    def _cash(self, expected: Floats) -> float:
        return float(2 * np.sum(expected - self.n * np.log(expected)))

    def _shape(self, row: float, column: float, extent: float) -> Floats:
        source = profile(self.king, extent, self.image.shape, row, column, self.pixel)
        return np.asarray((source * self.share)[self.use])

    def trial(self, row: float, column: float, extent: float) -> _Trial:
        """Return the best counts at a place: the root of dC/ds by Newton steps, which cannot go below 0."""
        source = self._shape(row, column, extent)
        total = float(source.sum())
        value = max(float(np.sum(self.n - self.b)), 1.0)
        for _ in range(30):
            expected = value * source + self.b
            slope = total - float(np.sum(self.n * source / expected))
            bend = float(np.sum(self.n * (source / expected) ** 2))
            step = slope / bend if bend > 0 else value
            new = max(value - step, value / 4)
            if abs(new - value) < 1e-4 * value + 1e-6:
                value = new
                break
            value = new
        return _Trial(row, column, extent, value, self._cash(value * source + self.b))

    def search(self, row: float, column: float) -> _Trial:
        """Find the best place by steps that halve, then see whether an extent is better."""
        best = self.trial(row, column, 0.0)
        for step in (1.0, 0.5, 0.25, 0.12, 0.06, 0.03):
            for _ in range(4):
                near = [
                    self.trial(best.row + i * step, best.column + j * step, 0.0)
                    for i, j in ((1, 0), (-1, 0), (0, 1), (0, -1))
                ]
                better = min(near, key=lambda one: one.statistic)
                off = np.hypot(better.row - row, better.column - column) > 3
                if better.statistic >= best.statistic - 1e-6 or off:
                    break
                best = better
        wide = [self.trial(best.row, best.column, extent) for extent in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)]
        widest = min(wide, key=lambda one: one.statistic)
        return widest if widest.statistic < best.statistic - 2 * EXTENDED else best

    def counts_error(self, best: _Trial) -> float:
        """1 sigma of the counts, from the curvature of the statistic."""
        source = self._shape(best.row, best.column, best.extent)
        expected = best.counts * source + self.b
        return float(1 / np.sqrt(max(np.sum(source**2 / expected), 1e-12)))

    def position_error(self, best: _Trial) -> float:
        """1 sigma of the place along an axis, pixels: the mean curvature of the expected statistic."""
        information = 0.0
        for i, j in ((0.1, 0.0), (0.0, 0.1)):
            ahead = self._shape(best.row + i, best.column + j, best.extent)
            back = self._shape(best.row - i, best.column - j, best.extent)
            expected = best.counts * self._shape(best.row, best.column, best.extent) + self.b
            information += float(np.sum((best.counts * (ahead - back) / 0.2) ** 2 / expected)) / 2
        return float(1 / np.sqrt(max(information, 1e-6)))


def detect(
    counts: Floats,
    exposure: Floats,
    king_at: Callable[[float, float], King],
    pixel: float,
    least: float,
    known: Floats | None = None,
) -> tuple[list[Found], Floats]:
    """Return the sources of at least the likelihood ``least``, the most likely first, and the background map.

    :param counts: per pixel, shape (rows, columns).
    :param exposure: seconds, vignetted, of the same shape.
    :param king_at: the point spread function at a row and column.
    :param pixel: arcsec.
    :param known: a background map, of any scale, instead of one made here.
    """
    if exposure.max(initial=0.0) <= 0:
        return [], np.zeros(counts.shape)

    def underground(found: list[tuple[int, int]]) -> Floats:
        if known is None:
            return background_map(counts, exposure, found)
        return normalised(known, counts, exposure, found)[0]

    first, _ = candidates(counts, exposure, None)
    background = underground(first)
    places, boxes = candidates(counts, exposure, background)
    # a source missed by the ring, as one in a crowd or of large extent, is masked the second time
    background = underground([*first, *places])
    places, boxes = candidates(counts, exposure, background)
    found = fit(counts, exposure, background, places, boxes, king_at, pixel, least)
    return sorted(found, key=lambda one: -one.likelihood), background
