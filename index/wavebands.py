"""The names that the VO has for parts of the spectrum (VODataService 1.1, section 3.2)."""

from __future__ import annotations

WAVEBANDS = (
    ("Gamma-ray", 0.0, 1e-11),
    ("X-ray", 1e-11, 1e-8),
    ("EUV", 1e-8, 1e-7),
    ("UV", 1e-7, 3e-7),
    ("Optical", 3e-7, 1e-6),
    ("Infrared", 1e-6, 1e-4),
    ("Millimeter", 1e-4, 1e-2),
    ("Radio", 1e-2, float("inf")),
)
"""Name, shortest and longest wavelength, m."""


def wavebands(em_min: float | None, em_max: float | None) -> list[str]:
    """Give the names of the bands that two wavelengths in metres span, none where they are not known."""
    if em_min is None or em_max is None:
        return []
    return [name for name, low, high in WAVEBANDS if em_min < high and em_max > low]
