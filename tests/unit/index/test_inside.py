"""Positions in shapes, told exactly: held against the cells that the same shape touches, which can only be more."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import Latitude, Longitude, SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.errors import RegionError
from index.region import Region

ORDER = 9
Floats = NDArray[np.float64]

ra = st.floats(0, 360, exclude_max=True)
dec = st.floats(-90, 90)


def _sample(around: tuple[float, float], reach: float, count: int = 400) -> tuple[Floats, Floats]:
    random = np.random.default_rng(7)
    angles, away = random.uniform(0, 360, count), random.uniform(0, reach, count)
    found = SkyCoord(*around, unit="deg").directional_offset_by(angles * units.deg, away * units.deg)
    return found.ra.deg, found.dec.deg


def _compare(region: Region, positions: tuple[Floats, Floats]) -> None:
    """What lies inside lies in a touched cell; what lies well inside the cells, away from their rim, lies inside."""
    inside = region.contains(*positions)
    moc = region.moc(min(ORDER, region.finest_order))
    lon, lat = Longitude(positions[0], unit="deg"), Latitude(positions[1], unit="deg")
    touched = moc.contains_lonlat(lon, lat)
    assert not (inside & ~touched).any()
    core = moc.complement().extended().extended().complement()
    assert not (core.contains_lonlat(lon, lat) & ~inside).any()


@given(ra, dec, st.floats(0.5, 80))
@settings(max_examples=40, deadline=None)
def test_a_circle(lon: float, lat: float, radius: float) -> None:
    positions = _sample((lon, lat), min(1.5 * radius, 180))
    inside = Region.parse(f"CIRCLE {lon!r} {lat!r} {radius!r}").contains(*positions)
    apart = SkyCoord(lon, lat, unit="deg").separation(SkyCoord(*positions, unit="deg")).deg
    clear = np.abs(apart - radius) > 1e-9
    assert (inside == (apart <= radius))[clear].all()


@given(ra, st.floats(-88, 88), st.floats(1, 60), st.integers(3, 9), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_polygon(lon: float, lat: float, reach: float, corners: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 360, corners))
    points = SkyCoord(lon, lat, unit="deg").directional_offset_by(
        angles * units.deg, random.uniform(0.4, 1, corners) * reach * units.deg
    )
    text = " ".join(f"{p.ra.deg!r} {p.dec.deg!r}" for p in points)
    try:
        region = Region.parse(f"POLYGON {text}")
    except RegionError:
        return
    _compare(region, _sample((lon, lat), 1.3 * reach))


@pytest.mark.parametrize(
    "text",
    [
        "RANGE 350 10 -5 5",
        "RANGE -Inf +Inf 60 90",
        "Ellipse ICRS 10 20 3 1 30",
        "Union ICRS (Circle 10 20 2 Circle 13 20 2)",
        "Intersection ICRS (Circle 10 20 2 Circle 12 20 2)",
        "Difference ICRS (Circle 10 20 3 Circle 10 20 1)",
        "Not (Circle ICRS 10 20 2)",
        "MOC 6/1234 5678",
    ],
)
def test_every_other_shape(text: str) -> None:
    region = Region.parse(text)
    positions = _sample((10.0, 20.0), 6.0)
    inside = region.contains(*positions)
    moc = region.moc()
    touched = moc.contains_lonlat(Longitude(positions[0], unit="deg"), Latitude(positions[1], unit="deg"))
    if "Not" not in text and "Difference" not in text:
        assert not (inside & ~touched).any()
    # only what lies near the border may be told differently
    assert np.mean(inside != touched) < 0.05


def test_the_hole_of_a_difference() -> None:
    region = Region.parse("Difference ICRS (Circle 10 20 3 Circle 10 20 1)")
    assert region.contains(np.array([10.0, 10.0, 10.0]), np.array([20.5, 22.0, 24.0])).tolist() == [False, True, False]


def test_a_polygon_that_turns_back_on_itself() -> None:
    region = Region.parse("POLYGON 0 0 4 0 4 4 3 4 3 1 1 1 1 4 0 4")
    assert region.contains(np.array([0.5, 2.0, 3.5, 2.0]), np.array([3.0, 3.0, 3.0, 0.5])).tolist() == [
        True,
        False,
        True,
        True,
    ]
