"""Where the sky of the first page is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from index.region import Region
from jobs.engine import Engine
from tests.unit.uws.test_asking import found
from uws.firstview import first_view
from uws.settings import Settings
from uws.unions import Unions


def _view_of(home: Path, *circles: tuple[float, float, float]) -> list[float]:
    """Return what is looked at of an archive with these coverages."""
    engine = Engine(Settings(home=home))
    try:
        engine.index.add(
            replace(found(number), coverage=Region.circle(f"{ra} {dec} {radius}").moc(10))
            for number, (ra, dec, radius) in enumerate(circles)
        )
        return [float(word) for word in first_view(engine.index, Unions()).split()]
    finally:
        engine.stop()


def test_nothing_is_looked_at_where_nothing_is(tmp_path: Path) -> None:
    assert _view_of(tmp_path) == []


def test_one_field_is_looked_at_from_near(tmp_path: Path) -> None:
    assert _view_of(tmp_path, (359.5, 20, 0.3)) == pytest.approx([359.5, 20, 1.4], abs=0.7)


def test_fields_on_both_sides_of_ra_0_are_looked_at_together(tmp_path: Path) -> None:
    ra, dec, width = _view_of(tmp_path, (355, 0, 1), (5, 0, 1))
    assert [(ra + 180) % 360 - 180, dec, width] == pytest.approx([0, 0, 13], abs=1)


def test_what_is_all_over_the_sky_is_looked_at_where_something_is(tmp_path: Path) -> None:
    """Midway between two fields at opposite ends nothing is; more of the sky is covered around the second."""
    ra, dec, width = _view_of(tmp_path, (10, 20, 1), (190, -20, 3))
    assert (ra, dec) == pytest.approx((190, -20), abs=5)
    assert width == 180
