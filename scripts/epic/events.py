"""The reader of EPIC event lists as the XMM-Newton pipeline (PPS) writes them.

Structure: XMM-Newton Data Files Handbook, "EPIC MOS/pn imaging mode event list" (MIEVLI, PIEVLI).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic import gti, region, stream
from scripts.epic.cameras import CAMERAS, Camera
from scripts.epic.complete import Complete
from scripts.epic.errors import EventFileError
from scripts.epic.gti import Intervals
from scripts.epic.header import Header
from scripts.epic.projection import Projection
from scripts.epic.stream import DAMAGED

COLUMNS = ("TIME", "RAWX", "RAWY", "DETX", "DETY", "X", "Y", "PI", "FLAG", "PATTERN", "CCDNR")
"""The columns that every imaging event list must have."""

NOWHERE = -99999999
"""X and Y of an event without a place, as the pipeline writes it (TNULL)."""

_SCALAR = re.compile(r"1?[BIJKED]")
_MACRO = re.compile(r"^\(?\s*FLAG\s*&\s*0x([0-9a-fA-F]+)\s*\)?\s*(==|!=)\s*0$")


OTHER = {"PI": "ENERGY", "PATTERN": "GRADE", "CCDNR": "CCD_ID"}
"""How observatories other than XMM-Newton call a column; energies are in eV."""

RING, RING_LEAST = 2.7, 100.0
"""What the automatic background lies within: times half the diagonal of a region's box, and arcsec."""

COARSEST = 0.1
"""Degrees of a step of X or Y above which a list's world coordinates cannot be right: of known missions, 0.0007."""
FARTHEST = 2.0
"""Degrees from the pointing beyond which no EPIC list is centred; the field is half a degree wide."""

SAMPLE = 50_000
"""Of longer lists at most so many events, evenly spread, are kept for fitting the geometry if only a part is read."""


class EventList:
    """One imaging event list: all of its events, or with ``near`` only those around some regions.

    The file is read once, from front to back (:mod:`scripts.epic.stream`). Of a list read in part ``sample`` has events
    from everywhere, and ``hard`` what the flare filter looks at; of a whole one both are the list itself.

    :param near: regions of ``task.json``; only events in their bounding boxes are kept.
    :param around: whether ``near`` must hold the automatic background ring too.
    :param epic: whether it must be of an EPIC camera; None takes a list that names another TELESCOP than XMM as it is.
    :raises EventFileError: the file cannot be read, is cut off, or is not such an event list.
    """

    def __init__(
        self,
        path: Path,
        near: Sequence[Mapping[str, Any]] = (),
        *,
        around: bool = False,
        epic: bool | None = None,
        hard: bool = True,
    ) -> None:
        self.path = path
        self._asked, self.epic = epic, epic is not False
        self._near = list(near)
        self._want_hard = hard
        self._around = around
        self._columns: dict[str, NDArray[Any]] = {}
        self.derived: dict[tuple[Any, ...], Any] = {}
        """What was worked out from this list and is asked for again, by who worked it out."""
        self._complete = Complete()
        self._parts: dict[str, list[stream.Rows]] = {"sample": [], "hard": []}
        self._units = {unit.name: unit for unit in reversed(stream.read(path, "EVENTS", self._open))}
        self._hdus: dict[str, Any] = {}
        self.primary: Header = next(reversed(self._units.values())).header
        if "EVENTS" not in self._units:
            raise EventFileError(
                f"{path.name}: has no extension EVENTS, so it is not an EPIC event list; files of these are named "
                "P*MIEVLI*.FTZ and P*PIEVLI*.FTZ"
            )
        rows = self._units["EVENTS"].rows
        self._rows: stream.Rows = np.empty(0, dtype=[]) if rows is None else rows
        for name in self._standard_gti_names().values():
            if name not in self._units and self.epic:
                raise EventFileError(
                    f"{path.name}[{name}]: the extension is named in EVENTS but missing; the file is cut off, "
                    "fetch it again"
                )

    def _open(self, header: Header) -> stream.Sieve | None:
        """Look at the header of the events before the first of them is read."""
        self.header = header
        self.primary = Header()
        instrument = str(header.get("INSTRUME", "")).strip()
        if self._asked is None:
            self.epic = str(header.get("TELESCOP", "XMM")).strip().upper() in ("", "XMM")
        if instrument not in CAMERAS and self.epic:
            raise EventFileError(
                f"{self.path.name}[EVENTS]: is not from an EPIC camera: INSTRUME is '{instrument}', "
                f"allowed are {', '.join(CAMERAS)}"
            )
        self.camera: Camera = (CAMERAS.get(instrument) if self.epic else None) or Camera(
            instrument, instrument, "", 255, np.inf, (10001, None), 4096
        )
        self._check_columns()
        near = self._sieve() if self._near else None

        def kept(rows: stream.Rows) -> NDArray[np.intp] | None:
            whole = self._complete.rows(rows)
            if near is None or (whole is not None and not len(whole)):
                return whole
            return near(rows) if whole is None else whole[near(rows[whole])]

        return kept

    def _check_columns(self) -> None:
        mode = str(self.header.get("DATAMODE", "IMAGING")).strip().upper()
        if self.epic and mode in ("TIMING", "BURST"):
            raise EventFileError(
                f"{self.path.name}[EVENTS]: is a {mode.lower()} mode list, which has no positions on the sky; "
                "an imaging mode event list (MIEVLI, PIEVLI) is needed"
            )
        names = self.names
        for column in COLUMNS if self.epic else ("TIME", "X", "Y"):
            if column not in names:
                raise EventFileError(
                    f"{self.path.name}[EVENTS]: has no column {column}, it has {', '.join(names)}; "
                    "an imaging mode event list is needed"
                )
        for n, column in enumerate(names, 1):
            form = str(self.header.get(f"TFORM{n}", "")).strip()
            mine = column in (COLUMNS if self.epic else ("TIME", "X", "Y", *OTHER, *OTHER.values()))
            if mine and not _SCALAR.fullmatch(form):
                raise EventFileError(
                    f"{self.path.name}[EVENTS]: the column {column} has the form TFORM{n} = '{form}', but must have "
                    "one number in a row (B, I, J, K, E or D); take the list as the pipeline wrote it"
                )

    def _sieve(self) -> Callable[[stream.Rows], NDArray[np.intp]] | None:
        """Return what keeps the events near the regions; None keeps all."""
        boxes = [region.place(one, self.projection).bounds for one in self._near]
        known = np.array([box for box in boxes if box is not None])
        if not len(known):
            known = np.array([[0.0, -1.0, 0.0, -1.0]])
        if self._around:
            half = np.hypot(known[:, 1] - known[:, 0], known[:, 3] - known[:, 2]) / 2
            reach = np.maximum(RING * half, RING_LEAST / self.projection.unit)
            middle = (known[:, [0, 0, 2, 2]] + known[:, [1, 1, 3, 3]]) / 2
            known = middle + reach[:, None] * np.array([-1, 1, -1, 1])
        low, high = known[:, [0, 2]].min(0), known[:, [1, 3]].max(0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return None
        step = -(-int(self.header["NAXIS2"]) // SAMPLE)
        band, strict = self.camera.flare_band[0], self._want_hard

        def sieve(rows: stream.Rows) -> NDArray[np.intp]:
            self._parts["sample"].append(stream.copied(rows[::step]))
            if strict:
                high_energy = rows["PI"].astype("=i4") >= band
                self._parts["hard"].append(rows[high_energy & (rows["PATTERN"] == 0)])
            inside = _perhaps(rows, "Y", low[1], high[1], _perhaps(rows, "X", low[0], high[0]))
            for axis in (0, 1):
                inside = inside[_between(rows["XY"[axis]][inside], low[axis], high[axis])]
            return inside

        return sieve

    @property
    def names(self) -> list[str]:
        """The columns of EVENTS, in capitals."""
        return [
            str(self.header.get(f"TTYPE{n}", "")).strip().upper() for n in range(1, int(self.header["TFIELDS"]) + 1)
        ]

    @property
    def rows(self) -> stream.Rows:
        """The events as they stand in the file, big-endian, shape (n,)."""
        return self._rows

    @property
    def whole(self) -> bool:
        """Whether all of the list's events were read."""
        return not self._parts["sample"]

    @cached_property
    def sample(self) -> EventList:
        """Events from everywhere in the camera."""
        return self._part("sample")

    @cached_property
    def hard(self) -> EventList:
        """At least all single events above the lower end of the flare filter's band."""
        return self._part("hard")

    def _part(self, name: str) -> EventList:
        if self.whole:
            return self
        part = copy(self)
        part.__dict__.pop("sample", None)
        part.__dict__.pop("hard", None)
        part._columns, part._rows = {}, stream.joined(self._parts[name], self._rows.dtype)
        return part

    def __len__(self) -> int:
        return len(self._rows)

    def keyword(self, name: str, default: Any = None) -> Any:
        """Return a header value of the events, or of the file, or ``default``."""
        return self.header.get(name, self.primary.get(name, default))

    def number(self, name: str) -> float:
        """Return a header value that must be a number.

        :raises EventFileError: the keyword is missing or no number.
        """
        value = self.keyword(name)
        try:
            number = float(value)
            if not math.isfinite(number):
                raise ValueError
            return number
        except (TypeError, ValueError):
            raise EventFileError(
                f"{self.path.name}[EVENTS]: the keyword {name} "
                + ("is missing" if value is None else f"is '{value}', not a number")
                + "; take the list as the pipeline wrote it"
            ) from None

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of EVENTS in the machine's byte order, shape (n,).

        Lists of other observatories: PI is ENERGY, eV; a column that they do not have is all 0.
        """
        if name not in self._columns:
            stored = name if name in self.names else OTHER.get(name, name)
            if not self.epic and name == "PI" and "ENERGY" in self.names:
                stored = "ENERGY"
            if stored in self.names:
                data = stream.physical(self._rows[stored], self.header, self.names.index(stored) + 1)
                if data.dtype.kind == "f" and name in ("X", "Y"):
                    data = np.where(np.isfinite(data), data, NOWHERE)
            else:
                data = np.zeros(len(self), dtype=np.int32)
            self._columns[name] = data
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
            index = self.names.index(axis) + 1
            for wide, narrow in (("CRVL", "TCRVL"), ("CRPX", "TCRPX"), ("CDLT", "TCDLT")):
                name = f"REF{axis}{wide}"
                values.append(self.number(name if self.keyword(name) is not None else f"{narrow}{index}"))
        ra, x, dx, dec, y, dy = values
        sound = np.isfinite(values).all() and abs(ra) <= 360 and abs(dec) <= 90
        square = not self.epic or (dx < 0 and abs(dx + dy) < 0.01 * dy)
        if not (sound and square and 0 < abs(dx) <= COARSEST and 0 < abs(dy) <= COARSEST):
            raise EventFileError(
                f"{self.path.name}[EVENTS]: the world coordinates of X and Y make no sense: centre {ra:g}, {dec:g}, "
                f"pixel {x:g}, {y:g}, step {dx:g}, {dy:g} degrees (REFXCRVL, ... or TCRVLn, ...); "
                "take the list as the pipeline wrote it"
            )
        made = Projection(ra, dec, (x, y), (dx, dy))
        if self.epic and self.keyword("RA_PNT") is not None and self.keyword("DEC_PNT") is not None:
            pointing = self.number("RA_PNT"), self.number("DEC_PNT")
            if not made.depth(*pointing) >= np.cos(np.radians(FARTHEST)):
                raise EventFileError(
                    f"{self.path.name}[EVENTS]: the centre of X and Y, {ra:g}, {dec:g}, is more than {FARTHEST:g} "
                    f"degrees from where the telescope pointed (RA_PNT, DEC_PNT), {pointing[0]:g}, {pointing[1]:g}; "
                    "take the list as the pipeline wrote it"
                )
        return made

    @cached_property
    def grid(self) -> tuple[float, float, float, float]:
        """The legal range of X and of Y, in pixels: (first, last, first, last), from TLMIN and TLMAX.

        The int16 overflow of REFXLMAX in many lists is why those keywords are not asked.
        """
        bounds: list[float] = []
        for axis in "XY":
            index = self.names.index(axis) + 1
            bounds += [self.number(f"TLMIN{index}"), self.number(f"TLMAX{index}")]
        return bounds[0], bounds[1], bounds[2], bounds[3]

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Tell which events have a place on the sky: X, Y in their legal range; those without attitude have none."""
        x, y = self.column("X"), self.column("Y")
        if not self.epic:
            return np.asarray((x > 0) & (y > 0), dtype=bool)
        x0, x1, y0, y1 = self.grid
        return np.asarray((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1), dtype=bool)

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
                + "; FLAGS=strict and FLAGS=none do without it"
            )
        return int(found[1], 16), found[2] == "=="

    def flagged_clear(self, name: str) -> NDArray[np.bool_]:
        """Tell which events pass a macro of the header; without a name, as other observatories have none, all do."""
        if not name:
            return np.ones(len(self), dtype=bool)
        bits, clear = self.macro(name)
        hit: NDArray[np.bool_] = (self.column("FLAG").astype(np.int64) & bits) != 0
        return ~hit if clear else hit

    @cached_property
    def ccds(self) -> tuple[int, ...]:
        """The CCDs that observed: those with frames in EXPOSUnn; without any EXPOSUnn, those with events."""
        frames = [
            int(name[6:])
            for name, unit in self._units.items()
            if re.fullmatch(r"EXPOSU\d\d", name) and unit.shape.get("NAXIS2", 0) > 0
        ]
        return tuple(sorted(frames or set(self.sample.column("CCDNR").tolist())))

    def table(self, name: str) -> Any:
        """Return the HDU of an extension, or None.

        :raises EventFileError: it is damaged.
        """
        if name not in self._hdus:
            unit = self._units.get(name)
            try:
                self._hdus[name] = None if unit is None else unit.hdu()
            except DAMAGED as error:
                raise EventFileError(f"{self.path.name}[{name}]: cannot be read ({error})") from error
        return self._hdus[name]

    def header_of(self, extension: str) -> Mapping[str, Any]:
        """Return the header of an extension; empty where there is none."""
        unit = self._units.get(extension)
        return {} if unit is None else unit.header

    def length_of(self, extension: str) -> int:
        """Return the number of rows of another table, 0 where there is no such table.

        :raises EventFileError: the table is damaged.
        """
        rows = self._rows_of(extension)
        return 0 if rows is None else len(rows)

    def _rows_of(self, extension: str) -> stream.Rows | None:
        unit = self._units.get(extension)
        try:
            return None if unit is None else unit.table(self.path)
        except DAMAGED as error:
            raise EventFileError(f"{self.path.name}[{extension}]: cannot be read ({error})") from error

    def columns_of(
        self, extension: str, *names: str, must: bool = True, part: slice | NDArray[np.intp] = slice(None)
    ) -> list[NDArray[Any]] | None:
        """Return columns of another table in the machine's byte order, or None where there is no such table.

        :param must: False returns None where a column is missing too.
        :param part: the rows that are wanted.
        :raises EventFileError: a column is missing, or the table is damaged.
        """
        rows = self._rows_of(extension)
        if rows is None:
            return None
        there: tuple[str, ...] = rows.dtype.names or ()
        if missing := [name for name in names if name not in there]:
            if not must:
                return None
            raise EventFileError(
                f"{self.path.name}[{extension}]: has no column {missing[0]}, it has {', '.join(there) or 'none'}; "
                "take the list as the pipeline wrote it"
            )
        header = self.header_of(extension)
        for name in names:
            if rows.dtype[name].kind not in "iuf" or rows.dtype[name].shape:
                n = there.index(name) + 1
                raise EventFileError(
                    f"{self.path.name}[{extension}]: the column {name} has the form TFORM{n} = "
                    f"'{header.get(f'TFORM{n}')}', but must have one number in a row; take the list as the pipeline "
                    "wrote it"
                )
        return [stream.physical(rows[name][part], header, there.index(name) + 1) for name in names]

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
        """The good times of each CCD that observed; the whole exposure where the list says nothing of any."""
        named = self._standard_gti_names()
        result: dict[int, Intervals] = {}
        for ccd in self.ccds:
            times = self.columns_of(self._good_times_of(ccd), "START", "STOP")
            if times is None and any(ccd in self.ccds for ccd in named):
                # the list names good times, but none of this CCD: SAS gives it no exposure either
                result[ccd] = np.empty((0, 2))
            elif times is None:
                result[ccd] = np.array([[self.number("TSTART"), self.number("TSTOP")]])
            else:
                rows = np.column_stack(times).astype(np.float64)
                result[ccd] = gti.normal(rows[np.isfinite(rows).all(axis=1)])  # a time without an end is none
        return result

    @property
    def emptied(self) -> bool:
        """Whether the list has events, and none of them could be kept."""
        return 0 < int(self.header["NAXIS2"]) <= sum(self._complete.lacking.values())

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What of the list was left out because it cannot be right, in words: events without a time, good times."""
        said = self._complete.told(f"{self.path.name}[EVENTS]", int(self.header["NAXIS2"]))
        for name in sorted({name for ccd in self.ccds if (name := self._good_times_of(ccd)) in self._units}):
            rows = np.column_stack(self.columns_of(name, "START", "STOP") or [np.empty(0)] * 2)
            for bad, what in (
                (~np.isfinite(rows).all(axis=1), "no beginning or no end (START or STOP is not a number)"),
                (rows[:, 1] < rows[:, 0], "an end before the beginning (STOP < START)"),
            ):
                if number := int(np.count_nonzero(bad)):
                    said.append(f"{self.path.name}[{name}]: {number} of {len(rows)} good times have {what}: LEFT OUT")
        return tuple(said)

    def _good_times_of(self, ccd: int) -> str:
        """Return the extension with the good times of a CCD; there may be none."""
        name = self._standard_gti_names().get(ccd, f"STDGTI{ccd:02d}")
        return name if name in self._units else "GTI"


def _perhaps(
    rows: stream.Rows, name: str, low: float, high: float, of: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Return where a column may lie in a range, by one byte of each value: a look at it takes a fifth of a comparison.

    For a whole number v in [low, high] floor(v / 256) is in [floor(low / 256), floor(high / 256)], also modulo 256, and
    floor(v / 256) modulo 256 is the last but one byte of a big-endian two's complement.

    :param of: the only rows that are looked at.
    """
    form, offset = rows.dtype.fields[name][:2]  # type: ignore[index]
    first, last = int(np.floor(low / 256)), int(np.floor(high / 256))
    if form.kind not in "iu" or form.itemsize < 2 or last - first >= 255:
        return np.arange(len(rows)) if of is None else of
    byte = rows.view("u1").reshape(len(rows), -1)[:, offset + form.itemsize - 2]
    lowest, span = np.uint8(first % 256), max(last - first, 0)
    return np.flatnonzero(byte - lowest <= span) if of is None else of[byte[of] - lowest <= span]


def _between(values: NDArray[Any], low: float, high: float) -> NDArray[np.bool_]:
    """Tell which lie in a range, both ends included; NaN does not."""
    if values.dtype.kind == "f":
        return np.asarray((values >= low) & (values <= high), dtype=bool)
    first, last = max(int(np.ceil(low)), -(1 << 31)), min(int(np.floor(high)), (1 << 31) - 1)
    if first > last:
        return np.zeros(len(values), dtype=bool)
    # one comparison instead of two: what lies below the range becomes very large
    offset = values.astype("=i8") - first if values.dtype.itemsize > 4 else values.astype("=i4") - np.int32(first)
    unsigned = offset.view(f"u{offset.dtype.itemsize}")
    return np.asarray(unsigned <= last - first, dtype=bool)
