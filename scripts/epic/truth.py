"""What the statistics of the scripts are worth, by simulation with known truth and fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.epic import constancy, detection, poisson, psf

Floats = NDArray[np.float64]


def coverage(
    source: float, background: float, level: float, *, alpha: float | None = None, trials: int = 10_000, seed: int = 1
) -> float:
    """Return the share of trials in which a source's true counts lie below its upper limit.

    :param source: true counts of the source.
    :param background: true counts of background in its region.
    :param alpha: ratio of the regions from which the background is estimated; None where it is known.
    """
    random = np.random.default_rng([seed, trials])
    counts = random.poisson(source + background, trials).astype(np.float64)
    expected = np.full(trials, background)
    if alpha is not None:
        expected = random.poisson(background / alpha, trials).astype(np.float64) * alpha
    return float(np.mean(source <= poisson.upper_limit(counts, expected, level)))


def averaged_coverage(most: float, background: float, level: float, *, trials: int = 10_000, seed: int = 2) -> float:
    """Return the coverage over sources of all brightnesses that were seen with at most ``most`` counts.

    Brightnesses are drawn evenly, as the flat prior has them, so far up that brighter ones leave no such counts:
    the share must then be ``level``, but for the chance of the trials.
    """
    random = np.random.default_rng([seed, trials])
    source = random.uniform(0, 3 * most + 60, 12 * trials)
    counts = random.poisson(source + background).astype(np.float64)
    kept = np.flatnonzero(counts <= most)[:trials]
    if len(kept) < trials:
        raise ValueError(f"only {len(kept)} of {trials} trials have at most {most:g} counts")
    return float(np.mean(source[kept] <= poisson.upper_limit(counts[kept], np.full(trials, background), level)))


def block_false_alarms(
    observations: int, mean: float, background: float, false_alarm: float, *, trials: int = 1000, seed: int = 3
) -> float:
    """Return the share of constant sources that are cut into more than one Bayesian block.

    :param mean: counts of the source in an observation; exposures differ by up to three times.
    """
    random = np.random.default_rng([seed, trials])
    cut = 0
    for _ in range(trials):
        worth = random.uniform(0.5, 1.5, observations)
        expected = background * worth
        counts = random.poisson(mean * worth + expected).astype(float)
        sample = constancy.Sample(counts, expected, np.zeros(observations), worth)
        cut += len(constancy.blocks(sample, false_alarm)) > 1
    return cut / trials


@dataclass(frozen=True)
class Field:
    """What detection made of simulated fields of one camera."""

    completeness: dict[float, float]
    """Share of the sources found, by their true counts."""
    ratio: float
    """Mean of the counts found over those put in, of the brightest."""
    ratio_error: float
    pull: float
    """Scatter of (found - true) / error of the brightest; 1 is right."""
    false: float
    """Sources per field where there is none."""


SIZE = 450
"""Pixels of 4 arcsec: the field of view of a camera, 30 arcmin."""


def _empty() -> Floats:
    """An exposure map like a MOS camera's: a disc with gaps, vignetted."""
    row, column = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius = np.hypot(row, column) * 4 / 60
    exposure = 20000 * np.clip(1 - 0.0063 * radius - 0.0093 * radius**2 + 0.00066 * radius**3, 0.2, 1)
    exposure[(radius > 14.5) | (abs(abs(row) - 82) < 1.5) | (abs(abs(column) - 82) < 1.5)] = 0
    return np.asarray(exposure)


def detection_truth(
    *, levels: tuple[float, ...] = (10.0, 20.0, 40.0, 80.0, 320.0), fields: int = 10, least: float = 12.0, seed: int = 4
) -> Field:
    """Detect in simulated fields of 20 ks, with the background of a quiet MOS camera in 0.5 to 2 keV.

    Half of the fields have 40 sources at random places, as many of each level; the others have none.
    """
    random = np.random.default_rng([seed, fields])
    exposure = _empty()
    king = psf.king("M1", 1.0, 6.0)
    level = 0.04 * exposure / exposure.max()
    seen = np.argwhere(exposure > 0.3 * exposure.max())
    put: dict[float, int] = dict.fromkeys(levels, 0)
    got: dict[float, int] = dict.fromkeys(levels, 0)
    ratios: list[float] = []
    pulls: list[float] = []
    false = 0
    for _ in range(fields):
        empty, _ = detection.detect(
            random.poisson(level).astype(float), exposure, lambda _row, _column: king, 4.0, least
        )
        false += len(empty)
        model = level.copy()
        places: list[tuple[float, float, float]] = []
        while len(places) < 40:
            row, column = seen[random.integers(len(seen))] + random.uniform(-0.5, 0.5, 2)
            if all(np.hypot(row - r, column - c) > 15 for r, c, _ in places):
                number = levels[len(places) % len(levels)]
                here = exposure[int(np.rint(row)), int(np.rint(column))]
                model += number * detection.profile(king, 0.0, model.shape, row, column, 4.0) * exposure / here
                places.append((row, column, number))
        found, _ = detection.detect(
            random.poisson(model).astype(float), exposure, lambda _row, _column: king, 4.0, least
        )
        for row, column, number in places:
            put[number] += 1
            near = [one for one in found if np.hypot(one.row - row, one.column - column) < 4]
            if near:
                got[number] += 1
                if number == levels[-1]:
                    # counts found are those at the median exposure around, put in at the place's own
                    here = exposure[int(np.rint(row)), int(np.rint(column))]
                    measured = near[0].counts * here / near[0].exposure
                    ratios.append(measured / number)
                    pulls.append((measured - number) / near[0].counts_error)
    return Field(
        {number: got[number] / put[number] for number in levels},
        float(np.mean(ratios)),
        float(np.std(ratios) / np.sqrt(len(ratios))),
        float(np.std(pulls)),
        false / fields,
    )


def aperture_fluxes(radius: float, counts: float, *, trials: int = 2000, seed: int = 5) -> tuple[float, float]:
    """Return the mean of measured over true rate, and its error, of sources whose light an aperture holds in part.

    Photons are drawn from the profile; half of the aperture's width lies beside a gap that the exposure knows.
    """
    random = np.random.default_rng([seed, trials])
    king = psf.king("PN", 1.0, 4.0)
    grid = np.arange(-radius + 0.05, radius, 0.1)
    x, y = np.meshgrid(grid, grid)
    distance = np.hypot(x, y)
    inside = distance <= radius
    live = np.abs(x - radius / 3) > 4.0
    weight = king.density(distance[inside])
    eef = float(king.encircled(radius))
    effective = eef * float(np.sum(weight * live[inside]) / weight.sum())
    measured = np.empty(trials)
    for i in range(trials):
        r = king.draw(random, random.poisson(counts))
        angle = random.uniform(0, 2 * np.pi, len(r))
        u = r * np.cos(angle)
        measured[i] = np.count_nonzero((r <= radius) & (np.abs(u - radius / 3) > 4.0)) / effective
    return float(measured.mean() / counts), float(measured.std() / np.sqrt(trials) / counts)
