"""Which files a question reads, and which of them whole: a range includes its start and not its end."""

from __future__ import annotations

import pytest

from quadra.warehouse.query.span import Range
from quadra.warehouse.segments.catalogue import Listed

ASKED = Range(100, 200)


def held(low: int, high: int) -> Listed:
    return Listed("id", "path", 1, "", 2, 0, low, high)


@pytest.mark.parametrize(
    ("low", "high", "overlaps", "whole"),
    [
        (50, 99, False, False),
        (50, 100, True, False),
        (99, 150, True, False),
        (100, 199, True, True),
        (100, 200, True, False),
        (199, 250, True, False),
        (200, 250, False, False),
        (50, 250, True, False),
    ],
)
def test_a_file_is_read_where_it_may_hold_something_and_whole_where_all_of_it_lies_inside(
    low: int, high: int, overlaps: bool, whole: bool
) -> None:
    segment = held(low, high)
    assert (ASKED.overlaps(segment), ASKED.overlaps(segment) and ASKED.holds(segment)) == (overlaps, whole)


def test_without_bounds_every_file_is_read_whole() -> None:
    assert Range(None, None).holds(held(0, 10**15))
    assert not Range(None, 200).overlaps(held(200, 300))
    assert not Range(200, None).overlaps(held(100, 199))


def test_a_part_of_a_range_never_reaches_beyond_it() -> None:
    assert ASKED.within(50, 150) == Range(100, 150)
    assert ASKED.within(150, 250) == Range(150, 200)
    assert Range(None, None).within(50, 150) == Range(50, 150)
