"""The reader of ready MOCs: one dataset for each file in FITS, JSON or ASCII.

The header of a FITS file tells what a dataset is, by OBS_ID, INSTRUME, EXPIDSTR, TELESCOP, OBJECT, MJD-OBS (or MJDREF
with TSTART and TSTOP), EXPOSURE and FILTER, as far as it has them. The ids are otherwise those of a file name like
``OBS_CAMERA_EXPOSURE.fits``; where the name has fewer parts, the camera is ``MOC`` and the exposure ``1``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from index import mocs, outline
from index.dataset import Skipped
from index.errors import RegionError
from index.readers.found import Found, id_part
from index.region import MAX_FILE

ENDINGS = (".fits", ".fit", ".moc", ".json", ".txt", ".ascii")


class MocReader:
    """Reads files that are MOCs."""

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[Found]:
        """Yield the datasets of a folder and all below it, or of one file."""
        for file, *_ in self.files(folder):
            yield from self.read(file, skipped)

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        """Find the files by their endings; one that is given is taken whatever its name."""
        if folder.is_file():
            yield (folder,)
        for root, folders, names in os.walk(folder):
            folders.sort()
            yield from ((Path(root) / name,) for name in sorted(names) if name.lower().endswith(ENDINGS))

    def parts(self, file: Path, _skipped: Skipped) -> Iterator[Path]:
        """Take the file as one part."""
        yield file

    def read(self, part: Path, skipped: Skipped) -> Iterator[Found]:
        """Yield the dataset of a file."""
        try:
            if part.stat().st_size > MAX_FILE:
                raise RegionError(f"a file with a MOC can have at most {MAX_FILE} bytes")
            content = part.read_bytes()
            moc = mocs.read(content)
            keywords = mocs.fits_keywords(content)
        except RegionError as error:
            skipped(part, str(error))
            return
        except OSError as error:
            skipped(part, f"cannot be read: {error.strerror}")
            return
        named = [id_part(word) for word in part.stem.split("_")]
        obs_id, camera, exposure_id = named if len(named) == 3 and all(named) else (id_part(part.stem), "MOC", "1")
        centre = moc.barycenter()
        start, end = times_of(keywords)
        yield Found(
            obs_collection=text_of(keywords, "COLLECT") or "MOC",
            obs_id=id_part(text_of(keywords, "OBS_ID") or "") or obs_id,
            camera=id_part(text_of(keywords, "INSTRUME") or "") or camera,
            exposure_id=id_part(text_of(keywords, "EXPIDSTR") or "") or exposure_id,
            s_ra=float(centre.ra.deg),
            s_dec=float(centre.dec.deg),
            coverage=moc,
            facility_name=text_of(keywords, "TELESCOP"),
            instrument_name=text_of(keywords, "INSTRUME"),
            target_name=text_of(keywords, "OBJECT"),
            t_min=start,
            t_max=end,
            t_exptime=number_of(keywords, "EXPOSURE"),
            filter=text_of(keywords, "FILTER"),
            s_region=outline.of_moc(moc),
            files=(("moc", part.resolve(), "application/fits" if content[:6] == b"SIMPLE" else "text/plain"),),
        )


read = MocReader()


def text_of(keywords: dict[str, Any], name: str) -> str | None:
    """Give a keyword as a text, None where it is not there or blank."""
    return str(keywords[name]).strip() or None if name in keywords else None


def number_of(keywords: dict[str, Any], name: str) -> float | None:
    """Give a keyword as a number, None where it is none."""
    try:
        return float(keywords[name])
    except (KeyError, ValueError):
        return None


def times_of(keywords: dict[str, Any]) -> tuple[float | None, float | None]:
    """Give start and end, MJD."""
    reference, start, stop = (number_of(keywords, name) for name in ("MJDREF", "TSTART", "TSTOP"))
    if reference is None or start is None or stop is None:
        return number_of(keywords, "MJD-OBS"), None
    return reference + start / 86400, reference + stop / 86400
