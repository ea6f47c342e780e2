"""The quick way through a funnel and the walk agree on every history, and the quick way knows when it must not decide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.analytics.funnel_quick import quick_walk
from quadra.analytics.funnel_walk import Exclusion, Walk

MANY = settings(max_examples=600, deadline=None)


@pytest.mark.parametrize("single", [True, False], ids=["one step an event", "several steps an event"])
@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_the_quick_way_agrees_with_the_walk(order: str, single: bool) -> None:
    decided = 0

    @MANY
    @given(data=st.data(), steps=st.integers(1, 4), window=st.integers(1, 25), most=st.sampled_from([8, 30]))
    def check(data: st.DataObject, steps: int, window: int, most: int) -> None:
        nonlocal decided
        codes = [1 << step for step in range(steps)] if single else list(range(1, 1 << steps))
        if order == "strict":
            codes.append(0)
        event = st.tuples(st.integers(0, most), st.sampled_from(codes))
        events = sorted(data.draw(st.lists(event, max_size=most)))
        walk = Walk(steps, window, order)
        quick = quick_walk(walk)
        assert quick is not None
        packed = [at << steps | code for at, code in events]
        before, after = [5, 1 << 60], [7]  # of other people
        found = quick([*before, *packed, *after], len(before), len(before) + len(packed))
        if found is not None:
            decided += 1
            assert found == walk.best(events)

    check()
    assert decided > 50


def test_only_the_usual_funnel_has_a_quick_way() -> None:
    assert quick_walk(Walk(3, 10, "ordered", (Exclusion(0, 1),))) is None
    assert quick_walk(Walk(11, 10)) is None
    assert quick_walk(Walk(10, 10)) is not None


@pytest.mark.parametrize("order", ["ordered", "strict"])
def test_an_event_behind_the_last_step_at_its_instant_is_left_to_the_walk(order: str) -> None:
    """It fits both steps: somebody who began at that very instant has gone through too, and later."""
    events = [(0, 0b01), (10, 0b10), (10, 0b11)]
    walk = Walk(2, 25, order)
    quick = quick_walk(walk)
    assert quick is not None
    assert quick([at << 2 | code for at, code in events], 0, len(events)) is None
    assert walk.best(events) == (10, 10)
