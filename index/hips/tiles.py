"""A tile: 512 x 512 pixels, the cells of a cell nine orders below it (HiPS 1.0, section 4.1).

In memory its values are in the order of nested HEALPix, as float32, NaN where nothing was observed. In a file, seen
with north up, the row counts the bits of one direction and the column those of the other.
"""

from __future__ import annotations

import gzip
import io
import math
from pathlib import Path

import numpy as np
from astropy.io import fits
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.float32]

DEPTH = 9
WIDTH = 1 << DEPTH
PIXELS = WIDTH * WIDTH
ALLSKY_ORDER = 3
ALLSKY_WIDTH = 64
"""Of a tile in the picture of the whole sky."""


def _arrangement(depth: int) -> NDArray[np.int64]:
    """Give the nested number of each pixel of a tile, shape (rows, columns), rows as a FITS file has them."""
    along = np.arange(1 << depth, dtype=np.int64)
    spread = np.zeros_like(along)
    for bit in range(depth):
        spread |= (along >> bit & 1) << 2 * bit
    # the row has the even bits and begins at the last one, since FITS begins below; the column has the odd bits
    return spread[::-1, None] | spread[None, :] << 1


_NESTED = _arrangement(DEPTH)


def path(folder: Path, order: int, tile: int, ending: str) -> Path:
    """Give the file of a tile (section 4.1)."""
    return folder / f"Norder{order}" / f"Dir{tile // 10000 * 10000}" / f"Npix{tile}.{ending}"


def write(file: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(content)
    beside.replace(file)


def as_fits(values: Values, order: int, tile: int, unit: str) -> bytes:
    """Give a tile as a compressed FITS image: most of it is one value, and readers know gzip by its first bytes."""
    header = fits.Header([("ORDER", order, "HEALPix order of the tile"), ("NPIX", tile, "its number, nested")])
    return _compressed(values[_NESTED], unit, header)


def from_fits(content: bytes) -> Values:
    """Give the values of a tile."""
    with fits.open(io.BytesIO(gzip.decompress(content))) as file:
        values: Values = np.empty(PIXELS, np.float32)
        values[_NESTED] = file[0].data
    return values


def as_png(values: Values, colours: bytes, top: float) -> bytes:
    """Give a tile as a picture, transparent where nothing was observed.

    :param colours: red, green and blue of 256 colours; the first is not used.
    :param top: the value of the last colour.
    """
    return _picture(values[_NESTED][::-1], colours, top)  # pictures begin at the top


def parent(children: dict[int, Values]) -> Values:
    """Give the tile above four, some of which may be missing: the means of their pixels.

    What was not observed counts as 0 beside what was, so that the integral over the sky is the same at every order.

    :param children: by their place in it, 0 to 3.
    """
    quarter = PIXELS // 4
    above: Values = np.full(PIXELS, np.nan, np.float32)
    for place, values in children.items():
        above[place * quarter : (place + 1) * quarter] = mean(values, 4)
    return above


def mean(values: NDArray[np.floating], number: int) -> Values:
    """Give the means of so many neighbours each; NaN only where all are."""
    groups = values.reshape(-1, number)
    seen = np.isfinite(groups)
    means = np.where(seen, groups, 0).sum(axis=1, dtype=np.float64) / number
    return np.where(seen.any(axis=1), means, np.nan).astype(np.float32)


class Allsky:
    """The tiles of order 3 side by side, smaller (section 4.2)."""

    _COLUMNS = math.isqrt(12 * 4**ALLSKY_ORDER)
    _ROWS = -(-12 * 4**ALLSKY_ORDER // _COLUMNS)

    def __init__(self) -> None:
        self._picture: Values = np.full((self._ROWS * ALLSKY_WIDTH, self._COLUMNS * ALLSKY_WIDTH), np.nan, np.float32)
        self._nested = _arrangement(ALLSKY_WIDTH.bit_length() - 1)

    def put(self, tile: int, values: Values) -> None:
        """Put a tile in its place."""
        row, column = divmod(tile, self._COLUMNS)
        small = mean(values, PIXELS // ALLSKY_WIDTH**2)[self._nested][::-1]
        place = np.s_[row * ALLSKY_WIDTH :, column * ALLSKY_WIDTH :]
        self._picture[place][:ALLSKY_WIDTH, :ALLSKY_WIDTH] = small

    def as_fits(self, unit: str) -> bytes:
        """Give it as a compressed FITS image, whose first row is the lowest."""
        return _compressed(self._picture[::-1], unit, fits.Header([("ORDER", ALLSKY_ORDER, "HEALPix order")]))

    def as_png(self, colours: bytes, top: float) -> bytes:
        """Give it as a picture."""
        return _picture(self._picture, colours, top)


def _compressed(image: Values, unit: str, header: fits.Header) -> bytes:
    header["BUNIT"] = unit
    buffer = io.BytesIO()
    fits.PrimaryHDU(image.astype(">f4"), header).writeto(buffer)
    packed: bytes = isal_zlib.compress(buffer.getvalue(), 2, wbits=31)  # as gzip, without a time
    return packed


_STEEPNESS = 20.0
"""How much the faint is lifted above the bright: what asinh is taken of, at the top."""


def _picture(image: Values, colours: bytes, top: float) -> bytes:
    seen = np.isfinite(image)
    part = np.clip(np.where(seen, image, 0) / top, 0, 1)
    number = np.where(seen, 1 + np.round(254 * np.arcsinh(_STEEPNESS * part) / math.asinh(_STEEPNESS)), 0)
    picture = Image.fromarray(number.astype(np.uint8), mode="P")
    picture.putpalette(colours)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0)
    return buffer.getvalue()
