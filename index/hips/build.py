"""Makes a map as HiPS (HiPS 1.0) in a folder, in steps of a file each, and publishes it whole.

What is being made is in ``.NAME.part``. A run that was killed leaves it there, and the next one goes on with it if the
map is to be of the same: each file is there as a whole or not at all. At the end the folder gets a name of its own and
the link ``NAME`` is turned to it in one step, so that readers see the old map or the new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from index.errors import CoverageError
from index.hips import tiles
from index.hips.layers import Layer
from index.hips.tiles import ALLSKY_ORDER, Allsky, Values

if TYPE_CHECKING:
    from mocpy import MOC

Progress = Callable[[int, int], None]

FORM = "1"
"""Of the files: a map that was begun in another one is begun anew."""
_WIDE = 40.0
"""Degrees around the middle from which on the whole sky is shown."""
_CUT = 0.995
"""The part of the pixels that are not brighter than the last colour."""
_BINS_PER_OCTAVE, _LOWEST, _BINS = 16, -64, 16 * 128
"""Of the histogram of values, from 2^-64 to 2^64."""


@dataclass(frozen=True)
class Built:
    """What was made."""

    folder: Path
    order: int
    tiles: int
    """Of the finest order."""
    resumed: int
    """Of them, those that an earlier run had made."""
    bytes: int


class BusyError(CoverageError):
    """Somebody else makes this map at the moment."""


def build(layer: Layer, order: int, folder: Path, properties: Mapping[str, str], progress: Progress) -> Built:
    """Make a map and publish it as ``folder/NAME``.

    :param order: of the finest tiles, from 3 to 7; their pixels are nine orders finer.
    :param properties: of the file ``properties`` (section 4.4.1), beyond what follows from the map.
    :raises BusyError: another process makes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, layer.look.name):
        _clean(folder, layer.look.name)
        part = _begin(folder, layer, order)
        finest = layer.tiles(order)
        missing = [tile for tile in finest if not tiles.path(part, order, tile, "fits").exists()]
        done = len(finest) - len(missing)
        progress(done, len(finest))
        for tile, values in zip(missing, layer.draw(order, missing), strict=True):
            tiles.write(tiles.path(part, order, tile, "fits"), tiles.as_fits(values, order, tile, layer.look.unit))
            done += 1
            progress(done, len(finest))
        statistics = _pyramid(part, order, finest, layer.look.unit)
        top = statistics.top()
        _pictures(part, order, finest, layer, top)
        moc = layer.moc()
        moc.save(part / "Moc.fits", format="fits", overwrite=True)
        own = {
            "hips_version": "1.4",
            "dataproduct_type": "image",
            "hips_frame": "equatorial",
            "hips_order": str(order),
            "hips_order_min": "0",
            "hips_tile_width": str(tiles.WIDTH),
            "hips_tile_format": "png fits",
            "hips_pixel_bitpix": "-32",
            "hips_pixel_scale": f"{np.degrees(np.sqrt(np.pi / 3)) / 2 ** (order + tiles.DEPTH):.6g}",
            "hips_pixel_cut": f"0 {top:.6g}",
            "hips_data_range": f"{statistics.lowest:.6g} {statistics.highest:.6g}",
            "hips_hierarchy": "mean",
            "data_bunit": layer.look.unit,
            "moc_sky_fraction": f"{moc.sky_fraction:.6g}",
            **_first_view(moc),
        }
        lines = [f"{name:20} = {' '.join(value.split())}" for name, value in ({**properties, **own}).items()]
        tiles.write(part / "properties", ("\n".join(lines) + "\n").encode())
        resumed = len(finest) - len(missing)
        size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
        return Built(_publish(folder, layer.look.name, part), order, len(finest), resumed, size)


def _first_view(moc: MOC) -> dict[str, str]:
    """Give what to show at first: all of it, if that is not too much of the sky."""
    if moc.empty():
        return {}
    centre = moc.barycenter()
    radius = float(moc.largest_distance_from_coo_to_vertices(centre).to_value("deg"))
    ra, dec, width = (centre.ra.deg, centre.dec.deg, 2.2 * radius) if radius < _WIDE else (0.0, 0.0, 180.0)
    return {"hips_initial_ra": f"{ra:.5f}", "hips_initial_dec": f"{dec:+.5f}", "hips_initial_fov": f"{width:.4g}"}


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep others out who would make the same map. The lock goes when its holder dies."""
    with (folder / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"the map {name!r} is being made by another process") from error
        yield


def _clean(folder: Path, name: str) -> None:
    """Remove what a run left that was killed while it published."""
    published = (folder / name).resolve()
    for path in folder.glob(f".{name}-*"):
        if path.is_symlink():
            path.unlink()
        elif path != published:
            shutil.rmtree(path)


def _begin(folder: Path, layer: Layer, order: int) -> Path:
    """Give the folder of what is being made, emptied unless it is of the same."""
    part = folder / f".{layer.look.name}.part"
    mark = hashlib.sha256(f"{FORM} {order} {layer.state}".encode()).hexdigest()
    if part.exists() and not ((part / ".mark").exists() and (part / ".mark").read_text() == mark):
        shutil.rmtree(part)
    part.mkdir(exist_ok=True)
    tiles.write(part / ".mark", mark.encode())
    return part


def _publish(folder: Path, name: str, part: Path) -> Path:
    before = (folder / name).resolve() if (folder / name).is_symlink() else None
    (part / ".mark").unlink()
    new = folder / f".{name}-{secrets.token_hex(6)}"
    part.rename(new)
    link = folder / f".{name}-link"
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    link.replace(folder / name)
    if before is not None and before != new:
        shutil.rmtree(before, ignore_errors=True)
    return folder / name


class _Statistics:
    """How often which values are there, of the finest tiles."""

    def __init__(self) -> None:
        self.lowest, self.highest = 0.0, 0.0
        self._number = np.zeros(_BINS, np.int64)

    def add(self, values: Values) -> None:
        """Count the values of a tile."""
        positive = values[values > 0]
        if len(positive):
            self.highest = max(self.highest, float(positive.max()))
            bins = np.floor((np.log2(positive) - _LOWEST) * _BINS_PER_OCTAVE).astype(np.int64)
            self._number += np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)

    def top(self) -> float:
        """Give the value that few are above, 1 where there is none."""
        below = np.cumsum(self._number)
        if not below[-1]:
            return 1.0
        bin_ = int(np.searchsorted(below, _CUT * below[-1]))
        return min(float(2.0 ** (_LOWEST + (bin_ + 1) / _BINS_PER_OCTAVE)), self.highest)


def _pyramid(part: Path, order: int, finest: list[int], unit: str) -> _Statistics:
    """Make the tiles above the finest, of those below each, down to order 0."""
    statistics = _Statistics()
    below = finest
    for upper in range(order - 1, -1, -1):
        above = sorted({tile >> 2 for tile in below})
        there = set(below)
        for tile in above:
            children = {place: 4 * tile + place for place in range(4) if 4 * tile + place in there}
            target = tiles.path(part, upper, tile, "fits")
            if target.exists() and upper != order - 1:
                continue
            values = {place: _read(part, upper + 1, child) for place, child in children.items()}
            if upper == order - 1:
                for one in values.values():
                    statistics.add(one)
            tiles.write(target, tiles.as_fits(tiles.parent(values), upper, tile, unit))
        below = above
    return statistics


def _pictures(part: Path, order: int, finest: list[int], layer: Layer, top: float) -> None:
    """Make the pictures of all tiles, and of the whole sky."""
    colours = _colours(layer.look.palette)
    allsky = Allsky()
    for level in range(order, -1, -1):
        for tile in sorted({tile >> 2 * (order - level) for tile in finest}):
            values = _read(part, level, tile)
            tiles.write(tiles.path(part, level, tile, "png"), tiles.as_png(values, colours, top))
            if level == ALLSKY_ORDER:
                allsky.put(tile, values)
    place = part / f"Norder{ALLSKY_ORDER}"
    tiles.write(place / "Allsky.fits", allsky.as_fits(layer.look.unit))
    tiles.write(place / "Allsky.png", allsky.as_png(colours, top))


def _read(part: Path, order: int, tile: int) -> Values:
    return tiles.from_fits(tiles.path(part, order, tile, "fits").read_bytes())


def _colours(anchors: tuple[tuple[int, int, int], ...]) -> bytes:
    """Give 256 colours between some, evenly spaced."""
    at = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(at, np.arange(len(anchors)), channel) for channel in np.array(anchors).T]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8).tobytes()
