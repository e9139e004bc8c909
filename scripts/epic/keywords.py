"""The keywords of a simulated event list, extension by extension as in the pipeline's.

Names and meaning: the headers of real MIEVLI lists (pipeline 17.56, SAS 18) and of a pn list of SAS 21. A value is
what holds for the simulation. Keywords that name a version or an archive say SIMULATED; those of the form
"emframes was applied with ..." are 0: no such task was applied. Left out is what only an instrument or a SAS task
could have written: pn housekeeping and offset maps, statistics of epframes and epevents, XPROCn and XDALn.
"""

from __future__ import annotations

import datetime
from typing import Any

from scripts.epic.fits import bit_pattern
from scripts.epic.gti import duration
from scripts.epic.simulated import ChipData, Exposure

Card = tuple[str, Any, str]

MJDREF = 50814.0
LABEL = "SIMULATED DATA: this file holds no observation. Made by scripts.epic.simulate of Amora."
CREATOR = "Amora scripts.epic.simulate"
SIMULATED = "SIMULATED"

MACROS = {
    "MOS": "0 DIAGONAL, 1 CLOSE_TO_CCD_BORDER, 5 CLOSE_TO_ONBOARD_BADPIX, 6 CLOSE_TO_BRIGHTPIX, 8 "
    "CLOSE_TO_DEADPIX, 9 CLOSE_TO_BADCOL, 10 CLOSE_TO_BADROW, 11 IN_SPOILED_FRAME, 13 ON_BADOFFSET, "
    "15 FLICKERING, 16 OUT_OF_FOV, 17 IN_BAD_FRAME, 19 COSMIC_RAY, 21 ON_BADPIX, 22 "
    "REJECTED_BY_GATTI, 25 OUT_OF_CCD_WINDOW, 26 OUTSIDE_THRESHOLDS, 28 ON_BADROW, 29 BAD_E3E4, 30 "
    "UNDERSHOOT",
    "PN": "0 INVALID_PATTERN, 2 CLOSE_TO_CCD_WINDOW, 3 ON_OFFSET_COLUMN, 4 NEXT_TO_OFFSET_COLUMN, 5 "
    "CLOSE_TO_ONBOARD_BADPIX, 6 CLOSE_TO_BRIGHTPIX, 8 CLOSE_TO_DEADPIX, 11 IN_SPOILED_FRAME, 16 "
    "OUT_OF_FOV, 17 IN_BAD_FRAME, 19 COSMIC_RAY, 20 MIP_ASSOCIATED, 21 ON_BADPIX, 22 SECONDARY, 23 "
    "TRAILING, 25 OUT_OF_CCD_WINDOW",
}
"""The bits of FLAG, by camera type."""

GOOD = {"MOS": 0x766BA000, "PN": 0x0CFA0000}
"""The bits of XMMEA_EM and XMMEA_EP."""

CLEAR = 0x762AA000
"""The bits of FLAG that no event of a MOS list has; the pipeline removes such events."""

FRAME_BITS = (3, 4, 11, 17, 20, 25)
"""The bits of FLAG that stand in the pn's extensions beside EVENTS."""

STEPS = (
    *("CHECKFRA", "CHECKNVA", "FLAGFIFO", "SETDEADT", "FLAGBADT", "SETGATTI", "FLAGBADP", "SPLITDIA", "SETCOORD"),
    *("SETTIMES", "REJECTRO", "REJECTBA", "REJECTFL", "FLAGTRUN", "FLAGEVEN", "FILLCCDB", "GETCCDBK", "MAKEPHA"),
    *("CORRECTC", "CORRECTG"),
)
"""What emframes, emevents and emenergy were applied with."""


def pairs(text: str) -> dict[str, str]:
    """Read ``a b, c d`` as {a: b, c: d}."""
    return dict(item.split(" ", 1) for item in text.split(", "))


def primary(exposure: Exposure) -> list[Card]:
    """The keywords of the primary header, without the label."""
    kind = _kind(exposure)
    cards: list[Card] = [
        ("CREATOR", CREATOR, "name of code"),
        ("DATE", _utc(exposure.stop), "simulated end, for reproducibility"),
        ("ORIGIN", "Amora, SIMULATED", "Origin of FITS file"),
        ("CONTENT", f"SIMULATED EPIC {kind} IMAGING MODE EVENT LIST", "Contents of file"),
        *_observation(exposure),
        *_coordinates(exposure),
    ]
    if exposure.pn:
        return [*cards, *_time(), *_span(exposure)]
    return [
        *cards,
        ("SEQ_ID", SIMULATED, "Pipeline sequence: none"),
        ("PROCDATE", _utc(exposure.stop), "simulated end, for reproducibility"),
        ("PROCREV", "0", "Processing revision: none"),
        ("PPSVERS", SIMULATED, "PPS configuration: none"),
        ("SASVERS", SIMULATED, "SAS version: none, SAS did not make this"),
        ("ODSVER", SIMULATED, "ODS version: none"),
        ("ODFVER", SIMULATED, "ODF version: none"),
    ]


def events(exposure: Exposure) -> list[Card]:
    """The keywords of EVENTS but for those of its columns."""
    cards = [
        *_observation(exposure),
        *_span(exposure),
        ("DET_SYST", 2, "System for camera coordinates"),
        *_time(),
        *_macros(exposure),
        *_coordinates(exposure),
        *_subspace(exposure),
    ]
    if exposure.pn:
        cards += [
            ("PHA_RDCO", False, "rate-dependent CTI correction used?"),
            ("WARNOFST", False, "Inhomogeneous offset corrections"),
        ]
    else:
        cards += _sources()
    for chip in exposure.chips:
        cards += [
            (f"ONTIME{chip.ccd:02d}", duration(chip.gti), "Sum of GTIs for a particular CCD"),
            (f"LIVETI{chip.ccd:02d}", chip.livetime, "Live time for a particular CCD"),
        ]
    central = next(chip for chip in exposure.chips if chip.ccd == (4 if exposure.pn else 1))
    return [
        *cards,
        ("ONTIME", duration(central.gti), "Sum of GTIs for central CCD"),
        ("LIVETIME", central.livetime, "Live time for the central CCD"),
    ]


def offsets(exposure: Exposure) -> list[Card]:
    """The keywords of OFFSETS."""
    column, last = (3, 12) if exposure.pn else (4, 17)
    return [
        *_observation(exposure),
        *_span(exposure),
        *_time(),
        *(_macros(exposure, FRAME_BITS) if exposure.pn else []),
        *_coordinates(exposure),
        (f"TLMIN{column}", 1, "Minimum for CCDNR"),
        (f"TLMAX{column}", last, "Maximum for CCDNR"),
    ]


def frames(exposure: Exposure, chip: ChipData) -> list[Card]:
    """The keywords of EXPOSUnn."""
    drawn: Card = ("RAND_TIM", 1, "Time values are random within a frame")
    if exposure.pn:
        return [*auxiliary(exposure, chip), drawn]
    return [
        *_observation(exposure),
        ("EXTVER", 1, "Extension Version"),
        ("DATATYPE", "IMAGE.EL", "Type of data"),
        *_place(exposure, chip, chip.window),
        ("FRMTIME", chip.frame_time * 1000, "[ms] Frame integration time"),
        ("CCDMODE", exposure.mode, "Readout submode"),
        ("EDUID", 0, "EDU Identifier"),
        ("EDUMODE", 3, "EDU Mode"),
        ("EDUTHR", 25, "EDU Threshold"),
        ("EMDHLOW", 0, "EMDH Lower Threshold"),
        ("EMDHUPP", 4095, "EMDH Upper Threshold"),
        ("GAIN_CCD", "NORMAL", "Read-out gain (normal or low)"),
        ("GATTI_ON", True, "GATTI switched on ?"),
        *_span(exposure),
        *_time(),
        ("NUMGTI", len(chip.gti), "Number of good time intervals"),
        *_live(chip),
        *((name, 0, "simulated: this step of SAS was not applied") for name in STEPS),
        ("DET_SYST", 2, "System for camera coordinates"),
        ("RAND_XY", 1, "Camera and sky coordinates are randomized"),
        drawn,
        ("RAND_PI", 1, "Energy values are drawn from a continuum"),
        *_macros(exposure),
        *_sources(),
        *_coordinates(exposure),
    ]


def auxiliary(exposure: Exposure, chip: ChipData) -> list[Card]:
    """The keywords of the pn's DLIMAPnn and HKAUXnn, which are in its EXPOSUnn too."""
    return [*_readout(exposure, chip), *_live(chip), *_coordinates(exposure)]


def bad_pixels(exposure: Exposure, chip: ChipData) -> list[Card]:
    """The keywords of BADPIXnn."""
    window = chip.window if exposure.pn else (0, 0, 610, 602)
    cards = [*_observation(exposure), *_place(exposure, chip, window), *_coordinates(exposure)]
    return [*cards, *_time()] if exposure.pn else cards


def gti(exposure: Exposure, chip: ChipData) -> list[Card]:
    """The keywords of STDGTInn."""
    kind: list[Card] = [
        ("HDUCLASS", "OGIP", "format conforms to OGIP standard"),
        ("HDUCLAS1", "GTI", "table contains Good Time Intervals"),
        ("HDUCLAS2", "STANDARD", "standard Good Time Interval table"),
    ]
    if exposure.pn:
        return [*kind, *_readout(exposure, chip)]
    return [
        *kind,
        ("ONTIME", duration(chip.gti), "[s] sum of all Good Time Intervals"),
        ("TSTART", float(chip.gti[0, 0]), "[s] Lower bound of first GTI"),
        ("TSTOP", float(chip.gti[-1, 1]), "[s] Upper bound of last GTI"),
        *_time(),
    ]


def calibration_index(exposure: Exposure) -> list[Card]:
    """The keywords of CALINDEX."""
    return [
        ("CATEGORY", "NONE", "simulated: no calibration was used"),
        ("OBSVDATE", _utc(exposure.start), "start of exposure"),
        ("ANALDATE", _utc(exposure.stop), "simulated end, for reproducibility"),
    ]


def _utc(seconds: float) -> str:
    """Mission time as UTC (TT - UTC is 69.184 s since 2017)."""
    epoch = datetime.datetime(1998, 1, 1, tzinfo=datetime.UTC)
    return (epoch + datetime.timedelta(seconds=seconds - 69.184)).strftime("%Y-%m-%dT%H:%M:%S")


def _kind(exposure: Exposure) -> str:
    return "PN" if exposure.pn else "MOS"


def _observation(exposure: Exposure) -> list[Card]:
    begin, end = _utc(exposure.start), _utc(exposure.stop)
    cards: list[Card] = [
        ("TELESCOP", "XMM", "XMM mission"),
        ("INSTRUME", exposure.camera.instrument, "EPIC camera"),
        ("OBS_ID", exposure.obs_id, "Observation Identifier"),
        ("EXP_ID", f"{exposure.obs_id}{exposure.exposure_id[1:]}", "Exposure Identifier"),
        ("EXPIDSTR", exposure.exposure_id, "Exposure ID"),
        ("DATE-OBS", begin, "[UTC] Start time of exposure"),
        ("DATE-END", end, "[UTC] End time of exposure"),
        ("OBS_MODE", "POINTING", "Observation mode (pointing or slew)"),
        ("DATAMODE", "IMAGING", "Instrument mode (IMAGING or TIMING)"),
        ("SUBMODE", exposure.mode, "Guest Observer mode"),
        ("REVOLUT", 9999, "Revolution number"),
        ("OBJECT", exposure.target, "Name of observed object"),
        ("OBSERVER", SIMULATED, "Name of observer"),
        ("FILTER", "Medium", "Filter ID"),
        ("RA_OBJ", exposure.ra, "[deg] RA of target"),
        ("DEC_OBJ", exposure.dec, "[deg] Dec of target"),
        ("RA_NOM", exposure.ra, "[deg] RA of nominal boresight"),
        ("DEC_NOM", exposure.dec, "[deg] Dec of nominal boresight"),
        ("ATT_SRC", "SIM", "Source of attitude data: simulated"),
        ("ORB_RCNS", False, "Reconstructed orbit data used?"),
        ("TFIT_RPD", False, "Recalculated signal propagation delays?"),
        ("TFIT_DEG", 0, "Degree of OBT-MET fit polynomial: no fit"),
        ("TFIT_RMS", 0.0, "RMS value of OBT-MET polynomial fit"),
        ("TFIT_PFR", 0.0, "Fraction of disregarded TCS data points"),
        ("TFIT_IGH", False, "Ignored GS handover in TC data?"),
        ("LONGSTRN", "OGIP 1.0", ""),
    ]
    if not exposure.pn:
        return cards
    return [
        *cards,
        ("ODSVER", SIMULATED, "ODS version: none"),
        ("CONTENT", f"SIMULATED EPIC {_kind(exposure)} IMAGING MODE EVENT LIST", "Contents of file"),
        ("FRMTIME", round(exposure.chips[0].frame_time * 1000), "[ms] Frame Time, nearest integer"),
        ("DATE_OBS", begin, "Date observations were made"),
        ("DATE_END", end, "Date observations ended"),
        ("DURATION", exposure.stop - exposure.start, "[s] Duration of observation"),
        ("EXPSTART", begin, "Start Time (UTC) of exposure"),
        ("EXPSTOP", end, "End Time (UTC) of exposure"),
        ("OBSSTART", begin, "Date observation was started"),
        ("OBSSTOP", end, "Date observation was stopped"),
    ]


def axes(exposure: Exposure) -> tuple[tuple[str, str, float, int], ...]:
    """Name, type, reference value and sense of the two sky axes."""
    return ("X", "RA---TAN", exposure.ra, -1), ("Y", "DEC--TAN", exposure.dec, 1)


def reach(exposure: Exposure, name: str) -> tuple[int, int]:
    """The least and the greatest value in a column of EVENTS."""
    values = exposure.columns[name]
    return int(values.min()), int(values.max())


def _coordinates(exposure: Exposure) -> list[Card]:
    cards: list[Card] = [
        ("EQUINOX", 2000.0, "Equinox for sky coordinate x/y axes"),
        ("RADECSYS", "FK5", "World coord. system for this file"),
    ]
    for axis, name, value, step in axes(exposure):
        low, high = reach(exposure, axis)
        cards += [
            (f"REF{axis}CTYP", name, "WCS Coord. type"),
            (f"REF{axis}CRPX", 25921, "WCS axis reference pixel"),
            (f"REF{axis}CRVL", value, "[deg] WCS coord. at reference pixel"),
            (f"REF{axis}CDLT", step * 0.05 / 3600, "[deg/pix] WCS increment"),
            (f"REF{axis}LMIN", 1, "WCS minimum legal value"),
            (f"REF{axis}LMAX", 51840, "WCS maximum legal value"),
            (f"REF{axis}DMIN", low, "WCS minimum data value"),
            (f"REF{axis}DMAX", high, "WCS maximum data value"),
            (f"REF{axis}CUNI", "deg", "WCS physical unit"),
        ]
    return [
        *cards,
        ("AVRG_PNT", "MEDIAN", "Meaning of PNT values (mean or median)"),
        ("RA_PNT", exposure.ra, "[deg] Actual pointing RA of the optical axis"),
        ("DEC_PNT", exposure.dec, "[deg] Actual pointing Dec of the optical axis"),
        ("PA_PNT", exposure.position_angle, "[deg] Actual position angle"),
    ]


def _sources() -> list[Card]:
    return [
        ("REFPOINT", "PNT", "source of reference point information"),
        ("ATTSRC", "SIM", "source of attitude information: simulated"),
    ]


def _time() -> list[Card]:
    return [
        ("TIMEUNIT", "s", "All times in s unless specified otherwise"),
        ("TIMESYS", "TT", "Terrestrial Time"),
        ("MJDREF", MJDREF, "[d] 1998-01-01T00:00:00 (TT) expressed in MJD"),
        ("TIMEREF", "LOCAL", "Reference location of photon arrival times"),
        ("TASSIGN", "SATELLITE", "Location of time assignment"),
        ("TIMEZERO", 0.0, "[s] Clock correction (if not zero)"),
        ("CLOCKAPP", True, "Clock correction applied"),
    ]


def _span(exposure: Exposure) -> list[Card]:
    return [
        ("TSTART", exposure.start, "[s] Start time of first frame"),
        ("TSTOP", exposure.stop, "[s] End time of last frame"),
        ("TELAPSE", exposure.stop - exposure.start, "[s] Full time interval for the exposure"),
    ]


def _macros(exposure: Exposure, bits: tuple[int, ...] | None = None) -> list[Card]:
    kind = _kind(exposure)
    cards: list[Card] = [
        (f"XMMEA_{bit}", f"(FLAG & 0x{1 << int(bit):x}) != 0", name)
        for bit, name in pairs(MACROS[kind]).items()
        if bits is None or int(bit) in bits
    ]
    if kind == "MOS":
        cards.append(("XMMEA_SM", "(FLAG & 0xfffffeff) == 0", "Select good MOS events for spectra"))
    return [*cards, (exposure.camera.macro, f"(FLAG & 0x{GOOD[kind]:x}) == 0", "Select good events")]


def _subspace(exposure: Exposure) -> list[Card]:
    """What holds for each event: its CCD's good times and, MOS, no bit of ``CLEAR``."""
    words = "||".join(f"(CCDNR=={chip.ccd:02d} && GTI(STDGTI{chip.ccd:02d},TIME))" for chip in exposure.chips)
    cards = [("DSTYP1", "CCDNR"), ("DSTYP2", "TIME"), ("DSUNI2", "s"), ("DSVAL2", "TABLE")]
    if not exposure.pn:
        words = f"({words}) && (FLAG & 0x{CLEAR:x})==0"
        cards += [("DSTYP3", "FLAG"), ("DSFORM3", "X"), ("DSVAL3", bit_pattern(CLEAR))]
    for n, chip in enumerate(exposure.chips):
        component = "" if n == 0 else str(n + 1)
        cards += [(f"{component}DSVAL1", str(chip.ccd)), (f"{component}DSREF2", f":STDGTI{chip.ccd:02d}")]
    return [
        *((key, value, "data subspace descriptor") for key, value in cards),
        ("SLCTEXPR", words, "what all events satisfy"),
    ]


def _place(exposure: Exposure, chip: ChipData, window: tuple[int, int, int, int]) -> list[Card]:
    """The CCD, as its camera counts, and the part of it that was read out."""
    ccd: list[Card] = [("CCDID", chip.ccd, "Numerical identifier of the CCD"), ("CCDNODE", 0, "CCD node")]
    if exposure.pn:
        quadrant, number = divmod(chip.ccd - 1, 3)
        ccd = [("QUADRANT", quadrant, "Quadrant ID"), ("CCDID", number, "CCD ID")]
    x0, y0, dx, dy = window
    return [
        *ccd,
        ("WINDOWX0", x0, "X coordinate of bottom left corner of window"),
        ("WINDOWY0", y0, "Y coordinate of bottom left corner of window"),
        ("WINDOWDX", dx, "Size, along x-axis, of window"),
        ("WINDOWDY", dy, "Size, along y-axis, of window"),
    ]


def _live(chip: ChipData) -> list[Card]:
    return [
        ("ONTIME", duration(chip.gti), "[s] Total good time"),
        ("LIVETIME", chip.livetime, "[s] Dead-time corrected on time"),
    ]


def _readout(exposure: Exposure, chip: ChipData) -> list[Card]:
    """How the pn read out a CCD."""
    return [
        *_observation(exposure),
        ("EXTVER", 1, "Extension version"),
        ("DATATYPE", "IMAGE.EL", "Type of data"),
        *_place(exposure, chip, chip.window),
        ("QUADMODE", 0, "Quadrant Mode"),
        ("CCDMODE", 1, "CCD Mode"),
        ("FRAMETIM", chip.frame_time * 1000, "[ms] nominal frame time"),
        ("TIMEDEL", chip.frame_time, "[s] Length of exposure entry interval"),
        ("FRAMETOT", len(chip.frame), "Total number of frames"),
        ("FRAMEBAD", 0, "Number of bad frames"),
        *_macros(exposure, FRAME_BITS),
        *_span(exposure),
        *_time(),
    ]
