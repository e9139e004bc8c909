"""The reader of EPIC event lists as the XMM-Newton pipeline (PPS) writes them.

Structure: XMM-Newton Data Files Handbook, "EPIC MOS/pn imaging mode event list" (MIEVLI, PIEVLI).
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from scripts.epic import gti
from scripts.epic.cameras import CAMERAS, Camera
from scripts.epic.errors import EventFileError
from scripts.epic.gti import Intervals
from scripts.epic.projection import Projection

COLUMNS = ("TIME", "RAWX", "RAWY", "DETX", "DETY", "X", "Y", "PI", "FLAG", "PATTERN", "CCDNR")
"""The columns that every imaging event list must have."""

DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, fits.VerifyError)
"""What astropy raises, at opening or later, on a file with a damaged header."""

_MACRO = re.compile(r"^\(?\s*FLAG\s*&\s*0x([0-9a-fA-F]+)\s*\)?\s*(==|!=)\s*0$")


class EventList:
    """One EPIC imaging event list, read into memory.

    :raises EventFileError: the file cannot be read, is cut off, or is not an EPIC imaging event list.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hdus = _open(path)
        self._names = {str(hdu.name).upper(): hdu for hdu in self._hdus}
        self._columns: dict[str, NDArray[Any]] = {}
        if "EVENTS" not in self._names:
            raise EventFileError(f"{path.name}: has no extension EVENTS, so it is not an EPIC event list")
        self.header: fits.Header = self._names["EVENTS"].header
        self.primary: fits.Header = self._hdus[0].header
        instrument = str(self.keyword("INSTRUME", "")).strip()
        if instrument not in CAMERAS:
            raise EventFileError(
                f"{path.name}[EVENTS]: is not from an EPIC camera: INSTRUME is '{instrument}', "
                f"allowed are {', '.join(CAMERAS)}"
            )
        self.camera: Camera = CAMERAS[instrument]
        names = self._names["EVENTS"].columns.names
        for column in COLUMNS:
            if column not in names:
                raise EventFileError(
                    f"{path.name}[EVENTS]: has no column {column}, it has {', '.join(names)}; "
                    "an imaging mode event list is needed"
                )
        for name in self._standard_gti_names().values():
            if name not in self._names:
                raise EventFileError(
                    f"{path.name}[{name}]: the extension is named in EVENTS but missing; the file is cut off"
                )

    def __len__(self) -> int:
        return int(self.header["NAXIS2"])

    def keyword(self, name: str, default: Any = None) -> Any:
        """Return a header value of the events, or of the file, or ``default``."""
        return self.header.get(name, self.primary.get(name, default))

    def number(self, name: str) -> float:
        """Return a header value that must be a number.

        :raises EventFileError: the keyword is missing or no number.
        """
        value = self.keyword(name)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise EventFileError(
                f"{self.path.name}[EVENTS]: the keyword {name} "
                + ("is missing" if value is None else f"is '{value}', not a number")
            ) from None

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of EVENTS in the machine's byte order, shape (n,)."""
        if name not in self._columns:
            data = np.asarray(self._names["EVENTS"].data[name])
            self._columns[name] = data.astype(data.dtype.newbyteorder("="))
        return self._columns[name]

    @property
    def simulated(self) -> bool:
        """Whether the list says of itself that it is simulated (keyword SIMULATE)."""
        return bool(self.keyword("SIMULATE", False))

    @cached_property
    def projection(self) -> Projection:
        """The world coordinates of X, Y: keywords REFX*, REFY*, else those of the columns (TCRVLn, ...)."""
        values: list[float] = []
        for axis in "XY":
            index = self._names["EVENTS"].columns.names.index(axis) + 1
            for wide, narrow in (("CRVL", "TCRVL"), ("CRPX", "TCRPX"), ("CDLT", "TCDLT")):
                name = f"REF{axis}{wide}"
                values.append(self.number(name if self.keyword(name) is not None else f"{narrow}{index}"))
        ra, x, dx, dec, y, dy = values
        return Projection(ra, dec, (x, y), (dx, dy))

    @cached_property
    def grid(self) -> tuple[float, float, float, float]:
        """The legal range of X and of Y, in pixels: (first, last, first, last), from TLMIN and TLMAX.

        The int16 overflow of REFXLMAX in many lists is why those keywords are not asked.
        """
        bounds: list[float] = []
        for axis in "XY":
            index = self._names["EVENTS"].columns.names.index(axis) + 1
            bounds += [self.number(f"TLMIN{index}"), self.number(f"TLMAX{index}")]
        return bounds[0], bounds[1], bounds[2], bounds[3]

    def macro(self, name: str) -> tuple[int, bool]:
        """Return an event attribute macro (XMMEA_EM, XMMEA_16, ...): its bits, and whether they must be 0.

        :raises EventFileError: the header has no such macro, or not in the form ``(FLAG & 0x...) == 0``.
        """
        text = self.keyword(name)
        found = _MACRO.match(str(text).strip()) if text is not None else None
        if not found:
            raise EventFileError(
                f"{self.path.name}[EVENTS]: the header does not define the event selection {name}"
                + (f" in a known form: '{text}'" if text is not None else "")
            )
        return int(found[1], 16), found[2] == "=="

    def flagged_clear(self, name: str) -> NDArray[np.bool_]:
        """Tell which events pass a macro of the header."""
        bits, clear = self.macro(name)
        hit: NDArray[np.bool_] = (self.column("FLAG").astype(np.int64) & bits) != 0
        return ~hit if clear else hit

    @cached_property
    def ccds(self) -> tuple[int, ...]:
        """The CCDs that observed: those with frames in EXPOSUnn; without any EXPOSUnn, those with events."""
        frames = [
            int(name[6:])
            for name, hdu in self._names.items()
            if re.fullmatch(r"EXPOSU\d\d", name) and hdu.header["NAXIS2"] > 0
        ]
        return tuple(sorted(frames)) if frames else tuple(int(n) for n in np.unique(self.column("CCDNR")))

    def extension(self, kind: str, ccd: int) -> Any:
        """Return the HDU of ``kind`` (EXPOSU, BADPIX, STDGTI) for a CCD, or None."""
        return self._names.get(f"{kind}{ccd:02d}")

    def _standard_gti_names(self) -> dict[int, str]:
        """The good times of each CCD as the data subspace names them: nDSVALi, nDSREFi = ``:STDGTInn``."""
        names: dict[int, str] = {}
        kinds = {i: str(self.header.get(f"DSTYP{i}", "")).strip() for i in range(1, 21)}
        ccd_key = next((i for i, kind in kinds.items() if kind == "CCDNR"), None)
        time_key = next((i for i, kind in kinds.items() if kind == "TIME"), None)
        if ccd_key is None or time_key is None:
            return names
        for component in ("", *(str(n) for n in range(2, 30))):
            ccd, reference = (self.header.get(f"{component}{k}") for k in (f"DSVAL{ccd_key}", f"DSREF{time_key}"))
            if ccd is not None and reference is not None and str(ccd).strip().isdigit():
                names[int(str(ccd))] = str(reference).strip().lstrip(":").upper()
        return names

    @cached_property
    def standard_gti(self) -> dict[int, Intervals]:
        """The good times of each CCD that observed; the whole exposure where the list does not say."""
        named = self._standard_gti_names()
        result: dict[int, Intervals] = {}
        for ccd in self.ccds:
            hdu = self._names.get(named.get(ccd, f"STDGTI{ccd:02d}"))
            if hdu is None:
                result[ccd] = np.array([[self.number("TSTART"), self.number("TSTOP")]])
            else:
                result[ccd] = gti.normal(np.column_stack([hdu.data["START"], hdu.data["STOP"]]))
        return result


def _open(path: Path) -> list[Any]:
    """Read all of a FITS file, plain or gzip, and make sure that it is complete."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except OSError as error:
        raise EventFileError(f"{path.name}: cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error) as error:
        raise EventFileError(f"{path.name}: the compressed file is cut off or damaged ({error})") from error
    if not content.startswith(b"SIMPLE  ="):
        raise EventFileError(f"{path.name}: is not a FITS file")
    with warnings.catch_warnings():
        # astropy warns of what is checked below, and of harmless quirks of the pipeline's headers
        warnings.simplefilter("ignore")
        try:
            hdus = list(fits.open(io.BytesIO(content), lazy_load_hdus=False))
            _check_complete(path, hdus, content)
        except DAMAGED as error:
            raise EventFileError(f"{path.name}: is not a readable FITS file ({error})") from error
    return hdus


def _check_complete(path: Path, hdus: list[Any], content: bytes) -> None:
    """Hold the sizes that the headers give against what is there; astropy would read on."""
    end = 0
    for hdu in hdus:
        where = hdu.fileinfo()
        if where["datLoc"] + hdu.size > len(content):
            raise EventFileError(
                f"{path.name}[{hdu.name}]: the file is cut off: "
                f"{max(0, len(content) - where['datLoc'])} of {hdu.size} bytes of data are there"
            )
        end = where["datLoc"] + where["datSpan"]
    if content[end : end + 8] == b"XTENSION":
        raise EventFileError(
            f"{path.name}: the file is cut off or damaged in the header after extension {hdus[-1].name}"
        )
