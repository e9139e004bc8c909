"""Frames of a CCD: the same live time however many are looked at together, in whatever order they stand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic import frames
from scripts.epic.events import EventList
from scripts.epic.frames import Frames


@pytest.fixture
def pn(simulated):
    return next(simulated.glob("*PIEVLI*"))


@pytest.fixture
def times(pn):
    events = EventList(pn)
    return np.random.default_rng(4).uniform(events.number("TSTART") - 9, events.number("TSTOP") + 9, 500)


@pytest.mark.parametrize("camera", ["MIEVLI", "PIEVLI"])
def test_blocks_collect_what_the_frames_collect_together(simulated, times, camera, monkeypatch):
    events = EventList(next(simulated.glob(f"*{camera}*")))
    for ccd in events.ccds:
        monkeypatch.setattr(frames, "BLOCK", 1 << 30)
        whole = Frames(events, ccd).upto(times)
        monkeypatch.setattr(frames, "BLOCK", 97)
        assert Frames(events, ccd).upto(times) == pytest.approx(whole, abs=1e-6)
        assert whole.max() > 1000


def test_frames_out_of_order_are_put_in_order(pn, times, tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "BLOCK", 97)
    mixed = tmp_path / "mixed.fits"
    with fits.open(pn) as hdus:
        table = hdus["EXPOSU04"].data
        hdus["EXPOSU04"].data = table[np.random.default_rng(5).permutation(len(table))]
        hdus.writeto(mixed)
    assert np.array_equal(Frames(EventList(mixed), 4).upto(times), Frames(EventList(pn), 4).upto(times))


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("lost", [1, None])
def test_a_frame_of_no_time_is_none(pn, times, tmp_path, lost, nothing):
    other = tmp_path / "other.fits"
    with fits.open(pn) as hdus:
        hdus["EXPOSU04"].data["TIME"][:lost] = nothing
        hdus.writeto(other)
    found, whole = Frames(EventList(other), 4).upto(times), Frames(EventList(pn), 4).upto(times)
    # with none left it is as without the table: all time is live
    assert found == pytest.approx(whole if lost else times, abs=1)


def test_the_spacing_of_very_many_frames_is_that_of_some(pn, times, monkeypatch):
    whole = Frames(EventList(pn), 4).upto(times)
    monkeypatch.setattr(frames, "ENOUGH", 50)
    assert Frames(EventList(pn), 4).upto(times) == pytest.approx(whole, rel=1e-9)


def test_a_small_window_does_not_fill_the_memory(pn, tmp_path):
    """Of nine million frames, as pn takes in 50 ks, nothing is kept but the table itself."""
    number, large = 9_000_000, tmp_path / "small_window.fits"
    with fits.open(pn) as hdus:
        start, header = hdus["EVENTS"].header["TSTART"], hdus["EXPOSU04"].header
        kinds = [("TIME", ">f8"), ("FRACEXP", ">f4")]
        table = np.zeros(number, dtype=kinds)
        table["TIME"], table["FRACEXP"] = start + 0.0057 * (np.arange(number) + 0.5), 0.71
        hdus["EXPOSU04"] = fits.BinTableHDU(table, name="EXPOSU04")
        hdus["EXPOSU04"].header["CCDID"] = header.get("CCDID", 4)
        hdus.writeto(large)
    events = EventList(large)
    tracemalloc.start()
    live = Frames(events, 4).upto(np.array([start, start + 0.0057 * number]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert live[1] - live[0] == pytest.approx(0.71 * 0.0057 * number, rel=1e-5)  # times of mission have 30 ns
    assert peak < 40e6
