"""What timelines count with, compared with the plain way."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.analytics.questions.timeline import Places

HOUR = 3_600_000_000
BEGIN = 1_772_409_600_000_000


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([1, 7, HOUR, 23 * HOUR, 24 * HOUR, 25 * HOUR, 31 * 24 * HOUR]), max_size=40),
    about=st.lists(st.tuples(st.integers(0, 41), st.integers(-2, 2) | st.integers(-HOUR, 40 * 24 * HOUR)), max_size=40),
)
def test_the_period_of_a_time_is_the_last_that_began_by_then(gaps: list[int], about: list[tuple[int, int]]) -> None:
    starts = [BEGIN]
    for gap in gaps:
        starts.append(starts[-1] + gap)
    us = [starts[min(place, len(starts) - 1)] + off for place, off in about]
    found = Places(starts).of(np.array(us, np.int64))
    assert found.tolist() == [bisect_right(starts, each) - 1 for each in us]


def test_a_time_is_in_no_period_where_there_are_none() -> None:
    assert Places([]).of(np.array([0, BEGIN], np.int64)).tolist() == [-1, -1]
