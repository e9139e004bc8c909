from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scripts.epic import gti

edges = st.integers(0, 40).map(float)
sets = st.lists(st.tuples(edges, edges), max_size=8).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 2))
# between whole numbers, so that no time lies on an edge
TIMES = np.arange(-1, 41) + 0.5


def brute(rows: np.ndarray) -> np.ndarray:
    return np.array([any(a < t < b for a, b in rows) for t in TIMES])


@given(sets)
def test_normal_form_is_ordered_disjoint_and_covers_the_same_times(rows):
    result = gti.normal(rows)
    assert (result[:, 1] > result[:, 0]).all()
    assert (result[1:, 0] > result[:-1, 1]).all()
    assert np.array_equal(gti.contains(result, TIMES), brute(rows))


@given(sets, sets)
def test_intersection_is_that_of_sets(a, b):
    assert np.array_equal(gti.contains(gti.intersection(a, b), TIMES), brute(a) & brute(b))
    assert gti.duration(gti.intersection(a, b)) == np.count_nonzero(brute(a) & brute(b))


def test_both_ends_belong_to_an_interval():
    intervals = np.array([[1.0, 2.0], [4.0, 5.0]])
    assert gti.contains(intervals, np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist() == [
        True,
        True,
        False,
        True,
        True,
    ]
