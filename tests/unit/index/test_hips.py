"""Maps as HiPS: held against the index, wcslib's HPX projection, astropy-healpix and a run that was not killed."""

from __future__ import annotations

import gzip
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from astropy_healpix import HEALPix
from mocpy import MOC
from PIL import Image

import index.hips.build
import index.hips.tiles
from index.errors import CoverageError, ReaderError
from index.healpix import SKY_AREA
from index.hips import tiles
from index.hips.build import BusyError, build
from index.hips.layers import Counts, Exposure
from index.service import Index
from tests.unit.index.conftest import Found, make_found

SOMEWHERE = ((35.0, 43.0), (35.3, 43.1), (210.0, -70.0), (0.01, 0.0), (120.0, 89.9))
POSITIONS = {}
"""What the reader of the tests finds in lists, by their names."""


def positions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.name not in POSITIONS:
        raise ValueError(f"{path.name} is damaged")
    return POSITIONS[path.name]


@pytest.fixture
def installation() -> dict[str, str]:
    """The embedded one alone: what is read of the database is tested elsewhere."""
    return {}


@pytest.fixture
def filled(index: Index) -> Index:
    """Some datasets, in several segments, one replaced and one removed."""
    for number, (ra, dec) in enumerate(SOMEWHERE):
        one = make_found(f"{number}", ra=ra, dec=dec, radius=0.2 + 0.05 * number, order=16 - number % 3)
        one.t_exptime = 1000.5 * (number + 1)
        index.add([one])
    index.add([make_found("9", ra=300)])
    again = make_found("0", radius=0.22)
    again.t_exptime = 5000.25
    index.add([again])
    index.remove(["9/M1/S001"])
    return index


def exposure(index: Index) -> Exposure:
    snapshot, seconds = index.exposures()
    return Exposure(snapshot.segments, seconds, snapshot.generation)


def make(index: Index, folder: Path, order: int = 3) -> Path:
    return build(exposure(index), order, folder, {"obs_title": "Test"}, lambda _done, _total: None).folder


def read(folder: Path, order: int, tile: int) -> np.ndarray:
    return tiles.from_fits(tiles.path(folder, order, tile, "fits").read_bytes())


def numbers(folder: Path, order: int, ending: str = "fits") -> list[int]:
    return sorted(int(path.stem[4:]) for path in folder.glob(f"Norder{order}/Dir*/Npix*.{ending}"))


def test_pixels_lie_as_in_the_projection_hpx() -> None:
    order, tile = 3, 293  # on the equator, where the projection turns nothing
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---HPX", "DEC--HPX"
    scale = 45 / tiles.WIDTH / 2**order
    wcs.wcs.cd = [[-scale, -scale], [scale, -scale]]  # north is at the upper left, as Aladin has it
    healpix = HEALPix(nside=2 ** (order + tiles.DEPTH), order="nested")
    values = np.arange(tiles.PIXELS, dtype=np.float32)
    image = fits.getdata(io.BytesIO(gzip.decompress(tiles.as_fits(values, order, tile, "s"))))
    rows, columns = np.array([[0, 0], [0, 511], [511, 0], [511, 511], [100, 300], [7, 8]]).T
    nested = image[rows, columns].astype(int) + tile * tiles.PIXELS
    lon, lat = healpix.healpix_to_lonlat(nested)
    x, y = wcs.wcs_world2pix(lon.deg, lat.deg, 0)
    assert x - x[0] == pytest.approx(columns, abs=1e-6)
    assert y - y[0] == pytest.approx(rows, abs=1e-6)
    assert tiles.from_fits(tiles.as_fits(values, order, tile, "s")).tolist() == values.tolist()


def test_a_picture_is_the_image_upside_down() -> None:
    values = np.full(tiles.PIXELS, np.nan, np.float32)
    values[:1000] = np.linspace(0, 10, 1000)
    image = fits.getdata(io.BytesIO(gzip.decompress(tiles.as_fits(values, 3, 0, "s"))))
    picture = Image.open(io.BytesIO(tiles.as_png(values, bytes(range(256)) * 3, 10.0)))
    assert ((np.asarray(picture.convert("RGBA"))[::-1, :, 3] > 0) == np.isfinite(image)).all()
    number = np.asarray(picture)[::-1]
    assert number[image == 10].tolist() == [255]
    assert set(number[image == 0]) == {1}


@pytest.mark.parametrize("order", [3, 5])
def test_the_integral_is_that_of_the_datasets_at_every_order(filled: Index, tmp_path: Path, order: int) -> None:
    folder = make(filled, tmp_path / "hips", order)
    datasets = list(filled.datasets())
    expected = sum(dataset.t_exptime * dataset.area for dataset in datasets)
    for level in range(order + 1):
        area = SKY_AREA / (12 * 4 ** (level + tiles.DEPTH))
        found = sum(np.nansum(read(folder, level, tile), dtype=float) for tile in numbers(folder, level)) * area
        assert found == pytest.approx(expected, rel=1e-6)
        assert numbers(folder, level) == numbers(folder, level, "png")


def test_a_pixel_is_the_sum_over_the_datasets_that_cover_it(filled: Index, tmp_path: Path) -> None:
    order = 7  # pixels as fine as the index keeps
    folder = make(filled, tmp_path / "hips", order)
    covers = [(dataset.t_exptime, filled.coverage(dataset.id)) for dataset in filled.datasets()]
    random = np.random.default_rng(7)
    for tile in numbers(folder, order)[::9]:
        values = read(folder, order, tile)
        some = np.concatenate([random.choice(tiles.PIXELS, 200), np.flatnonzero(np.isfinite(values))[::1999]])
        lon, lat = HEALPix(nside=2**16, order="nested").healpix_to_lonlat(some + tile * tiles.PIXELS)
        inside = np.array([moc.contains_lonlat(lon, lat) for _, moc in covers])
        expected = np.array([seconds for seconds, _ in covers]) @ inside
        assert (np.isfinite(values[some]) == inside.any(axis=0)).all()
        assert np.nan_to_num(values[some]) == pytest.approx(expected, rel=1e-6)


def test_properties_coverage_and_the_whole_sky(filled: Index, tmp_path: Path) -> None:
    folder = make(filled, tmp_path / "hips", 4)
    lines = (folder / "properties").read_text().splitlines()
    told = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    assert told["obs_title"] == "Test"
    assert told["hips_order"] == "4"
    assert told["hips_frame"] == "equatorial"
    assert float(told["hips_data_range"].split()[1]) == pytest.approx(5000.25 + 2001)
    moc = MOC.from_fits(folder / "Moc.fits")
    assert float(told["moc_sky_fraction"]) == pytest.approx(moc.sky_fraction, rel=1e-4)
    for ra, dec in SOMEWHERE:
        assert moc.contains_lonlat([ra] * u.deg, [dec] * u.deg).all()
    picture = np.asarray(Image.open(folder / "Norder3" / "Allsky.png").convert("RGBA"))
    assert picture.shape == (29 * 64, 27 * 64, 4)
    blocks = picture[..., 3].reshape(29, 64, 27, 64).any(axis=(1, 3))
    seen = np.flatnonzero(blocks).tolist()
    assert sorted(seen) == numbers(folder, 3)


# ---------------------------------------------------------------------- counts


@pytest.fixture
def lists(index: Index, tmp_path: Path) -> dict[int, Path]:
    """Two datasets with event lists that overlap, and one whose list is damaged."""
    random = np.random.default_rng(1)
    POSITIONS.clear()
    for number, name in enumerate(("a", "b", "c")):
        one: Found = make_found(f"{number}", ra=35 + 0.1 * number)
        one.files = [("events", tmp_path / name, "application/fits")]
        index.add([one])
        if name != "c":
            POSITIONS[name] = (35 + 0.1 * number + random.uniform(-0.2, 0.2, 5000), random.uniform(42.9, 43.1, 5000))
    _, paths = index.paths("events")
    return {key: Path(path) for key, path in paths.items()}


def counts(index: Index, lists: dict[int, Path], reader: str = f"{__name__}:positions") -> Counts:
    snapshot, _ = index.paths("events")
    return Counts(snapshot.segments, lists, snapshot.generation, reader)


def test_counts_are_those_of_the_lists(
    index: Index, lists: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.hips.layers.load", lambda _: positions)
    layer = counts(index, lists)
    folder = build(layer, 4, tmp_path / "hips", {}, lambda _done, _total: None).folder
    assert layer.skipped == {lists[3]: "c is damaged"}
    ra, dec = (np.concatenate(column) for column in zip(*POSITIONS.values(), strict=True))
    pixels = HEALPix(nside=2**13, order="nested").lonlat_to_healpix(ra * u.deg, dec * u.deg)
    where, number = np.unique(pixels, return_counts=True)
    area = SKY_AREA * 3600 / (12 * 4**13)
    found = {}
    for tile in numbers(folder, 4):
        values = read(folder, 4, tile)
        found |= {int(at) + tile * tiles.PIXELS: round(float(values[at]) * area) for at in np.flatnonzero(values > 0)}
    assert found == dict(zip(where.tolist(), number.tolist(), strict=True))
    read_zero = read(folder, 4, numbers(folder, 4)[0])
    assert (read_zero == 0).any()  # covered, and no event came
    assert np.isnan(read_zero).any()


def test_a_wrong_name_of_a_reader_is_told_before_anything_is_begun(index: Index, lists: dict[int, Path]) -> None:
    with pytest.raises(ReaderError, match="no module"):
        counts(index, lists, "nosuch.module:positions")


# ---------------------------------------------------------------------- killed, and two at once

WATCHED = {module.__file__ for module in (index.hips.build, index.hips.tiles)}


def killed_at(count: int) -> Callable[[FrameType, str, Any], Any]:
    """Give a trace function that kills the process at its so-manieth new line of the files watched."""
    seen: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event == "line" and (line := (frame.f_code.co_filename, frame.f_lineno)) not in seen:
            seen.add(line)
            if len(seen) == count:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def content(folder: Path) -> dict[str, bytes]:
    there = folder.resolve()
    return {str(path.relative_to(there)): path.read_bytes() for path in there.rglob("*") if path.is_file()}


def test_killed_at_any_line_the_map_is_the_old_or_the_new_one_and_the_next_run_ends_it(
    filled: Index, tmp_path: Path
) -> None:
    filled.remove([f"{number}/M1/S001" for number in (2, 3, 4)])
    layer = exposure(filled)
    expected = content(make(filled, tmp_path / "whole"))
    folder = tmp_path / "hips"
    resumed = False
    for count in range(5, 200, 11):
        child = os.fork()
        if child == 0:
            sys.settrace(killed_at(count))
            build(layer, 3, folder, {"obs_title": "Test"}, lambda _done, _total: None)
            os._exit(0)
        killed = os.waitpid(child, 0)[1] != 0
        if (folder / "exposure").exists():
            assert content(folder / "exposure") == expected
        if not killed:
            break
        done = build(layer, 3, folder, {"obs_title": "Test"}, lambda _done, _total: None)
        resumed |= done.resumed > 0
        assert content(folder / "exposure") == expected
    else:
        pytest.fail("it never came to its end")
    assert resumed
    left = [path for path in folder.iterdir() if path.name not in (".exposure.lock", "exposure")]
    assert left == [(folder / "exposure").resolve()]


def test_what_was_begun_of_something_else_is_not_gone_on_with(filled: Index, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(exposure(filled), 3, tmp_path, {}, stop)
    filled.add([make_found("new", ra=80)])
    assert build(exposure(filled), 3, tmp_path, {}, lambda _done, _total: None).resumed == 0


def test_only_one_makes_a_map_at_a_time(filled: Index, tmp_path: Path) -> None:
    def again(done: int, _total: int) -> None:
        if done == 0:
            with pytest.raises(BusyError, match="another process"):
                make(filled, tmp_path)

    build(exposure(filled), 3, tmp_path, {}, again)
    assert issubclass(BusyError, CoverageError)
