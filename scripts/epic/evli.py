"""The writer of simulated event lists with the structure of the pipeline's MIEVLI and PIEVLI products.

Layout: XMM-Newton Data Files Handbook, sections "EPIC MOS imaging mode event list" and "EPIC pn imaging mode
event list".
"""

from __future__ import annotations

import datetime
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from scripts.epic.cameras import Camera
from scripts.epic.gti import Intervals, duration

Card = tuple[str, Any, str]

MJDREF = 50814.0
LABEL = "SIMULATED DATA: this file holds no observation. Made by scripts.epic.simulate of Amora."

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

COLUMNS = {
    "MOS": "TIME D, RAWX I, RAWY I, DETX I, DETY I, X J, Y J, PHA I, PI I, FLAG J, PATTERN B, CCDNR B",
    "PN": "TIME D, RAWX I, RAWY I, DETX I, DETY I, X J, Y J, PHA I, PI I, FLAG J, PATTERN B, PAT_ID I, "
    "PAT_SEQ B, CCDNR B, TIME_RAW D",
}
"""The columns of EVENTS and their TFORM."""

UNITS = {
    **dict.fromkeys(("TIME", "TIME_RAW"), "s"),
    **dict.fromkeys(("RAWX", "RAWY"), "pixel"),
    **dict.fromkeys(("DETX", "DETY", "X", "Y"), "0.05 arcsec"),
    "PHA": "channel",
    "PI": "eV",
}

CALINDEX = (
    "TELESCOP 4A, SCOPE 6A, TYPEID 32A, ISSUE I, VALDATE 19A, VALDATE-END 19A, FNAME 256A, DATE 19A, "
    "FSIZE J, SUBDATE 19A, EXTSEQU 32A, EXTSEQID 256A, MD5 32A, CREATOR 64A"
)


def _pairs(text: str) -> dict[str, str]:
    """Read ``a b, c d`` as {a: b, c: d}."""
    return dict(item.split(" ", 1) for item in text.split(", "))


@dataclass(frozen=True)
class ChipData:
    """What a list says of one CCD."""

    ccd: int
    gti: Intervals
    frame: NDArray[np.float64]
    """Centres of the frames, s."""
    frame_time: float
    """Length of a frame, s."""
    fracexp: NDArray[np.float64]
    livetime: float
    bad: NDArray[np.int64]
    """RAWX, RAWY, TYPE, YEXTENT, BADFLAG; shape (n, 5)."""
    window: tuple[int, int, int, int]
    """WINDOWX0, WINDOWY0, WINDOWDX, WINDOWDY."""


@dataclass(frozen=True)
class Exposure:
    """One simulated exposure of one camera."""

    camera: Camera
    obs_id: str
    exposure_id: str
    target: str
    ra: float
    dec: float
    position_angle: float
    mode: str
    start: float
    stop: float
    columns: Mapping[str, NDArray[Any]]
    chips: tuple[ChipData, ...]

    @property
    def file_name(self) -> str:
        """The pipeline's name of the list."""
        kind = "PIEVLI" if self.camera.name == "PN" else "MIEVLI"
        return f"P{self.obs_id}{self.camera.name}{self.exposure_id}{kind}0000.FTZ"


def write(exposure: Exposure, folder: Path) -> Path:
    """Write the list as a gzip FITS file, the same bytes for the same exposure, and return its path."""
    hdus: list[Any] = [_primary(exposure), _events(exposure), _offsets(exposure)]
    for chip in exposure.chips:
        hdus += [_frames(exposure, chip), _bad_pixels(exposure, chip)]
        if exposure.camera.name == "PN":
            hdus += _discarded_lines(exposure, chip)
    hdus += [_gti(exposure, chip) for chip in exposure.chips]
    hdus.append(_calibration_index(exposure))
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    path = folder / exposure.file_name
    path.write_bytes(gzip.compress(buffer.getbuffer(), compresslevel=1, mtime=0))
    return path


def _utc(seconds: float) -> str:
    """Mission time as UTC (TT - UTC is 69.184 s since 2017)."""
    epoch = datetime.datetime(1998, 1, 1, tzinfo=datetime.UTC)
    return (epoch + datetime.timedelta(seconds=seconds - 69.184)).strftime("%Y-%m-%dT%H:%M:%S")


def _observation(exposure: Exposure) -> list[Card]:
    return [
        ("SIMULATE", True, "simulated data, not an observation"),
        ("TELESCOP", "XMM", "XMM mission"),
        ("INSTRUME", exposure.camera.instrument, "EPIC camera"),
        ("OBS_ID", exposure.obs_id, "Observation Identifier"),
        ("EXP_ID", f"{exposure.obs_id}{exposure.exposure_id[1:]}", "Exposure Identifier"),
        ("EXPIDSTR", exposure.exposure_id, "Exposure ID"),
        ("DATE-OBS", _utc(exposure.start), "[UTC] start of exposure"),
        ("DATE-END", _utc(exposure.stop), "[UTC] end of exposure"),
        ("OBS_MODE", "POINTING", "Observation mode (pointing or slew)"),
        ("DATAMODE", "IMAGING", "Instrument mode (IMAGING or TIMING)"),
        ("SUBMODE", exposure.mode, "Guest Observer mode"),
        ("REVOLUT", 9999, "Revolution number"),
        ("OBJECT", exposure.target, "Name of observed object"),
        ("OBSERVER", "SIMULATED", "Name of observer"),
        ("FILTER", "Medium", "Filter ID"),
        ("RA_OBJ", exposure.ra, "[deg] RA of target"),
        ("DEC_OBJ", exposure.dec, "[deg] Dec of target"),
        ("RA_NOM", exposure.ra, "[deg] RA of nominal boresight"),
        ("DEC_NOM", exposure.dec, "[deg] Dec of nominal boresight"),
        ("ATT_SRC", "SIM", "Source of attitude data"),
    ]


def _coordinates(exposure: Exposure) -> list[Card]:
    cards: list[Card] = [
        ("EQUINOX", 2000.0, "Equinox for sky coordinate x/y axes"),
        ("RADECSYS", "FK5", "World coord. system for this file"),
    ]
    for axis, name, value, step in (("X", "RA---TAN", exposure.ra, -1), ("Y", "DEC--TAN", exposure.dec, 1)):
        cards += [
            (f"REF{axis}CTYP", name, "WCS Coord. type"),
            (f"REF{axis}CRPX", 25921, "WCS axis reference pixel"),
            (f"REF{axis}CRVL", value, "[deg] WCS coord. at reference pixel"),
            (f"REF{axis}CDLT", step * 0.05 / 3600, "[deg/pix] WCS increment"),
            (f"REF{axis}LMIN", 1, "WCS minimum legal value"),
            (f"REF{axis}LMAX", 51840, "WCS maximum legal value"),
            (f"REF{axis}CUNI", "deg", "WCS physical unit"),
        ]
    return [
        *cards,
        ("AVRG_PNT", "MEDIAN", "Meaning of PNT values (mean or median)"),
        ("RA_PNT", exposure.ra, "[deg] Actual pointing RA of the optical axis"),
        ("DEC_PNT", exposure.dec, "[deg] Actual pointing Dec of the optical axis"),
        ("PA_PNT", exposure.position_angle, "[deg] Actual position angle"),
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


def _kind(camera: Camera) -> str:
    return "PN" if camera.name == "PN" else "MOS"


def _macros(camera: Camera) -> list[Card]:
    kind = _kind(camera)
    bits = _pairs(MACROS[kind]).items()
    cards: list[Card] = [(f"XMMEA_{bit}", f"(FLAG & 0x{1 << int(bit):x}) != 0", name) for bit, name in bits]
    if kind == "MOS":
        cards.append(("XMMEA_SM", "(FLAG & 0xfffffeff) == 0", "Select good MOS events for spectra"))
    return [*cards, (camera.macro, f"(FLAG & 0x{GOOD[kind]:x}) == 0", "Select good events")]


def _primary(exposure: Exposure) -> Any:
    hdu = fits.PrimaryHDU()
    kind = _kind(exposure.camera)
    hdu.header.extend(
        [
            ("CREATOR", "Amora scripts.epic.simulate", "name of code"),
            ("DATE", _utc(exposure.stop), "simulated end, for reproducibility"),
            ("ORIGIN", "Amora, SIMULATED", "Origin of FITS file"),
            ("CONTENT", f"SIMULATED EPIC {kind} IMAGING MODE EVENT LIST", "Contents of file"),
            *_observation(exposure),
            *_coordinates(exposure),
        ]
    )
    hdu.header["COMMENT"] = LABEL
    return hdu


def _table(name: str, columns: list[Any], exposure: Exposure, cards: list[Card]) -> Any:
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.extend([*_observation(exposure), *cards], unique=True)
    hdu.header["COMMENT"] = LABEL
    return hdu


def _events(exposure: Exposure) -> Any:
    pn = exposure.camera.name == "PN"
    formats = _pairs(COLUMNS[_kind(exposure.camera)])
    columns = [
        fits.Column(
            name,
            form,
            unit=UNITS.get(name),
            null=-99999999 if name in "XY" else None,
            array=exposure.columns[name],
        )
        for name, form in formats.items()
    ]
    names = list(formats)
    reach = (64, 200) if pn else (600, 600)
    limits = {
        "RAWX": (1, reach[0]),
        "RAWY": (1, reach[1]),
        **dict.fromkeys(("DETX", "DETY"), (-20500, 20500)),
        **dict.fromkeys(("X", "Y"), (1, 51840)),
        "PHA": (0, 4095),
        "PI": (0, 32767 if pn else 15000),
        "PATTERN": (0, 31),
        "CCDNR": (1, 12 if pn else 17),
    }
    cards = [*_span(exposure), *_time(), *_macros(exposure.camera), *_coordinates(exposure)]
    for name, (low, high) in limits.items():
        i = names.index(name) + 1
        cards += [
            (f"TLMIN{i}", low, f"Legal minimum for {name}"),
            (f"TLMAX{i}", high, f"Legal maximum for {name}"),
        ]
    for name in ("DETX", "DETY"):
        i = names.index(name) + 1
        cards += [
            (f"TCTYP{i}", f"{name}_ANG", "Coord. type"),
            (f"TCRPX{i}", 0, f"Center for {name}"),
            (f"TCRVL{i}", 0.0, ""),
            (f"TCDLT{i}", 0.05 / 3600, f"[deg] Pixel size for {name}"),
            (f"TCUNI{i}", "deg", "Physical unit"),
        ]
    for name, kind, value, step in (("X", "RA---TAN", exposure.ra, -1), ("Y", "DEC--TAN", exposure.dec, 1)):
        i = names.index(name) + 1
        cards += [
            (f"TCTYP{i}", kind, "Coord. type"),
            (f"TCRPX{i}", 25921, "reference pixel"),
            (f"TCRVL{i}", value, "[deg] coord. at reference pixel"),
            (f"TCDLT{i}", step * 0.05 / 3600, "[deg/pix] increment"),
            (f"TCUNI{i}", "deg", "Physical unit"),
        ]
    cards += [("DSTYP1", "CCDNR", ""), ("DSTYP2", "TIME", ""), ("DSUNI2", "s", ""), ("DSVAL2", "TABLE", "")]
    for n, chip in enumerate(exposure.chips):
        component = "" if n == 0 else str(n + 1)
        cards += [
            (f"{component}DSVAL1", str(chip.ccd), ""),
            (f"{component}DSREF2", f":STDGTI{chip.ccd:02d}", ""),
        ]
        cards += [
            (f"ONTIME{chip.ccd:02d}", duration(chip.gti), "Sum of GTIs for a particular CCD"),
            (f"LIVETI{chip.ccd:02d}", chip.livetime, "Live time for a particular CCD"),
        ]
    central = next(chip for chip in exposure.chips if chip.ccd == (4 if pn else 1))
    cards += [
        ("ONTIME", duration(central.gti), "Sum of GTIs for central CCD"),
        ("LIVETIME", central.livetime, "Live time for the central CCD"),
    ]
    return _table("EVENTS", columns, exposure, cards)


def _offsets(exposure: Exposure) -> Any:
    names = ["RAWX", "OFFSETX"] + ([] if exposure.camera.name == "PN" else ["OFFSETY"])
    ccds = np.array([chip.ccd for chip in exposure.chips])
    columns = [fits.Column(name, "I", array=np.ones(len(ccds), dtype=np.int16)) for name in names]
    return _table("OFFSETS", [*columns, fits.Column("CCDNR", "B", array=ccds)], exposure, [*_span(exposure), *_time()])


def _chip_cards(chip: ChipData, offset: int) -> list[Card]:
    x0, y0, dx, dy = chip.window
    return [
        ("CCDID", chip.ccd, "CCD in use"),
        ("CCDNODE", 0, "CCD node"),
        ("WINDOWX0", x0 + offset, "X coordinate of bottom left corner of window"),
        ("WINDOWY0", y0 + offset, "Y coordinate of bottom left corner of window"),
        ("WINDOWDX", dx, "Size, along x-axis, of window"),
        ("WINDOWDY", dy, "Size, along y-axis, of window"),
    ]


def _frames(exposure: Exposure, chip: ChipData) -> Any:
    columns = [fits.Column("TIME", "D", unit="s", array=chip.frame)]
    if exposure.camera.name != "PN":
        columns.append(fits.Column("TIMEDEL", "E", unit="s", array=np.full(len(chip.frame), chip.frame_time)))
    columns.append(fits.Column("FRACEXP", "E", array=chip.fracexp))
    cards = [
        ("EXTVER", 1, "Extension Version"),
        ("FRMTIME", round(chip.frame_time * 1000), "[ms] Frame integration time"),
        ("ONTIME", duration(chip.gti), "[s] Total good time"),
        ("LIVETIME", chip.livetime, "[s] Dead-time corrected on time"),
        *_chip_cards(chip, 0),
        *_span(exposure),
        *_time(),
    ]
    return _table(f"EXPOSU{chip.ccd:02d}", columns, exposure, cards)


def _bad_pixels(exposure: Exposure, chip: ChipData) -> Any:
    names = ("RAWX", "RAWY", "TYPE", "YEXTENT", "BADFLAG")
    columns = [fits.Column(name, "I", array=chip.bad[:, i]) for i, name in enumerate(names)]
    return _table(f"BADPIX{chip.ccd:02d}", columns, exposure, _chip_cards(chip, -1))


def _discarded_lines(exposure: Exposure, chip: ChipData) -> list[Any]:
    rows = np.zeros(200, dtype=np.int32)
    lines = [
        fits.Column("DLIODF", "J", unit="columns", array=rows),
        fits.Column("DLISAS", "J", unit="columns", array=rows),
        fits.Column("DLIEXPCO", "E", array=np.ones(200)),
    ]
    time = np.linspace(exposure.start, exposure.stop, 64)
    house = [
        fits.Column("TIME", "D", unit="s", array=time),
        fits.Column("DSLIN", "E", array=np.full(64, 2.0)),
    ]
    return [
        _table(f"DLIMAP{chip.ccd:02d}", lines, exposure, _chip_cards(chip, 0)),
        _table(f"HKAUX{chip.ccd:02d}", house, exposure, _chip_cards(chip, 0)),
    ]


def _gti(exposure: Exposure, chip: ChipData) -> Any:
    columns = [fits.Column(name, "D", unit="s", array=chip.gti[:, i]) for i, name in enumerate(("START", "STOP"))]
    cards: list[Card] = [
        ("HDUCLASS", "OGIP", "format conforms to OGIP standard"),
        ("HDUCLAS1", "GTI", "table contains Good Time Intervals"),
        ("HDUCLAS2", "STANDARD", "standard Good Time Interval table"),
        ("ONTIME", duration(chip.gti), "[s] sum of all Good Time Intervals"),
        ("TSTART", float(chip.gti[0, 0]), "[s] Lower bound of first GTI"),
        ("TSTOP", float(chip.gti[-1, 1]), "[s] Upper bound of last GTI"),
        *_time(),
    ]
    return _table(f"STDGTI{chip.ccd:02d}", columns, exposure, cards)


def _calibration_index(exposure: Exposure) -> Any:
    columns = [
        fits.Column(name, form, array=[0] if form in "IJ" else ["SIMULATED" if name == "TYPEID" else ""])
        for name, form in _pairs(CALINDEX).items()
    ]
    return _table("CALINDEX", columns, exposure, [("CATEGORY", "NONE", "simulated: no calibration was used")])
