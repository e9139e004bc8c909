"""The automatic background."""

from __future__ import annotations

import numpy as np

from scripts.epic import background, region
from scripts.epic.events import EventList


def test_another_source_in_the_ring_is_cut_out(simulated_m1, truth):
    """SIM 4 lies two arcmin from SIM 1: the ring around a faint place between them is cleaned of what is bright."""
    events = EventList(simulated_m1)
    keep = events.flagged_clear("XMMEA_EM") & (events.column("PI") < 8000)
    bright = truth["sources"][0]
    x, y = (float(v) for v in events.projection.to_pixel(bright["ra"], bright["dec"]))
    place = region.Circle("CIRCLE", x + 1200.0, y, 400.0)
    ring = background.automatic(events, place, keep)
    assert ring.text.startswith("ANNULUS")
    assert "NOT CIRCLE" in ring.text
    assert not ring.contains(np.array([x]), np.array([y])).any()
    known = background.automatic(events, region.Circle("CIRCLE", x, y, 400.0), keep & False, [(x + 1300.0, y)])
    assert not known.contains(np.array([x + 1300.0]), np.array([y])).any()
    assert known.contains(np.array([x - 1300.0]), np.array([y])).all()


def test_half_of_the_ring_stays(simulated_m1):
    events = EventList(simulated_m1)
    keep = np.zeros(len(events), dtype=bool)
    crowd = [(25921.0 + 1200 * np.cos(a), 25921.0 + 1200 * np.sin(a)) for a in np.linspace(0, 6.28, 60)]
    ring = background.automatic(events, region.Circle("", 25921.0, 25921.0, 400.0), keep, crowd)
    cut = sum(size**2 for *_, size in ring.holes)
    assert 0 < cut <= 0.5 * (ring.ring.outer**2 - ring.ring.inner**2)
