"""The pipeline's exposure maps, background maps and masks, where a dataset has them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits, votable
from astropy.table import Table

from scripts.epic import exposure, exposure_map, image, pipeline_maps
from scripts.epic.aperture import measure
from scripts.epic.events import EventList
from scripts.epic.pps import COMPANIONS
from scripts.epic.task import Parameters, Task

BRIGHT = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}


@pytest.fixture(scope="module")
def events(simulated_m1):
    return EventList(simulated_m1)


@pytest.fixture
def archive(events, tmp_path):
    """Write a map of the pipeline and give its entry in task.json."""
    grid = image.grid(events, 4.0, None)

    def make(name, values):
        hdu = fits.PrimaryHDU(np.broadcast_to(values, (grid.shape[1], grid.shape[0])).astype(np.float32))
        image.world_coordinates(hdu.header, events, grid)
        hdu.header["LIVETIME"] = max(exposure.live_times(events, events.standard_gti).values())
        path = tmp_path / f"P9999000101M1S001{name}000.FTZ"
        hdu.writeto(path)
        return {"kind": COMPANIONS[name[:6]], "path": str(path), "content_type": "application/fits"}

    return make


def columns(events):
    """X at the centres of the columns of the whole grid."""
    return image.centres(image.grid(events, 4.0, None))[0]


def test_a_range_of_several_bands_has_the_mean_of_their_maps(events, archive):
    files = [archive("EXPMAP2", 1000.0), archive("EXPMAP3", 2000.0), archive("EXPMAP8", 9.0)]
    live = exposure.live_times(events, events.standard_gti)
    x = np.array([25921.0])
    model, found = exposure_map.prepare(events, files, live, "standard", (0.5, 2.0))
    assert 1000 < found.vignetted(x, x)[0] < 2000
    assert "EXPMAP2" in found.origin
    assert "EXPMAP3" in found.origin
    assert exposure_map.find(files, model, live, (0.2, 12.0)).vignetted(x, x)[0] == pytest.approx(9.0)
    assert exposure_map.find(files, model, live, (0.5, 4.5)) is model
    assert exposure_map.find(files, model, live, (0.6, 2.0)) is model


def test_outside_of_the_mask_nothing_is_exposed(events, archive):
    files = [archive("DETMSK0", columns(events) > 25921), archive("EXPMAP4", 500.0)]
    live = exposure.live_times(events, events.standard_gti)
    x, y = np.array([25000.0, 27000.0]), np.array([26500.0, 26500.0])
    for band in ((2.0, 4.5), (2.0, 4.0)):
        _, found = exposure_map.prepare(events, files, live, "standard", band)
        left, right = found.vignetted(x, y)
        assert left == 0 < right
        assert "DETMSK0" in found.origin
    _, found = exposure_map.prepare(events, files, live, "none", (2.0, 4.0))
    assert (found.vignetted(x, y) > 0).all()


def photometry(events, files, **parameters):
    task = Task(
        "slug",
        {"id": "a", "files": [{"kind": "events", "path": str(events.path)}, *files]},
        BRIGHT,
        Parameters({"EMIN": 0.5, "EMAX": 2.0} | parameters),
    )
    return measure(task, "a", 0.3)


def test_photometry_takes_the_background_of_the_maps(events, archive):
    files = [archive("BKGMAP2", 0.01), archive("BKGMAP3", 0.02)]
    found = photometry(events, files, BACKGROUND="map")
    pixels = np.pi * (0.00833 * 3600 / 4) ** 2
    # but for the gap and the bad pixels in the region
    assert 0.9 * 0.03 * pixels < found.background <= 0.031 * pixels
    assert found.alpha == 0
    assert "BKGMAP2" in found.ring
    ring = photometry(events, files)
    assert ring.counts == found.counts
    assert ring.effective == pytest.approx(found.effective, rel=0.05)
    with pytest.raises(Exception, match=r"has no background maps \(BKGMAP\) for 0.5 to 2 keV"):
        photometry(events, files[:1], BACKGROUND="map")


def test_a_source_outside_of_the_mask_has_no_value(events, archive):
    x, _ = events.projection.to_pixel(BRIGHT["ra"], BRIGHT["dec"])
    found = photometry(events, [archive("DETMSK0", columns(events) > float(x) + 2000)])
    assert "falls on live detector" in found.problem


def detected(run_script, events, files, **parameters):
    run = run_script("detect", events.path, parameters, files=files)
    assert run.code == 0, run.err
    path = next(run.products.glob("*.vot"))
    facts = {info.name: info.value for info in votable.parse(path).resources[0].infos}
    return Table.read(path), facts


def test_detection_looks_inside_the_mask_and_over_the_map(run_script, events, archive):
    files = [archive("DETMSK0", columns(events) > 25921), archive("BKGMAP2", 0.5), archive("BKGMAP3", 0.5)]
    table, facts = detected(run_script, events, files, EMIN=0.5, EMAX=2.0)
    ra, _ = events.projection.to_sky(25921.0, 25921.0)
    assert len(table)
    assert (table["ra"] < float(ra) + 0.001).all()
    assert "BKGMAP3" in facts["background_map"]
    # a map of any scale comes down to the counts
    assert table["background"].max() < 0.02
    own, facts = detected(run_script, events, files, EMIN=0.5, EMAX=2.0, BACKGROUND_MAP="own")
    assert "without its sources" in facts["background_map"]
    assert np.hypot(own["ra"][0] - table["ra"][0], own["dec"][0] - table["dec"][0]) < 1 / 3600


def test_a_damaged_map_is_named(run_script, events, tmp_path):
    bad = tmp_path / "P9999000101M1S001DETMSK0000.FTZ"
    bad.write_bytes(b"SIMPLE  = nonsense")
    run = run_script("detect", events.path, files=[{"kind": "detector_mask", "path": str(bad)}])
    assert run.code == 1
    assert run.message.startswith(f"{bad.name}[PRIMARY]: is no map of the pipeline that can be used")
    assert not list(run.products.iterdir())


def test_bands_are_those_of_the_pipeline():
    files = [{"kind": "exposure_map", "path": f"/a/P1234567890PNS003EXPMAP{digit}000.FTZ"} for digit in "12345"]
    assert [band for band, _ in pipeline_maps.bands(files, "EXPMAP", (0.2, 12.0))] == list(
        pipeline_maps.BANDS.values()
    )[:5]
    assert pipeline_maps.bands(files, "BKGMAP", (0.2, 12.0)) == []
    assert pipeline_maps.paths(files, "EXPMAP")["3"].name == "P1234567890PNS003EXPMAP3000.FTZ"
