"""The reader of ObsCore tables (ObsCore 1.1), as VOTable or CSV, from any archive: coverages by ``s_region``.

Names of columns are taken in either case. A row without ``s_region`` but with a position and ``s_fov`` gets a circle,
which is labelled approximate. The three parts of a dataset's id are ``obs_id``; ``camera``, or the instrument; and
``exposure_id``, or eight digits of the SHA-256 of ``obs_publisher_did``, or, where there is none, of region and times.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from index import outline
from index.dataset import Skipped
from index.errors import RegionError
from index.postings import PIXEL_ORDER
from index.readers.found import Found, id_part
from index.region import Region
from index.shapes import Circle

ENDINGS = (".csv", ".vot", ".votable", ".xml")
ROWS = 200
"""In one part."""
LEAST_ORDER = 13
"""Of a coverage: cells of 26 arcsec, or finer ones for what is small."""

_TEXTS = ("dataproduct_type", "o_ucd", "pol_states", "access_format")
_NUMBERS = ("s_fov", "s_resolution", "t_resolution", "em_min", "em_max", "em_res_power")
_INTEGERS = ("calib_level", "s_xel1", "s_xel2", "t_xel", "em_xel", "pol_xel", "access_estsize")
_FETCHED = ("https://", "http://", "s3://")
_KINDS = {"event": "events"}
"""What a product type of ObsCore is to a script, where that is another word."""
_EMPTY = frozenset({"", "null", "none", "nan", "--"})

Row = Mapping[str, str]


class ObsCoreReader:
    """Reads tables whose rows are datasets."""

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[Found]:
        """Yield the datasets of the tables in a folder and all below it, or of one table."""
        for file, *_ in self.files(folder):
            for part in self.parts(file, skipped):
                yield from self.read(part, skipped)

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        """Find the tables by their endings; one that is given is taken whatever its name."""
        if folder.is_file():
            yield (folder,)
        for root, folders, names in os.walk(folder):
            folders.sort()
            yield from ((Path(root) / name,) for name in sorted(names) if name.lower().endswith(ENDINGS))

    def parts(self, file: Path, skipped: Skipped) -> Iterator[tuple[Path, int, list[Row]]]:
        """Yield the rows, some at a time, with the number of the first."""
        try:
            with file.open("rb") as opened:
                start = opened.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
            rows = _votable(file) if start.startswith(b"<") else _csv(file)
            first = 1
            while chunk := list(islice(rows, ROWS)):
                if first == 1 and not {"s_region", "s_fov"} & chunk[0].keys():
                    skipped(file, "has no column s_region, nor s_fov: it is no ObsCore table")
                    return
                yield file, first, chunk
                first += len(chunk)
        except (OSError, ValueError, csv.Error) as error:
            skipped(file, f"cannot be read as a table: {error}")

    def read(self, part: tuple[Path, int, list[Row]], skipped: Skipped) -> Iterator[Found]:
        """Yield the datasets of some rows."""
        file, first, rows = part
        for number, row in enumerate(rows, first):
            try:
                yield _dataset(row)
            except RegionError as error:
                skipped(file, f"row {number} ({_cell(row, 'obs_id') or 'no obs_id'}): {error}")


read = ObsCoreReader()


def _csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in csv.DictReader(opened):
            yield {name.strip().lower(): value or "" for name, value in row.items() if isinstance(name, str)}


def _votable(file: Path) -> Iterator[Row]:
    from astropy.io.votable import parse_single_table  # noqa: PLC0415 - slow to import, and tables are often CSV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with a table but can be read is no concern of ours
        table = parse_single_table(file).to_table(use_names_over_ids=True)
    names = [str(name).lower() for name in table.colnames]
    for row in table:
        yield {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> str:
    if np.ndim(value) == 0 and np.ma.is_masked(value):
        return ""
    if np.ndim(value) == 1:  # a region as an array of numbers (DALI 1.1, 3.3.6 and 3.3.7)
        return " ".join(repr(float(number)) for number in value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _dataset(row: Row) -> Found:
    """Make a dataset of a row. Raises RegionError."""
    obs_id = id_part(_cell(row, "obs_id") or "")
    if not obs_id:
        raise RegionError("it has no obs_id")
    region, approximate = _region(row)
    order = min(max(region.order, LEAST_ORDER), PIXEL_ORDER, region.finest_order)
    moc = region.moc(order)
    ra, dec = _number(row, "s_ra"), _number(row, "s_dec")
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        centre = moc.barycenter()
        ra, dec = float(centre.ra.deg), float(centre.dec.deg)
    instrument = _cell(row, "instrument_name")
    unique = _cell(row, "obs_publisher_did") or " ".join(row.get(name, "") for name in ("s_region", "t_min", "t_max"))
    found = Found(
        obs_collection=_cell(row, "obs_collection") or "ObsCore",
        obs_id=obs_id,
        camera=id_part(_cell(row, "camera") or instrument or "") or "unknown",
        exposure_id=id_part(_cell(row, "exposure_id") or "") or hashlib.sha256(unique.encode()).hexdigest()[:8],
        s_ra=ra,
        s_dec=dec,
        coverage=moc,
        facility_name=_cell(row, "facility_name"),
        instrument_name=instrument,
        target_name=_cell(row, "target_name"),
        position_angle=_number(row, "position_angle"),
        t_min=_number(row, "t_min"),
        t_max=_number(row, "t_max"),
        t_exptime=_number(row, "t_exptime"),
        filter=_cell(row, "filter"),
        mode=_cell(row, "mode"),
        simulated=(_cell(row, "simulated") or "").lower() in ("true", "t", "1"),
        approximate=approximate or (_cell(row, "approximate") or "").lower() in ("true", "t", "1"),
        s_region=outline.of_moc(moc),
        files=_files(row),
    )
    texts = {name: _cell(row, name) for name in _TEXTS}
    numbers = {name: _number(row, name) for name in _NUMBERS}
    integers = {name: None if (value := _number(row, name)) is None else int(value) for name in _INTEGERS}
    return replace(found, **texts, **numbers, **integers)  # type: ignore[arg-type]


def _files(row: Row) -> tuple[tuple[str, Path, str], ...]:
    """Give the file that a row leads to, unless it leads to links or to nowhere that a worker could fetch from."""
    address, kind = _cell(row, "access_url"), _cell(row, "dataproduct_type")
    content_type = _cell(row, "access_format") or "application/octet-stream"
    if address is None or kind is None or "datalink" in content_type or not address.startswith(_FETCHED):
        return ()
    return ((_KINDS.get(kind, kind), Path(address), content_type),)


def _region(row: Row) -> tuple[Region, bool]:
    """Give the region of a row, and whether it is a guess. Raises RegionError."""
    text = _cell(row, "s_region")
    if text is not None:
        numbers = text.split()
        if re.fullmatch(r"[-+.\deE\s]+", text):  # an array of numbers is a circle or a polygon by its length
            return (Region.circle if len(numbers) == 3 else Region.polygon)(text), False
        return Region.parse(text), False
    ra, dec, width = (_number(row, name) for name in ("s_ra", "s_dec", "s_fov"))
    if ra is None or dec is None or width is None:
        raise RegionError("it has neither s_region nor s_ra, s_dec and s_fov")
    return Region(f"CIRCLE {ra!r} {dec!r} {width / 2!r}", Circle.of(ra, dec, width / 2)), True


def _cell(row: Row, name: str) -> str | None:
    value = row.get(name, "").strip()
    return None if value.lower() in _EMPTY else value


def _number(row: Row, name: str) -> float | None:
    try:
        value = float(row.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
