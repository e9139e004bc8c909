"""The script ``hardness``: the hardness ratio of a source from few counts."""

from __future__ import annotations

import json

import numpy as np

from scripts.epic import extraction, preview, spectrum, task
from scripts.epic.errors import ScienceError
from scripts.epic.hardness import posterior
from scripts.epic.selection import electronvolts, parting

LEVEL = 0.6827


def main(job: task.Task) -> None:
    """Make the hardness ratio of one event list."""
    parameters = job.parameters
    low, high = parameters.real("EMIN", 0.5), parameters.real("EMAX", 8.0)
    split = parting(parameters, low, high)
    if not low < split < high:
        raise ScienceError(
            f"EMIN = {low:g}, ESPLIT = {split:g} and EMAX = {high:g} keV must rise. Energies are in keV, not eV."
        )
    made = extraction.prepare(job)
    events = made.events
    energy, middle = events.column("PI"), electronvolts(split, None)[0] or 0
    inside = [made.inside(shape) for shape in (made.source, made.background)]
    bands = energy < middle, energy >= middle
    counts, around = ((int((m & bands[0]).sum()), int((m & bands[1]).sum())) for m in inside)
    task.progress(0.5, "measuring live times and areas")
    exposures = []
    for mask, areas in zip(inside, made.areas, strict=True):
        ccds, numbers = np.unique(events.column("CCDNR")[mask], return_counts=True)
        exposures.append(spectrum.exposure(dict(zip(ccds.tolist(), numbers.tolist(), strict=True)), areas, made.live))
    scale = made.ratio * exposures[0] / exposures[1]
    task.progress(0.7, "drawing from the posterior")
    draws = posterior(counts, around, scale)
    found = draws.summary(LEVEL)
    bounds = {"soft": [low, split], "hard": [split, high]}
    answer = {
        "dataset": str(job.dataset.get("id", job.slug)),
        "simulated": events.simulated,
        "bands_keV": bounds,
        "counts": dict(zip(("soft", "hard"), counts, strict=True)),
        "background_counts": dict(zip(("soft", "hard"), around, strict=True)),
        "background_scale": scale,
        "exposure_s": exposures[0],
        "hardness_ratio": found,
        "level": LEVEL,
        "definition": "HR = (H - S) / (H + S)",
        "source_region": made.source.text,
        "background_region": made.background.text,
        "selection": made.selection.expression,
    }
    empty = [
        f"{name} band, {band[0]:g} to {band[1]:g} keV: {made.nothing}"
        for number, (name, band) in zip(counts, bounds.items(), strict=True)
        if not number
    ]
    if empty:
        answer["note"] = "; ".join(empty) if any(counts) else f"{made.nothing}; HR is the prior, even from -1 to 1"
        print(answer["note"])
    job.product("hardness.json").write_text(json.dumps(answer, indent=1), encoding="utf-8")
    edges = np.linspace(-1, 1, 101)
    density = np.histogram(draws.ratio, edges, density=True)[0]
    plot = preview.Plot(
        f"{job.slug}: HR = {found['median']:.3f} ({found['low']:.3f} to {found['high']:.3f})",
        preview.Axis("hardness ratio (H-S)/(H+S)"),
        preview.Axis("posterior density"),
        [preview.Series("posterior", (edges[:-1] + edges[1:]) / 2, density, kind="steps")],
    )
    preview.write(plot, job.product("hardness.png"), job.product("hardness_plot.json"))
    print(f"HR {found['median']:.4f}, {100 * LEVEL:.0f} % from {found['low']:.4f} to {found['high']:.4f}")
    task.done(simulated=events.simulated)


if __name__ == "__main__":
    task.run(main)
