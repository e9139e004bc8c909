"""Live areas held against the detector's own pixels, counted one by one without the code under test."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import cKDTree

from scripts.epic import area, ccd
from scripts.epic.events import EventList
from scripts.epic.region import Circle
from scripts.epic.selection import select
from scripts.epic.task import Parameters

CAMERAS = {"EMOS1": (600, 22.02), "EMOS2": (600, 22.02), "EPN": (64, 82.506)}
OUT_OF_FIELD = 0x10000


def hidden(raw, flagged, u, v):
    """Tell which pixels lie where a neighbouring CCD hides an edge: up to halfway from flagged to clear events.

    In blocks of 100 pixels along each edge, without its corners; the nearest event does not tell, for there are fewer
    events in what is hidden.
    """
    lost = np.zeros(len(u), dtype=bool)

    def edges(x, y):
        return (x, y), (601 - x, y), (y, x), (601 - y, x)

    for (depth, along), (deep, at) in zip(edges(*raw), edges(u, v), strict=True):
        for first in range(0, 600, 100):
            mine = (depth <= 30) & (along > max(first, 30)) & (along <= min(first + 100, 570))
            out = depth[mine & flagged]
            if len(out):
                end = (out.max() + depth[mine & ~flagged].min(initial=31)) / 2
                lost |= (deep < end) & (at > first) & (at <= first + 100)
    return lost


class Pixels:
    """Every pixel of a camera: where it lies on the sky, by its CCD's events, and whether it is live.

    A CCD is as large as the pixels that ever registered an event, a pixel is in the field as the event nearest to it
    on the detector is flagged, and not live where BADPIXnn has it.
    """

    def __init__(self, path):
        places, live = [], []
        with fits.open(path) as hdus:
            events, names = hdus["EVENTS"].data, [hdu.name for hdu in hdus]
            size = CAMERAS[hdus[0].header["INSTRUME"]][1]
            chosen = events[(events["X"] > 0) & (events["CCDNR"] < 13)]
            for chip in sorted(set(chosen["CCDNR"].tolist())):
                mine = chosen[chosen["CCDNR"] == chip]
                raw = [mine[name].astype(float) for name in ("RAWX", "RAWY")]
                (x0, x1), (y0, y1) = ((int(axis.min()), int(axis.max())) for axis in raw)
                u, v = (axis.ravel() for axis in np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1)))
                bad = np.zeros((x1 + 1, 1000), dtype=bool)
                if f"BADPIX{chip:02d}" in names:
                    for row in hdus[f"BADPIX{chip:02d}"].data:
                        if row["RAWX"] <= x1:
                            bad[row["RAWX"], row["RAWY"] : row["RAWY"] + row["YEXTENT"]] = True
                base = np.column_stack([*raw, np.ones(len(mine))])
                target = np.column_stack([mine[name].astype(float) for name in ("X", "Y", "DETX", "DETY")])
                found = np.column_stack([u, v, np.ones(len(u))]) @ np.linalg.lstsq(base, target, rcond=None)[0]
                nearest = cKDTree(target[:, 2:]).query(found[:, 2:])[1]
                places.append(found)
                flagged = mine["FLAG"] & OUT_OF_FIELD > 0
                within = np.hypot(mine["DETX"].astype(float), mine["DETY"].astype(float)) < 14000
                far = np.hypot(found[:, 2], found[:, 3]) > 13000
                out = flagged[nearest] & far | ~far & hidden([axis[within] for axis in raw], flagged[within], u, v)
                live.append(~out & ~bad[u, v])
        self.places, self.live = places, live
        self.side = size

    def area(self, circle):
        """Return the live area of a circle, (0.05 arcsec)^2; a pixel that lies in one of another CCD counts once."""
        number, before = 0, np.empty((0, 2))
        for found, live in zip(self.places, self.live, strict=True):
            mine = found[live & (np.hypot(found[:, 0] - circle.x, found[:, 1] - circle.y) <= circle.radius), 2:]
            if len(before) and len(mine):
                mine = mine[cKDTree(before).query(mine, p=np.inf)[0] > self.side / 2]
            number += len(mine)
            before = np.concatenate([before, mine])
        return number * self.side**2


def difference(path, pixels, places):
    """Return the areas of circles by the scripts over those of the pixels, less 1, and the share that is live."""
    events = EventList(path)
    geometry = ccd.Geometry(events)
    ratios, shares = [], []
    for x, y, radius in places:
        circle = Circle("", x, y, radius)
        ours = sum(area.live_area(circle, events, geometry, "standard").values())
        ratios.append(ours / pixels.area(circle) - 1)
        shares.append(ours / (np.pi * radius**2))
    return np.array(ratios), np.array(shares)


def on_the_sky(path, places):
    """Return the X, Y of places in DETX, DETY, with a radius each."""
    geometry = ccd.Geometry(EventList(path))
    return [(*(float(axis) for axis in geometry.to_sky(float(u), float(v))), radius) for u, v, radius in places]


CENTRES = [(6600, 0), (-6600, 300), (0, 6600), (100, -6600), (6600, 6600), (-6600, -6600)]
"""DETX, DETY of places on the gaps around the middle CCD."""


@pytest.fixture(scope="module")
def pixels():
    made = {}
    return lambda path: made.setdefault(path, Pixels(path))


@pytest.mark.parametrize(("radius", "share"), [(30, 0.018), (60, 0.009), (120, 0.005)])
def test_across_gaps_between_ccds(real_lists, real_camera, pixels, radius, share):
    path = real_lists[real_camera]
    ratios, live = difference(path, pixels(path), on_the_sky(path, [(u, v, radius / 0.05) for u, v in CENTRES]))
    assert live.min() < 0.93
    assert np.abs(ratios).max() < share


def test_at_the_edge_of_the_field(real_lists, real_camera, pixels):
    path = real_lists[real_camera]
    places = [(15500 * np.cos(a), 15500 * np.sin(a), 1500) for a in np.arange(0.3, 6.0, 0.8)]
    ratios, live = difference(path, pixels(path), on_the_sky(path, places))
    assert live.min() < 0.6
    assert np.abs(ratios).max() < 0.035
    assert np.median(np.abs(ratios)) < 0.005


def test_over_a_dead_ccd(real_lists, pixels, tmp_path):
    path = tmp_path / real_lists["M1"].name.replace(".FTZ", ".fits")
    with fits.open(real_lists["M1"]) as hdus:
        hdus["EVENTS"].data = hdus["EVENTS"].data[hdus["EVENTS"].data["CCDNR"] != 4]
        fits.HDUList([hdu for hdu in hdus if hdu.name != "EXPOSU04"]).writeto(path)
    inside, across = on_the_sky(path, [(10000, 13000, 1000), (6600, 6600, 2400)])
    events = EventList(path)
    geometry = ccd.Geometry(events)
    assert sum(area.live_area(Circle("", *inside), events, geometry, "standard").values()) == 0
    ratios, live = difference(path, pixels(path), [across])
    assert live[0] < 0.7
    assert abs(ratios[0]) < 0.01


def test_against_the_backscal_of_sas(shared):
    """Source and background of pn with FLAG == 0, which leaves out a column with an offset and those next to it.

    Of the list there is only the source's circle, so that the CCD lies where its events are. SAS counts pixels.
    """
    there = shared / "data" / "xmm" / "0916810801"
    events = EventList(there / "0916810801_PN1_src.evt.gz")
    for circle, name, drawn, agree in (
        (Circle("", 34435, 18430, 500), "0916810801_PN1spec.fits.gz", 0.731, 0.02),
        (Circle("", 32300, 21000, 1500), "0916810801_PN1spec_bkg.fits.gz", 0.898, 0.002),
    ):
        header = fits.getheader(there / name, "SPECTRUM")
        assert f"FLAG==0) && (PATTERN<=4) && ((X,Y) IN {circle.text}" in header["SLCTEXPR"]
        theirs = header["BACKSCAL"]
        ours = sum(area.live_area(circle, events, ccd.Geometry(events), "strict").values())
        whole = sum(area.live_area(circle, events, ccd.Geometry(events), "standard").values())
        assert theirs / (np.pi * circle.radius**2) == pytest.approx(drawn, abs=0.001)
        assert whole == pytest.approx(np.pi * circle.radius**2, rel=0.002)
        assert ours == pytest.approx(theirs, rel=agree)


@pytest.mark.parametrize(("number", "ratio"), [("M1_1", 1.0040), ("M1_2", 0.9250), ("M2_1", 1.0048)])
def test_against_the_ratio_of_areas_of_sas(real, real_lists, number, ratio):
    """BKGRATIO of epiclccorr: background over source, both of 10"; one background lies on a bad column."""
    folder = real / f"lcurve_100_{number}"
    assert fits.getheader(next(folder.glob("*lccorr*")), "RATE")["BKGRATIO"] == pytest.approx(ratio, abs=1e-4)
    circles = re.findall(r"CIRCLE\(([\d.]+),([\d.]+),(\d+)\)", next(folder.glob("*region.txt")).read_text())
    events = EventList(real_lists[number[:2]])
    source, background = (
        sum(area.live_area(Circle("", *map(float, one)), events, ccd.Geometry(events), "standard").values())
        for one in circles
    )
    assert background / source == pytest.approx(ratio, rel=0.006)


def test_columns_with_offsets_are_live_where_their_events_are_kept(simulated, tmp_path):
    """Events lie evenly on the live area of pn, whatever the flags; without OFFSETS they would not with FLAG == 0."""
    path = simulated / "P9999000101PNS003PIEVLI0000.FTZ"
    circle = Circle("", 25921, 25921, 14_000)
    flat = {"EMIN": 10.0, "EMAX": 12.0}  # no source is seen there
    without = tmp_path / "list.fits"
    with fits.open(path) as hdus:
        fits.HDUList([hdu for hdu in hdus if hdu.name != "OFFSETS"]).writeto(without)

    def density(path, flags):
        events = EventList(path)
        keep = select(events, Parameters({**flat, "FLAGS": flags})).mask(events)
        keep &= circle.contains(events.column("X"), events.column("Y"))
        return np.count_nonzero(keep) / sum(area.live_area(circle, events, ccd.Geometry(events), flags).values())

    assert density(path, "strict") == pytest.approx(density(path, "standard"), rel=0.03)
    assert density(without, "strict") < 0.97 * density(without, "standard")
