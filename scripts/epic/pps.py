"""The reader of folders of XMM-Newton pipeline products (PPS): one dataset per EPIC imaging event list."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from astropy.coordinates import Latitude, Longitude
from mocpy import MOC

from scripts.epic.ccd import Floats, Geometry
from scripts.epic.characteristics import CHARACTERISTICS
from scripts.epic.errors import EventFileError
from scripts.epic.events import EventList
from scripts.epic.outline import hull, stcs
from scripts.epic.pipeline_maps import KINDS
from scripts.epic.stream import DAMAGED

ORDER = 13
"""HEALPix order of a coverage: cells of 26 arcsec."""

EVENT_LIST = re.compile(r"^(P\d{10}[A-Z0-9]{2}[A-Z]\d{3})[MP]IEVLI\w*\.(FTZ|FIT|FITS|FIT\.GZ|FITS\.GZ)$", re.IGNORECASE)
"""Imaging event lists by the pipeline's naming (SAS User's Guide, "EPIC pipeline products")."""

FITS_TYPE = "application/fits"

COMPANIONS = {"FBKTSR": "flare_background", "SRSPEC": "source_spectrum", "SRCARF": "arf", **KINDS}
"""What belongs to an exposure besides its event list: the part of the name after the exposure, and the kind of file."""
PICTURES = {
    "IMAGE_8000": "preview",
}
"""The same of what is no FITS: the image in the whole band."""
PNG = "image/png"

MATRIX = {
    camera: re.compile(rf"{prefix}_.+\.RMF(\.GZ)?", re.IGNORECASE)
    for camera, prefix in (("M1", "M1"), ("M2", "M2"), ("PN", "EPN"))
}
"""The canned redistribution matrices of each camera; they lie beside the event lists where an archive keeps them."""


@dataclass(frozen=True)
class PPSDataset:
    """One exposure of one EPIC camera; names and units follow ObsCore 1.1."""

    obs_collection: str
    facility_name: str
    instrument_name: str
    obs_id: str
    camera: str
    exposure_id: str
    target_name: str | None
    s_ra: float
    """Of the pointing, degrees."""
    s_dec: float
    position_angle: float | None
    """Degrees, north through east."""
    t_min: float
    """MJD (TT)."""
    t_max: float
    t_exptime: float | None
    """Live time of the central CCD, s."""
    filter: str | None
    mode: str | None
    simulated: bool
    approximate: bool
    files: tuple[tuple[str, Path, str], ...]
    """Kind, path, content type."""
    coverage: MOC
    dataproduct_type: str
    calib_level: int
    s_resolution: float
    """Arcsec."""
    s_region: str | None
    """The convex hull of the coverage, STC-S."""
    t_resolution: float
    """Seconds."""
    em_min: float
    """Metres."""
    em_max: float
    em_res_power: float
    o_ucd: str
    access_format: str
    access_estsize: int
    """Kilobytes."""


Skipped = Callable[[Path, str], None]


class PPSReader:
    """Reads the EPIC imaging event lists of a folder and all below it.

    Names of files only say where to look; what a dataset is stands in its header. A file that cannot be used
    is reported to ``skipped`` with the reason, and the walk goes on.
    """

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[PPSDataset]:
        """Yield the datasets, each exposure once."""
        seen: dict[tuple[str, str, str], Path] = {}
        for path in _walk(folder):
            for dataset in self.read(path, skipped):
                key = (dataset.obs_id, dataset.camera, dataset.exposure_id)
                if key in seen:
                    skipped(path, f"holds the same exposure {'/'.join(key)} as {seen[key]}")
                    continue
                seen[key] = path
                yield dataset

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        """Find the event lists in a folder, or the one given, each with the other products of its exposure."""
        for path in _walk(folder):
            yield (path, *(companion for _, companion, _ in _companions(path)))

    def parts(self, file: Path, _skipped: Skipped) -> Iterator[Path]:
        """Take an event list as one part."""
        yield file

    def read(self, part: Path, skipped: Skipped) -> Iterator[PPSDataset]:
        """Yield the dataset of an event list."""
        try:
            yield describe(part)
        except EventFileError as error:
            skipped(part, str(error).removeprefix(part.name).removeprefix(": "))
        except DAMAGED as error:
            skipped(part, f"is damaged ({type(error).__name__}: {error})")


read = PPSReader()


def describe(path: Path) -> PPSDataset:
    """Return the dataset of one event list.

    :raises EventFileError: the file cannot be read, or its header lacks what identifies or places a dataset.
    """
    events = EventList(path, epic=True)

    def text(name: str) -> str | None:
        value = events.keyword(name)
        return str(value).strip() or None if value is not None else None

    def optional(*names: str) -> float | None:
        return next((events.number(name) for name in names if events.keyword(name) is not None), None)

    obs_id, exposure = text("OBS_ID"), text("EXPIDSTR")
    if obs_id is None or exposure is None:
        raise EventFileError(f"{path.name}[EVENTS]: the keyword {'EXPIDSTR' if obs_id else 'OBS_ID'} is missing")
    reference = events.number("MJDREF")
    start, stop = (reference + events.number(name) / 86400.0 for name in ("TSTART", "TSTOP"))
    outlines = Geometry(events).outlines()
    if not outlines:
        raise EventFileError(f"{path.name}: no CCD observed the sky")
    files = (("events", path.resolve(), FITS_TYPE), *_companions(path))
    return PPSDataset(
        obs_collection="Simulated" if events.simulated else "XMM-Newton",
        facility_name="XMM-Newton",
        instrument_name=events.camera.instrument,
        obs_id=obs_id,
        camera=events.camera.name,
        exposure_id=exposure,
        target_name=text("OBJECT"),
        s_ra=events.number("RA_PNT"),
        s_dec=events.number("DEC_PNT"),
        position_angle=optional("PA_PNT"),
        t_min=start,
        t_max=stop,
        t_exptime=optional("LIVETIME", "ONTIME"),
        filter=text("FILTER"),
        mode=text("SUBMODE"),
        simulated=events.simulated,
        approximate=False,
        files=files,
        coverage=coverage(events, outlines),
        s_region=stcs(*events.projection.to_sky(*hull(outlines).T)),
        access_format=FITS_TYPE,
        access_estsize=-(-path.stat().st_size // 1000),
        **CHARACTERISTICS[events.camera.name]._asdict(),
    )


def coverage(events: EventList, outlines: Sequence[Floats]) -> MOC:
    """Return where an exposure saw the sky: its CCDs, cut to the field of view, at order 13.

    :param outlines: of the CCDs, in X and Y, each of shape (n, 2).
    """
    parts: list[MOC] = []
    for outline in outlines:
        ra, dec = events.projection.to_sky(outline[:, 0], outline[:, 1])
        parts.append(MOC.from_polygon(Longitude(ra, "deg"), Latitude(dec, "deg"), max_depth=ORDER))
    return parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the event lists by name, in an order that does not depend on the file system; or the one given."""
    if folder.is_file() and EVENT_LIST.match(folder.name):
        yield folder
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if EVENT_LIST.match(name):
                yield Path(root) / name


def _companions(path: Path) -> Iterator[tuple[str, Path, str]]:
    """The other products of an exposure: those that share the first part of the event list's name."""
    stem = EVENT_LIST.match(path.name)
    if stem is None:
        return
    for other in sorted(path.parent.iterdir()):
        name = other.name.upper()
        for begin, kind in COMPANIONS.items():
            if name.startswith(f"{stem[1].upper()}{begin}") and not name.endswith((".PNG", ".PDF", ".GIF")):
                yield kind, other.resolve(), FITS_TYPE
        if MATRIX[stem[1][11:13].upper()].fullmatch(name):
            yield "response", other.resolve(), FITS_TYPE
        for begin, kind in PICTURES.items():
            if name == f"{stem[1].upper()}{begin}.PNG":
                yield kind, other.resolve(), PNG
