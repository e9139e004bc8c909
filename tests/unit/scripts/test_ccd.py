from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import uniform_filter

from scripts.epic import area, ccd
from scripts.epic.events import EventList
from scripts.epic.region import Circle

WHOLE_FIELD = Circle("field", 25921, 25921, 30000)


def test_the_nominal_geometry_agrees_with_the_real_one(real_events):
    fitted = ccd.Geometry(real_events)
    for chip in fitted.chips:
        for corner in ((1, 1), (600, 1), (1, 600), (600, 600)):
            nominal = ccd.nominal_to_det(fitted.camera, chip.ccd)(*corner)
            assert np.hypot(*np.subtract(chip.to_det(*corner), nominal)) < 4  # 0.2 arcsec
    crpix = real_events.projection.crpix
    nominal_sky = ccd.nominal_to_sky(fitted.camera, crpix, real_events.number("PA_PNT"))
    for det in ((0, 0), (15000, 0), (0, -15000)):
        assert np.hypot(*np.subtract(fitted.to_sky(*det), nominal_sky(*det))) < 4


def test_events_lie_where_the_geometry_puts_them(real_events):
    geometry = ccd.Geometry(real_events)
    x, y = (real_events.column(name) for name in "XY")
    u, v = geometry.to_sky(real_events.column("DETX").astype(float), real_events.column("DETY").astype(float))
    assert np.std(x - u) < 10
    assert np.std(y - v) < 10


def test_the_field_of_view_is_that_of_the_flags(real_events):
    geometry = ccd.Geometry(real_events)
    seen = geometry.in_field(real_events.column("DETX").astype(float), real_events.column("DETY").astype(float))
    good = real_events.flagged_clear(real_events.camera.macro)
    assert np.count_nonzero(good & ~seen) / np.count_nonzero(good) < 0.001
    outside = ~real_events.flagged_clear("XMMEA_16")  # the macro says "is out", so clear of it is inside
    assert np.count_nonzero(outside & ~seen) / np.count_nonzero(~seen) < 0.02


def test_strips_at_the_edges_of_ccds_have_no_event_in_the_field(real_events):
    """Where neighbours hide a CCD all is flagged as out of the field; elsewhere within the field next to nothing is."""
    geometry = ccd.Geometry(real_events)
    column = real_events.column
    hidden = np.zeros(len(real_events), dtype=bool)
    for chip in geometry.chips:
        mine = column("CCDNR") == chip.ccd
        hidden[mine] = ccd.hidden(geometry.camera, chip.ccd, column("RAWX")[mine], column("RAWY")[mine])
    out = (column("FLAG") & 0x10000) != 0
    within = np.hypot(column("DETX") - 100.0, column("DETY") + 240.0) < 16_300
    assert np.count_nonzero(hidden & within) > 150
    assert np.count_nonzero(hidden & within & ~out) <= 1
    assert np.count_nonzero(out & within & ~hidden) < 0.04 * np.count_nonzero(out & within)


def test_the_area_of_each_ccd_is_the_one_sas_wrote_down(real_events):
    """IN_FOV of EXPOSUnn, arcmin2, for which SAS takes bad pixels for good ones."""
    geometry = ccd.Geometry(real_events)
    for chip in geometry.chips:
        x0, x1, y0, y1 = chip.window
        rawx, rawy = (axis.ravel() for axis in np.mgrid[x0 : x1 + 1, y0 : y1 + 1])
        seen = geometry.in_field(*chip.to_det(rawx.astype(float), rawy.astype(float)))
        seen &= ~ccd.hidden(geometry.camera, chip.ccd, rawx, rawy)
        mine = np.count_nonzero(seen) * abs(np.linalg.det(chip.to_det.matrix)) / 1200**2
        assert mine / real_events.header_of(f"EXPOSU{chip.ccd:02d}")["IN_FOV"] == pytest.approx(1, abs=0.012)


def test_live_area_is_that_of_the_header_less_bad_pixels(real_events):
    areas = area.live_area(WHOLE_FIELD, real_events, ccd.Geometry(real_events), "standard")
    header = sum(real_events.header_of(f"EXPOSU{n:02d}")["IN_FOV"] for n in real_events.ccds)
    assert 0.97 < sum(areas.values()) / 1200**2 / header <= 1.0


@pytest.mark.parametrize("flags", ["standard", "strict"])
def test_selected_events_lie_on_live_pixels(real_events, flags):
    geometry = ccd.Geometry(real_events)
    good = (
        real_events.flagged_clear(real_events.camera.macro) if flags == "standard" else real_events.column("FLAG") == 0
    )
    dead = 0
    for chip in geometry.chips:
        bad = area.bad_pixels(real_events, chip, flags)
        mine = good & (real_events.column("CCDNR") == chip.ccd)
        dead += np.count_nonzero(bad[real_events.column("RAWX")[mine], real_events.column("RAWY")[mine]])
    assert dead / np.count_nonzero(good) < (1e-5 if flags == "standard" else 2e-3)


def test_live_area_of_a_circle_on_a_whole_ccd_is_its_geometric_area(simulated_m1):
    events = EventList(simulated_m1)
    geometry = ccd.Geometry(events)
    x, y = geometry.to_sky(geometry.chips[0].to_det(300, 300)[0], geometry.chips[0].to_det(300, 300)[1])
    bad = area.bad_pixels(events, geometry.chips[0], "none")[1:601, 1:601]
    areas = area.live_area(Circle("", x, y, 2000), events, geometry, "standard")
    assert abs(areas[1] / (np.pi * 2000**2) - 1) < 0.02
    assert 0 < np.count_nonzero(bad) < 600 + 13
    assert areas[1] == sum(areas.values())


def test_sparse_lists_fall_back_on_the_nominal_geometry(shared):
    events = EventList(shared / "data" / "xmm" / "0916810801" / "0916810801_PN1_src.evt.gz")
    geometry = ccd.Geometry(events)
    x, y = geometry.to_sky(events.column("DETX").astype(float), events.column("DETY").astype(float))
    assert np.hypot(np.mean(x - events.column("X")), np.mean(y - events.column("Y"))) < 80  # 4 arcsec
    det = geometry.chips[0].to_det(events.column("RAWX").astype(float), events.column("RAWY").astype(float))
    assert np.hypot(np.mean(det[0] - events.column("DETX")), np.mean(det[1] - events.column("DETY"))) < 82


def test_clipping_keeps_what_two_squares_share():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    shared = ccd.clip(square, square + 1)
    assert sorted(map(tuple, shared.tolist())) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(ccd.clip(square, square + 5)) == 0
    assert len(ccd.clip(square[::-1], square)) == 4


def live_on_image(shift, shape=(648, 648), pixel=80.0, samples=4):
    """Return the share of each pixel of an image of the whole of pn, of 2002, that CCDs cover, from RAWY = 13 on."""
    to_det = ccd.nominal_to_sky("PN", (25921.0, 25921.0), 250.845672607422).inverse
    covered = np.zeros(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for i, j in np.ndindex(samples, samples):
        x, y = ((axis + (k + 0.5) / samples) * pixel + 0.5 for axis, k in ((columns, j), (rows, i)))
        det = [axis + step for axis, step in zip(to_det(x.ravel(), y.ravel()), shift, strict=True)]
        seen = np.zeros(rows.size, dtype=bool)
        for number in range(1, 13):
            rawx, rawy = ccd.nominal_to_det("PN", number).inverse(*det)
            seen |= (np.abs(rawx - 32.5) < 32) & (rawy >= 12.5) & (rawy < 200.5)
        covered += seen.reshape(shape) / samples**2
    return covered


def test_the_layout_of_pn_is_that_of_an_image(real):
    """The counts of PN_image, out of the field too, lie on the CCDs but for 0.15 %, and these are no larger than that.

    Pixels beside a gap have more counts than others, not fewer. The pointing may lie elsewhere on the detector than in
    2023: the image chooses where, in steps of 10 units.
    """
    image = fits.getdata(real / "PN_image.fits.gz").astype(float)
    lost = {
        shift: image[live_on_image(shift) == 0].sum() / image.sum()
        for shift in ((dx, dy) for dx in (29, 39, 49) for dy in (-15, -5, 5))
    }
    shift = min(lost, key=lambda one: lost[one])
    assert lost[shift] < 0.0015
    covered = live_on_image(shift)
    quiet = image < 8
    beside = quiet & (covered == 1) & (uniform_filter(covered, 3) < 0.99)
    within = quiet & (uniform_filter(covered, 5) > 0.999)
    share = uniform_filter(within.astype(float), 15)
    expected = uniform_filter(image * within, 15) / np.maximum(share, 1e-9)
    chosen = beside & (share > 0.2) & (uniform_filter(image, 9) < 3)
    assert np.count_nonzero(chosen) > 5000
    assert image[chosen].sum() > 1.3 * expected[chosen].sum()


def test_pixels_of_pn_lie_where_the_layout_has_them(shared):
    """A list of 2023: all its events within half a pixel and 2 units of the middle of theirs."""
    events = EventList(shared / "data" / "xmm" / "0916810801" / "0916810801_PN1_src.evt.gz")
    x, y = ccd.nominal_to_det("PN", 5)(*(events.column(name).astype(float) for name in ("RAWX", "RAWY")))
    for middle, name in ((x, "DETX"), (y, "DETY")):
        assert np.abs(events.column(name) - middle).max() < 82.506 / 2 + 2
