"""A dataset as a reader yielded it, made sure of and brought into the form that is kept."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from index.columns import DATASET, EXTRA
from index.dataset import FoundDataset
from index.errors import DatasetIdError, UnusableDatasetError
from index.healpix import PIXEL_AREA, Ranges, ranges_of
from index.ids import DatasetIds
from index.postings import PIXEL_ORDER, Coverage
from index.store import Entry


@dataclass(frozen=True)
class Taken:
    """A dataset that can be indexed."""

    id: str
    columns: dict[str, Any]
    """Of its row, but the key."""
    files: tuple[tuple[str, str, str], ...]
    """Kind, path, content type."""
    ranges: Ranges
    fingerprint: str
    """SHA-256 of all of the above."""
    source: str | None = None
    """The file that it was read from."""

    def entry(self, key: int) -> Entry:
        """Give what goes to SQL."""
        return Entry(key, self.columns, self.files, self.fingerprint, self.source)

    def coverage(self, key: int) -> Coverage:
        """Give what goes to the postings."""
        return Coverage(key, self.columns["order"], self.ranges)


def take(found: FoundDataset, ids: DatasetIds) -> Taken:
    """Take a dataset from a reader. Raises DatasetIdError and UnusableDatasetError."""
    if not all(isinstance(part, str) for part in (found.obs_id, found.camera, found.exposure_id)):
        raise DatasetIdError(
            f"obs_id, camera and exposure_id must be text, not {found.obs_id!r}, {found.camera!r}, "
            f"{found.exposure_id!r}"
        )
    short = ids.short(f"{found.obs_id}/{found.camera}/{found.exposure_id}")
    s_ra, s_dec = _number(found.s_ra), _number(found.s_dec)
    if s_ra is None or s_dec is None or not (0 <= s_ra <= 360 and -90 <= s_dec <= 90):
        raise UnusableDatasetError(
            f"{short}: the pointing must be on the sky, in ICRS degrees, not at {found.s_ra}, {found.s_dec}"
        )
    order, degraded_from, ranges = _coverage(short, found)
    columns = {
        "id": short,
        "obs_collection": found.obs_collection,
        "facility_name": found.facility_name,
        "instrument_name": found.instrument_name,
        "obs_id": found.obs_id,
        "camera": found.camera,
        "exposure_id": found.exposure_id,
        "target_name": found.target_name,
        "s_ra": s_ra,
        "s_dec": s_dec,
        "position_angle": _number(found.position_angle),
        "t_min": _number(found.t_min),
        "t_max": _number(found.t_max),
        "t_exptime": _number(found.t_exptime),
        "filter": found.filter,
        "mode": found.mode,
        "simulated": bool(found.simulated),
        "approximate": bool(found.approximate),
        "area": int((ranges[:, 1] - ranges[:, 0]).sum()) * PIXEL_AREA,
        "order": order,
        "degraded_from": degraded_from,
        **_extra(short, found),
    }
    if columns["s_fov"] is None:
        columns["s_fov"] = 2 * math.sqrt(columns["area"] / math.pi)
    files = tuple((kind, str(path), content_type) for kind, path, content_type in found.files)
    digest = hashlib.sha256(json.dumps([columns, files], sort_keys=True).encode())
    digest.update(ranges.astype("<i8").tobytes())
    return Taken(short, columns, files, ranges, digest.hexdigest())


def _extra(short: str, found: FoundDataset) -> dict[str, Any]:
    """Give what a reader tells beyond what it must; of a calibration level nobody tells, the least is claimed."""
    extra: dict[str, Any] = {}
    for column in DATASET:
        if column.name not in EXTRA:
            continue
        value = getattr(found, column.name, None)
        if column.is_text:
            extra[column.name] = str(value).encode("ascii", "replace").decode() if value else None
        elif column.datatype == "double":
            extra[column.name] = _number(value)
        else:
            extra[column.name] = None if value is None else int(value)
    if extra["calib_level"] is None:
        extra["calib_level"] = 1
    if not 0 <= extra["calib_level"] <= 4:
        raise UnusableDatasetError(f"{short}: calib_level must be from 0 to 4, not {extra['calib_level']}")
    return extra


def _coverage(short: str, found: FoundDataset) -> tuple[int, int | None, Ranges]:
    """Give the order that is kept, the order before if that was finer, and the ranges."""
    moc = found.coverage
    order = int(moc.max_order)
    try:
        ranges = ranges_of(moc)
    except ValueError as error:
        raise UnusableDatasetError(f"{short}: its coverage cannot be used: {error}") from error
    if not len(ranges):
        raise UnusableDatasetError(f"{short}: its coverage is empty, so that no region could find it")
    if order <= PIXEL_ORDER:
        return order, None, ranges
    return PIXEL_ORDER, order, ranges_of(moc.degrade_to_order(PIXEL_ORDER))


def _number(value: float | None) -> float | None:
    """Give a plain number; what is not finite is not known."""
    return float(value) if value is not None and math.isfinite(value) else None
