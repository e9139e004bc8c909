"""A dataset as the generic readers yield it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mocpy import MOC


@dataclass(frozen=True)
class Found:
    """What ``index.dataset.FoundDataset`` asks for."""

    obs_collection: str
    obs_id: str
    camera: str
    exposure_id: str
    s_ra: float
    s_dec: float
    coverage: MOC
    facility_name: str | None = None
    instrument_name: str | None = None
    target_name: str | None = None
    position_angle: float | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    filter: str | None = None
    mode: str | None = None
    simulated: bool = False
    approximate: bool = False
    files: tuple[tuple[str, Path, str], ...] = ()
    dataproduct_type: str | None = None
    calib_level: int | None = None
    s_fov: float | None = None
    s_region: str | None = None
    s_resolution: float | None = None
    s_xel1: int | None = None
    s_xel2: int | None = None
    t_resolution: float | None = None
    t_xel: int | None = None
    em_min: float | None = None
    em_max: float | None = None
    em_res_power: float | None = None
    em_xel: int | None = None
    o_ucd: str | None = None
    pol_states: str | None = None
    pol_xel: int | None = None
    access_format: str | None = None
    access_estsize: int | None = None


def id_part(text: str) -> str:
    """Give a text as a part of an id: what an id cannot have becomes ``_``; empty if nothing is left."""
    return re.sub(r"[^A-Za-z0-9._~-]+", "_", text.strip()).strip("_.~-")[:64]
