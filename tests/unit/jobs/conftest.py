"""An index with three datasets around one place, and a script to check parameters with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy import units
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC

import index.store
import jobs.tables
from index.database import Database
from index.service import Index


@dataclass(frozen=True)
class Found:
    """A dataset as a reader yields it: a cone of 0.2 degrees."""

    obs_id: str
    camera: str
    s_ra: float
    s_dec: float
    files: tuple[tuple[str, Path, str], ...]
    exposure_id: str = "S001"
    obs_collection: str = "Test"
    facility_name: str | None = None
    instrument_name: str | None = None
    target_name: str | None = None
    position_angle: float | None = None
    t_min: float | None = None
    t_max: float | None = None
    t_exptime: float | None = None
    filter: str | None = None
    mode: str | None = None
    simulated: bool = True
    approximate: bool = False

    @property
    def coverage(self) -> MOC:
        return MOC.from_cone(
            Longitude(self.s_ra * units.deg), Latitude(self.s_dec * units.deg), radius=0.2 * units.deg, max_depth=13
        )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'amora.sqlite'}")
    index.store.metadata.create_all(database.engine)
    jobs.tables.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def three(tmp_path: Path, database: Database) -> Index:
    """Datasets 1/M1/S001 and 1/PN/S001 at (10, 20), the second without events, and 2/M1/S001 0.3 degrees north."""
    events = (("events", tmp_path / "events.fits", "application/fits"),)
    found = Index(tmp_path / "index", database, "example.org")
    found.add([Found("1", "M1", 10, 20, events), Found("1", "PN", 10, 20, ()), Found("2", "M1", 10, 20.3, events)])
    return found
