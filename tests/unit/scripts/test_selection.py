from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.fits import bit_pattern
from scripts.epic.selection import electronvolts, select
from scripts.epic.task import Parameters


def test_the_cleaned_list_equals_that_of_sas(real, real_camera, real_events):
    wanted = {"EMIN": 0.5, "EMAX": 10.0, "GTI": "flare", "FLARE_RATE": 0.4}
    keep = select(real_events, Parameters(wanted)).mask(real_events)
    assert np.count_nonzero(keep) == {"M1": 47550, "M2": 48960}[real_camera]
    clean = fits.getdata(real / f"{real_camera}_clean.fits.gz", "EVENTS")
    for name in ("TIME", "X", "Y", "PI", "FLAG"):
        assert np.array_equal(real_events.column(name)[keep], clean[name])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.5, 10.0, (500, 10000)),
        (0.57, 1.1, (570, 1100)),
        (0.5001, 0.9999, (501, 999)),
        (None, 2.0, (None, 2000)),
    ],
)
def test_energies_become_whole_electronvolts(low, high, expected):
    assert electronvolts(low, high) == expected


def test_flags_and_patterns_default_to_the_camera(simulated):
    events = EventList(simulated / "P9999000101PNS003PIEVLI0000.FTZ")
    standard, strict, everything = (
        select(events, Parameters({"FLAGS": flags})) for flags in ("standard", "strict", "none")
    )
    assert standard.pattern == 4
    counts = [np.count_nonzero(selection.mask(events)) for selection in (strict, standard, everything)]
    assert counts[0] < counts[1] < counts[2]
    assert counts[2] == np.count_nonzero(events.column("PATTERN") <= 4)
    assert standard.expression == "(FLAG & 0xcfb0000) == 0 && PATTERN<=4"


def test_standard_events_of_pn_out_of_the_field_are_kept_only_where_sas_does(simulated):
    """XMMEA_EP says nothing of OUT_OF_FOV: SAS's images have such events, but no exposure and no area there."""
    events = EventList(simulated / "P9999000101PNS003PIEVLI0000.FTZ")
    seen, all_of_them = (select(events, Parameters({}), blind=blind) for blind in (False, True))
    assert all_of_them.expression == "(FLAG & 0xcfa0000) == 0 && PATTERN<=4"
    assert np.array_equal(
        all_of_them.mask(events), (events.column("FLAG") & 0xCFA0000 == 0) & (events.column("PATTERN") <= 4)
    )
    more = all_of_them.mask(events) & ~seen.mask(events)
    assert more.any()
    assert (events.column("FLAG")[more] & 0x10000 != 0).all()
    assert select(events, Parameters({"FLAGS": "none"})).rejected == 0


def test_an_empty_flare_filter_says_so(simulated_m1):
    with pytest.raises(ScienceError, match=r"leaves no time.*at most FLARE_RATE = 0 ct/s \(the median is 0\.1"):
        select(EventList(simulated_m1), Parameters({"GTI": "flare", "FLARE_RATE": 0.0}))


def test_the_simulated_flare_is_filtered(simulated_m1):
    events = EventList(simulated_m1)
    selection = select(events, Parameters({"GTI": "flare"}))
    end = events.number("TSTART") + 9000
    assert selection.quiet is not None
    assert end - 2000 < selection.quiet[-1, 1] < end - 1200


def test_bits_are_written_as_the_data_subspace_writes_them():
    # as SAS wrote them for the same bits into the real lists
    assert bit_pattern(0x762AA000) == "b000x00xxx0x0x0x0x0xxxxxxxxxxxxx"
