"""Stickiness: each rule by its number, and random histories against the reference."""

from __future__ import annotations

import operator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lenses import stickiness
from quadra.core import clock
from quadra.core.errors import Invalid
from tests.analytics import reference
from tests.analytics.conftest import Place
from tests.analytics.histories import History, histories
from tests.analytics.reference import Span, Wanted
from tests.analytics.test_retention import FOUR, on

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIGNS = {"gte": operator.ge, "lte": operator.le, "exact": operator.eq}


def test_rule_47_bucket_k_counts_people_with_exactly_k_periods(place: Place) -> None:
    project = place.tell([*on("u1", 2, 3, 5, 5), *on("u2", 2), *on("u3", 1, 6), *on("u4", 2, name="b")])
    assert place.ask(stickiness, project, FOUR)["buckets"] == [2, 0, 1, 0]
    assert place.ask(stickiness, project, FOUR, event="a")["buckets"] == [1, 0, 1, 0]


def test_rule_48_cumulative_and_a_criterion_for_each_period(place: Place) -> None:
    project = place.tell([*on("u1", 2, 3, 5, 5), *on("u2", 2), *on("u3", 2, 2, 2)])
    assert place.ask(stickiness, project, FOUR, cumulative="true")["buckets"] == [3, 1, 1, 0]
    assert place.ask(stickiness, project, FOUR, per_interval="gte:2")["buckets"] == [2, 0, 0, 0]
    assert place.ask(stickiness, project, FOUR, per_interval="lte:1")["buckets"] == [1, 1, 0, 0]
    assert place.ask(stickiness, project, FOUR, per_interval="exact:3")["buckets"] == [1, 0, 0, 0]


def test_rule_49_several_days_may_be_one_period_from_the_start_of_the_range(place: Place) -> None:
    project = place.tell([*on("u1", 2, 3), *on("u2", 3, 4), *on("u3", 2, 4, 6)])
    five = {"from": "2026-03-02", "to": "2026-03-06"}
    assert place.ask(stickiness, project, five, interval_count=2)["buckets"] == [1, 1, 1]


@pytest.mark.parametrize("criterion", ["gte", "gte:0", "lte:-1", "about:2", "exact:2; --"])
def test_a_wrong_criterion_is_named(place: Place, criterion: str) -> None:
    with pytest.raises(Invalid) as error:
        place.ask(stickiness, place.project(), per_interval=criterion)
    assert list(error.value.fields) == ["per_interval"]


def test_stickiness_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(
        history=histories(),
        interval=st.sampled_from(["hour", "day", "day", "week", "month"]),
        count=st.integers(1, 3),
        name=st.sampled_from([None, "a"]),
        sign=st.sampled_from(sorted(SIGNS)),
        times=st.integers(1, 2),
        cumulative=st.booleans(),
    )
    def check(
        history: History, interval: str, count: int, name: str | None, sign: str, times: int, cumulative: bool
    ) -> None:
        span = Span(history.start, history.end, interval, history.zone)
        expected = reference.stickiness(
            history.events, history.people, span, Wanted(name), count, lambda done: SIGNS[sign](done, times), cumulative
        )
        found = place.ask(
            stickiness,
            place.tell(history.events, history.zone),
            {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))},
            interval=interval,
            interval_count=count,
            event=name,
            per_interval=f"{sign}:{times}",
            cumulative=cumulative,
        )
        assert found["buckets"] == expected

    check()
