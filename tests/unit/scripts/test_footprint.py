"""Footprints and exposure maps against where the events of real lists fall."""

from __future__ import annotations

import numpy as np
from astropy import units

from scripts.epic import exposure, exposure_map, image
from scripts.epic.ccd import Geometry
from scripts.epic.pps import describe


def test_events_lie_in_the_footprint_and_all_of_it_that_was_exposed_has_events(real_events):
    """In squares of 30 arcsec, each with some thirty events."""
    coverage = describe(real_events.path).coverage
    good = real_events.flagged_clear(real_events.camera.macro) & (real_events.column("X") > 0)
    ra, dec = real_events.projection.to_sky(real_events.column("X")[good], real_events.column("Y")[good])
    assert np.mean(~coverage.contains_lonlat(ra * units.deg, dec * units.deg)) < 1e-4

    grid = image.grid(real_events, 30.0, None)
    counts = image.counts(real_events, good, grid)
    x, y = image.centres(grid)
    ra, dec = real_events.projection.to_sky(x.ravel(), y.ravel())
    inside = coverage.contains_lonlat(ra * units.deg, dec * units.deg).reshape(counts.shape)
    live = exposure.live_times(real_events, real_events.standard_gti)
    model = exposure_map.Modelled(real_events, Geometry(real_events), live, "standard", (0.5, 2.0))
    share = exposure_map.sampled(model.live, grid, 6) / max(live.values())
    assert counts[inside].mean() > 25
    # what has no event are gaps and the rim, cells of the coverage that were hardly exposed
    assert np.mean(counts[inside] == 0) < 0.025
    assert not np.any(counts[inside & (share > 0.5)] == 0)
    assert not np.any(counts[inside & (share == 0)] > 2)
    assert counts[~inside].sum() < 0.001 * counts.sum()
