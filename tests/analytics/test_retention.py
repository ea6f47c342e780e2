"""Retention: each rule by its number, and random histories against the reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lenses import retention
from quadra.core import clock
from quadra.core.errors import Invalid
from tests.analytics import reference
from tests.analytics.conftest import Place
from tests.analytics.histories import History, histories
from tests.analytics.reference import Event, Span, Wanted, ev

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FOUR = {"from": "2026-03-02", "to": "2026-03-05"}


def on(who: str, *days: int, name: str = "a", **props: Any) -> list[Event]:
    return [ev(who, f"2026-03-{day:02} 10:00", name, **props) for day in days]


def rows(answer: Any) -> list[list[int]]:
    assert all(cohort["size"] == cohort["returned"][0] for cohort in answer["cohorts"])
    return [cohort["returned"] for cohort in answer["cohorts"]]


def test_rule_39_the_range_is_rounded_out_to_whole_periods(place: Place) -> None:
    project = place.tell([*on("u1", 2, 5), ev("u2", "2026-03-02 01:00"), ev("u2", "2026-03-05 23:00")])
    part = {"from": "2026-03-02T09:00:00Z", "to": "2026-03-05T11:00:00Z"}
    found = place.ask(retention, project, part, kind="recurring")
    assert rows(found) == [[2, 0, 0, 2], [0, 0, 0], [0, 0], [2]]
    assert [cohort["at"] for cohort in found["cohorts"]][::3] == [
        "2026-03-02T00:00:00.000Z",
        "2026-03-05T00:00:00.000Z",
    ]


@pytest.mark.parametrize(("start", "at"), [("sunday", "2026-03-01"), ("monday", "2026-03-02")])
def test_rule_39_weeks_start_as_asked(place: Place, start: str, at: str) -> None:
    found = place.ask(retention, place.tell(on("u1", 4)), FOUR, period="week", week_start=start)
    assert [(cohort["at"], cohort["size"]) for cohort in found["cohorts"]] == [(f"{at}T00:00:00.000Z", 1)]


def test_the_length_of_a_period_has_two_names(place: Place) -> None:
    project = place.tell(on("u1", 4))
    for name in ("interval", "period"):
        (cohort,) = place.ask(retention, project, FOUR, **{name: "week"})["cohorts"]
        assert cohort["at"] == "2026-03-02T00:00:00.000Z"
    both = place.ask(retention, project, FOUR, interval="week", period="day")
    assert len(both["cohorts"]) == 4


def test_rule_40_recurring_people_are_in_the_cohort_of_every_period(place: Place) -> None:
    project = place.tell(on("u1", 2, 3, 5))
    assert rows(place.ask(retention, project, FOUR, kind="recurring")) == [[1, 1, 0, 1], [1, 0, 1], [0, 0], [1]]


def test_rule_41_first_time_looks_at_all_of_history_and_at_the_filter(place: Place) -> None:
    project = place.tell([*on("u1", 1, 2, 3), *on("u2", 2, 4), *on("u3", 2, plan="x"), *on("u3", 4, plan="y")])
    assert rows(place.ask(retention, project, FOUR)) == [[2, 0, 2, 0], [0, 0, 0], [0, 0], [0]]
    filtered = place.ask(retention, project, FOUR, first_where={"plan": "y"})
    assert [cohort["size"] for cohort in filtered["cohorts"]] == [0, 0, 1, 0]


def test_rules_42_and_43_the_first_column_is_the_cohort_and_the_others_are_calendar_periods(place: Place) -> None:
    told = [
        ev("u1", "2026-03-02 23:59"),
        ev("u1", "2026-03-03 00:01", "back"),
        ev("u2", "2026-03-02 00:00"),
        ev("u2", "2026-03-02 05:00", "back"),
    ]
    found = place.ask(retention, place.tell(told), FOUR, first_event="a", return_event="back")
    assert rows(found)[0] == [2, 1, 0, 0]


def test_rule_44_the_return_event_has_its_own_filter_and_may_be_any(place: Place) -> None:
    project = place.tell([*on("u1", 2), *on("u1", 3, name="b", plan="x"), *on("u2", 2), *on("u2", 4, name="c")])
    assert rows(place.ask(retention, project, FOUR, first_event="a"))[0] == [2, 1, 1, 0]
    assert rows(place.ask(retention, project, FOUR, first_event="a", return_where={"plan": "x"}))[0] == [2, 1, 0, 0]


def test_rule_45_returns_after_the_range_do_not_count_and_cells_past_its_end_are_left_out(place: Place) -> None:
    project = place.tell(on("u1", 4, 5, 6))
    assert rows(place.ask(retention, project, FOUR)) == [[0, 0, 0, 0], [0, 0, 0], [1, 1], [0]]
    assert rows(place.ask(retention, project, FOUR, periods=2)) == [[0, 0], [0, 0], [1, 1], [0]]
    assert len(rows(place.ask(retention, project, to=None, periods=3))) == 3


def test_rule_46_minimum_occurrences_and_cumulative(place: Place) -> None:
    project = place.tell([*on("u1", 2, 3, 5, 5), *on("u2", 2, 3)])
    assert rows(place.ask(retention, project, FOUR, minimum_occurrences=2))[0] == [2, 0, 0, 1]
    assert rows(place.ask(retention, project, FOUR, cumulative="true"))[0] == [2, 2, 1, 1]


def test_the_people_of_a_cell_are_named(place: Place) -> None:
    project = place.tell([*on("u1", 2, 3, 5), *on("u2", 2, 3), *on("u3", 3, 4), *on("u4", 2)])

    def who(later: int, cohort: int = 0, **more: Any) -> Any:
        return place.ask(retention, project, FOUR, people_of=cohort, people_later=later, **more)["people"]

    assert [who(0), who(1), who(3)] == [["u1", "u2", "u4"], ["u1", "u2"], ["u1"]]
    assert [who(1, 1), who(2, cumulative="true")] == [["u3"], ["u1"]]
    assert "people" not in place.ask(retention, project, FOUR)


def test_wrong_questions_are_named(place: Place) -> None:
    with pytest.raises(Invalid) as error:
        place.ask(retention, place.project(), period="year", kind="often", periods=0, minimum_occurrences="many")
    assert set(error.value.fields) == {"period", "kind", "periods", "minimum_occurrences"}
    with pytest.raises(Invalid) as error:
        place.ask(retention, place.project(), {"from": "2024-01-01"}, period="hour")
    assert list(error.value.fields) == ["period"]


def test_retention_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(
        history=histories(),
        period=st.sampled_from(["hour", "day", "day", "week", "month"]),
        week_start=st.sampled_from(["monday", "sunday"]),
        first=st.sampled_from([None, "a"]),
        returning=st.sampled_from([None, "a", "b"]),
        plan=st.sampled_from([None, "x"]),
        kind=st.sampled_from(retention.KINDS),
        minimum=st.integers(1, 2),
        cumulative=st.booleans(),
    )
    def check(
        history: History,
        period: str,
        week_start: str,
        first: str | None,
        returning: str | None,
        plan: str | None,
        kind: str,
        minimum: int,
        cumulative: bool,
    ) -> None:
        where = () if plan is None else (("plan", plan),)
        span = Span(history.start, history.end, period, history.zone, week_start)
        wanted = Wanted(first, where), Wanted(returning)
        expected = reference.retention(history.events, history.people, span, *wanted, kind, minimum, cumulative)
        found = place.ask(
            retention,
            place.tell(history.events, history.zone, week_start),
            {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))},
            period=period,
            first_event=first,
            return_event=returning,
            first_where=dict(where),
            kind=kind,
            minimum_occurrences=minimum,
            cumulative=cumulative,
        )
        assert [(cohort["at"], cohort["size"], cohort["returned"]) for cohort in found["cohorts"]] == expected

    check()
