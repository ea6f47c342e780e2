"""Lifecycle: each rule by its number, and random histories against the reference."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lenses import lifecycle
from quadra.core import clock
from tests.analytics import reference
from tests.analytics.conftest import Place
from tests.analytics.histories import History, histories
from tests.analytics.reference import Span, Wanted, ev
from tests.analytics.test_retention import FOUR, on

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def states(answer: Any) -> list[tuple[int, ...]]:
    return [tuple(period[state] for state in lifecycle.STATES) for period in answer["periods"]]


def test_rules_50_and_51_new_returning_resurrecting_and_once_dormant(place: Place) -> None:
    project = place.tell(on("u1", 2, 3, 5))
    assert states(place.ask(lifecycle, project, FOUR)) == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, -1), (0, 0, 1, 0)]
    later = {"from": "2026-03-05", "to": "2026-03-08"}
    assert states(place.ask(lifecycle, project, later)) == [(0, 0, 1, 0), (0, 0, 0, -1), (0, 0, 0, 0), (0, 0, 0, 0)]


def test_rule_52_the_period_before_the_range_decides_the_first_one(place: Place) -> None:
    project = place.tell([*on("u1", 1, 2), *on("u2", 1)])
    assert states(place.ask(lifecycle, project, FOUR))[0] == (0, 1, 0, -1)


def test_rule_53_first_seen_looks_at_all_of_history_that_fits(place: Place) -> None:
    project = place.tell([ev("u1", "2024-01-01"), *on("u1", 3, name="b", plan="x")])
    assert states(place.ask(lifecycle, project, FOUR))[1] == (0, 0, 1, 0)
    assert states(place.ask(lifecycle, project, FOUR, event="b"))[1] == (1, 0, 0, 0)
    assert states(place.ask(lifecycle, project, FOUR, where={"plan": "x"}))[1] == (1, 0, 0, 0)


def test_rule_54_months_and_weeks_are_like_days(place: Place) -> None:
    project = place.tell([ev("u1", "2026-01-31"), *on("u1", 2, 9), ev("u2", "2026-02-10"), ev("u2", "2026-02-20")])
    found = place.ask(lifecycle, project, {"from": "2026-02-01", "to": "2026-03-31"}, interval="month")
    assert states(found) == [(1, 0, 0, -1), (0, 0, 1, -1)]
    weeks = place.ask(lifecycle, project, {"from": "2026-03-02", "to": "2026-03-15"}, interval="week")
    assert states(weeks) == [(0, 0, 1, 0), (0, 1, 0, 0)]


def test_lifecycle_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(
        history=histories(),
        interval=st.sampled_from(["hour", "day", "day", "week", "month"]),
        week_start=st.sampled_from(["monday", "sunday"]),
        name=st.sampled_from([None, "a"]),
    )
    def check(history: History, interval: str, week_start: str, name: str | None) -> None:
        span = Span(history.start, history.end, interval, history.zone, week_start)
        expected = reference.lifecycle(history.events, history.people, span, Wanted(name))
        found = place.ask(
            lifecycle,
            place.tell(history.events, history.zone, week_start),
            {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))},
            interval=interval,
            event=name,
        )
        assert [
            (period["at"], *(period[state] for state in lifecycle.STATES)) for period in found["periods"]
        ] == expected

    check()
