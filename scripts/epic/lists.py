"""The reader of lists of XMM-Newton observations: approximate coverages from pointing and date, without any data.

Two CSV files, side by side: the observations (``obs_id``, ``ra_pnt``, ``dec_pnt``, ``pa_sun_derived``, ...) and, if it
is there, their EPIC exposures (``Observation ID``, ``Camera``, ``Exposure Identifier``, ...). An observation that the
second does not name gets a dataset for each camera with the exposure ``unlisted``.

The position angle is that of the direction to the Sun, which the measured one follows within 1.7 degrees (standard
deviation over 263 headers): good enough to lay the CCDs on the sky, and not told as a position angle. The position
itself can be that of the target, some 2 arcmin from where the telescope pointed. Every CCD is
taken to have observed in full, but those that MOS1 had lost by then. Where no date is known there is no angle, and
the whole field of view stands for the CCDs. All of these datasets are labelled approximate.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mocpy import MOC
from numpy.typing import NDArray

from scripts.epic.ccd import FIELD, Chip, clip, nominal_to_det, nominal_to_sky
from scripts.epic.characteristics import CHARACTERISTICS
from scripts.epic.outline import hull, stcs
from scripts.epic.projection import Projection

ORDER = 13
"""HEALPix order of a coverage: cells of 26 arcsec."""
ROWS = 100
"""Observations in one part."""
POLYGONS = 2000
"""In one call of mocpy, whose time grows faster than their number."""
CAMERAS = {"MOS1": "M1", "MOS2": "M2", "PN": "PN"}
INSTRUMENTS = {"M1": "EMOS1", "M2": "EMOS2", "PN": "EPN"}
LOST = {6: 961, 3: 2382}
"""CCDs of MOS1 and the revolution in which each was lost (XMM-Newton Users Handbook, section 3.3.1)."""
OBSERVATIONS = frozenset({"obs_id", "ra_pnt", "dec_pnt", "pa_sun_derived"})
EXPOSURES = frozenset({"Observation ID", "Camera", "Exposure Identifier", "Exposure Time"})

_STEP = 0.05 / 3600
"""Degrees in a pixel of X, Y."""

Floats = NDArray[np.float64]
Skipped = Callable[[Path, str], None]
Row = dict[str, str]


@dataclass(frozen=True)
class ListedDataset:
    """One exposure of one EPIC camera that a list names; names and units follow ObsCore 1.1."""

    obs_id: str
    camera: str
    exposure_id: str
    target_name: str | None
    s_ra: float
    s_dec: float
    t_min: float | None
    """MJD (UTC), of the observation."""
    t_max: float | None
    t_exptime: float | None
    coverage: MOC
    s_region: str
    """The convex hull of the coverage, STC-S."""
    s_resolution: float
    """Arcsec."""
    em_res_power: float
    t_resolution: float
    """Seconds."""
    dataproduct_type: str
    calib_level: int
    em_min: float
    """Metres."""
    em_max: float
    o_ucd: str
    obs_collection: str = "XMM-Newton"
    facility_name: str = "XMM-Newton"
    position_angle: None = None
    filter: None = None
    mode: None = None
    simulated: bool = False
    approximate: bool = True
    files: tuple[tuple[str, Path, str], ...] = ()

    @property
    def instrument_name(self) -> str:
        """The header's INSTRUME."""
        return INSTRUMENTS[self.camera]


class ListReader:
    """Reads lists of observations."""

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[ListedDataset]:
        """Yield the datasets of the lists in a folder and all below it, or of one list."""
        for file, *_ in self.files(folder):
            for part in self.parts(file, skipped):
                yield from self.read(part, skipped)

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        """Find lists of observations, and the list of exposures beside each."""
        names = [folder] if folder.is_file() else sorted(Path(at) / n for at, _, ns in os.walk(folder) for n in ns)
        for path in names:
            if path.suffix.lower() == ".csv" and _header(path) >= OBSERVATIONS:
                beside = sorted(other for other in path.parent.glob("*.csv") if _header(other) >= EXPOSURES)
                yield (path, *beside[:1])

    def parts(self, file: Path, _skipped: Skipped) -> Iterator[tuple[Path, list[tuple[Row, list[Row]]]]]:
        """Yield observations with their exposures, some at a time."""
        _, *beside = next(self.files(file))
        exposures: dict[str, list[Row]] = {}
        for path in beside:
            for row in _rows(path):
                exposures.setdefault(row["Observation ID"], []).append(row)
        observations = [(row, exposures.get(row["obs_id"], [])) for row in _rows(file)]
        for start in range(0, len(observations), ROWS):
            yield file, observations[start : start + ROWS]

    def read(self, part: tuple[Path, list[tuple[Row, list[Row]]]], skipped: Skipped) -> Iterator[ListedDataset]:
        """Yield the datasets of some observations."""
        file, observations = part
        found: list[tuple[dict[str, Any], list[Floats]]] = []
        for observation, exposures in observations:
            try:
                found += _datasets(observation, exposures)
            except (KeyError, ValueError) as error:
                skipped(file, f"observation {observation.get('obs_id')}: {error}")
        mocs = iter(_mocs([polygon for _, polygons in found for polygon in polygons]))
        for facts, polygons in found:
            first, *others = (next(mocs) for _ in polygons)
            yield ListedDataset(**facts, coverage=first.union(*others) if others else first)


read = ListReader()


def _datasets(observation: Row, exposures: list[Row]) -> Iterator[tuple[dict[str, Any], list[Floats]]]:
    """Yield what is known of each exposure, and the polygons of its coverage."""
    ra, dec = float(observation["ra_pnt"]) % 360, float(observation["dec_pnt"])
    if not -90 <= dec <= 90:
        raise ValueError(f"the declination {dec} is not on the sky")
    angle = _number(observation["pa_sun_derived"])
    revolution = _number(observation.get("revolution", ""))
    if not exposures:
        exposures = [{"Camera": name, "Exposure Identifier": "unlisted"} for name in CAMERAS]
    for exposure in exposures:
        camera = CAMERAS[exposure["Camera"]]
        kiloseconds = _number(exposure.get("Exposure Time", ""))
        facts = {
            "obs_id": observation["obs_id"],
            "camera": camera,
            "exposure_id": exposure["Exposure Identifier"],
            "target_name": observation.get("target", "").strip() or exposure.get("Target", "").strip() or None,
            "s_ra": ra,
            "s_dec": dec,
            "t_min": _mjd(observation.get("date_obs", "")),
            "t_max": _mjd(observation.get("date_end", "")),
            "t_exptime": None if kiloseconds is None else 1000 * kiloseconds,
        }
        field, *outlines = _on_sky(camera, ra, dec, angle, revolution)
        yield {**facts, **CHARACTERISTICS[camera]._asdict(), "s_region": stcs(*field)}, outlines


def _on_sky(camera: str, ra: float, dec: float, angle: float | None, revolution: float | None) -> list[Floats]:
    """Lay the outlines of a camera on the sky, that of all first: longitudes and latitudes, degrees, shape (2, n)."""
    to_sky = nominal_to_sky(camera, (0.0, 0.0), angle or 0.0)
    projection = Projection(ra, dec, (0.0, 0.0), (-_STEP, _STEP))
    lost = frozenset(
        n for n, since in LOST.items() if camera == "M1" and revolution is not None and revolution >= since
    )
    outlines = _outlines(camera, lost if angle is not None else None)
    return [np.stack(projection.to_sky(*to_sky(corners[:, 0], corners[:, 1]))) for corners in outlines]


@cache
def _outlines(camera: str, lost: frozenset[int] | None) -> list[Floats]:
    """Give the hull of what the CCDs see and then each, as convex polygons in DET; the whole field for None."""
    if lost is None:
        return [hull([FIELD[camera][0].outline()]), FIELD[camera][0].outline()]
    ccds, width, height = (12, 64, 200) if camera == "PN" else (7, 600, 600)
    outlines = []
    for ccd in (number for number in range(1, ccds + 1) if number not in lost):
        chip = Chip(ccd, nominal_to_det(camera, ccd), (1, width, 1, height))
        outlines += [clip(part.outline(), chip.corners()) for part in FIELD[camera]]
    seen = [corners for corners in outlines if len(corners) >= 3]
    return [hull(seen), *seen]


def _mocs(polygons: list[Floats]) -> list[MOC]:
    """Give the MOC of each polygon. mocpy takes many at once only if they have as many corners."""
    by_corners: dict[int, list[int]] = {}
    for number, polygon in enumerate(polygons):
        by_corners.setdefault(polygon.shape[1], []).append(number)
    mocs: dict[int, MOC] = {}
    for numbers in by_corners.values():
        for start in range(0, len(numbers), POLYGONS):
            some = numbers[start : start + POLYGONS]
            flat = np.concatenate([polygons[number] for number in some])
            mocs.update(zip(some, MOC.from_polygons(flat, max_depth=ORDER, n_threads=1), strict=True))
    return [mocs[number] for number in range(len(polygons))]


def _header(path: Path) -> set[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            return set(next(csv.reader(opened), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        yield from csv.DictReader(opened)


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None


def _mjd(text: str) -> float | None:
    if not text.strip():
        return None
    since = datetime.fromisoformat(text.strip()).replace(tzinfo=UTC) - datetime(1858, 11, 17, tzinfo=UTC)
    return since.total_seconds() / 86400
