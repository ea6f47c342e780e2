"""Funnels in columns give what the walk gives, whoever else stands in the columns, and leave to it what they cannot decide."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.analytics.funnels.columns import bits_of, in_columns, ways
from quadra.analytics.funnels.walk import Coded, Exclusion, Times, Walk
from quadra.analytics.questions import columns

MANY = settings(max_examples=150, deadline=None)
LATE = 1 << 49
"""A time in the year 1987: people of one block may be far apart."""


def found(walk: Walk, *people: list[Coded]) -> list[Times]:
    bits = bits_of(walk)
    packed = [[at << bits | code for at, code in events] for events in people]
    return list(ways(walk, pa.chunked_array([pa.array(packed, pa.list_(pa.int64()))])))


@st.composite
def walks(draw: st.DrawFn, order: str, excluding: bool) -> Walk:
    steps = draw(st.integers(2 if excluding else 1, 4))
    exclusions = []
    for _ in range(draw(st.integers(1, 2)) if excluding else 0):
        start = draw(st.integers(0, steps - 2))
        exclusions.append(Exclusion(start, draw(st.integers(start + 1, steps - 1))))
    return Walk(steps, draw(st.integers(1, 25)), order, tuple(exclusions))


@pytest.mark.parametrize("single", [True, False], ids=["one step an event", "several steps an event"])
@pytest.mark.parametrize(
    ("order", "excluding"),
    [("ordered", False), ("ordered", True), ("strict", False), ("strict", True), ("unordered", False)],
)
def test_columns_agree_with_the_walk(
    order: str, excluding: bool, single: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @MANY
    @given(data=st.data(), walk=walks(order, excluding), most=st.sampled_from([8, 30]), block=st.sampled_from([1, 3]))
    def check(data: st.DataObject, walk: Walk, most: int, block: int) -> None:
        monkeypatch.setattr(columns, "BLOCK", block)
        codes = [1 << bit for bit in range(bits_of(walk))] if single else list(range(1, 1 << bits_of(walk)))
        if order == "strict":
            codes.append(0)
        event = st.tuples(st.integers(0, most), st.sampled_from(codes))
        person = st.lists(event, min_size=1, max_size=most).map(sorted)
        people = data.draw(st.lists(person, min_size=1, max_size=4))
        if data.draw(st.booleans()):
            people[-1] = [(at + LATE, code) for at, code in people[-1]]
        assert found(walk, *people) == [walk.best(events) for events in people]

    check()


def test_the_end_of_one_history_and_the_begin_of_the_next_are_not_one_way() -> None:
    for order in ("ordered", "strict", "unordered"):
        walk = Walk(2, 1 << 52, order)
        assert found(walk, [(10, 0b01)], [(10, 0b10), (11, 0b01)]) == [
            (10,),
            (11,) if order != "unordered" else (10, 11),
        ]


def test_an_exclusion_strikes_strictly_between_and_up_to_the_end_of_the_window() -> None:
    walk = Walk(2, 10, "ordered", (Exclusion(0, 1),))
    a, b, x = 0b001, 0b010, 0b100
    assert found(walk, [(0, a), (5, x), (9, b)]) == [()]
    assert found(walk, [(0, a), (5, x), (6, a), (9, b)]) == [(6, 9)]
    assert found(walk, [(0, a), (0, x), (9, b)]) == [(0, 9)]
    assert found(walk, [(0, a), (9, b), (9, x)]) == [(0, 9)]
    assert found(walk, [(0, a), (10, x)]) == [()]
    assert found(walk, [(0, a), (11, x)]) == [(0,)]
    assert found(walk, [(0, a), (5, x)], [(3, a), (9, b)]) == [(), (3, 9)]


def test_an_earlier_attempt_that_is_not_struck_counts_where_the_later_one_is() -> None:
    """Both are through at the same time, but the exclusion lies between the second's first steps only."""
    walk = Walk(3, 100, "ordered", (Exclusion(0, 1),))
    events = [(0, 0b0001), (1, 0b0010), (2, 0b0001), (3, 0b1000), (4, 0b0010), (5, 0b0100)]
    assert found(walk, events) == [walk.best(events)] == [(0, 1, 5)]


def test_people_of_many_years_are_told_apart_in_smaller_blocks() -> None:
    walk, far = Walk(2, 10), (1 << 53) - 20
    people = [[(1, 0b01), (far, 0b01), (far + 10, 0b10)], [(2, 0b01), (12, 0b10), (far, 0b10)]] * 600
    assert found(walk, *people) == [(far, far + 10), (2, 12)] * 600


def test_what_needs_too_many_bits_is_walked() -> None:
    assert in_columns(Walk(3, 10, "ordered", (Exclusion(0, 1),)))
    assert not in_columns(Walk(3, 10, "unordered", (Exclusion(0, 2),)))
    assert in_columns(Walk(10, 10))
    assert not in_columns(Walk(11, 10))
    assert not in_columns(Walk(10, 10, "ordered", (Exclusion(0, 1),)))
