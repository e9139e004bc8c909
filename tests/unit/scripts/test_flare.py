from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import cameras, exposure, flare, gti
from scripts.epic.events import EventList


def test_curve_and_intervals_equal_those_of_sas_to_the_bit(real, real_camera, real_events):
    curve = flare.curve(real_events)
    sas = fits.getdata(real / f"{real_camera}_rate.fits.gz", 1)
    assert np.array_equal(curve.rate, sas["RATE"])
    assert np.array_equal(curve.time, sas["TIME"])
    intervals = fits.getdata(real / f"{real_camera}_gti.fits", 1)
    assert np.array_equal(curve.quiet(0.4), np.column_stack([intervals["START"], intervals["STOP"]]))


def test_good_time_of_each_ccd_after_the_filter_equals_that_of_sas(real, real_camera, real_events):
    header = fits.getheader(real / f"{real_camera}_image.fits.gz")
    for ccd, times in exposure.on_times(real_events, flare.curve(real_events).quiet(0.4)).items():
        assert abs(gti.duration(times) - header[f"ONTIME{ccd:02d}"]) < 1e-5


def test_live_time_after_the_filter_agrees_with_sas(real, real_camera, real_events):
    """SAS drops about a frame at each edge; scripts/image/README.md and spectrum/README.md state the share."""
    header = fits.getheader(real / f"{real_camera}_clean.fits.gz", "EVENTS")
    live = exposure.live_times(real_events, exposure.on_times(real_events, flare.curve(real_events).quiet(0.4)))
    assert set(live) == {1, 2, 3, 4, 5, 6, 7}
    for ccd, seconds in live.items():
        assert seconds == pytest.approx(header[f"LIVETI{ccd:02d}"], rel=0.0005)


def test_live_time_from_the_frames_agrees_with_sas(real_events):
    assert len(real_events.ccds) == 7
    for ccd, times in real_events.standard_gti.items():
        header = real_events.number(f"LIVETI{ccd:02d}")
        assert abs(exposure.collected(real_events, ccd, times) / header - 1) < 0.003
        assert exposure.live_time(real_events, ccd, times) == pytest.approx(header, rel=1e-12)


def test_live_time_is_shared_out_between_good_times(real_events):
    quiet = flare.curve(real_events).quiet(0.4)
    noisy = np.array([[quiet[0, 0] - 1, quiet[0, 0]], *np.column_stack([quiet[:-1, 1], quiet[1:, 0]])])
    for ccd, times in real_events.standard_gti.items():
        parts = [exposure.live_time(real_events, ccd, gti.intersection(times, part)) for part in (quiet, noisy)]
        assert parts[0] / gti.duration(gti.intersection(times, quiet)) == pytest.approx(0.99, abs=0.005)
        assert sum(parts) == pytest.approx(real_events.number(f"LIVETI{ccd:02d}"), rel=1e-3)


def test_read_out_of_pn_is_dead_time(shared):
    events = EventList(shared / "data" / "xmm" / "0916810801" / "0916810801_PN1_src.evt.gz")
    times = events.standard_gti[5]
    assert exposure.live_time(events, 5, times) == pytest.approx(3200.275, abs=0.001)
    # 68.7 ms of a frame of 73.4 ms see the sky in place
    assert events.number("LIVETI05") / exposure.collected(events, 5, times) == pytest.approx(68.7 / 73.36, abs=0.002)


@pytest.mark.parametrize("camera", ["EMOS1", "EMOS2", "EPN"])
def test_band_of_the_curve_is_the_one_sas_was_given(real, camera):
    known = cameras.CAMERAS[camera]
    header = fits.getheader(real / f"{known.name}_rate.fits.gz", 1)
    axis = next(n for n in range(1, 20) if header[f"DSTYP{n}"] == "PI")
    low, high = header[f"DSVAL{axis}"].split(":")
    # "(10000" of MOS excludes the end
    assert known.flare_band == (int(low.lstrip("(")) + low.startswith("("), int(high) if high else None)


def test_both_ends_of_the_band_of_pn_belong_to_it(simulated_lists, tmp_path):
    simulated_pn = next(path for path in simulated_lists if "PIEVLI" in path.name)
    with fits.open(simulated_pn) as hdus:
        table = hdus["EVENTS"].data
        table["PATTERN"][:4], table["FLAG"][:4], table["PI"][:4] = 0, 0, (9999, 10000, 12000, 12001)
        table["PI"][4:] = 1000
        hdus.writeto(tmp_path / simulated_pn.name)
    assert flare.curve(EventList(tmp_path / simulated_pn.name)).counts.sum() == 2
