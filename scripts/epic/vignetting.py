"""The vignetting of the telescopes: how much of the area on the axis is left at a place of the field.

The model and where its numbers come from: ``vignetting.toml`` beside this file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic.events import EventList
from scripts.epic.projection import Projection

Floats = NDArray[np.float64]


@cache
def _model() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def band_of(low: float, high: float) -> int:
    """Return the band (0 to 4) of the model that an energy range in keV lies in, by its logarithmic centre."""
    middle = float(np.sqrt(max(low, 0.1) * min(max(high, 0.2), 12.0)))
    edges = [upper for _, upper in _model()["bands"]]
    return min(int(np.searchsorted(np.array(edges), middle)), len(edges) - 1)


def bands() -> list[tuple[float, float]]:
    """Return the bands of the model, keV."""
    return [(float(low), float(high)) for low, high in _model()["bands"]]


@dataclass(frozen=True)
class Pointing:
    """Where a camera looked."""

    projection: Projection
    ra: float
    """Degrees, as all here."""
    dec: float
    position_angle: float


def off_axis(events: EventList, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the angle to the camera's optical axis (arcmin) and the angle p of the model (radians) of X, Y."""
    where = Pointing(events.projection, events.number("RA_PNT"), events.number("DEC_PNT"), events.number("PA_PNT"))
    return angles(events.camera.name, where, x, y)


def angles(camera: str, where: Pointing, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the same for a camera (M1, M2 or PN) and a pointing."""
    pointing = where.projection.to_pixel(where.ra, where.dec)
    arcmin = where.projection.unit / 60.0
    east, north = -(x - float(pointing[0])) * arcmin, (y - float(pointing[1])) * arcmin
    angle = np.radians(where.position_angle)
    along = north * np.cos(angle) + east * np.sin(angle)
    across = -north * np.sin(angle) + east * np.cos(angle)
    u, v = _model()[camera]["axis"]
    return np.hypot(along - u, across - v), np.arctan2(across, along)


GREATEST = 1.1
"""No vignetting factor is greater: the axes of the pointing and of the camera are not the same."""


def factor(camera: str, band: int, theta: Floats, azimuth: Floats) -> Floats:
    """Return the vignetting factor, 1 on the axis.

    :param camera: M1, M2 or PN.
    :param band: 0 to 4, see :func:`band_of`.
    :param theta: arcmin from the optical axis; beyond the model's reach (15 arcmin) the value at its edge is used.
    :param azimuth: p of the model, radians.
    """
    model = _model()[camera]
    coefficients = model["coefficients"][band]
    theta = np.minimum(theta, model["theta_max"])
    value = 1.0 + sum(a * theta**k for k, a in enumerate(coefficients[:4], 1))
    for k in range(1, 4) if len(coefficients) > 4 else ():
        c1, s1, c2, s2, c4, s4 = coefficients[4 + 6 * (k - 1) : 4 + 6 * k]
        wave = c1 * np.cos(azimuth) + s1 * np.sin(azimuth) + c2 * np.cos(2 * azimuth) + s2 * np.sin(2 * azimuth)
        value = value + theta**k * (wave + c4 * np.cos(4 * azimuth) + s4 * np.sin(4 * azimuth))
    return np.asarray(np.clip(value, 0.05, GREATEST), dtype=np.float64)
