"""Lists of other modes and cameras than the full frame: lost CCDs, windows, other names and masks."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import area, exposure, gti, region
from scripts.epic.ccd import Geometry
from scripts.epic.events import EventList
from scripts.epic.selection import select
from scripts.epic.task import Parameters

REGION = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}


@pytest.fixture
def changed(simulated_lists, tmp_path):
    """Write the simulated list of a camera with a change."""

    def make(kind, change):
        path = next(path for path in simulated_lists if kind in path.name)
        with fits.open(path) as hdus:
            change(hdus)
            hdus.writeto(tmp_path / "changed.fits")
        return tmp_path / "changed.fits"

    return make


def keep(hdus, rows):
    hdus["EVENTS"] = fits.BinTableHDU(hdus["EVENTS"].data[rows], hdus["EVENTS"].header)


def forget(hdus, ccd, *kinds):
    for kind in kinds:
        if (name := f"{kind}{ccd:02d}") in hdus:
            del hdus[name]
    header = hdus["EVENTS"].header
    for name in [name for name in header if name.startswith(f"{ccd}DS")]:
        del header[name]


def test_lost_ccds_are_left_out(changed, run_script):
    def change(hdus):
        keep(hdus, ~np.isin(hdus["EVENTS"].data["CCDNR"], (3, 6)))
        for ccd in (3, 6):
            forget(hdus, ccd, "EXPOSU", "BADPIX", "STDGTI")

    path = changed("M1", change)
    assert EventList(path).ccds == (1, 2, 4, 5, 7)
    run = run_script("spectrum", path, {"GTI": "flare"}, REGION | {"ra": 150.12, "dec": 2.21})
    assert run.code == 0, run.err
    on_a_lost_one = run_script("spectrum", path, {}, REGION)
    assert on_a_lost_one.code == 1
    assert "no live detector area" in on_a_lost_one.err


def test_a_ccd_without_good_times_has_no_exposure(changed):
    events = EventList(changed("M1", lambda hdus: forget(hdus, 5, "STDGTI")))
    assert 5 in events.ccds
    live = exposure.live_times(events, events.standard_gti)
    assert live[5] == 0
    assert min(seconds for ccd, seconds in live.items() if ccd != 5) > 0


def test_good_times_of_any_name_are_found_by_the_data_subspace(changed):
    def change(hdus):
        header = hdus["EVENTS"].header
        for n in range(1, 8):
            hdus[f"STDGTI{n:02d}"].name = f"GTI{n}0003"
            header[f"{'' if n == 1 else n}DSREF2"] = f":GTI{n}0003"

    path = changed("M1", change)
    with fits.open(path) as hdus:
        for ccd, times in EventList(path).standard_gti.items():
            assert gti.duration(times) == pytest.approx(float(np.sum(np.diff(hdus[f"GTI{ccd}0003"].data.tolist()))))


def test_the_small_window_of_pn(changed):
    """Of CCD 4 the part RAWX 1 to 63, RAWY 138 to 200 is read, which is dead for 29 % of the time."""

    def change(hdus):
        table = hdus["EVENTS"].data
        keep(hdus, (table["CCDNR"] == 4) & (table["RAWX"] <= 63) & (table["RAWY"] >= 138))
        hdus["EVENTS"].header["SUBMODE"] = "PrimeSmallWindow"
        for ccd in (n for n in range(1, 13) if n != 4):
            forget(hdus, ccd, "EXPOSU", "BADPIX", "STDGTI")
        forget(hdus, 4)
        hdus["EVENTS"].header["DSVAL1"], hdus["EVENTS"].header["DSREF2"] = "4", ":STDGTI04"
        header = hdus["EXPOSU04"].header
        header["WINDOWX0"], header["WINDOWY0"], header["WINDOWDX"], header["WINDOWDY"] = 1, 138, 63, 63
        hdus["EVENTS"].header["LIVETI04"] = 0.71 * hdus["EVENTS"].header["ONTIME04"]

    events = EventList(changed("PIEVLI", change))
    assert events.ccds == (4,)
    selection = select(events, Parameters({}))
    live = exposure.live_times(events, selection.times)
    assert live[4] == pytest.approx(0.71 * events.number("ONTIME04"), rel=1e-9)
    half = {4: selection.times[4][:, :1] + np.array([[0.0, 2000.0]])}
    assert exposure.live_times(events, half)[4] == pytest.approx(0.71 * gti.duration(half[4]), rel=0.02)

    geometry = Geometry(events)
    corners = np.column_stack(geometry.to_sky(*geometry.chips[0].corners().T))
    middle = corners.mean(0)
    for radius, share in ((600.0, 1.0), (40_000.0, None)):
        circle = region.Circle("a circle", *middle, radius)
        seen = sum(area.live_area(circle, events, geometry, "standard").values())
        if share:
            assert seen == pytest.approx(np.pi * radius**2, rel=0.03)
        else:
            # pixels of 4.1 arcsec
            assert seen == pytest.approx((63 * 82) ** 2, rel=0.05)


@pytest.mark.parametrize("mode", ["TIMING", "BURST"])
def test_lists_without_positions_are_refused(changed, run_script, mode):
    path = changed("PIEVLI", lambda hdus: hdus["EVENTS"].header.set("DATAMODE", mode))
    run = run_script("image", path, {}, REGION)
    assert run.code == 1
    assert f"{mode.lower()} mode list, which has no positions on the sky" in run.err


def test_the_mask_is_that_of_the_list(changed):
    path = changed("M1", lambda hdus: hdus["EVENTS"].header.set("XMMEA_EM", "(FLAG & 0x766b0808)==0"))
    events = EventList(path)
    chosen = select(events, Parameters({"PATTERN": 31})).mask(events)
    assert np.array_equal(chosen, (events.column("FLAG") & 0x766B0808) == 0)
