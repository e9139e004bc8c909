"""Previews of products: plots and images as PNG, and a plot's numbers as JSON for the page.

Drawn with Pillow: importing a plotting library would take longer than making the products. A plot is described once, as
:class:`Plot`, and written as both. Plot JSON (``application/json;content=plot``)::

    {"title": str, "x": {"label", "unit", "log"}, "y": {"label", "unit", "log"},
     "series": [{"name", "kind": "points" | "steps" | "line", "x", "y", "x_error", "y_error"}]}

with equally long lists of numbers; an error is null where there is none, and a value that is no number is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scripts.epic import png

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Floats = NDArray[np.float64]

SIZE = (900, 560)
"""Of a plot, pixels."""
LARGEST = 1200
"""The longest side of an image's preview, pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 86, 18, 44, 60
_INK, _GRID, _PAPER = (25, 30, 40), (226, 229, 234), (255, 255, 255)
_COLOURS = ((31, 90, 160), (200, 80, 20), (40, 130, 80), (130, 60, 150), (120, 120, 120))
_HEAT = np.array([(0, 0, 0), (40, 12, 84), (120, 28, 109), (207, 68, 70), (251, 155, 6), (252, 255, 164)], dtype=float)


class Axis(NamedTuple):
    """An axis of a plot."""

    label: str
    unit: str = ""
    log: bool = False

    @property
    def text(self) -> str:
        """What is written along it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


class Series(NamedTuple):
    """Numbers that belong together; arrays of one shape (n,)."""

    name: str
    x: ArrayLike
    y: ArrayLike
    x_error: ArrayLike | None = None
    y_error: ArrayLike | None = None
    kind: Literal["points", "steps", "line"] = "points"
    """``steps``: a histogram, each x the centre of a bin."""


class Plot(NamedTuple):
    """A plot of one or more series."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the plot's JSON form."""
        axes = {
            name: {"label": axis.label, "unit": axis.unit, "log": axis.log}
            for name, axis in (("x", self.x), ("y", self.y))
        }
        return {"title": self.title, **axes, "series": [_series(one) for one in self.series]}


def _series(one: Series) -> dict[str, Any]:
    arrays = {"x": one.x, "y": one.y, "x_error": one.x_error, "y_error": one.y_error}
    return {"name": one.name, "kind": one.kind, **{key: _numbers(values) for key, values in arrays.items()}}


def _numbers(values: ArrayLike | None) -> list[float | None] | None:
    """Return plain numbers of nine digits, which is more than a plot shows."""
    if values is None:
        return None
    flat = np.atleast_1d(np.asarray(values, dtype=np.float64)).tolist()
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in flat]


def write(plot: Plot, png: Path, data: Path) -> None:
    """Write a plot as a picture and as JSON."""
    data.write_text(json.dumps(plot.as_dict(), allow_nan=False), encoding="utf-8")
    draw(plot, png)


class _Scale:
    """From values to pixels along one axis."""

    def __init__(self, values: Floats, axis: Axis, start: float, end: float) -> None:
        good = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
        self.log = axis.log
        if not len(good):
            good = np.array([1.0, 10.0]) if axis.log else np.array([0.0, 1.0])
        low, high = float(good.min()), float(good.max())
        if self.log:
            low, high = math.log10(low), math.log10(high)
        margin = 0.04 * (high - low) or 0.5 * (abs(high) or 1.0)
        self.low, self.high = low - margin, high + margin
        self.start, self.end = start, end

    def __call__(self, values: ArrayLike) -> Floats:
        """Return pixels; what a logarithm cannot show comes to lie at the edge."""
        array = np.asarray(values, dtype=np.float64)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                array = np.where(array > 0, np.log10(array), self.low)
        share = np.clip((array - self.low) / (self.high - self.low), -0.01, 1.01)
        return np.asarray(self.start + share * (self.end - self.start), dtype=np.float64)

    def ticks(self) -> list[tuple[float, str]]:
        """Return values to be marked and what to write there."""
        if self.log and self.high - self.low >= 1:
            powers = range(math.ceil(self.low), math.floor(self.high) + 1)
            step = max(1, len(powers) // 6)
            return [(10.0**power, f"{10.0**power:g}" if -4 < power < 6 else f"1e{power}") for power in powers[::step]]
        low, high = (10**self.low, 10**self.high) if self.log else (self.low, self.high)
        raw = float(high - low) / 6
        power: float = 10.0 ** math.floor(math.log10(raw))
        width: float = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
        digits = max(6, math.ceil(math.log10(max(abs(low), abs(high)) / width)) + 1)
        return [
            (n * width, f"{n * width:.{digits}g}") for n in range(math.ceil(low / width), math.floor(high / width) + 1)
        ]


def draw(plot: Plot, path: Path) -> None:
    """Draw a plot as PNG."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only who draws needs it

    picture = Image.new("RGB", SIZE, _PAPER)
    pen = ImageDraw.Draw(picture)
    small, large = ImageFont.load_default(14), ImageFont.load_default(17)
    box = (_LEFT, _TOP, SIZE[0] - _RIGHT, SIZE[1] - _BOTTOM)
    x = _Scale(_reach(plot.series, "x", plot.x.log), plot.x, box[0], box[2])
    y = _Scale(_reach(plot.series, "y", plot.y.log), plot.y, box[3], box[1])
    across = [(float(x(value)), text) for value, text in x.ticks()]
    up = [(float(y(value)), text) for value, text in y.ticks()]
    for at, _ in across:
        pen.line((at, box[1], at, box[3]), _GRID)
    for at, _ in up:
        pen.line((box[0], at, box[2], at), _GRID)
    for number, one in enumerate(plot.series):
        _draw_series(pen, one, x, y, _COLOURS[number % len(_COLOURS)])
    # what went over the edge is covered again
    for edge in ((0, 0, SIZE[0], box[1]), (0, 0, box[0], SIZE[1]), (box[2], 0, *SIZE), (0, box[3], *SIZE)):
        pen.rectangle((*edge[:2], edge[2] - 1, edge[3] - 1), _PAPER)
    for at, text in across:
        pen.text((at, box[3] + 6), text, _INK, small, anchor="ma")
    for at, text in up:
        pen.text((box[0] - 8, at), text, _INK, small, anchor="rm")
    pen.rectangle(box, outline=_INK)
    pen.text(((box[0] + box[2]) / 2, SIZE[1] - 12), plot.x.text, _INK, small, anchor="ms")
    pen.text((SIZE[0] / 2, 10), plot.title, _INK, large, anchor="ma")
    _beside(picture, plot.y.text, (box[1] + box[3]) / 2, small)
    if len(plot.series) > 1:
        for number, one in enumerate(plot.series):
            at = box[1] + 10 + 18 * number
            pen.line((box[2] - 24, at + 8, box[2] - 8, at + 8), _COLOURS[number % len(_COLOURS)], 3)
            pen.text((box[2] - 30, at), one.name, _INK, small, anchor="ra")
    png.write(path, np.asarray(picture))


def _beside(picture: Any, text: str, middle: float, font: Any) -> None:
    """Write a text upwards along the left edge."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only who draws needs it

    width, height = (math.ceil(size) for size in font.getbbox(text)[2:])
    strip = Image.new("RGB", (width + 2, height + 4), _PAPER)
    ImageDraw.Draw(strip).text((1, 0), text, _INK, font)
    turned = strip.rotate(90, expand=True)
    picture.paste(turned, (8, int(middle - turned.height / 2)))


def _reach(series: Iterable[Series], name: str, log: bool) -> Floats:
    """Return the numbers that an axis must show: the values, and where the errors end."""
    parts: list[Floats] = [np.empty(0)]
    for one in series:
        values = np.atleast_1d(np.asarray(getattr(one, name), dtype=np.float64))
        error = getattr(one, f"{name}_error")
        parts.append(values)
        if error is not None:
            spread = np.nan_to_num(np.asarray(error, dtype=np.float64))
            parts += [values + spread, values - spread if not log else values]
        elif name == "x" and one.kind == "steps" and len(values) > 1:
            half = np.diff(values)[[0, -1]] / 2
            parts.append(np.array([values[0] - half[0], values[-1] + half[1]]))
    return np.concatenate(parts)


def _draw_series(pen: ImageDraw, one: Series, x: _Scale, y: _Scale, colour: tuple[int, int, int]) -> None:
    values_x, values_y = (np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (one.x, one.y))
    good = np.isfinite(values_x) & np.isfinite(values_y)
    px, py = x(values_x), y(np.where(good, values_y, 0))
    errors = [
        None if error is None else np.nan_to_num(np.atleast_1d(np.asarray(error, dtype=np.float64)))
        for error in (one.x_error, one.y_error)
    ]
    if one.kind in ("line", "steps"):
        for run in _runs(good):
            if one.kind == "line":
                pen.line([*zip(px[run].tolist(), py[run].tolist(), strict=True)], colour, 2)
            else:
                pen.line(_stairs(values_x[run], py[run], x), colour, 2)
    if errors[0] is not None:
        left, right = x(values_x - errors[0]), x(values_x + errors[0])
        for i in np.flatnonzero(good).tolist():
            pen.line((left[i], py[i], right[i], py[i]), colour)
    if errors[1] is not None:
        low, high = y(values_y - errors[1]), y(values_y + errors[1])
        for i in np.flatnonzero(good).tolist():
            pen.line((px[i], low[i], px[i], high[i]), colour)
    if one.kind == "points":
        for i in np.flatnonzero(good).tolist():
            pen.ellipse((px[i] - 2.5, py[i] - 2.5, px[i] + 2.5, py[i] + 2.5), colour)


def _runs(good: NDArray[np.bool_]) -> Iterable[slice]:
    """Yield the stretches without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.int8), [0]])))
    for start, end in edges.reshape(-1, 2).tolist():
        yield slice(start, end)


def _stairs(values: Floats, py: Floats, x: _Scale) -> list[tuple[float, float]]:
    """Return the line of a histogram."""
    if len(values) == 1:
        middle = float(x(values)[0])
        return [(middle - 2, float(py[0])), (middle + 2, float(py[0]))]
    inner = (values[1:] + values[:-1]) / 2
    edges = x(np.concatenate([[2 * values[0] - inner[0]], inner, [2 * values[-1] - inner[-1]]]))
    return [
        point
        for left, right, height in zip(edges[:-1].tolist(), edges[1:].tolist(), py.tolist(), strict=True)
        for point in ((left, height), (right, height))
    ]


def picture(
    values: NDArray[Any],
    path: Path,
    title: str = "",
    outlines: Iterable[tuple[ArrayLike, ArrayLike]] = (),
) -> None:
    """Draw an image, shape (rows, columns), as PNG with the first row at the bottom.

    The stretch is asinh from 0 to the brightest pixel, so that one count and a bright source are both seen.

    :param outlines: closed lines on it, each (columns, rows) in pixels that count from 0 at the centre of the first.
    """
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only who draws needs it

    array = np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0)
    positive = array[array > 0]
    # the median; np.median would import the masked arrays, which takes as long as the drawing
    faint = float(np.sort(positive)[len(positive) // 2]) if len(positive) else 1.0
    level = np.arcsinh(np.clip(array, 0, None) / faint)
    level /= level.max() or 1.0
    colours = np.stack([np.interp(level, np.linspace(0, 1, len(_HEAT)), _HEAT[:, i]) for i in range(3)], axis=-1)
    drawn = Image.fromarray(colours[::-1].astype(np.uint8))
    rows, columns = array.shape
    # few pixels are made larger by a whole number, many are averaged down
    zoom = max(1, 640 // max(rows, columns)) if max(rows, columns) <= LARGEST else LARGEST / max(rows, columns)
    size = max(1, round(columns * zoom)), max(1, round(rows * zoom))
    drawn = drawn.resize(size, Image.Resampling.NEAREST if zoom >= 1 else Image.Resampling.BOX)
    pen = ImageDraw.Draw(drawn)
    for across, up in outlines:
        px = (np.asarray(across, dtype=np.float64) + 0.5) * zoom
        py = size[1] - (np.asarray(up, dtype=np.float64) + 0.5) * zoom
        corners = [*zip(px.tolist(), py.tolist(), strict=True)]
        pen.line([*corners, corners[0]], (90, 220, 255), 2)
    if title:
        pen.text((8, 6), title, (255, 255, 255), ImageFont.load_default(15), stroke_width=2, stroke_fill=(0, 0, 0))
    png.write(path, np.asarray(drawn))
