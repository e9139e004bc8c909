"""An index of its own for each test, and datasets to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mocpy import MOC

from index.database import Database
from index.region import Region
from index.service import Index


@dataclass
class Found:
    """What a reader would yield."""

    obs_id: str
    camera: str
    exposure_id: str
    s_ra: float
    s_dec: float
    coverage: MOC
    obs_collection: str = "TEST"
    facility_name: str | None = "Observatory"
    instrument_name: str | None = None
    target_name: str | None = "3C 66B"
    position_angle: float | None = 12.5
    t_min: float | None = 52000.25
    t_max: float | None = 52000.5
    t_exptime: float | None = 21600.0
    filter: str | None = "Thin1"
    mode: str | None = None
    simulated: bool = False
    approximate: bool = False
    files: list[tuple[str, Path, str]] = field(
        default_factory=lambda: [("events", Path("/data/events.fits"), "application/fits")]
    )


def make_found(
    obs_id: str = "0001", ra: float = 35.0, dec: float = 43.0, radius: float = 0.25, order: int = 13
) -> Found:
    coverage = Region.parse(f"CIRCLE {ra} {dec} {radius}").moc(order)
    return Found(obs_id, "M1", "S001", ra, dec, coverage)


@pytest.fixture
def found() -> Callable[..., Found]:
    """Make a dataset with a round coverage."""
    return make_found


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def index(tmp_path: Path, database: Database) -> Index:
    return Index(tmp_path / "index", database, "example.org")
