"""The script ``variability``: the light curve of a position over all observations, and whether it is constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts.epic import constancy, fits, gather, preview, rates, table, task
from scripts.epic.aperture import Measurement
from scripts.epic.errors import ScienceError
from scripts.epic.preview import Axis, Plot, Series
from scripts.epic.table import Column

BLOCKS = (
    Column("first", str, "meta.id", "first dataset of the block"),
    Column("last", str, "meta.id", "last dataset of the block"),
    Column("t_start", float, "time.start", "start, MJD (TT)", "d"),
    Column("t_stop", float, "time.end", "end, MJD (TT)", "d"),
    Column("datasets", int, "meta.number", "datasets in the block"),
    Column("brightness", float, "phot.flux;em.X-ray", "flux (erg/s/cm2), or rate (ct/s) without a flux"),
)


def sample(found: Sequence[Measurement]) -> tuple[list[Measurement], constancy.Sample, str]:
    """Return the measurements that can be compared, in order of time, their numbers, and the unit of brightness.

    :raises ScienceError: none has a value.
    """
    usable = sorted((one for one in found if not one.problem), key=lambda one: (one.start, one.camera))
    if not usable:
        raise ScienceError(f"No dataset has a value: {found[0].dataset}: {found[0].problem}.")
    unit = "erg/s/cm2"
    if not all(one.ecf for one in usable):
        # without conversion factors only one camera with one filter is the same from one observation to the next
        kinds = [(one.camera, one.filter) for one in usable]
        most = max(sorted(set(kinds)), key=kinds.count)
        usable, unit = [one for one, kind in zip(usable, kinds, strict=True) if kind == most], "ct/s"
    worth = [one.effective * ((one.ecf or 1.0) if unit != "ct/s" else 1.0) for one in usable]
    columns = [[float(getattr(one, name)) for one in usable] for name in ("counts", "background", "alpha")]
    return usable, constancy.Sample(*(np.array(column) for column in (*columns, worth))), unit


def tested(verdict: constancy.Verdict) -> dict[str, str]:
    """Return what the tests for constancy say, or why they say nothing."""
    alone = "none: a single dataset has a value, and there is nothing to compare it with"
    few = "none: it needs three datasets with values, brighter than the background in their mean"
    return {
        "chi2": f"{verdict.chi2:.6g} with {verdict.freedom} degrees of freedom" if verdict.freedom else alone,
        "chance_if_constant": f"{verdict.probability:.6g}" if verdict.freedom else alone,
        "excess_variance": f"{verdict.excess:.6g} +- {verdict.excess_error:.6g} (normalised)"
        if np.isfinite(verdict.excess)
        else few,
    }


def main(parts: list[gather.Part]) -> None:
    """Make the light curve and test it."""
    parameters = parts[0].task.parameters
    interval, limit = parameters.real("INTERVAL", 0.6827), parameters.real("CONFIDENCE", 0.9973)
    found, failures = rates.measure_all(parts, parameters.real("EXPOSURE_MIN", 0.3))
    task.progress(0.85, "testing for constancy")
    usable, numbers, unit = sample(found)
    verdict = constancy.test(numbers)
    false_alarm = parameters.real("FALSE_ALARM", 0.01)
    pieces = [
        {
            "first": usable[first].dataset,
            "last": usable[last - 1].dataset,
            "t_start": usable[first].start,
            "t_stop": max(one.stop for one in usable[first:last]),
            "datasets": last - first,
            "brightness": value,
        }
        for first, last, value in constancy.blocks(numbers, false_alarm)
    ]
    facts: dict[str, Any] = {
        **rates.facts(found, failures, interval, limit),
        "compared": f"{len(usable)} datasets, brightness in {unit}",
        "constant_brightness": f"{verdict.mean:.6g} {unit}",
        **tested(verdict),
        "bayesian_blocks": f"{len(pieces)}, false alarm {false_alarm:g}",
    }
    rows = [rates.row(one, interval, limit) for one in sorted(found, key=lambda one: (one.start, one.camera))]
    task.PRODUCTS.mkdir(exist_ok=True)
    path, about = task.PRODUCTS / "variability", "Light curve of a region over observations"
    table.write(path, "variability", about, rates.COLUMNS, rows, facts)
    extra = table.extension("blocks", BLOCKS, pieces)
    fits.write(
        path.with_suffix(".fits"),
        [table.primary(about, facts), table.extension("variability", rates.COLUMNS, rows), extra],
    )
    key = "flux" if unit != "ct/s" else "rate"
    names = {one.dataset for one in usable}
    plotted = [row for row in rows if row["dataset"] in names]
    plot(plotted, pieces, key, unit)
    for name in ("chi2", "chance_if_constant", "excess_variance", "bayesian_blocks"):
        print(f"{name}: {facts[name]}")
    task.done(simulated=any(one.simulated for one in found))


def plot(rows: Sequence[dict[str, Any]], pieces: Sequence[dict[str, Any]], key: str, unit: str) -> None:
    """Draw the light curve: points with their intervals, upper limits, and the blocks."""
    seen, unseen = [r for r in rows if r["detected"]], [r for r in rows if not r["detected"]]

    def middle(row: dict[str, Any]) -> float:
        return float(row["t_start"] + row["t_stop"]) / 2

    series = [
        Series(
            "detected",
            [middle(r) for r in seen],
            [r[key] for r in seen],
            x_error=[(r["t_stop"] - r["t_start"]) / 2 for r in seen],
            y_error=[(r[f"{key}_high"] - r[f"{key}_low"]) / 2 for r in seen],
            kind="points",
        ),
        Series("upper limits", [middle(r) for r in unseen], [r[f"{key}_limit"] for r in unseen], kind="points"),
        Series(
            "Bayesian blocks",
            [t for piece in pieces for t in (piece["t_start"], piece["t_stop"])],
            [piece["brightness"] for piece in pieces for _ in range(2)],
            kind="line",
        ),
    ]
    drawn = Plot(
        "Light curve over observations",
        Axis("Time (MJD)", "d"),
        Axis(key.capitalize(), unit),
        [one for one in series if len(np.asarray(one.x))],
    )
    path = task.PRODUCTS / "variability_plot.json"
    preview.write(drawn, path.with_suffix(".png"), path)


if __name__ == "__main__":
    gather.run(main)
