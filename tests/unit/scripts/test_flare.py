from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import exposure, flare, gti
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
