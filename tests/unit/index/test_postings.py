"""The postings against mocpy's own intersection, one coverage at a time."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC

from index.healpix import SKY_PIXELS, Ranges, merged, moc_of, ranges_of, shift
from index.merging import Part, merge
from index.postings import Asked, Coverage, Postings

HOME = 1 << 50
"""Random cells gather around this pixel, so that they meet often."""


@st.composite
def coverages(draw: st.DrawFn, deepest: int) -> tuple[int, Ranges]:
    """An order, and ranges made of random cells up to that order; some huge, most near each other."""
    order = draw(st.integers(0, deepest))
    begin, end = [], []
    for _ in range(draw(st.integers(1, 12))):
        bits = shift(draw(st.integers(max(0, order - 9), order)))
        near = draw(st.integers(HOME - (1 << 43), HOME + (1 << 43)) | st.integers(0, SKY_PIXELS - 1))
        first = near >> bits << bits
        begin.append(first)
        end.append(min(first + (draw(st.integers(1, 5)) << bits), SKY_PIXELS))
    return order, merged(np.array(begin, dtype=np.int64), np.array(end, dtype=np.int64))


def expected(moc: MOC, region: MOC) -> int:
    """The pixels of order 29 that mocpy finds in both."""
    both = moc.intersection(region).to_depth29_ranges.astype(np.int64)
    return int((both[:, 1] - both[:, 0]).sum())


@settings(deadline=None, max_examples=100)
@given(st.lists(coverages(deepest=16), min_size=1, max_size=8), coverages(deepest=29), st.booleans())
def test_every_overlap_is_that_of_mocpy(
    stored: list[tuple[int, Ranges]], asked: tuple[int, Ranges], tabulated: bool
) -> None:
    postings = Postings.build([Coverage(key, *found) for key, found in enumerate(stored, 5)])
    if tabulated:  # as for a region with many cells at its border
        with patch("index.postings._FEW", 0), patch("index.postings._DENSE", 2**40), patch("index.postings._SMALL", 0):
            found = postings.overlaps(Asked(asked[1]))
    else:
        found = postings.overlaps(Asked(asked[1]))
    region = moc_of(asked[1], asked[0])
    truth = {key: expected(moc_of(ranges, order), region) for key, (order, ranges) in enumerate(stored, 5)}
    assert dict(zip(found.key.tolist(), found.overlap.tolist(), strict=True)) == {
        key: overlap for key, overlap in truth.items() if overlap
    }
    for key, area in zip(found.key.tolist(), found.area.tolist(), strict=True):
        ranges = stored[key - 5][1]
        assert area == (ranges[:, 1] - ranges[:, 0]).sum()


@settings(deadline=None, max_examples=40)
@given(st.lists(coverages(deepest=16), min_size=1, max_size=8))
def test_a_coverage_comes_back_as_it_was(stored: list[tuple[int, Ranges]]) -> None:
    postings = Postings.build([Coverage(key, *found) for key, found in enumerate(stored)])
    for key, (order, ranges) in enumerate(stored):
        assert np.array_equal(postings.ranges(key), ranges)
        assert moc_of(postings.ranges(key), order) == moc_of(ranges, order)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(coverages(deepest=16), max_size=6),
    st.lists(coverages(deepest=16), min_size=1, max_size=6),
    st.sets(st.integers(0, 11)),
    st.sampled_from([500, 10**6]),
)
def test_merging_gives_what_building_at_once_gives(
    old: list[tuple[int, Ranges]], new: list[tuple[int, Ranges]], without: set[int], block: int
) -> None:
    older = [Coverage(2 * key, *found) for key, found in enumerate(old)]
    newer = [Coverage(2 * key + 1, *found) for key, found in enumerate(new)]
    gone = np.array(sorted(without), np.uint32)
    with patch("index.merging.BLOCK", block):
        merged_ = merge([Part(Postings.build(older), gone), Part(Postings.build(newer), gone[:0])])
    at_once = Postings.build([coverage for coverage in older if coverage.key not in without] + newer)
    for name, array in vars(at_once).items():
        other = getattr(merged_, name)
        assert other.dtype == array.dtype, name
        assert np.array_equal(other, array), name


def test_the_whole_sky_meets_every_coverage() -> None:
    small = np.array([[SKY_PIXELS - (1 << 26), SKY_PIXELS]], dtype=np.int64)
    sky = np.array([[0, SKY_PIXELS]], dtype=np.int64)
    postings = Postings.build([Coverage(1, 16, small), Coverage(2, 0, sky)])
    found = postings.overlaps(Asked(sky))
    assert found.key.tolist() == [1, 2]
    assert found.overlap.tolist() == found.area.tolist() == [1 << 26, SKY_PIXELS]
    assert postings.overlaps(Asked(small)).overlap.tolist() == [1 << 26, 1 << 26]


def test_an_empty_region_meets_nothing() -> None:
    postings = Postings.build([Coverage(1, 3, ranges_of(MOC.from_string("3/1-5")))])
    assert postings.overlaps(Asked(np.zeros((0, 2), dtype=np.int64))).key.tolist() == []


def test_an_unknown_key_is_an_error() -> None:
    postings = Postings.build([Coverage(4, 3, ranges_of(MOC.from_string("3/1-5")))])
    for key in (3, 5):
        with pytest.raises(KeyError):
            postings.ranges(key)


def test_cells_beyond_the_sky_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond the sky"):
        ranges_of(MOC.from_string("3/768"))
