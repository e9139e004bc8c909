"""The three EPIC cameras: what differs between them."""

from __future__ import annotations

from typing import NamedTuple


class Camera(NamedTuple):
    """One EPIC camera and the conventions of its data."""

    name: str
    """As in PPS file names: M1, M2, PN."""
    instrument: str
    """The header's INSTRUME."""
    macro: str
    """The header keyword that holds the standard event selection."""
    pattern: int
    """The largest PATTERN of the calibrated spectral responses."""
    flare_rate: float
    """Threshold of the flare filter, ct/s (SAS thread on filtering for flaring background)."""
    flare_band: tuple[int, int | None]
    """Lowest and highest PI in eV, both included, of the flare curve: MOS above 10 keV, pn from 10 to 12 keV."""
    channels: int
    """Channels of a spectrum, 5 eV each, as the pipeline makes them and the responses expect."""


CAMERAS = {
    camera.instrument: camera
    for camera in (
        Camera("M1", "EMOS1", "XMMEA_EM", 12, 0.35, (10001, None), 2400),
        Camera("M2", "EMOS2", "XMMEA_EM", 12, 0.35, (10001, None), 2400),
        Camera("PN", "EPN", "XMMEA_EP", 4, 0.40, (10000, 12000), 4096),
    )
}
"""The cameras by INSTRUME."""
