"""A dataset, one exposure of one camera of one observation, and what a reader of an archive must yield."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from mocpy import MOC


@dataclass(frozen=True)
class File:
    """A file of a dataset."""

    kind: str
    """What it is to a script: ``events``, ``exposure_map``, ..."""
    path: Path
    content_type: str

    @property
    def address(self) -> str | None:
        """Where it is to be had, if it lies in no folder: a path makes one stroke of the two of ``https://``."""
        found = re.fullmatch(r"(https?|s3):/+(.+)", str(self.path))
        return f"{found[1]}://{found[2]}" if found else None


class FoundDataset(Protocol):
    """What a reader yields for each dataset; names follow ObsCore 1.1 where it has one.

    A property may be None where the archive does not say it, but the ids, the position and the coverage. Whatever
    else ObsCore asks for may be there too, by the names of ``index.columns.EXTRA``.
    """

    @property
    def obs_collection(self) -> str: ...
    @property
    def facility_name(self) -> str | None: ...
    @property
    def instrument_name(self) -> str | None: ...
    @property
    def obs_id(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def exposure_id(self) -> str: ...
    @property
    def target_name(self) -> str | None: ...
    @property
    def s_ra(self) -> float: ...  # the pointing, ICRS degrees
    @property
    def s_dec(self) -> float: ...
    @property
    def position_angle(self) -> float | None: ...  # degrees east of north
    @property
    def t_min(self) -> float | None: ...  # MJD
    @property
    def t_max(self) -> float | None: ...
    @property
    def t_exptime(self) -> float | None: ...  # seconds
    @property
    def filter(self) -> str | None: ...
    @property
    def mode(self) -> str | None: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def approximate(self) -> bool: ...  # whether the coverage is a guess, and not measured on the data
    @property
    def files(self) -> Sequence[tuple[str, Path, str]]: ...  # kind, path, content type
    @property
    def coverage(self) -> MOC: ...


Skipped: TypeAlias = Callable[[Path, str], None]
"""Told of each file that could not be used, and why."""


class Reader(Protocol):
    """Walks a folder and yields its datasets; tells of each file it could not use, and why."""

    def __call__(self, folder: Path, skipped: Skipped) -> Iterator[FoundDataset]: ...


class PartReader(Reader, Protocol):
    """A reader whose files can be read by many processes, a part each, and need not be read again unchanged.

    The reader is loaded by its name in each process; a part must be picklable.
    """

    def files(self, folder: Path) -> Iterator[tuple[Path, ...]]:
        """Find the files to read in a folder, or the one file given: each with what else is looked at with it."""

    def parts(self, file: Path, skipped: Skipped) -> Iterator[Any]:
        """Divide a file into parts, at little cost."""

    def read(self, part: Any, skipped: Skipped) -> Iterator[FoundDataset]:
        """Yield the datasets of a part."""


@dataclass(frozen=True)
class Dataset:
    """A dataset of the index: the unit that is indexed, selected and processed."""

    id: str
    """The short id, ``OBS/CAMERA/EXPOSURE``."""
    ivoid: str
    """The full id, ``ivo://AUTHORITY/amora?OBS/CAMERA/EXPOSURE``."""
    obs_collection: str
    facility_name: str | None
    instrument_name: str | None
    obs_id: str
    camera: str
    exposure_id: str
    target_name: str | None
    s_ra: float
    s_dec: float
    position_angle: float | None
    t_min: float | None
    t_max: float | None
    t_exptime: float | None
    filter: str | None
    mode: str | None
    simulated: bool
    approximate: bool
    """Whether the coverage is a guess from the pointing, and not measured on the data."""
    area: float
    """Of the coverage, in square degrees."""
    order: int
    """Of the coverage as it is kept, at most 16."""
    added: datetime
    files: tuple[File, ...] = ()
    degraded_from: int | None = None
    """The order that the coverage came with, where that was finer than the index keeps."""
    dataproduct_type: str | None = None
    calib_level: int = 1
    s_fov: float | None = None
    """Degrees."""
    s_region: str | None = None
    """The outline of the coverage in STC-S."""
    s_resolution: float | None = None
    """Arcsec."""
    s_xel1: int | None = None
    s_xel2: int | None = None
    t_resolution: float | None = None
    """Seconds."""
    t_xel: int | None = None
    em_min: float | None = None
    """Metres."""
    em_max: float | None = None
    em_res_power: float | None = None
    em_xel: int | None = None
    o_ucd: str | None = None
    pol_states: str | None = None
    pol_xel: int | None = None
    access_format: str | None = None
    access_estsize: int | None = None
    """Kilobytes."""
