"""What a simulated event list is made of: an exposure and its CCDs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.epic.cameras import Camera
from scripts.epic.gti import Intervals


@dataclass(frozen=True)
class ChipData:
    """What a list says of one CCD."""

    ccd: int
    gti: Intervals
    frame: NDArray[np.float64]
    """Centres of the frames, s."""
    frame_time: float
    """Length of a frame, s."""
    fracexp: NDArray[np.float64]
    livetime: float
    bad: NDArray[np.int64]
    """RAWX, RAWY, TYPE, YEXTENT, BADFLAG; shape (n, 5)."""
    window: tuple[int, int, int, int]
    """WINDOWX0, WINDOWY0, WINDOWDX, WINDOWDY."""
    offset: int
    """RAWX of the column that has an offset; of pn."""


@dataclass(frozen=True)
class Exposure:
    """One simulated exposure of one camera."""

    camera: Camera
    obs_id: str
    exposure_id: str
    target: str
    ra: float
    dec: float
    position_angle: float
    mode: str
    start: float
    stop: float
    columns: Mapping[str, NDArray[Any]]
    chips: tuple[ChipData, ...]

    @property
    def pn(self) -> bool:
        """Whether the camera is the pn."""
        return self.camera.name == "PN"

    @property
    def file_name(self) -> str:
        """The pipeline's name of the list."""
        kind = "PIEVLI" if self.pn else "MIEVLI"
        return f"P{self.obs_id}{self.camera.name}{self.exposure_id}{kind}0000.FTZ"
