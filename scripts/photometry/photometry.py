"""The script ``photometry``: counts, rates, fluxes and upper limits of a region, per dataset and all together."""

from __future__ import annotations

from scripts.epic import gather, preview, rates, table, task


def main(parts: list[gather.Part]) -> None:
    """Make the table of one region in all datasets of the job."""
    parameters = parts[0].task.parameters
    interval, limit = parameters.real("INTERVAL", 0.6827), parameters.real("CONFIDENCE", 0.9973)
    found, failures = rates.measure_all(parts, parameters.real("EXPOSURE_MIN", 0.3))
    task.progress(0.85, "writing the tables")
    rows = [rates.row(one, interval, limit) for one in found] + rates.combined(found, interval, limit)
    task.PRODUCTS.mkdir(exist_ok=True)
    table.write(
        task.PRODUCTS / "photometry",
        "photometry",
        "Aperture photometry of a region",
        rates.COLUMNS,
        rows,
        rates.facts(found, failures, interval, limit),
    )
    drawn = rates.plot(rows[: len(found)])
    preview.write(drawn, task.PRODUCTS / "photometry_plot.png", task.PRODUCTS / "photometry_plot.json")
    for row in rows:
        if not row["problem"]:
            print(f"{row['dataset']}: {row['counts']} counts, {row['background']:.2f} expected of the background")
    task.done(simulated=any(one.simulated for one in found))


if __name__ == "__main__":
    gather.run(main)
