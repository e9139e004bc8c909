"""The headers of products: where the data come from and the selection that was really applied.

The applied selection stands in data subspace keywords (DSTYPi, DSVALi, DSREFi; nDS... per CCD) as SAS writes
them, with one GTInn extension per CCD and a REGION extension, and in words in SLCTEXPR.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts.epic import gti
from scripts.epic.bintable import Column, bintable
from scripts.epic.events import EventList
from scripts.epic.hdu import HDU
from scripts.epic.header import Header
from scripts.epic.region import Shape
from scripts.epic.selection import Selection

OBSERVATION = (
    *("TELESCOP", "INSTRUME", "FILTER", "OBS_ID", "EXP_ID", "EXPIDSTR", "OBS_MODE", "DATAMODE", "SUBMODE"),
    *(
        "REVOLUT",
        "OBJECT",
        "OBSERVER",
        "RA_OBJ",
        "DEC_OBJ",
        "RA_NOM",
        "DEC_NOM",
        "RA_PNT",
        "DEC_PNT",
        "PA_PNT",
    ),
    *("DATE-OBS", "DATE-END", "EQUINOX", "SIMULATE"),
)
"""What a product takes over from its event list."""

TIME = (
    "TSTART",
    "TSTOP",
    "TELAPSE",
    "TIMESYS",
    "MJDREF",
    "TIMEZERO",
    "TIMEUNIT",
    "CLOCKAPP",
    "TIMEREF",
    "TASSIGN",
)


def observation(header: Header, events: EventList, creator: str) -> None:
    """Write who made the product, from what, and of which observation."""
    header["CREATOR"] = (f"Amora {creator}", "program that made this file")
    header["DATE"] = (date(), "[UTC] creation of the job")
    header["ORIGIN"] = "Amora"
    copy(header, events, (*OBSERVATION, *TIME))
    if events.keyword("RADECSYS") is not None:
        header["RADESYS"] = (str(events.keyword("RADECSYS")).strip(), "coordinate system")
    header["EVTFILE"] = (events.path.name, "event list this was made from")
    for line in events.remarks:
        header["HISTORY"] = line
    if events.simulated:
        header["COMMENT"] = "SIMULATED DATA: made from a simulated event list, not an observation."


def date() -> str:
    """Return the instant that products bear, UTC: that of the job's creation, so that a rerun makes the same bytes.

    It is SOURCE_DATE_EPOCH of the script contract; outside of a job, now.
    """
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def copy(header: Header, events: EventList, names: tuple[str, ...]) -> None:
    """Copy keywords with their comments from the event list where it has them."""
    for name in names:
        for source in (events.header, events.primary):
            if name in source:
                header[name] = (source[name], source.comment(name))
                break


def put_text(header: Header, name: str, text: str, comment: str) -> None:
    """Write a text of any length, by the OGIP long string convention where it does not fit a card."""
    room = 80 - len("KEYWORD = ''") - len(text.replace("'", "''"))
    header[name] = (text, comment if len(comment) + 3 <= room else "")
    if room < 0:
        header["LONGSTRN"] = ("OGIP 1.0", "the OGIP long string convention may be used")


class Axis(NamedTuple):
    """One axis of the data subspace."""

    name: str
    value: str
    unit: str = ""
    form: str = ""
    reference: str = ""


def subspace(header: Header, events: EventList, selection: Selection, region: Shape | None) -> None:
    """Write the selection: SLCTEXPR in words, and the data subspace."""
    words = selection.expression + (f" && (X,Y) in region '{region.text}'" if region else "")
    put_text(header, "SLCTEXPR", words, "selection applied")
    axes = [
        Axis("CCDNR", ""),
        Axis("TIME", "TABLE", "s"),
        *_axes(selection, region),
        *_inherited(events),
    ]
    for i, axis in enumerate(axes, 1):
        for key, value in zip(("DSTYP", "DSVAL", "DSUNI", "DSFORM", "DSREF"), axis, strict=True):
            if value:
                header[f"{key}{i}"] = (value, "data subspace")
    for component, ccd in enumerate(selection.times):
        n = "" if component == 0 else str(component + 1)
        header[f"{n}DSVAL1"] = (str(ccd), "data subspace")
        header[f"{n}DSREF2"] = (f":GTI{ccd:02d}", "data subspace")


def _axes(selection: Selection, region: Shape | None) -> Iterator[Axis]:
    if selection.flags == "strict":
        yield Axis("FLAG", "0")
    elif selection.rejected:
        yield Axis("FLAG", bit_pattern(selection.rejected), form="X")
    yield Axis("PATTERN", f":{selection.pattern}")
    low, high = ("" if edge is None else str(edge) for edge in selection.pi)
    if low or high:
        yield Axis("PI", f"{low}:{high}", "eV")
    if region is not None and region.outlines:
        yield Axis("POS(X,Y)", "TABLE", reference=":REGION")


def _inherited(events: EventList) -> Iterator[Axis]:
    """What was already selected when the event list was made; its regions and times are not repeated."""
    for i in range(1, 21):
        name, value, unit, form = (
            str(events.header.get(f"{key}{i}", "")).strip() for key in ("DSTYP", "DSVAL", "DSUNI", "DSFORM")
        )
        if name and name not in {"CCDNR", "TIME"} and value not in {"", "TABLE"}:
            yield Axis(name, value, unit, form)


def bit_pattern(bits: int) -> str:
    """Return the data subspace value for "these bits are 0": ``b``, then for bits 30 to 0 ``0`` or ``x``."""
    return "b" + "".join("0" if bits >> bit & 1 else "x" for bit in range(30, -1, -1))


def live(header: Header, selection: Selection, live_times: dict[int, float]) -> None:
    """Write on time and live time of each CCD within the selection's good times."""
    for ccd, times in selection.times.items():
        header[f"ONTIME{ccd:02d}"] = (gti.duration(times), f"[s] good time of CCD {ccd}")
    for ccd, seconds in live_times.items():
        header[f"LIVETI{ccd:02d}"] = (seconds, f"[s] live time of CCD {ccd}")


def gti_tables(events: EventList, selection: Selection) -> list[HDU]:
    """Return the good times of each CCD as extensions GTInn (OGIP/GSFC GTI)."""
    return [_gti_table(events, ccd, times) for ccd, times in selection.times.items()]


def _gti_table(events: EventList, ccd: int, times: gti.Intervals) -> HDU:
    table = bintable(f"GTI{ccd:02d}", [Column("START", "D", times[:, 0], "s"), Column("STOP", "D", times[:, 1], "s")])
    header = table.header
    header["HDUCLASS"] = ("OGIP", "format conforms to OGIP/GSFC conventions")
    header["HDUCLAS1"] = ("GTI", "good time intervals")
    header["HDUCLAS2"] = "STANDARD"
    header["CCDID"] = (ccd, "CCD these are good times of")
    header["ONTIME"] = (gti.duration(times), "[s] sum of the intervals")
    copy(header, events, ("TIMESYS", "MJDREF", "TIMEZERO", "TIMEUNIT", "CLOCKAPP", "TIMEREF", "TASSIGN"))
    if len(times):
        header["TSTART"] = (float(times[0, 0]), "[s] start of the first interval")
        header["TSTOP"] = (float(times[-1, 1]), "[s] end of the last interval")
    return table


def region_tables(region: Shape | None, events: EventList) -> list[HDU]:
    """Return the region as an extension REGION (CXC/ASC FITS region), if it has an outline.

    The rows of one component are what all of them leave: a ring, and ``!CIRCLE`` for each hole in it.
    """
    if region is None or not region.outlines:
        return []
    shapes = region.outlines
    columns = [Column("SHAPE", "16A", [one.shape for one in shapes])]
    for name in ("x", "y", "r"):
        values = [getattr(one, name) for one in shapes]
        width = max(map(len, values))
        if width:
            padded = np.array([(*row, *(0.0,) * (width - len(row))) for row in values])
            columns.append(Column(name.upper(), f"{width}D", padded if width > 1 else padded[:, 0], "pixel"))
    # CFITSIO asks for an angle, whatever the shape
    columns.append(Column("ROTANG", "D", np.zeros(len(shapes)), "deg"))
    columns.append(Column("COMPONENT", "I", np.ones(len(shapes), dtype=np.int16)))
    table = bintable("REGION", columns)
    header = table.header
    header["HDUCLASS"] = ("ASC", "region extension")
    header["HDUCLAS1"] = "REGION"
    header["HDUCLAS2"] = "STANDARD"
    header["HDUVERS"] = "1.2.0"
    header["MTYPE1"] = ("POS", "pair of columns X,Y of the event list")
    header["MFORM1"] = "X,Y"
    plane = events.projection
    for axis, kind, value in (("X", "RA---TAN", plane.ra), ("Y", "DEC--TAN", plane.dec)):
        n, i = [column.name for column in columns].index(axis) + 1, "XY".index(axis)
        header[f"TCTYP{n}"] = (kind, "coordinate type")
        header[f"TCRVL{n}"] = (value, "[deg] at the reference pixel")
        header[f"TCRPX{n}"] = (plane.crpix[i], "reference pixel")
        header[f"TCDLT{n}"] = (plane.cdelt[i], "[deg] per pixel")
        header[f"TCUNI{n}"] = ("deg", "unit of the coordinates")
    put_text(header, "SKYREG", region.text, "ICRS degrees")
    return [table]


def write(path: Path, hdus: Sequence[HDU]) -> None:
    """Write a file with DATASUM and CHECKSUM in each HDU; the same content gives the same bytes."""
    with path.open("wb") as file:
        for hdu in hdus:
            file.writelines(hdu.tobytes(f"updated {date()}"))
