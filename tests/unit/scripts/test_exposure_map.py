"""Exposure maps: modelled from the list, and the pipeline's own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import exposure, exposure_map, image
from scripts.epic.ccd import Geometry
from scripts.epic.events import EventList


@pytest.fixture(scope="module")
def modelled(simulated_m1):
    events = EventList(simulated_m1)
    live = exposure.live_times(events, events.standard_gti)
    return SimpleNamespace(
        events=events, live=live, map=exposure_map.Modelled(events, Geometry(events), live, "standard", (0.5, 2.0))
    )


def test_hardly_an_event_lies_where_nothing_was_exposed(real_events):
    live = exposure.live_times(real_events, real_events.standard_gti)
    model = exposure_map.Modelled(real_events, Geometry(real_events), live, "standard", (0.5, 2.0))
    grid = image.grid(real_events, 4.0, None)
    counts = image.counts(real_events, real_events.flagged_clear(real_events.camera.macro), grid)
    seconds = exposure_map.image(model, grid)
    assert counts[seconds == 0].sum() < 0.001 * counts.sum()
    assert seconds.max() == pytest.approx(max(live.values()), rel=0.03)


def test_tiles_do_not_show(modelled, monkeypatch):
    grid = image.grid(modelled.events, 20.0, None)
    whole = exposure_map.image(modelled.map, grid)
    monkeypatch.setattr(exposure_map, "TILE", 1500)
    assert np.array_equal(whole, exposure_map.image(modelled.map, grid))


def test_the_pipelines_map_is_taken_where_it_is_there(modelled, tmp_path):
    grid = image.grid(modelled.events, 10.0, None)
    hdu = fits.PrimaryHDU(np.full((grid.shape[1], grid.shape[0]), 500.0, dtype=np.float32))
    image.world_coordinates(hdu.header, modelled.events, grid)
    hdu.header["LIVETIME"] = max(modelled.live.values()) / 2
    path = tmp_path / "P9999000101M1S001EXPMAP2000.FTZ"
    hdu.writeto(path)
    files = [{"kind": "exposure_map", "path": str(path)}]
    found = exposure_map.find(files, modelled.map, modelled.live, (0.5, 1.0))
    assert "EXPMAP2" in found.origin
    centre = np.array([25921.0, 100.0, 1e9])
    assert found.vignetted(centre, centre) == pytest.approx([1000.0, 1000.0, 0.0])
    assert exposure_map.find(files, modelled.map, modelled.live, (0.5, 2.0)) is modelled.map


def test_a_map_that_is_none_is_named(modelled, tmp_path):
    path = tmp_path / "P9999000101M1S001EXPMAP2000.FTZ"
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(path)
    with pytest.raises(Exception, match=r"EXPMAP2000\.FTZ\[PRIMARY\]: is no map of the pipeline"):
        exposure_map.find([{"kind": "exposure_map", "path": str(path)}], modelled.map, modelled.live, (0.5, 1.0))
