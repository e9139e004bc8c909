"""The writer of simulated event lists with the structure of the pipeline's MIEVLI and PIEVLI products.

Layout: XMM-Newton Data Files Handbook, sections "EPIC MOS imaging mode event list" and "EPIC pn imaging mode
event list"; units, limits and null values are those of real lists.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from scripts.epic import keywords
from scripts.epic.keywords import LABEL, Card, axes, pairs, reach
from scripts.epic.simulated import ChipData, Exposure

COLUMNS = {
    "M": "TIME D, RAWX I, RAWY I, DETX I, DETY I, X J, Y J, PHA I, PI I, FLAG J, PATTERN B, CCDNR B",
    "P": "TIME D, RAWX I, RAWY I, DETX I, DETY I, X J, Y J, PHA I, PI I, FLAG J, PATTERN B, PAT_ID I, "
    "PAT_SEQ B, CCDNR B, TIME_RAW D",
}
"""The columns of EVENTS and their TFORM, by the first letter of the camera."""

UNITS = {
    "M": {
        "TIME": "s",
        **dict.fromkeys(("RAWX", "RAWY"), "PIXELS"),
        **dict.fromkeys(("DETX", "DETY", "X", "Y"), "pixel"),
        **dict.fromkeys(("PHA", "PI"), "CHAN"),
    },
    "P": {
        **dict.fromkeys(("TIME", "TIME_RAW"), "s"),
        **dict.fromkeys(("RAWX", "RAWY"), "pixel"),
        **dict.fromkeys(("DETX", "DETY", "X", "Y"), "0.05 arcsec"),
        "PHA": "channel",
        "PI": "eV",
    },
}
"""TUNIT of EVENTS."""

NULLS = {
    "M": dict.fromkeys("XY", -99999999),
    "P": {**dict.fromkeys("XY", -99999999), "PI": -32768, "PATTERN": 13, "PAT_ID": 32767, "PAT_SEQ": 255},
}
"""TNULL of EVENTS."""

LIMITS: dict[str, dict[str, tuple[int, int]]] = {
    "M1": {
        "RAWX": (-4, 605),
        "RAWY": (1, 602),
        "DETX": (-19798, 19884),
        "DETY": (-20285, 19832),
        "X": (1, 51840),
        "Y": (1, 51840),
        "PHA": (0, 32767),
        "PI": (0, 15000),
        "PATTERN": (0, 31),
        "CCDNR": (1, 17),
    },
    "PN": {
        "RAWX": (1, 64),
        "RAWY": (2, 200),
        "DETX": (-18283, 13880),
        "DETY": (-17527, 15325),
        "X": (1, 51840),
        "Y": (1, 51840),
        "PHA": (0, 4095),
        "PI": (0, 32767),
        "CCDNR": (1, 12),
    },
}
LIMITS["M2"] = {**LIMITS["M1"], "DETX": (-19859, 19991), "DETY": (-20159, 19900)}
"""TLMIN and TLMAX of EVENTS, by camera."""

MEASURED = {"M": ("RAWX", "RAWY", "DETX", "DETY", "X", "Y", "PHA", "PI"), "P": ("X", "Y")}
"""The columns that have TDMIN and TDMAX, by the first letter of the camera."""

CALINDEX = (
    "TELESCOP 4A, SCOPE 6A, TYPEID 32A, ISSUE I, VALDATE 19A, VALDATE-END 19A, FNAME 256A, DATE 19A, "
    "FSIZE J, SUBDATE 19A, EXTSEQU 32A, EXTSEQID 256A, MD5 32A, CREATOR 64A"
)
CALINDEX_UNITS = {
    **dict.fromkeys(("VALDATE", "VALDATE-END", "DATE", "SUBDATE"), "yyyy:dd:mmZhh:mm:ss"),
    "FSIZE": "byte",
}


def write(exposure: Exposure, folder: Path) -> Path:
    """Write the list as a gzip FITS file, the same bytes for the same exposure, and return its path."""
    hdus: list[Any] = [_primary(exposure), _events(exposure), _offsets(exposure)]
    for chip in exposure.chips:
        hdus += [_frames(exposure, chip), _bad_pixels(exposure, chip)]
        if exposure.pn:
            hdus += _discarded_lines(exposure, chip)
    good_times = [_gti(exposure, chip) for chip in exposure.chips]
    index = _calibration_index(exposure)
    hdus += [index, *good_times] if exposure.pn else [*good_times, index]
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    path = folder / exposure.file_name
    path.write_bytes(gzip.compress(buffer.getbuffer(), compresslevel=1, mtime=0))
    return path


def _label(hdu: Any, cards: list[Card]) -> Any:
    hdu.header.extend([("SIMULATE", True, "simulated data, not an observation"), *cards], unique=True)
    hdu.header["COMMENT"] = LABEL
    return hdu


def _primary(exposure: Exposure) -> Any:
    hdu = _label(fits.PrimaryHDU(), keywords.primary(exposure))
    hdu.header["HISTORY"] = f"Simulated, not processed: created by {keywords.CREATOR}"
    return hdu


def _table(name: str, columns: list[Any], cards: list[Card]) -> Any:
    return _label(fits.BinTableHDU.from_columns(columns, name=name), cards)


def _events(exposure: Exposure) -> Any:
    kind = exposure.camera.name[0]
    formats = pairs(COLUMNS[kind])
    columns = [
        fits.Column(name, form, unit=UNITS[kind].get(name), null=NULLS[kind].get(name), array=exposure.columns[name])
        for name, form in formats.items()
    ]
    return _table("EVENTS", columns, [*keywords.events(exposure), *_column_keywords(exposure, list(formats))])


def _column_keywords(exposure: Exposure, names: list[str]) -> list[Card]:
    """Legal and actual ranges and coordinates of the columns of EVENTS."""
    cards: list[Card] = []
    for name, (low, high) in LIMITS[exposure.camera.name].items():
        i = names.index(name) + 1
        cards += [
            (f"TLMIN{i}", low, f"Legal minimum for {name}"),
            (f"TLMAX{i}", high, f"Legal maximum for {name}"),
        ]
        if name in MEASURED[exposure.camera.name[0]]:
            first, last = reach(exposure, name)
            cards += [
                (f"TDMIN{i}", first, f"Actual minimum for {name}"),
                (f"TDMAX{i}", last, f"Actual maximum for {name}"),
            ]
    for name in ("DETX", "DETY"):
        i = names.index(name) + 1
        cards += [
            (f"TCRPX{i}", 0, f"Center for {name}"),
            (f"TCDLT{i}", 0.05 / 3600, f"[degrees] Pixel size for {name}"),
        ]
        if not exposure.pn:
            cards += [
                (f"TCTYP{i}", f"{name}_ANG", ""),
                (f"TCRVL{i}", 0.0, ""),
                (f"TCUNI{i}", "deg", f"Physical unit for {name}"),
            ]
    for name, kind, value, step in axes(exposure):
        i = names.index(name) + 1
        cards += [
            (f"TCTYP{i}", kind, "Coord. type"),
            (f"TCRPX{i}", 25921, "axis reference pixel of projected image"),
            (f"TCRVL{i}", value, "[deg] coord. at reference pixel"),
            (f"TCDLT{i}", step * 0.05 / 3600, "[deg/pix] increment at ref. pixel"),
            (f"TCUNI{i}", "deg", "Physical units of axis"),
        ]
    return cards


def _offsets(exposure: Exposure) -> Any:
    units = {"RAWX": "pixel", "OFFSETX": "channel"} if exposure.pn else dict.fromkeys(("RAWX", "OFFSETX", "OFFSETY"))
    ccds = np.array([chip.ccd for chip in exposure.chips])
    values = {"RAWX": np.array([chip.offset for chip in exposure.chips], dtype=np.int16)}
    ones = np.ones(len(ccds), dtype=np.int16)
    columns = [fits.Column(name, "I", unit=unit, array=values.get(name, ones)) for name, unit in units.items()]
    return _table("OFFSETS", [*columns, fits.Column("CCDNR", "B", array=ccds)], keywords.offsets(exposure))


def _frames(exposure: Exposure, chip: ChipData) -> Any:
    columns = [fits.Column("TIME", "D", unit="s", array=chip.frame)]
    if not exposure.pn:
        columns.append(fits.Column("TIMEDEL", "E", unit="s", array=np.full(len(chip.frame), chip.frame_time)))
    unit = "fraction" if exposure.pn else "FRACTION"
    columns.append(fits.Column("FRACEXP", "E", unit=unit, array=chip.fracexp))
    return _table(f"EXPOSU{chip.ccd:02d}", columns, keywords.frames(exposure, chip))


def _bad_pixels(exposure: Exposure, chip: ChipData) -> Any:
    names = ("RAWX", "RAWY", "TYPE", "YEXTENT", "BADFLAG")
    columns = [fits.Column(name, "I", array=chip.bad[:, i]) for i, name in enumerate(names)]
    return _table(f"BADPIX{chip.ccd:02d}", columns, keywords.bad_pixels(exposure, chip))


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
    cards = keywords.auxiliary(exposure, chip)
    return [_table(f"DLIMAP{chip.ccd:02d}", lines, cards), _table(f"HKAUX{chip.ccd:02d}", house, cards)]


def _gti(exposure: Exposure, chip: ChipData) -> Any:
    columns = [fits.Column(name, "D", unit="s", array=chip.gti[:, i]) for i, name in enumerate(("START", "STOP"))]
    return _table(f"STDGTI{chip.ccd:02d}", columns, keywords.gti(exposure, chip))


def _calibration_index(exposure: Exposure) -> Any:
    columns = [
        fits.Column(
            name,
            form,
            unit=CALINDEX_UNITS.get(name),
            array=[0] if form in "IJ" else ["SIMULATED" if name == "TYPEID" else ""],
        )
        for name, form in pairs(CALINDEX).items()
    ]
    return _table("CALINDEX", columns, keywords.calibration_index(exposure))
