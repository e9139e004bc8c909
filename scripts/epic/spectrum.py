"""Spectra as OGIP PHA files, type I.

Layout: Arnaud, George & Tennant, "The OGIP Spectral File Format" (OGIP/92-007 and addendum 92-007a);
channels as in the pipeline's products (PI / 5 eV: 2400 for MOS, 4096 for pn), which the canned responses
expect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.region import Annulus, Shape, bounding_circle

WIDTH = 5
"""PI units, eV, per channel."""

INNER, INNER_LEAST = 1.5, 45.0
OUTER, OUTER_LEAST = 2.5, 75.0
"""Radii of the automatic background annulus: times the radius of the region, and at least so many arcsec."""


def counts(events: EventList, keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the kept events per channel; those beyond the last channel are left out, as in SAS."""
    channel = events.column("PI")[keep].astype(np.int64) // WIDTH
    channels = events.camera.channels
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


def automatic_background(events: EventList, source: Shape) -> Annulus:
    """Return the ring around the bounding circle, of radius r: from max(1.5 r, 45") to max(2.5 r, 75")."""
    x, y, radius = bounding_circle(source)
    unit = events.projection.unit
    inner, outer = max(INNER * radius, INNER_LEAST / unit), max(OUTER * radius, OUTER_LEAST / unit)
    ra, dec = events.projection.to_sky(x, y)
    text = f"ANNULUS {float(ra):.8f} {float(dec):.8f} {inner * unit / 3600:.8f} {outer * unit / 3600:.8f}"
    return Annulus(text, x, y, inner, outer)


def exposure(counts_per_ccd: dict[int, int], area: dict[int, float], live: dict[int, float]) -> float:
    """Return the live time of a region, s: the mean over CCDs weighted by events, as in SAS ``evselect``.

    Without an event the weights are the areas.
    """
    weights: dict[int, float] = {ccd: float(counts_per_ccd.get(ccd, 0)) for ccd in live}
    if not any(weights.values()):
        weights = {ccd: area.get(ccd, 0.0) for ccd in live}
    total = sum(weights.values())
    return sum(weights[ccd] * live[ccd] for ccd in live) / total if total else 0.0


def check_area(area: dict[int, float], events: EventList, region: Shape) -> float:
    """Return the whole live area.

    :raises ScienceError: there is none.
    """
    total = sum(area.values())
    if total <= 0:
        raise ScienceError(
            f"The region '{region.text}' has no live detector area in {events.path.name}: it lies outside "
            f"the field of view (centre RA {events.projection.ra:.4f}, Dec {events.projection.dec:.4f} deg), "
            "between CCDs or on bad pixels."
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
) -> Any:
    """Return the SPECTRUM extension.

    :param kind: HDUCLAS2, ``TOTAL`` for the source region, ``BKG`` for the background.
    :param area: BACKSCAL, live area in (0.05 arcsec)^2.
    :param background: BACKFILE.
    """
    channels = len(channel_counts)
    columns = [
        fits.Column("CHANNEL", "I", array=np.arange(channels, dtype=np.int16)),
        fits.Column("COUNTS", "J", unit="count", array=channel_counts),
    ]
    if flags.any():
        columns.append(fits.Column("QUALITY", "I", array=flags))
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
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
        ("GROUPING", 0, "channels are not grouped"),
        ("TOTCTS", int(channel_counts.sum()), "counts in all channels"),
    ]
    if not flags.any():
        cards.append(("QUALITY", 0, "all channels are good"))
    hdu.header.extend(cards, unique=True)
    return hdu
