"""Spectra as OGIP PHA files, type I.

Layout: Arnaud, George & Tennant, "The OGIP Spectral File Format" (OGIP/92-007 and addendum 92-007a);
channels as in the pipeline's products (PI / 5 eV: 2400 for MOS, 4096 for pn), which the canned responses
expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic.bintable import Column, bintable
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.hdu import HDU
from scripts.epic.header import Header
from scripts.epic.preview import Axis, Plot, Series
from scripts.epic.region import Shape

WIDTH = 5
"""PI units, eV, per channel."""


def counts(events: EventList, keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the kept events per channel; those beyond the last channel are left out, as in SAS."""
    channels = events.camera.channels
    channel = np.clip(events.column("PI")[keep], -WIDTH, channels * WIDTH).astype(np.int64) // WIDTH
    return np.bincount(channel[(channel >= 0) & (channel < channels)], minlength=channels).astype(np.int32)


def quality(events: EventList, pi: tuple[int | None, int | None]) -> NDArray[np.int16]:
    """Return OGIP quality: 5 ("set bad by the user") for channels not wholly within the range, else 0."""
    first = np.arange(events.camera.channels) * WIDTH
    bad = np.zeros(len(first), dtype=bool)
    low, high = pi
    if low is not None:
        bad |= first < low
    if high is not None:
        bad |= first + WIDTH - 1 > high
    return np.where(bad, 5, 0).astype(np.int16)


def exposure(counts_per_ccd: dict[int, int], area: dict[int, float], live: dict[int, float]) -> float:
    """Return the live time of a region, s: the mean over CCDs weighted by events, as in SAS ``evselect``.

    Without an event on a CCD that has live time the weights are the areas.
    """
    weights: dict[int, float] = {ccd: float(counts_per_ccd.get(ccd, 0)) for ccd in live}
    if not any(weights[ccd] * live[ccd] for ccd in live):
        weights = {ccd: area.get(ccd, 0.0) for ccd in live}
    total = sum(weights.values())
    return sum(weights[ccd] * live[ccd] for ccd in live) / total if total else 0.0


def check_area(area: dict[int, float], events: EventList, region: Shape, name: str = "") -> float:
    """Return the whole live area.

    :param name: what the error begins with.
    :raises ScienceError: there is none.
    """
    total = sum(area.values())
    if total <= 0:
        raise ScienceError(
            f"{name}The region '{region.text}' has no live detector area in {events.path.name}: it lies outside "
            f"the field of view (centre RA {events.projection.ra:.4f}, Dec {events.projection.dec:.4f} deg), "
            "between CCDs or on bad pixels; take a larger or another region."
        )
    return total


def table(
    channel_counts: NDArray[np.int32],
    flags: NDArray[np.int16],
    *,
    kind: str,
    live_seconds: float,
    area: float,
    background: str,
    least: int = 0,
) -> HDU:
    """Return the SPECTRUM extension.

    :param kind: HDUCLAS2, ``TOTAL`` for the source region, ``BKG`` for the background.
    :param area: BACKSCAL, live area in (0.05 arcsec)^2.
    :param background: BACKFILE.
    :param least: counts that a group of channels has at least; 0 for no groups.
    """
    channels = len(channel_counts)
    flags, groups = grouped(channel_counts, flags, least) if least else (flags, None)
    columns = [Column("CHANNEL", "I", np.arange(channels)), Column("COUNTS", "J", channel_counts, "count")]
    if flags.any() or groups is not None:
        columns.append(Column("QUALITY", "I", flags))
    if groups is not None:
        columns.append(Column("GROUPING", "I", groups))
    hdu = bintable("SPECTRUM", columns)
    cards: list[tuple[str, Any, str]] = [
        ("TLMIN1", 0, "first channel"),
        ("TLMAX1", channels - 1, "last channel"),
        ("HDUCLASS", "OGIP", "format conforms to OGIP/GSFC conventions"),
        ("HDUCLAS1", "SPECTRUM", "OGIP/92-007"),
        ("HDUCLAS2", kind, "gross counts of the source region" if kind == "TOTAL" else "background"),
        ("HDUCLAS3", "COUNT", "counts, not rates"),
        ("HDUCLAS4", "TYPE:I", "one spectrum"),
        ("HDUVERS", "1.2.1", "version of the format"),
        ("HDUVERS1", "1.1.0", "version of the format, old keyword"),
        ("CHANTYPE", "PI", "channels are corrected for gain"),
        ("DETCHANS", channels, "number of channels"),
        ("SPECDELT", WIDTH, "[eV] width of a channel"),
        ("SPECPIX", 0, "channel of SPECVAL"),
        ("SPECVAL", (WIDTH - 1) / 2, "[eV] PI at the centre of that channel"),
        ("EXPOSURE", live_seconds, "[s] live time, mean over CCDs by events"),
        ("BACKSCAL", area, "live area, (0.05 arcsec)^2"),
        ("AREASCAL", 1.0, "nominal scaling of the area"),
        ("BACKFILE", background, "background spectrum"),
        ("CORRFILE", "none", "correction file"),
        ("CORRSCAL", 1.0, "scaling of the correction"),
        ("RESPFILE", "none", "redistribution matrix"),
        ("ANCRFILE", "none", "ancillary response"),
        ("POISSERR", True, "errors are Poisson"),
        ("STAT_ERR", 0, "no statistical errors given"),
        ("SYS_ERR", 0, "no systematic errors given"),
        ("TOTCTS", int(channel_counts.sum()), "counts in all channels"),
    ]
    if not flags.any() and groups is None:
        cards.append(("QUALITY", 0, "all channels are good"))
    cards += [("GROUPING", 0, "channels are not grouped")] if groups is None else []
    cards += [("GROUPMIN", least, "counts that a group has at least")] if least else []
    hdu.header.update(cards)
    return hdu


def grouping(counts: NDArray[np.int32], bad: NDArray[np.bool_], least: int) -> NDArray[np.int16]:
    """Return OGIP grouping: 1 where a group of at least ``least`` counts begins, -1 within it.

    Bad channels are groups of their own. What is left at the end joins no group of enough counts: it is the last group,
    which :func:`grouped` marks as bad.
    """
    groups = np.ones(len(counts), dtype=np.int16)
    total = least
    for channel, (number, no) in enumerate(zip(counts.tolist(), bad.tolist(), strict=True)):
        if no:
            total = least
            continue
        if total < least:
            groups[channel] = -1
            total += number
        else:
            total = number
    return groups


def grouped(
    counts: NDArray[np.int32], flags: NDArray[np.int16], least: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return quality and grouping for groups of at least ``least`` counts; the last one, if poorer, has quality 2."""
    groups = grouping(counts, flags > 0, least)
    starts = np.flatnonzero(groups == 1)
    poor = (np.add.reduceat(counts, starts) < least) & (flags[starts] == 0)
    number = np.diff(np.append(starts, len(counts)))
    return np.where(np.repeat(poor, number), 2, flags).astype(np.int16), groups


def plot(numbers: Sequence[NDArray[np.int32]], headers: Sequence[Header], title: str) -> Plot:
    """Return the net spectrum in bins of at least 20 counts, and the background in the same bins, ct/s/keV.

    :param numbers: counts per channel of source and background.
    """
    (counts, sky), (here, there) = (np.asarray(one, dtype=np.float64) for one in numbers), headers
    ratio = here["BACKSCAL"] / there["BACKSCAL"] * (here["EXPOSURE"] / there["EXPOSURE"] if there["EXPOSURE"] else 0.0)
    starts = np.flatnonzero(grouping(counts.astype(np.int32), np.zeros(len(counts), dtype=bool), 20) == 1)
    energy = np.append(starts, len(counts)) * WIDTH / 1000.0
    width = np.diff(energy)
    unit = width * (here["EXPOSURE"] or np.nan)
    total, level = (np.add.reduceat(values, starts) for values in (counts, sky))
    middle = (energy[1:] + energy[:-1]) / 2
    error = np.sqrt(total + ratio**2 * level) / unit
    series = [
        Series("net", middle, (total - ratio * level) / unit, width / 2, error),
        Series("background", middle, ratio * level / unit, kind="steps"),
    ]
    return Plot(title, Axis("energy", "keV", log=True), Axis("rate", "count/s/keV", log=True), series)
