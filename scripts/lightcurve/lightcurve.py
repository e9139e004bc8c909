"""The script ``lightcurve``: the rate of a source over time in one dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.epic import extraction, fits, hdu, lightcurve, preview, task
from scripts.epic.bintable import Column, bintable
from scripts.epic.errors import ScienceError
from scripts.epic.extraction import Extraction
from scripts.epic.lightcurve import Bins, Blocks
from scripts.epic.selection import electronvolts, parting

CREATOR = "lightcurve 1.4"


def main(job: task.Task) -> None:
    """Make the light curves of one event list."""
    width = job.parameters.real("BINSIZE", 100.0)
    if width <= 0:
        raise ScienceError(f"BINSIZE = {width:g} s: a bin must be longer than 0 s.")
    made = extraction.prepare(job)
    events = made.events
    where = lightcurve.bins(events, width)
    time, energy = events.column("TIME"), events.column("PI")
    inside = [made.inside(shape) for shape in (made.source, made.background)]
    counts = [where.counts(time[mask]) for mask in inside]
    task.progress(0.5, "measuring live times and areas")
    live = [lightcurve.live(events, where, made.selection.times, by_ccd) for by_ccd in made.areas]
    net = lightcurve.net(counts[0], counts[1], made.ratio, live[0], live[1], width)

    ends = job.parameters.real("EMIN", 0.5), job.parameters.real("EMAX", 10.0)
    split = electronvolts(parting(job.parameters, *ends), None)[0] or 0
    bands = [[where.counts(time[mask & part]) for mask in inside] for part in (energy < split, energy >= split)]
    soft, hard = (lightcurve.net(s, b, made.ratio, live[0], live[1], width) for s, b in bands)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = hard.rate + soft.rate
        ratio = (hard.rate - soft.rate) / total
        # of HR = (H - S) / (H + S): dHR = 2 sqrt((H dS)^2 + (S dH)^2) / (H + S)^2
        ratio_error = 2 * np.hypot(hard.rate * soft.error, soft.rate * hard.error) / total**2
    halves = (("soft", ends[0], split / 1000, bands[0][0]), ("hard", split / 1000, ends[1], bands[1][0]))
    if counts[0].any():
        empty = [
            f"{half} band, {low:g} to {high:g} keV: {made.nothing}" for half, low, high, n in halves if not n.any()
        ]
    else:
        empty = [made.nothing]
    blocks = lightcurve.bayesian_blocks(counts[0], live[0], where.edges, job.parameters.real("FALSE_ALARM", 0.01))

    task.progress(0.8, "writing the light curves")
    columns = [
        ("TIME", "D", "s", where.centre),
        ("RATE", "D", "count/s", net.rate),
        ("ERROR", "D", "count/s", net.error),
        ("FRACEXP", "D", "", net.fracexp),
        ("BACKV", "D", "count/s", net.background),
        ("BACKE", "D", "count/s", net.background_error),
        ("COUNTS", "J", "count", counts[0]),
        ("BACK_COUNTS", "J", "count", counts[1]),
        ("SOFT_RATE", "D", "count/s", soft.rate),
        ("SOFT_ERROR", "D", "count/s", soft.error),
        ("HARD_RATE", "D", "count/s", hard.rate),
        ("HARD_ERROR", "D", "count/s", hard.error),
        ("HR", "D", "", ratio),
        ("HR_ERROR", "D", "", ratio_error),
    ]
    table = _table(made, where, columns, "NET", made.source)
    table.header["ESPLIT"] = (split, "[eV] soft below, hard from there on")
    table.header["BKGRATIO"] = (1 / made.ratio, "background area over source area")
    fits.put_text(table.header, "BACKREG", made.background.text, "background region")
    for line in empty:
        table.header["HISTORY"] = line
    _write(job.product("lightcurve.fits"), made, [table, _blocks(made, blocks)], made.source)
    for kind, name, shape, number in (
        ("TOTAL", "source", made.source, counts[0]),
        ("BKG", "background", made.background, counts[1]),
    ):
        plain = [
            ("RATE", "D", "count/s", number / width),
            ("ERROR", "D", "count/s", np.sqrt(number) / width),
            ("TIME", "D", "s", where.centre),
        ]
        _write(job.product(f"lightcurve_{name}.fits"), made, [_table(made, where, plain, kind, shape)], shape)
    since = where.centre - where.start
    title = f"{events.keyword('OBJECT', '')} {job.slug}, {events.camera.name}"
    good = net.fracexp > 0.1
    series = [
        preview.Series("net", since[good], net.rate[good], None, net.error[good], "points"),
        preview.Series("background", since[good], net.background[good], kind="steps"),
    ]
    drawn = preview.Plot(title, preview.Axis("time since TSTART", "s"), preview.Axis("rate", "count/s"), series)
    preview.write(drawn, job.product("lightcurve.png"), job.product("lightcurve.json"))
    print(
        f"{counts[0].sum()} source counts, {counts[1].sum()} background counts, {where.number} bins of {width:g} s, "
        f"{len(blocks.counts)} block(s) of constant rate"
    )
    for line in empty:
        print(line)
    task.done(simulated=events.simulated)


def _table(made: Extraction, where: Bins, columns: list[Any], kind: str, shape: Any) -> Any:
    table = bintable("RATE", [Column(name, form, values, unit) for name, form, unit, values in columns])
    header, events = table.header, made.events
    fits.observation(header, events, CREATOR)
    corrected = kind == "NET"
    low, high = made.selection.pi
    cards: list[tuple[str, Any, str]] = [
        ("HDUCLASS", "OGIP", "format conforms to OGIP/GSFC conventions"),
        ("HDUCLAS1", "LIGHTCURVE", "OGIP/93-003"),
        ("HDUCLAS2", kind, "background subtracted" if corrected else "as counted"),
        ("HDUCLAS3", "RATE", "rates"),
        ("HDUVERS1", "1.1.0", "version of the format"),
        ("TIMEDEL", where.width, "[s] width of a bin"),
        ("TIMEPIXR", 0.5, "TIME is the middle of a bin"),
        ("TSTART", where.start, "[s] start of the first bin"),
        ("TSTOP", made.events.number("TSTOP"), "[s] end of the exposure"),
        ("BACKAPP", corrected, "background subtracted"),
        ("DEADAPP", corrected, "dead time corrected"),
        ("VIGNAPP", False, "vignetting corrected"),
        ("CHANTYPE", "PI", "energies are PI, eV"),
        ("CHANMIN", 0 if low is None else low, "[eV] lowest PI"),
        ("CHANMAX", 32767 if high is None else high, "[eV] highest PI"),
    ]
    header.update(cards)
    header["EXPOSURE"] = (max(made.live.values(), default=0.0), "[s] largest live time of a CCD")
    fits.subspace(header, events, made.selection, shape)
    fits.live(header, made.selection, made.live)
    return table


def _blocks(made: Extraction, blocks: Blocks) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(blocks.live > 0, blocks.counts / blocks.live, np.nan)
        error = np.where(blocks.live > 0, np.sqrt(blocks.counts) / blocks.live, np.nan)
    values = [
        ("START", "s", blocks.edges[:-1]), ("STOP", "s", blocks.edges[1:]), ("RATE", "count/s", rate),
        ("ERROR", "count/s", error), ("COUNTS", "count", blocks.counts), ("LIVETIME", "s", blocks.live),
    ]  # fmt: skip
    table = bintable("BLOCKS", [Column(name, "D", array, unit) for name, unit, array in values])
    fits.copy(table.header, made.events, ("TIMESYS", "MJDREF", "TIMEUNIT", "TIMEREF"))
    return table


def _write(path: Any, made: Extraction, tables: list[Any], shape: Any) -> None:
    primary = hdu.primary()
    fits.observation(primary.header, made.events, CREATOR)
    fits.write(
        path, [primary, *tables, *fits.gti_tables(made.events, made.selection), *fits.region_tables(shape, made.events)]
    )


if __name__ == "__main__":
    task.run(main)
