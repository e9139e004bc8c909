"""Source detection."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from scripts.epic import detection, psf

KING = psf.king("M1", 1.0, 3.0)


def _field(random, sources=(), level=0.02, size=120, extent=0.0):
    exposure = np.full((size, size), 10000.0)
    exposure[:, 60:62] = 0  # a gap
    model = np.full((size, size), level)
    for row, column, counts in sources:
        model += counts * detection.profile(KING, extent, model.shape, row, column, 4.0)
    return random.poisson(model * (exposure > 0)).astype(float), exposure


def test_sources_come_back_where_and_as_bright_as_they_are():
    random = np.random.default_rng(7)
    places = [(30.3, 30.6, 400.0), (80.0, 95.2, 80.0), (90.4, 20.1, 4000.0)]
    counts, exposure = _field(random, places)
    found, _ = detection.detect(counts, exposure, lambda _r, _c: KING, 4.0, 12.0)
    assert len(found) == 3
    for row, column, number in places:
        one = min(found, key=lambda f: np.hypot(f.row - row, f.column - column))
        assert np.hypot(one.row - row, one.column - column) < 5 * one.position_error + 0.05
        assert one.counts == pytest.approx(number, abs=4.5 * one.counts_error)
        assert one.extent == 0


def test_likelihoods_of_bright_sources_are_finite():
    counts, exposure = _field(np.random.default_rng(8), [(40.0, 30.0, 2e5)])
    found, _ = detection.detect(counts, exposure, lambda _r, _c: KING, 4.0, 12.0)
    assert np.isfinite(found[0].likelihood)
    assert found[0].likelihood > 1e4
    assert np.isfinite(found[0].box_likelihood)


def test_an_extended_source_is_told_from_a_point():
    counts, exposure = _field(np.random.default_rng(9), [(40.0, 30.0, 1500.0)], extent=3.0)
    found, _ = detection.detect(counts, exposure, lambda _r, _c: KING, 4.0, 12.0)
    assert found[0].extent >= 2.0
    assert found[0].counts == pytest.approx(1500, rel=0.2)


def test_empty_fields_have_hardly_a_source():
    random = np.random.default_rng(10)
    false = 0
    for _ in range(6):
        found, _ = detection.detect(*_field(random), lambda _r, _c: KING, 4.0, 12.0)
        false += len(found)
    assert false <= 1


def test_nothing_exposed_and_nothing_seen_give_no_source():
    nothing = np.zeros((60, 60))
    assert detection.detect(nothing, nothing, lambda _r, _c: KING, 4.0, 12.0)[0] == []
    assert detection.detect(nothing, nothing + 1e4, lambda _r, _c: KING, 4.0, 12.0)[0] == []


def test_simulated_sources_are_found(run_script, simulated_m1, truth, fitsverify):
    run = run_script("detect", simulated_m1, {"EMIN": 0.5, "EMAX": 2.0}, slug="9999000101_M1_S001")
    assert run.code == 0, run.err
    fitsverify(run.products / "9999000101_M1_S001_sources.fits")
    table = Table.read(run.products / "9999000101_M1_S001_sources.vot")
    seen = truth["lists"][simulated_m1.name]["source_counts"]
    for source in truth["sources"]:
        if seen[source["name"]] > 80:
            distance = np.hypot(table["ra"] - source["ra"], table["dec"] - source["dec"]) * 3600
            assert distance.min() < 3.0, source["name"]
    regions = (run.products / "9999000101_M1_S001_sources.reg").read_text()
    assert regions.count("circle(") == len(table)


def test_the_field_of_3c66(run_script, real_lists, fitsverify):
    """3C66A lies 0.4 arcsec from its place of SIMBAD in the reference's own detection, 3C66B within the jet's size."""
    run = run_script("detect", real_lists["M1"], {"EMIN": 0.5, "EMAX": 10.0})
    table = Table.read(run.products / "0002970201_M1_S001_sources.vot")
    assert 25 <= len(table) <= 60
    for ra, dec in ((35.665042, 43.035500), (35.797958, 42.992194)):
        distance = np.hypot((table["ra"] - ra) * np.cos(np.radians(43)), table["dec"] - dec) * 3600
        assert distance.min() < 4.0
    fitsverify(run.products / "0002970201_M1_S001_sources.fits")
