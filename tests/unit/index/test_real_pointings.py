"""Real pointings, as cones of the field of view, against mocpy one by one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from index.healpix import PIXEL_AREA, ranges_of
from index.region import Region
from index.service import Index
from tests.unit.index.conftest import Found


def test_the_answers_are_those_of_mocpy_one_by_one(shared: Path, index: Index) -> None:
    with (shared / "data" / "observations" / "xmm_observations_joined.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::40]
    found = {
        f"{row['obs_id']}/M1/S001": Found(
            row["obs_id"],
            "M1",
            "S001",
            float(row["ra_pnt"]),
            float(row["dec_pnt"]),
            Region.parse(f"CIRCLE {row['ra_pnt']} {row['dec_pnt']} 0.25").moc(13),
        )
        for row in rows
    }
    assert len(found) > 300
    index.add(found.values())
    random = np.random.default_rng(2)
    texts = ["RANGE 350 10 -30 30", "POLYGON 80 -75 110 -60 70 -60", "CIRCLE 0 90 20", "CIRCLE 10 10 180"]
    for row in random.choice(rows, 40):
        away = random.uniform(-0.3, 0.3)
        texts.append(f"CIRCLE {row['ra_pnt']} {float(row['dec_pnt']) + away} {10 ** random.uniform(-5, 1)!r}")
    answers = 0
    for text in texts:
        region = Region.parse(text)
        moc = region.moc()
        size = int(np.diff(ranges_of(moc)).sum())
        truth = {}
        for id_, dataset in found.items():
            both = ranges_of(dataset.coverage.intersection(moc))
            overlap = int(np.diff(both).sum())
            if overlap:
                truth[id_] = overlap
        matches = index.search(region)
        assert {match.dataset.id: match.overlap for match in matches} == {
            id_: overlap * PIXEL_AREA for id_, overlap in truth.items()
        }
        keys = [(-(match.overlap or 0), match.dataset.id) for match in matches]
        assert keys == sorted(keys)
        for match in matches:
            assert match.dataset_fraction == pytest.approx(match.overlap / match.dataset.area, rel=1e-12)
            assert match.region_fraction == pytest.approx(match.overlap / (size * PIXEL_AREA), rel=1e-12)
        answers += len(matches)
    assert answers > len(found) + 40
