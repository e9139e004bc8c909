"""Energy conversion factors: from a count rate to a flux, for one assumed spectrum.

The table and its spectral model: ``ecf.toml`` beside this file. How much another spectrum
changes fluxes is told in the documentation of ``photometry``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def model() -> str:
    """Return the spectrum that the factors assume, in words."""
    return str(_table()["model"])


def factor(camera: str, optical_filter: str, low: float, high: float) -> float | None:
    """Return the factor in ct cm2 / erg for an energy range in keV made of whole bands; None where there is none.

    A range of several bands has the factor sum(F_i ECF_i) / sum(F_i), with the bands' fluxes F_i from the model.
    """
    row = _table().get(camera, {}).get(optical_filter.strip())
    chosen = [i for i, (a, b) in enumerate(_table()["bands"]) if a >= low - 1e-6 and b <= high + 1e-6]
    if row is None or not chosen:
        return None
    bands = [_table()["bands"][i] for i in chosen]
    if abs(bands[0][0] - low) > 1e-6 or abs(bands[-1][1] - high) > 1e-6:
        return None
    fluxes = [_flux(a, b) for a, b in bands]
    return 1e11 * float(sum(row[i] * flux for i, flux in zip(chosen, fluxes, strict=True))) / sum(fluxes)


def expected(camera: str, low: float, high: float) -> float:
    """Return how many counts the assumed spectrum leaves in one of the table's bands, in arbitrary units."""
    return float(_flux(low, high) * (factor(camera, "Medium", low, high) or 0.0))


def _flux(low: float, high: float) -> float:
    """The model's energy flux in a band, absorbed; Morrison & McCammon (1983) cross-sections, arbitrary units."""
    steps = 200
    total = 0.0
    for i in range(steps):
        energy = low * (high / low) ** ((i + 0.5) / steps)
        total += energy**-1.7 * energy * energy * 2.718281828459045 ** (-3e-4 * _cross_section(energy))
    return total


_MORRISON = (
    (0.1, 17.3, 608.1, -2150.0), (0.284, 34.6, 267.9, -476.1), (0.4, 78.1, 18.8, 4.3), (0.532, 71.4, 66.8, -51.4),
    (0.707, 95.5, 145.8, -61.1), (0.867, 308.9, -380.6, 294.0), (1.303, 120.6, 169.3, -47.7),
    (1.84, 141.3, 146.8, -31.5), (2.471, 202.7, 104.7, -17.0), (3.21, 342.7, 18.7, 0.0), (4.038, 352.2, 18.7, 0.0),
    (7.111, 433.9, -2.4, 0.75), (8.331, 629.0, 30.9, 0.0),
)  # fmt: skip
"""From this energy (keV) on: c0, c1, c2 of sigma E^3 = c0 + c1 E + c2 E^2, 1e-24 cm2 (ApJ 270, 119, table 2)."""


def _cross_section(energy: float) -> float:
    """Absorption per hydrogen atom, 1e-24 cm2."""
    _, c0, c1, c2 = next(row for row in reversed(_MORRISON) if row[0] <= energy)
    return (c0 + c1 * energy + c2 * energy * energy) / energy**3
