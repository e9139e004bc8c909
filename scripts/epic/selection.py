"""Which events a product is made of, and the words that say so in its header."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.epic import exposure, flags, flare, gti
from scripts.epic.characteristics import KEV_METRES
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.gti import Intervals
from scripts.epic.task import Parameters


class Selection(NamedTuple):
    """A selection on energy, pattern, flags and time."""

    pi: tuple[int | None, int | None]
    """Lowest and highest PI, eV, both included."""
    pattern: int
    flags: str
    """``standard``: the header's XMMEA_EM or XMMEA_EP; ``strict``: FLAG == 0; ``none``: all."""
    flare_rate: float | None
    """Threshold of the flare filter in ct/s; None without the filter."""
    times: dict[int, Intervals]
    """Good times of each CCD."""
    quiet: Intervals | None
    """What the flare filter leaves; None without the filter."""
    rejected: int = 0
    """Bits of FLAG that no selected event has."""
    time: tuple[float, float] | None = None
    """Mission time asked for, s."""

    def of(self, pi: tuple[int | None, int | None]) -> Selection:
        """Return the same selection in another range of PI."""
        return self._replace(pi=pi)

    def mask(self, events: EventList) -> NDArray[np.bool_]:
        """Tell which events are selected, shape (n,)."""
        keep = events.column("PATTERN") <= self.pattern
        low, high = self.pi
        energy = events.column("PI")
        if low is not None:
            keep &= energy >= low
        if high is not None:
            keep &= energy <= high
        if self.rejected:
            keep &= (events.column("FLAG").astype(np.int64) & self.rejected) == 0
        if self.quiet is not None:
            keep &= gti.contains(self.quiet, events.column("TIME"))
        return keep

    @property
    def expression(self) -> str:
        """The selection in SAS's words, for the keyword SLCTEXPR."""
        parts = [f"PATTERN<={self.pattern}"]
        if self.rejected:
            parts.insert(0, "FLAG==0" if self.flags == "strict" else f"(FLAG & 0x{self.rejected:x}) == 0")
        low, high = self.pi
        parts += [f"PI>={low}"] if low is not None else []
        parts += [f"PI<={high}"] if high is not None else []
        if self.flare_rate is not None:
            parts.append(f"gti(single events above 10 keV <= {self.flare_rate:g} ct/s in {flare.WIDTH:g} s)")
        if self.time is not None:
            parts.append(f"TIME in [{self.time[0]:.6f}:{self.time[1]:.6f}]")
        return " && ".join(parts)


LARGEST_KEV = 40.0
"""No EPIC event has more."""
ENOUGH = 20
"""Events whose energies tell their unit."""
SPLIT_KEV = 2.0
"""Where soft ends and hard begins in most catalogues, keV."""


def in_kev(parameters: Parameters) -> tuple[float | None, float | None]:
    """Return EMIN and EMAX, narrowed by BAND (wavelengths in m, as in SODA), keV.

    :raises ScienceError: they are not in keV, or leave nothing.
    """
    low, high = parameters.real_or_none("EMIN"), parameters.real_or_none("EMAX")
    for name, value in (("EMIN", low), ("EMAX", high)):
        if value is not None and value > LARGEST_KEV:
            raise ScienceError(
                f"{name} = {value:g} keV is beyond what EPIC sees; energies are in keV: for {value:g} eV give "
                f"{value / 1000:g}."
            )
    band = parameters.any("BAND")
    if band is not None:
        shortest, longest = band
        if longest is not None and longest > 0:
            low = max(low or 0.0, KEV_METRES / longest)
        if shortest is not None and shortest > 0:
            high = min(np.inf if high is None else high, KEV_METRES / shortest)
    if low is not None and high is not None and low > high:
        raise ScienceError(
            f"The energies asked for leave nothing: from {low:g} to {high:g} keV; give EMIN < EMAX, BAND within them."
        )
    return low, high


def parting(parameters: Parameters, low: float, high: float) -> float:
    """Return ESPLIT, which parts the soft band from the hard one, keV.

    Where it is not given, 2 keV, or the geometric mean of a band that leaves 2 keV out (from at least 1 % of its end).
    """
    usual = SPLIT_KEV if low < SPLIT_KEV < high else math.sqrt(max(low, high / 100) * high)
    return parameters.real("ESPLIT", usual)


def in_seconds(events: EventList, parameters: Parameters) -> tuple[float, float] | None:
    """Return TIME, an interval of MJD, in seconds of mission time; it is in UTC if TIMESYS says so, else native."""
    asked = parameters.any("TIME")
    if asked is None:
        return None
    reference = events.number("MJDREF") + float(events.keyword("TIMEZERO", 0.0) or 0.0) / 86400.0
    to_native = _terrestrial if parameters.text("TIMESYS", "native") == "UTC" else float
    first, last = (
        default if mjd is None else (to_native(mjd) - reference) * 86400.0
        for mjd, default in zip(asked, (events.number("TSTART"), events.number("TSTOP")), strict=True)
    )
    return first, last


def _terrestrial(mjd: float) -> float:
    """Return TT of an instant in UTC, both MJD (leap seconds of ERFA)."""
    import erfa  # noqa: PLC0415 - only who asks in UTC needs it

    tai = erfa.utctai(2400000.5, float(mjd))
    whole, part = erfa.taitt(*tai)
    return float(whole - 2400000.5 + part)


def electronvolts(low: float | None, high: float | None) -> tuple[int | None, int | None]:
    """Turn keV into a range of PI, whole eV."""
    # 0.57 * 1000 is not 570: rounding first keeps the edge where it was asked for
    return (
        None if low is None else math.ceil(round(low * 1000.0, 6)),
        None if high is None else math.floor(round(high * 1000.0, 6)),
    )


def _check(events: EventList) -> None:
    """Tell what was left out of a list.

    :raises ScienceError: nothing can be selected of it.
    """
    for line in events.remarks:
        print(line)
    if events.emptied:
        raise ScienceError(f"{events.remarks[0]}. None is left; take the list as the pipeline wrote it.")
    energy = events.sample.column("PI")
    if events.epic and len(energy) >= ENOUGH and energy.max() <= LARGEST_KEV:
        raise ScienceError(
            f"{events.path.name}[EVENTS]: the energies PI of its events go from {energy.min():g} to {energy.max():g}; "
            "they must be in eV, and EPIC sees none below 100 eV. If they are in keV, multiply the column by 1000."
        )
    if not any(gti.duration(times) for times in events.standard_gti.values()):
        raise ScienceError(
            f"{events.path.name} has no good time: the good times of all its CCDs (STDGTInn) are empty, so nothing can "
            "be made of it; take another exposure."
        )
    # of a list read in part the sample speaks for all of it; where events are near, it is not asked
    if not any(of.placed.any() for of in (events, events.sample)) and len(events.sample):
        raise ScienceError(
            f"{events.path.name}[EVENTS]: none of its {events.header['NAXIS2']} events has a place on the sky (X, Y), "
            "so that nothing can be said of a region; take a list with the attitude applied."
        )


def select(events: EventList, parameters: Parameters, *, blind: bool = False) -> Selection:
    """Build the selection that a task's parameters ask for: EMIN, EMAX, PATTERN, FLAGS, GTI, FLARE_RATE.

    What was left out of the list is told in the log.

    :param blind: whether the standard events of pn out of the field of view are kept, as XMMEA_EP does; where counts
        are held against areas or exposures they are not, for there is none of these.
    :raises ScienceError: there is no good time, or the flare filter or TIME leave none.
    """
    _check(events)
    quality = parameters.text("FLAGS", "standard")
    if not events.epic and (quality == "strict" or parameters.text("GTI", "none") == "flare"):
        raise ScienceError(
            f"{events.path.name} is a list of {events.keyword('TELESCOP', 'another observatory')}: FLAGS=strict and "
            "GTI=flare are for the EPIC cameras."
        )
    rejected = flags.rejected(events, quality)
    if rejected and not blind:
        rejected |= flags.OUT_OF_FOV
    rate: float | None = None
    quiet: Intervals | None = None
    if parameters.text("GTI", "none") == "flare":
        rate = parameters.real("FLARE_RATE", events.camera.flare_rate)
        curve = flare.curve(events)
        quiet = curve.quiet(rate)
        observed = np.vstack([np.empty((0, 2)), *events.standard_gti.values()])
        if not len(gti.intersection(quiet, observed)):
            raise ScienceError(
                f"The flare filter leaves no time: no {flare.WIDTH:g} s of {events.path.name} have a rate of "
                f"at most FLARE_RATE = {rate:g} ct/s (the median is {np.median(curve.rate):.3g} ct/s); "
                "raise it or use GTI=none."
            )
    asked = in_seconds(events, parameters)
    if asked is not None:
        wanted = np.array([asked])
        quiet = gti.normal(wanted) if quiet is None else gti.intersection(quiet, wanted)
        if not any(len(gti.intersection(quiet, times)) for times in events.standard_gti.values()):
            raise ScienceError(
                f"TIME leaves no good time of {events.path.name}, which observed from MJD "
                f"{events.number('MJDREF') + events.number('TSTART') / 86400:.5f} to "
                f"{events.number('MJDREF') + events.number('TSTOP') / 86400:.5f}."
            )
    return Selection(
        pi=electronvolts(*in_kev(parameters)),
        time=asked,
        pattern=parameters.integer("PATTERN", events.camera.pattern),
        flags=quality,
        flare_rate=rate,
        times=exposure.on_times(events, quiet),
        quiet=quiet,
        rejected=rejected,
    )
