"""Coverages from images: the truth is an image made here, with coordinates and holes that are known."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from index.healpix import SKY_AREA, cell_size
from index.reader import load_reader
from index.readers import image
from index.readers.image import coverage
from index.region import Region

PIXEL = 4 / 3600
SIZE = 400
YX = np.mgrid[0:SIZE, 0:SIZE]
AWAY = np.hypot(*(YX - (SIZE - 1) / 2)) * PIXEL


def coordinates(projection: str = "TAN", frame: str = "RA---DEC--", ra: float = 150.0, dec: float = 40.0) -> WCS:
    wcs = WCS(naxis=2)
    first, second = frame[:5].rstrip("-"), frame[5:].rstrip("-")
    wcs.wcs.ctype = [f"{first:-<5}{projection}", f"{second:-<5}{projection}"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(SIZE + 1) / 2] * 2
    wcs.wcs.cdelt = [-PIXEL, PIXEL]
    angle = math.radians(30)
    wcs.wcs.pc = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return wcs


def ring() -> Any:
    """A disc of 0.2 degrees with a hole of 0.05: a value that falls outward, and NaN outside."""
    values = np.where(AWAY < 0.2, 20000 * (1 - 4 * AWAY), np.nan)
    values[AWAY < 0.05] = 0
    return values.astype(np.float32)


def write(path: Path, values: Any, wcs: WCS, **keywords: Any) -> Path:
    hdu = fits.PrimaryHDU(values, wcs.to_header())
    hdu.header.update(keywords)
    hdu.writeto(path)
    return path


def areas(path: Path, reader: Any = image.read) -> float:
    skipped: list[Any] = []
    (found,) = reader(path, lambda *why: skipped.append(why))
    assert skipped == []
    return float(found.coverage.sky_fraction) * SKY_AREA


@pytest.mark.parametrize("projection", ["TAN", "SIN", "ZEA", "STG", "ARC"])
@pytest.mark.parametrize(("ra", "dec"), [(150.0, 40.0), (0.0, 0.0), (0.01, 89.9), (200.0, -90.0)])
def test_the_area_is_right_within_a_cell_at_the_border(tmp_path: Path, projection: str, ra: float, dec: float) -> None:
    found = areas(write(tmp_path / "a_b_c.fits", ring(), coordinates(projection, ra=ra, dec=dec)))
    cell = cell_size(14)
    truth, border = math.pi * (0.2**2 - 0.05**2), 2 * math.pi * (0.2 + 0.05)
    assert truth < found < truth + border * cell * 1.1


def test_the_hole_is_where_it_is(tmp_path: Path) -> None:
    (found,) = image.read(write(tmp_path / "a_b_c.fits", ring(), coordinates()), lambda *_: None)
    for text, within in (("150 40 0.04", False), ("150.13 40 0.01", True), ("150 40.22 0.01", False)):
        cone = Region.circle(text).moc(14)
        assert cone.intersection(found.coverage).empty() != within
    assert (found.obs_id, found.camera, found.exposure_id) == ("a", "b", "c")
    assert found.s_ra == pytest.approx(150, abs=0.01)
    assert found.s_dec == pytest.approx(40, abs=0.01)
    assert (found.s_xel1, found.s_xel2, found.dataproduct_type) == (SIZE, SIZE, "image")
    assert Region.parse(str(found.s_region)).geometry.area == pytest.approx(math.pi * 0.04, rel=0.05)


def test_galactic_images_are_turned(tmp_path: Path) -> None:
    wcs = coordinates(frame="GLON-GLAT-", ra=140.2, dec=-16.8)
    (found,) = image.read(write(tmp_path / "map.fits", ring(), wcs), lambda *_: None)
    centre = Region.parse("CIRCLE('GALACTIC', 140.2, -16.8, 0.1)").moc(14)
    assert centre.intersection(found.coverage).sky_fraction > 0.6 * centre.sky_fraction


def test_a_level_cuts_what_is_dim(tmp_path: Path) -> None:
    path = write(tmp_path / "map.fits", ring(), coordinates())
    reader = load_reader("index.readers.image:above_50")
    brightest = float(np.nanmax(ring()))
    radius = (1 - 0.5 * brightest / 20000) / 4
    truth, border = math.pi * (radius**2 - 0.05**2), 2 * math.pi * (radius + 0.05)
    assert truth < areas(path, reader) < truth + border * cell_size(14) * 1.1


def test_thin_holes_close_and_wide_ones_stay() -> None:
    covered = np.ones((SIZE, SIZE), dtype=bool)
    covered[:, 200] = False
    closed = float(coverage(covered, coordinates()).sky_fraction)
    covered[:, 100:120] = False
    opened = float(coverage(covered, coordinates()).sky_fraction)
    assert closed * SKY_AREA > (SIZE * PIXEL) ** 2
    gap = SIZE * 20 * PIXEL**2
    assert 0.6 * gap < (closed - opened) * SKY_AREA < gap


def test_keywords_and_compression_and_the_first_image_on_the_sky(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update(
        {"OBS_ID": "0123", "INSTRUME": "EMOS1", "EXPIDSTR": "S001", "TELESCOP": "XMM", "EXPOSURE": 9.5}
    )
    without = fits.ImageHDU(np.ones((5, 5)))
    mask = fits.ImageHDU((AWAY < 0.1).astype(np.uint8)[None], coordinates().to_header(), name="MASK")
    plain = tmp_path / "plain.fits"
    fits.HDUList([primary, without, mask]).writeto(plain)
    path = tmp_path / "P0123M1S001EXPMAP.FTZ"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    (found,) = image.read(tmp_path, lambda *_: None)
    assert (found.obs_id, found.camera, found.exposure_id, found.t_exptime) == ("0123", "EMOS1", "S001", 9.5)
    assert [file[0] for file in found.files] == ["exposure_map"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read as a FITS image"),
        (lambda path: path.write_bytes(b"SIMPLE  =" + bytes(5000)), "cannot be read as a FITS image"),
        (lambda path: write(path, np.zeros((9, 9)), coordinates()), "above the level"),
        (lambda path: write(path, np.full((9, 9), np.nan), coordinates()), "above the level"),
        (lambda path: fits.PrimaryHDU(np.ones((9, 9))).writeto(path), "no celestial coordinates"),
        (lambda path: fits.PrimaryHDU().writeto(path), "has no image"),
        (lambda path: write(path, np.ones((3, 9, 9)), coordinates()), "3 axes"),
    ],
)
def test_what_is_no_coverage_is_skipped_with_the_reason(tmp_path: Path, make: Any, reason: str) -> None:
    make(tmp_path / "bad.fits")
    write(tmp_path / "good.fits", ring(), coordinates())
    skipped: dict[str, str] = {}
    found = list(image.read(tmp_path, lambda path, why: skipped.update({path.name: why})))
    assert len(found) == 1
    assert list(skipped) == ["bad.fits"]
    assert reason in skipped["bad.fits"]


def test_a_real_image_lies_where_the_events_of_its_camera_do(real: Path) -> None:
    from scripts.epic import pps

    (dataset,) = pps.read(real / "P0002970201M1S002MIEVLI.FTZ", lambda *_: None)
    (found,) = image.read(real / "M1_image.fits.gz", lambda *_: None)
    # single counts in a few ks do not fill the field, and none lies outside
    outside = found.coverage.difference(dataset.coverage)
    assert outside.sky_fraction < 0.02 * found.coverage.sky_fraction
    assert found.coverage.sky_fraction > 0.3 * dataset.coverage.sky_fraction


def test_what_is_no_reader_is_none() -> None:
    for name in ("above_", "above_x", "above_500", "other"):
        with pytest.raises(AttributeError):
            getattr(image, name)
