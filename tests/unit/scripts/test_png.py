"""Pictures are written as PNG that another reader takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scripts.epic import png


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_pixels_come_back(tmp_path_factory, rows, columns, seed):
    path: Path = tmp_path_factory.getbasetemp() / "picture.png"
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    png.write(path, pixels)
    with Image.open(path) as read:
        read.load()
        assert read.mode == "RGB"
        assert np.array_equal(np.asarray(read), pixels)
        assert read.format == "PNG"


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    pixels = np.full((560, 900, 3), 255, dtype=np.uint8)
    pixels[100:200, 100] = 0
    for name in ("one", "two"):
        png.write(tmp_path / name, pixels)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert len((tmp_path / "one").read_bytes()) < pixels.nbytes // 20
