"""The reader of exposure maps and masks: FITS images of any projection, one dataset each, where they are above a level.

The first image with celestial coordinates counts. A pixel is covered if its value is a number larger than a share of
the largest one: ``index.readers.image:read`` takes what is larger than 0, ``index.readers.image:above_5`` more than 5 %
of the largest. The cells are the finest that are two pixels wide, at most of order 16; each that a covered pixel
touches is covered, so that holes narrower than a cell close. Keywords tell what a dataset is, as in
:mod:`index.readers.moc`.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import pixel_to_skycoord, proj_plane_pixel_area
from mocpy import MOC
from numpy.typing import NDArray

from index import outline
from index.dataset import Skipped
from index.healpix import cell_size
from index.postings import PIXEL_ORDER
from index.readers.found import Found, id_part
from index.readers.moc import number_of, text_of, times_of

ENDINGS = (".fits", ".fit", ".ftz", ".img", ".fits.gz", ".fit.gz", ".img.gz")
MAX_PIXELS = 400_000_000
AT_ONCE = 2_000_000
"""Pixels that are looked at together."""
WIDE = 2.0
"""Pixels across a cell, at least."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class ImageError(ValueError):
    """The file has no image that could be a coverage."""


@dataclass(frozen=True)
class ImageReader:
    """Reads images.

    :param percent: of the largest value, which a pixel must exceed.
    """

    percent: float = 0.0

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[Found]:
        """Yield the datasets of the images in a folder and all below it, or of one image."""
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
        """Yield the dataset of an image."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FITSFixedWarning)
                warnings.simplefilter("ignore", fits.verify.VerifyWarning)
                with fits.open(part, memmap=False) as hdus:
                    yield _dataset(part, hdus, self.percent)
        except ImageError as error:
            skipped(part, str(error))
        # whatever astropy raises on a damaged file, it is this file's
        except Exception as error:  # noqa: BLE001
            skipped(part, f"cannot be read as a FITS image ({type(error).__name__}: {error})")


read = ImageReader()


def __getattr__(name: str) -> ImageReader:
    """Give the reader of what is above a share of the largest value: ``above_5`` means 5 %."""
    level = re.fullmatch(r"above_(\d{1,2}(_\d+)?)", name, re.ASCII)
    if level is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return ImageReader(float(level[1].replace("_", ".")))


def _dataset(path: Path, hdus: fits.HDUList, percent: float) -> Found:
    header, wcs, values = _image(hdus)
    level = percent / 100 * float(np.nanmax(values, initial=0.0, where=np.isfinite(values)))
    moc = coverage(np.isfinite(values) & (values > level), wcs)
    keywords = {**hdus[0].header, **header}
    named = [id_part(word) for word in re.sub(r"\.(gz|fits|fit|ftz|img)", "", path.name, flags=re.I).split("_")]
    stem = id_part("_".join(named)) or "image"
    obs_id, camera, exposure_id = named if len(named) == 3 and all(named) else (stem, "IMAGE", "1")
    centre = moc.barycenter()
    start, end = times_of(keywords)
    return Found(
        obs_collection=text_of(keywords, "COLLECT") or "Images",
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
        files=(("exposure_map", path.resolve(), "image/fits"),),
        dataproduct_type="image",
        calib_level=2,
        s_region=outline.of_moc(moc),
        s_xel1=values.shape[1],
        s_xel2=values.shape[0],
        access_format="image/fits",
        access_estsize=-(-path.stat().st_size // 1000),
    )


def _image(hdus: fits.HDUList) -> tuple[dict[str, Any], WCS, Floats]:
    """Give the keywords, coordinates and values, shape (y, x), of the first image on the sky. Raises ImageError."""
    reason = "has no image"
    for hdu in hdus:
        shape: tuple[int, ...] = getattr(hdu, "shape", ())
        if not hdu.is_image or len(shape) < 2:
            continue
        if int(np.prod(shape[:-2], dtype=np.int64)) != 1:
            reason = f"its image has {len(shape)} axes, and none can be longer than 1 but the first two"
            continue
        if shape[-1] * shape[-2] > MAX_PIXELS:
            raise ImageError(f"its image has {shape[-1] * shape[-2]:,} pixels; at most {MAX_PIXELS:,} are read")
        wcs = WCS(hdu.header, hdus)
        if not wcs.has_celestial:
            reason = "its image has no celestial coordinates"
            continue
        values = np.asarray(hdu.data, dtype=np.float64).reshape(shape[-2:])
        return dict(hdu.header), wcs.celestial, values
    raise ImageError(reason)


def coverage(covered: Flags, wcs: WCS) -> MOC:
    """Give the cells that covered pixels touch. Raises ImageError if there is no such pixel.

    :param covered: shape (y, x).
    """
    width = float(np.sqrt(proj_plane_pixel_area(wcs)))
    order = next((order for order in range(PIXEL_ORDER, 0, -1) if cell_size(order) >= WIDE * width), 0)
    whole: MOC | None = None
    inner = covered.copy()  # whose neighbours are all covered: the middle alone will do
    inner[[0, -1]] = inner[:, [0, -1]] = False
    inner[1:-1, 1:-1] &= covered[:-2, 1:-1] & covered[2:, 1:-1] & covered[1:-1, :-2] & covered[1:-1, 2:]
    for first in range(0, covered.shape[0], max(1, AT_ONCE // covered.shape[1])):
        some = slice(first, first + max(1, AT_ONCE // covered.shape[1]))
        y, x = np.nonzero(covered[some])
        edge_y, edge_x = np.nonzero(covered[some] & ~inner[some])
        steps = [(dy, dx) for dy in (-0.5, 0.0, 0.5) for dx in (-0.5, 0.0, 0.5) if (dy, dx) != (0, 0)]
        all_x = np.concatenate([x, *(edge_x + dx for _, dx in steps)]).astype(np.float64)
        all_y = np.concatenate([y, *(edge_y + dy for dy, _ in steps)]) + first
        if not len(all_x):
            continue
        sky = pixel_to_skycoord(all_x, all_y, wcs).icrs
        there = np.isfinite(sky.ra.deg) & np.isfinite(sky.dec.deg)
        if there.any():
            part = MOC.from_lonlat(sky.ra[there], sky.dec[there], max_norder=order)
            whole = part if whole is None else whole.union(part)
    if whole is None:
        raise ImageError("no pixel of its image is above the level")
    return whole
