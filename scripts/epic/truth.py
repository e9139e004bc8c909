"""What the statistics of the scripts are worth, by simulation with known truth and fixed seeds."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.epic import (
    aperture,
    constancy,
    detection,
    evli,
    exposure_map,
    hardness,
    image,
    lightcurve,
    poisson,
    profile,
    psf,
    simulate,
)
from scripts.epic.cameras import CAMERAS
from scripts.epic.events import EventList
from scripts.epic.exposure import live_times
from scripts.epic.selection import select
from scripts.epic.task import Parameters, Task

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


def averaged_coverage(
    most: float,
    background: float,
    level: float,
    *,
    interval: bool = False,
    trials: int = 10_000,
    seed: int = 2,
) -> float:
    """Return the coverage over sources of all brightnesses that were seen with at most ``most`` counts.

    Of the upper limits, or of the shortest intervals.

    Brightnesses are drawn evenly, as the flat prior has them, so far up that brighter ones leave no such counts:
    the share must then be ``level``, but for the chance of the trials.
    """
    random = np.random.default_rng([seed, trials])
    source = random.uniform(0, 3 * most + 60, 12 * trials)
    counts = random.poisson(source + background).astype(np.float64)
    kept = np.flatnonzero(counts <= most)[:trials]
    if len(kept) < trials:
        raise ValueError(f"only {len(kept)} of {trials} trials have at most {most:g} counts")
    seen, back = np.unique(counts[kept], return_inverse=True)
    low, high = np.zeros(len(seen)), poisson.upper_limit(seen, np.full(len(seen), background), level)
    if interval:
        low, high = poisson.interval(seen, np.full(len(seen), background), level)
    return float(np.mean((low[back] <= source[kept]) & (source[kept] <= high[back])))


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


@dataclass(frozen=True)
class Measured:
    """What photometry made of sources in simulated event lists."""

    number: int
    ratio: float
    """Sum of the rates over the sum of the true ones."""
    ratio_error: float
    within: float
    """Share of true rates within the interval of 68.27 %."""
    below: float
    """Share of true rates below the upper limit at 99.73 %."""


def photometry_truth(camera: str, *, lists: int = 12, radius: float = 25.0, seed: int = 6) -> Measured:
    """Measure sources of 5 to 500 counts in simulated event lists with gaps, bad pixels, a flare and vignetting.

    :param radius: of the region, arcsec.
    """
    chosen = next(one for one in CAMERAS.values() if one.name == camera)
    band = (0.5, 2.0)
    true: list[float] = []
    rates: list[float] = []
    errors: list[float] = []
    within: list[bool] = []
    below: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(lists):
            random = np.random.default_rng([seed, lists, number])
            pointing = replace(simulate.POINTINGS[0], position_angle=float(random.uniform(0, 360)))
            sources = [
                replace(source, rate=rate * 0.32 / simulate.AREA[chosen.instrument])
                for source, rate in zip(simulate.SOURCES, np.geomspace(0.005, 0.6, len(simulate.SOURCES)), strict=True)
            ]
            exposure, _ = simulate.expose(pointing, chosen, random, sources)
            path = evli.write(exposure, Path(folder))
            for source in sources:
                where = {"shape": "circle", "ra": source.ra, "dec": source.dec, "radius": radius / 3600}
                files = [{"kind": "events", "path": str(path)}]
                task = Task("a", {"files": files}, where, Parameters({"EMIN": band[0], "EMAX": band[1]}))
                one = aperture.measure(task, "a", 0.3)
                if one.problem:
                    continue
                # one in a hundred events is simulated as rejected
                share = 0.99 * simulate.band_share(source.index, *band)
                true.append(source.rate * simulate.AREA[chosen.instrument] * share)
                low, high = (float(end) for end in poisson.interval(one.counts, one.background, 0.6827))
                limit = float(poisson.upper_limit(one.counts, one.background, 0.9973))
                rates.append((one.counts - one.background) / one.effective)
                errors.append(float(np.sqrt(one.counts + one.alpha * one.background)) / one.effective)
                within.append(low <= true[-1] * one.effective <= high)
                below.append(true[-1] * one.effective <= limit)
    return Measured(
        len(true),
        sum(rates) / sum(true),
        float(np.sqrt(np.sum(np.square(errors)))) / sum(true),
        float(np.mean(within)),
        float(np.mean(below)),
    )


def interval_coverage(source: float, background: float, level: float, *, trials: int = 10_000, seed: int = 7) -> float:
    """Return the share of trials in which the shortest interval holds a source's true counts.

    Counts come in whole numbers, so that for one brightness it lies above or below ``level``, by up to a fifth where
    there are few; what equals ``level`` is its average over brightnesses, :func:`averaged_coverage`.
    """
    random = np.random.default_rng([seed, trials])
    counts = random.poisson(source + background, trials).astype(np.float64)
    seen, back = np.unique(counts, return_inverse=True)
    low, high = poisson.interval(seen, np.full(len(seen), background), level)
    return float(np.mean(((low <= source) & (source <= high))[back]))


def bin_false_alarms(bins: int, mean: float, false_alarm: float, *, trials: int = 1000, seed: int = 8) -> float:
    """Return the share of constant light curves that are cut into more than one Bayesian block.

    :param mean: counts in a bin of full live time; live times differ by up to a fifth.
    """
    random = np.random.default_rng([seed, trials])
    cut = 0
    edges: Floats = np.asarray(np.arange(bins + 1) * 100.0, dtype=np.float64)
    for _ in range(trials):
        live = random.uniform(80.0, 100.0, bins)
        counts = random.poisson(mean * live / 100.0)
        cut += (
            len(lightcurve.bayesian_blocks(counts, np.asarray(live, dtype=np.float64), edges, false_alarm).counts) > 1
        )
    return cut / trials


@dataclass(frozen=True)
class Placed:
    """Where detection found sources in simulated event lists."""

    number: int
    mean: tuple[float, float]
    """Of found less true, arcsec on the sky toward east and north, weighted by the errors."""
    error: float
    pull: float
    """Scatter of (found - true) / error; 1 is right."""


def position_truth(camera: str = "M2", *, lists: int = 4, seed: int = 9) -> Placed:
    """Detect the sources of whole simulated event lists."""
    chosen = next(one for one in CAMERAS.values() if one.name == camera)
    east: list[float] = []
    north: list[float] = []
    errors: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(lists):
            random = np.random.default_rng([seed, lists, number])
            exposure, _ = simulate.expose(simulate.POINTINGS[number % 2], chosen, random)
            events = EventList(evli.write(exposure, Path(folder)))
            selection = select(events, Parameters({"EMIN": 0.5, "EMAX": 2.0}))
            where = image.grid(events, 4.0, None)
            counts = image.counts(events, selection.mask(events), where).astype(np.float64)
            live = live_times(events, selection.times)
            _, seen = exposure_map.prepare(events, (), live, "standard", (0.5, 2.0))
            seconds = exposure_map.image(seen, where).astype(np.float64)
            king = psf.king(camera, 1.0, 6.0)

            def seen_at(_row: float, _column: float, king: psf.King = king) -> psf.King:
                return king

            found, _ = detection.detect(counts, seconds, seen_at, 4.0, 15.0)
            x, y = (
                where.origin[0] + (np.array([one.column for one in found]) + 0.5) * where.bin,
                where.origin[1] + (np.array([one.row for one in found]) + 0.5) * where.bin,
            )
            for source in simulate.SOURCES:
                u, v = (float(axis) for axis in events.projection.to_pixel(source.ra, source.dec))
                near = np.hypot(x - u, y - v)
                if len(near) and near.min() < 120:
                    best = int(np.argmin(near))
                    east.append(-(float(x[best]) - u) * 0.05)
                    north.append((float(y[best]) - v) * 0.05)
                    errors.append(found[best].position_error * 4.0)
    weight = 1 / np.square(errors)
    mean = float(np.sum(east * weight) / weight.sum()), float(np.sum(north * weight) / weight.sum())
    pulls = np.concatenate([np.array(east) / errors, np.array(north) / errors])
    return Placed(len(errors), mean, float(weight.sum() ** -0.5), float(np.sqrt(np.mean(pulls**2))))


@dataclass(frozen=True)
class Hardness:
    """What the posterior made of simulated pairs of soft and hard counts."""

    within: float
    """Share of true ratios within the interval of 68.27 %."""
    bias: float
    """Mean of median less true."""
    bias_error: float


def hardness_truth(
    soft: float, hard: float, background: float, *, scale: float = 0.2, trials: int = 2000, seed: int = 10
) -> Hardness:
    """Draw counts of source and background and measure their hardness ratio.

    :param soft: true counts of the source in the soft band, ``hard`` in the hard one.
    :param background: true counts of background in each band in the source's region.
    :param scale: area of the source's region over that of the background.
    """
    random = np.random.default_rng([seed, trials, int(10 * soft), int(10 * hard)])
    within, off = [], []
    for number in range(trials):
        on = int(random.poisson(soft + background)), int(random.poisson(hard + background))
        around = int(random.poisson(background / scale)), int(random.poisson(background / scale))
        found = hardness.posterior(on, around, scale, 4000, number).summary(0.6827)
        true = (hard - soft) / (hard + soft)
        within.append(found["low"] <= true <= found["high"])
        off.append(found["median"] - true)
    return Hardness(float(np.mean(within)), float(np.mean(off)), float(np.std(off) / np.sqrt(trials)))


def profile_truth(rate: float, *, trials: int = 2000, seed: int = 11) -> tuple[float, float]:
    """Return mean and scatter of (fitted - true rate) / error of profiles of 30 rings of 4 arcsec; 0 and 1 are right.

    :param rate: true counts of the source, on a background of 0.02 counts in a square arcsec.
    """
    random = np.random.default_rng([seed, trials, int(rate)])
    edges: Floats = np.arange(31, dtype=np.float64) * 4.0
    area = np.pi * np.diff(edges**2)
    shape = np.diff(psf.king("M1", 1.0, 4.0).encircled(edges)) / area
    pulls = []
    for counts in random.poisson((rate * shape + 0.02) * area, (trials, len(area))):
        (found, _), (error, _) = profile.fit(counts, area, shape)
        pulls.append((found - rate) / error)
    return float(np.mean(pulls)), float(np.std(pulls))
