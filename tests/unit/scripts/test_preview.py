"""Pictures and plot data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from scripts.epic.preview import Axis, Plot, Series, picture, write


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("kind", ["points", "steps", "line"])
def test_a_plot_is_a_picture_and_its_numbers(tmp_path, kind, log):
    x, y = np.arange(1.0, 101), np.arange(100.0) ** 2
    y[7] = np.nan
    plot = Plot("A plot", Axis("time", "s"), Axis("rate", "ct/s", log), [Series("a", x, y, None, np.sqrt(y), kind)])
    write(plot, tmp_path / "p.png", tmp_path / "p.json")
    read = json.loads((tmp_path / "p.json").read_text())
    assert read["x"] == {"label": "time", "unit": "s", "log": False}
    assert read["y"]["log"] is log
    (series,) = read["series"]
    assert (series["kind"], series["x_error"], series["y"][7]) == (kind, None, None)
    assert series["y"][8] == 64
    with Image.open(tmp_path / "p.png") as image:
        colours = {colour for _, colour in image.getcolors(1 << 20)}
        assert image.size == (900, 560)
    assert (31, 90, 160) in colours  # the series is there
    assert (25, 30, 40) in colours  # and its frame


@pytest.mark.parametrize(
    "series",
    [[], [Series("a", [], [])], [Series("a", [1], [0])], [Series("a", [np.nan], [np.nan], kind="steps")]],
)
@pytest.mark.parametrize("log", [False, True])
def test_nothing_to_show_is_still_a_picture(tmp_path, series, log):
    write(Plot("", Axis("x", log=log), Axis("y", log=log), series), tmp_path / "p.png", tmp_path / "p.json")
    with Image.open(tmp_path / "p.png") as image:
        image.verify()


def test_a_picture_has_north_up_and_its_outline(tmp_path):
    values = np.zeros((40, 60), dtype=np.int32)
    values[35, 10] = 100
    picture(values, tmp_path / "i.png", outlines=[([20, 30, 30], [5, 5, 15])])
    with Image.open(tmp_path / "i.png") as image:
        pixels = np.asarray(image).astype(int)
    zoom = pixels.shape[1] // 60
    assert pixels.shape == (40 * zoom, 60 * zoom, 3)
    row, column = np.unravel_index(np.argmax(pixels[..., 0]), pixels.shape[:2])
    assert (column // zoom, row // zoom) == (10, 40 - 1 - 35)
    assert (pixels == (90, 220, 255)).all(axis=-1).any()


@pytest.mark.parametrize("shape", [(1, 1), (3000, 10), (648, 648)])
def test_any_image_can_be_drawn(tmp_path, shape):
    picture(np.full(shape, np.nan), tmp_path / "i.png", "nothing")
    with Image.open(tmp_path / "i.png") as image:
        assert max(image.size) <= 1200
