"""What ObsCore asks about EPIC event lists and no header tells (XMM-Newton Users Handbook, section 1, table 1)."""

from __future__ import annotations

from typing import NamedTuple

KEV_METRES = 1.239841984e-9
"""Wavelength of a photon of 1 keV."""
BAND = (0.15, 12.0)
"""keV."""


class Characteristics(NamedTuple):
    """The cells of ObsCore that are those of a camera."""

    s_resolution: float
    """Full width at half maximum of the point-spread function on the axis, arcsec."""
    em_res_power: float
    """At 1 keV: 70 eV for MOS, 80 eV for pn."""
    t_resolution: float
    """Frame time in full-frame mode, s."""
    dataproduct_type: str = "event"
    calib_level: int = 2
    """Calibrated, in sky coordinates and energies."""
    em_min: float = KEV_METRES / BAND[1]
    em_max: float = KEV_METRES / BAND[0]
    o_ucd: str = "phot.count"


CHARACTERISTICS = {
    "M1": Characteristics(5.0, 1000 / 70, 2.6),
    "M2": Characteristics(5.0, 1000 / 70, 2.6),
    "PN": Characteristics(6.0, 1000 / 80, 0.0734),
}
"""By camera."""
