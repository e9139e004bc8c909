"""HEALPix in numbers: orders, cells and ranges of pixels (Gorski et al. 2005, ApJ 622, 759; IVOA MOC 2.0)."""

# ruff: noqa: PLC0415 - mocpy and astropy take half a second and 40 MB; who asks about no region does without them

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mocpy import MOC

Ints: TypeAlias = NDArray[np.int64]
Ranges: TypeAlias = NDArray[np.int64]
"""Shape (n, 2): [begin, end) in nested pixels of order 29, sorted, neither overlapping nor touching."""

MAX_ORDER = 29
SKY_PIXELS = 12 * 4**MAX_ORDER
SKY_AREA = 4 * math.pi * math.degrees(1) ** 2
"""Square degrees."""
PIXEL_AREA = SKY_AREA / SKY_PIXELS
"""Square degrees of a pixel of order 29."""


def cell_size(order: int) -> float:
    """Give the square root of the area of a cell, in degrees."""
    return math.sqrt(SKY_AREA / 12) / 2.0**order


def shift(order: int) -> int:
    """Give the bits between a cell number of that order and its first pixel of order 29."""
    return 2 * (MAX_ORDER - order)


def ranges_of(moc: MOC) -> Ranges:
    """Give the ranges of a MOC.

    Raises ValueError if they are unsorted or leave the sky: mocpy takes such ranges from its callers and from
    text without a word.
    """
    found: NDArray[np.uint64] = moc.to_depth29_ranges
    bounds = found.ravel()
    if not bool((bounds[1:] > bounds[:-1]).all()):
        raise ValueError("its cells are not in order")
    if len(bounds) and int(bounds[-1]) > SKY_PIXELS:
        raise ValueError("it has cells beyond the sky")
    return found.astype(np.int64)


def moc_of(ranges: Ranges, order: int) -> MOC:
    """Give the MOC of ranges whose bounds are bounds of cells of that order."""
    from mocpy import MOC

    return MOC.from_depth29_ranges(order, ranges.astype(np.uint64))


def merged(begin: Ints, end: Ints) -> Ranges:
    """Sort ranges and join those that touch or overlap."""
    by_begin = np.argsort(begin, kind="stable")
    begin, end = begin[by_begin], np.maximum.accumulate(end[by_begin])
    first = np.ones(len(begin), dtype=bool)
    first[1:] = begin[1:] > end[:-1]
    last = np.append(first[1:], True)[: len(end)]
    return np.stack((begin[first], end[last]), axis=1)


def spans(begin: Ints, end: Ints) -> Ints:
    """Give the numbers of [begin, end) of one range after the other."""
    length = end - begin
    before = np.cumsum(length) - length
    number: Ints = np.repeat(begin - before, length)
    return number + np.arange(len(number))


def bits_of(values: Ints) -> Ints:
    """Give the number of bits of positive integers below 2^62."""
    bits: NDArray[np.int64] = np.zeros(values.shape, dtype=np.int64)
    rest = values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        above = rest >> step > 0
        bits[above] += step
        rest[above] >>= step
    return bits + 1
