from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC

from scripts.epic import region
from scripts.epic.errors import ScienceError
from scripts.epic.projection import Projection

STEP = 0.05 / 3600
PROJECTION = Projection(35.829, 42.975, (25921.0, 25921.0), (-STEP, STEP))
POINTS = np.random.default_rng(5).integers(1, 51841, (2, 20000))


@given(st.floats(35.5, 36.1), st.floats(42.8, 43.2), st.floats(0.001, 0.3))
def test_a_circle_is_a_circle_on_the_sky(ra, dec, radius):
    shape = region.place({"shape": "circle", "ra": ra, "dec": dec, "radius": radius}, PROJECTION)
    x, y = POINTS
    a, d = (np.radians(value) for value in PROJECTION.to_sky(x, y))
    a0, d0 = np.radians((ra, dec))
    haversine = np.sin((d - d0) / 2) ** 2 + np.cos(d) * np.cos(d0) * np.sin((a - a0) / 2) ** 2
    distance = np.degrees(2 * np.arcsin(np.sqrt(haversine)))
    clear = np.abs(distance - radius) > 0.05 / 3600  # the projection's distortion stays below a pixel
    assert np.array_equal(shape.contains(x, y)[clear], (distance <= radius)[clear])


def test_a_polygon_and_a_range_of_the_same_corners_agree_near_the_equator():
    flat = Projection(10.0, 0.0, (25921.0, 25921.0), (-STEP, STEP))
    x, y = POINTS
    box = region.place({"shape": "range", "ra": [9.9, 10.05], "dec": [-0.1, 0.2]}, flat)
    corners = [[9.9, -0.1], [10.05, -0.1], [10.05, 0.2], [9.9, 0.2]]
    polygon = region.place({"shape": "polygon", "vertices": corners}, flat)
    assert np.count_nonzero(box.contains(x, y) != polygon.contains(x, y)) <= 2
    assert np.allclose(box.bounds, polygon.bounds, atol=1)
    assert np.count_nonzero(box.contains(x, y)) > 1000


def test_a_range_goes_around_the_origin_of_right_ascension():
    near_zero = Projection(0.01, 5.0, (25921.0, 25921.0), (-STEP, STEP))
    shape = region.place({"shape": "range", "ra": [359.9, 0.1], "dec": [4.9, 5.1]}, near_zero)
    for ra, inside in ((359.95, True), (0.05, True), (0.2, False), (359.8, False)):
        x, y = near_zero.to_pixel(np.array([ra]), np.array([5.0]))
        assert shape.contains(x, y)[0] == inside


def test_the_polygon_of_a_star_leaves_out_its_notches():
    shape = region.Polygon("", np.array([0.0, 10, 10, 5, 0]), np.array([0.0, 0, 10, 4, 10]))
    x, y = np.array([5.0, 5.0, 1.0, 9.0, 11.0]), np.array([2.0, 7.0, 7.0, 7.0, 2.0])
    assert shape.contains(x, y).tolist() == [True, False, True, True, False]


def test_a_region_wider_than_the_projection_is_taken_from_its_moc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MOC.from_string("0/0-11").save("region.fits", "fits")
    wide = {"shape": "circle", "ra": 200.0, "dec": -40.0, "radius": 170.0, "moc": "region.fits"}
    shape = region.place(wide, PROJECTION)
    assert shape.contains(*POINTS).all()
    del wide["moc"]
    with pytest.raises(ScienceError, match="CIRCLE 200 -40 170"):
        region.place(wide, PROJECTION)


def test_an_ellipse_is_the_polygon_that_stands_for_it():
    vertices = [[35.7, 42.9], [35.9, 42.9], [35.9, 43.0], [35.7, 43.0]]
    ellipse = region.place(
        {"text": "x", "shape": "ellipse", "ra": 35.8, "dec": 42.95, "vertices": vertices}, PROJECTION
    )
    polygon = region.place({"text": "x", "shape": "polygon", "vertices": vertices}, PROJECTION)
    assert np.array_equal(ellipse.contains(*POINTS), polygon.contains(*POINTS))
    assert ellipse.outlines


@pytest.mark.parametrize("shape", ["compound", "moc", "some shape of the future"])
def test_a_shape_that_is_not_known_is_taken_from_its_moc(tmp_path, monkeypatch, shape):
    monkeypatch.chdir(tmp_path)
    MOC.from_string("0/0-1").save("region.fits", "fits")
    placed = region.place({"text": "x", "shape": shape, "moc": "region.fits"}, PROJECTION)
    assert placed.contains(*POINTS).all()
    with pytest.raises(ScienceError, match="'x' cannot be used"):
        region.place({"text": "x", "shape": shape}, PROJECTION)


def test_a_point_has_no_area():
    with pytest.raises(ScienceError, match="is a point; one with an area is needed"):
        region.place({"text": "x", "shape": "point", "ra": 35.8, "dec": 43.0, "moc": "region.fits"}, PROJECTION)
