"""From measurements of a region to rates, fluxes and limits, of one dataset or of many together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from scripts.epic import ecf, poisson
from scripts.epic.aperture import Measurement, measure
from scripts.epic.errors import ScienceError
from scripts.epic.gather import Part, each
from scripts.epic.preview import Axis, Plot, Series
from scripts.epic.table import Column
from scripts.epic.task import PRODUCTS, Task

COLUMNS = (
    Column("dataset", str, "meta.id;meta.main", "dataset, or what was combined"),
    Column("camera", str, "meta.id;instr", "camera; ALL for several"),
    Column("filter", str, "meta.id;instr.filter", "optical filter"),
    Column("t_start", float, "time.start;obs", "start of the observation, MJD (TT)", "d"),
    Column("t_stop", float, "time.end;obs", "end of the observation, MJD (TT)", "d"),
    Column("counts", int, "phot.count", "counts in the region"),
    Column("background", float, "phot.count;instr.background", "counts expected of the background", "ct"),
    Column("background_counts", int, "phot.count;instr.background", "counts in the background region"),
    Column("net", float, "phot.count;arith.diff", "counts less the background", "ct"),
    Column("effective_exposure", float, "time.duration;obs.exposure", "exposure with losses, on the axis", "s"),
    Column("live_time", float, "time.duration;obs.exposure", "live time", "s"),
    Column("exposure_fraction", float, "obs.param;arith.ratio", "share of the light on live detector"),
    Column("eef", float, "instr.det.psf;arith.ratio", "encircled energy of the region"),
    Column("off_axis", float, "pos.angDistance", "angle off the optical axis", "arcmin"),
    Column("log_likelihood", float, "stat.likelihood", "-ln of the chance of such counts from background alone"),
    Column("rate", float, "arith.rate;phot.count", "rate on the axis, most probable value", "ct/s"),
    Column("rate_low", float, "arith.rate;phot.count;stat.min", "lower end of the interval", "ct/s"),
    Column("rate_high", float, "arith.rate;phot.count;stat.max", "upper end of the interval", "ct/s"),
    Column("rate_limit", float, "arith.rate;phot.count;stat.max", "upper limit", "ct/s"),
    Column("ecf", float, "arith.factor", "rate over flux", "ct.cm**2/erg"),
    Column("flux", float, "phot.flux;em.X-ray", "flux of the assumed spectrum", "erg/s/cm**2"),
    Column("flux_low", float, "phot.flux;em.X-ray;stat.min", "lower end of the interval", "erg/s/cm**2"),
    Column("flux_high", float, "phot.flux;em.X-ray;stat.max", "upper end of the interval", "erg/s/cm**2"),
    Column("flux_limit", float, "phot.flux;em.X-ray;stat.max", "upper limit", "erg/s/cm**2"),
    Column("detected", bool, "meta.code", "whether the interval excludes 0"),
    Column("region", str, "meta.note", "source region, ICRS degrees"),
    Column("background_region", str, "meta.note", "background region, ICRS degrees"),
    Column("exposure_map", str, "meta.note", "what the exposure was taken from"),
    Column("eef_table", str, "meta.note", "table of encircled energy"),
    Column("problem", str, "meta.note", "why there is no value"),
)
"""The columns of a table of photometry."""


def row(one: Measurement, interval: float, limit: float) -> dict[str, Any]:
    """Return the row of one dataset.

    :param interval: the share of the posterior within the interval.
    :param limit: the share below the upper limit.
    """
    return {
        **_values([one], interval, limit),
        "dataset": one.dataset,
        "live_time": one.live,
        "exposure_fraction": one.fraction,
        "eef": one.eef,
        "off_axis": one.off_axis,
        "region": one.region,
        "background_region": one.ring,
        "exposure_map": one.exposure_origin,
        "eef_table": one.eef_table,
        "problem": one.problem,
    }


def combined(all_of: Sequence[Measurement], interval: float, limit: float) -> list[dict[str, Any]]:
    """Return the rows of all datasets of each camera with one filter, and of all datasets.

    Counts, expected background and T (for fluxes: T times ECF) are summed: the likelihood of one source of constant
    flux. Several cameras or filters together have a flux but no rate.
    """
    usable = [one for one in all_of if not one.problem]
    groups = sorted({(one.camera, one.filter) for one in usable})
    rows = []
    for camera, optical_filter in groups:
        some = [one for one in usable if (one.camera, one.filter) == (camera, optical_filter)]
        if len(some) > 1:
            rows.append({**_values(some, interval, limit), "dataset": f"{len(some)} datasets of {camera}"})
    if len(groups) > 1:
        rows.append({**_values(usable, interval, limit), "dataset": f"all {len(usable)} datasets"})
    return rows


def _values(some: Sequence[Measurement], interval: float, limit: float) -> dict[str, Any]:
    cameras, filters = {one.camera for one in some}, {one.filter for one in some}
    counts, background = sum(one.counts for one in some), sum(one.background for one in some)
    values: dict[str, Any] = {
        "camera": cameras.pop() if len(cameras) == 1 else "ALL",
        "filter": filters.pop() if len(filters) == 1 else "several",
        "t_start": min(one.start for one in some),
        "t_stop": max(one.stop for one in some),
        "counts": counts,
        "background": background,
        "background_counts": sum(one.background_counts for one in some),
        "net": counts - background,
        "effective_exposure": sum(one.effective for one in some),
        "live_time": sum(one.live for one in some),
        "detected": False,
        "problem": "",
    }
    if any(one.problem for one in some):
        return values
    low, high = (float(end) for end in poisson.interval(counts, background, interval))
    source = {
        "": max(counts - background, 0.0),
        "_low": low,
        "_high": high,
        "_limit": float(poisson.upper_limit(counts, background, limit)),
    }
    values["log_likelihood"] = float(poisson.significance(counts, background))
    values["detected"] = low > 0
    if values["camera"] != "ALL" and values["filter"] != "several":
        values |= {f"rate{end}": number / values["effective_exposure"] for end, number in source.items()}
    if all(one.ecf for one in some):
        worth = sum(one.effective * (one.ecf or 0.0) for one in some)
        values["ecf"] = worth / values["effective_exposure"]
        values |= {f"flux{end}": number / worth for end, number in source.items()}
    return values


def measure_all(parts: Sequence[Part], least: float) -> tuple[list[Measurement], list[str]]:
    """Measure the region in all datasets; also return why some cannot be measured.

    :raises ScienceError: none can.
    """
    found: list[Measurement] = []
    failures: list[str] = []
    for part in each(list(parts), "measuring"):
        try:
            if part.failure:
                raise ScienceError(part.failure)
            if part.folder is not None:
                made = Measurement(**json.loads((part.folder / MEASUREMENT).read_text(encoding="utf-8")))
            else:
                made = measure(part.task, part.name, least)
            found.append(made)
            print(f"{part.name}: {made.problem or f'{made.counts} counts, {made.background:.2f} of background'}")
        except ScienceError as error:
            failures.append(f"{part.name}: {error}")
            print(f"{part.name}: NOT MEASURED: {error}")
    if not found:
        raise ScienceError(f"No dataset could be measured. {failures[0]}")
    return found, failures


def hand_on(job: Task) -> None:
    """Measure one dataset and write it for the gather task.

    :raises ScienceError: it cannot be measured.
    """
    dataset = job.dataset
    name = "/".join(str(dataset[key]) for key in ("obs_id", "camera", "exposure_id"))
    made = measure(job, name, job.parameters.real("EXPOSURE_MIN", 0.3))
    PRODUCTS.mkdir(exist_ok=True)
    (PRODUCTS / MEASUREMENT).write_text(json.dumps(made.as_dict()), encoding="utf-8")
    print(f"{name}: {made.problem or f'{made.counts} counts, {made.background:.2f} of background'}")


MEASUREMENT = "measurement.json"
"""What the task of one dataset hands to the gather task."""


def facts(found: Sequence[Measurement], failures: Sequence[str], interval: float, limit: float) -> dict[str, Any]:
    """Return what holds for a whole table."""
    first = found[0]
    told = {
        "energy_range": f"{first.emin:g} to {first.emax:g} keV",
        "interval": f"shortest, {interval:.4%} of the posterior (flat prior on the source's counts)",
        "upper_limit": f"{limit:.4%} of the posterior lie below it",
        "flux_model": ecf.model()
        if any(one.ecf for one in found)
        else "no flux: there are factors for Thin1 and Medium and for ranges made of 0.2, 0.5, 1, 2, 4.5, 12 keV",
        "selection": "; ".join(sorted({one.selection for one in found})),
    }
    if failures:
        told["not_measured"] = " | ".join(failures)
    if any(one.simulated for one in found):
        told["SIMULATED"] = "made from simulated event lists, not observations"
    return told


def plot(rows: Sequence[dict[str, Any]]) -> Plot:
    """Return the fluxes of the datasets (rates, where one has none) over time, by camera, and upper limits."""
    usable = [row for row in rows if not row["problem"]]
    key, unit = ("flux", "erg/s/cm2") if all(row.get("flux") is not None for row in usable) else ("rate", "ct/s")
    series = []
    for camera in sorted({row["camera"] for row in usable}):
        seen = [row for row in usable if row["camera"] == camera and row["detected"]]
        if seen:
            middle = [(row["t_start"] + row["t_stop"]) / 2 for row in seen]
            half = [(row["t_stop"] - row["t_start"]) / 2 for row in seen]
            error = [(row[f"{key}_high"] - row[f"{key}_low"]) / 2 for row in seen]
            series.append(Series(camera, middle, [row[key] for row in seen], half, error))
    unseen = [row for row in usable if not row["detected"]]
    if unseen:
        middle = [(row["t_start"] + row["t_stop"]) / 2 for row in unseen]
        series.append(Series("upper limits", middle, [row[f"{key}_limit"] for row in unseen]))
    return Plot("Photometry", Axis("Time (MJD)", "d"), Axis(key.capitalize(), unit), series)
