"""Trends: each rule by its number in the rules of the design, and random histories against the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import read_asked
from quadra.analytics.lenses import trends
from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.warehouse.query.engine import warehouse_of
from tests.analytics import reference
from tests.analytics.conftest import Place
from tests.analytics.histories import History, histories
from tests.analytics.reference import Span, Wanted, ev

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def values(answer: Any, series: int = 0) -> list[Any]:
    return [point["value"] for point in answer["series"][series]["points"]]


def by_label(answer: Any) -> dict[str, list[Any]]:
    return {series["label"]: values(answer, at) for at, series in enumerate(answer["series"])}


def test_rule_1_from_counts_and_to_does_not_and_a_date_means_its_whole_day(place: Place) -> None:
    told = [
        ev("u", "2026-03-01 23:59:59.999999"),
        ev("u", "2026-03-02"),
        ev("u", "2026-03-03 23:59:59.999999"),
        ev("u", "2026-03-04"),
    ]
    project = place.tell(told)
    assert values(place.ask(trends, project, to="2026-03-03")) == [1, 1]
    exact = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-04T00:00:00Z"}
    assert values(place.ask(trends, project, exact)) == [1, 1]
    assert values(place.ask(trends, project, {"from": "2026-03-02T00:00:00.000001Z", "to": "2026-03-03"})) == [0, 1]


def test_rule_2_several_ids_of_one_person_are_one_user(place: Place) -> None:
    linked = replace(ev("u1", "2026-03-02 12:00"), anonymous_id="a1")
    project = place.tell([ev("a1", "2026-03-02 10:00"), linked, ev("u2", "2026-03-02 11:00")])
    assert values(place.ask(trends, project, aggregate="unique", to="2026-03-02")) == [2]


def test_rule_3_a_filter_holds_for_every_series(place: Place) -> None:
    at = "2026-03-02 10:00"
    project = place.tell([ev("u1", at, plan="pro"), ev("u2", at, plan="free"), ev("u3", at, "b", plan="pro")])
    asked = {"to": "2026-03-02", "where": {"plan": "pro"}}
    assert values(place.ask(trends, project, asked)) == [2]
    assert by_label(place.ask(trends, project, asked, breakdown="event_type")) == {"a": [1], "b": [1]}
    assert values(place.ask(trends, project, asked, event="a")) == [1]


def test_rule_34_numbers_and_booleans_become_text_and_no_value_is_empty(place: Place) -> None:
    at = "2026-03-02 10:00"
    told = [
        ev("u", at, p=0),
        ev("u", at, p="0"),
        ev("u", at, p=True),
        ev("u", at, p=1.5),
        ev("u", at, p=None),
        ev("u", at),
    ]
    project = place.tell(told)
    found = by_label(place.ask(trends, project, breakdown="p", to="2026-03-02"))
    assert found == {"0": [2], "": [2], "1.5": [1], "true": [1]}
    for label, count in {"0": 2, "true": 1, "1.5": 1, "": 2, "no": 0}.items():
        assert values(place.ask(trends, project, where={"p": label}, to="2026-03-02")) == [count]


def test_a_filter_finds_a_whole_number_however_its_sender_wrote_it(place: Place) -> None:
    at = "2026-03-02 10:00"
    project = place.tell(
        [ev("u", at, p=1.0), ev("u", at, p=1), ev("u", at, p="1"), ev("u", at, p=1.5), ev("u", at, p=10)]
    )
    for wanted, count in {"1": 3, "1.0": 3, "1.5": 1, "10.0": 1, "0": 0}.items():
        assert values(place.ask(trends, project, where={"p": wanted}, to="2026-03-02")) == [count]


def test_rule_38_a_limit_keeps_the_largest_and_the_rest_becomes_other(place: Place) -> None:
    at = "2026-03-02 10:00"
    told = [ev(f"u{n}", at, p=p) for p, times in {"x": 4, "y": 3, "z": 2, "Other": 2}.items() for n in range(times)]
    project = place.tell([*told, ev("u0", at)])
    asked = {"breakdown": "p", "to": "2026-03-02"}
    found = place.ask(trends, project, asked, breakdown_limit=2)
    assert by_label(found) == {"x": [4], "y": [3], "Other": [5]}
    assert [series["label"] for series in found["series"]] == ["x", "y", "Other"]
    # people of the rest are counted once, not added up
    assert by_label(place.ask(trends, project, asked, breakdown_limit=2, aggregate="unique"))["Other"] == [2]
    assert by_label(place.ask(trends, project, asked, breakdown_limit=5))["Other"] == [2]


def test_rule_62_total_counts_events_and_unique_people_and_empty_periods_are_0(place: Place) -> None:
    project = place.tell([ev("u1", "2026-03-02 10:00"), ev("u1", "2026-03-02 11:00"), ev(None, "2026-03-04 10:00")])
    assert values(place.ask(trends, project, to="2026-03-04")) == [2, 0, 1]
    assert values(place.ask(trends, project, to="2026-03-04", aggregate="unique")) == [1, 0, 0]
    nothing = place.ask(trends, project, event="never", to="2026-03-03")
    points = [{"at": f"2026-03-0{day}T00:00:00.000Z", "value": 0} for day in (2, 3)]
    assert nothing["series"] == [{"label": "never", "points": points}]


def test_rule_63_weekly_active_looks_back_7_days_and_monthly_30_days(place: Place) -> None:
    project = place.tell([ev("u1", "2026-02-24 23:00"), ev("u1", "2026-02-26 10:00"), ev("u2", "2026-03-03 10:00")])
    assert values(place.ask(trends, project, aggregate="weekly_active", to="2026-03-05")) == [1, 2, 2, 1]
    monthly = values(place.ask(trends, project, {"from": "2026-03-27"}, to="2026-03-29", aggregate="monthly_active"))
    assert monthly == [2, 1, 1]
    weeks = place.ask(
        trends, project, {"from": "2026-02-23"}, aggregate="weekly_active", interval="week", to="2026-03-08"
    )
    assert values(weeks) == [1, 1]


def test_rule_64_sum_and_average_of_a_property_and_running_sums(place: Place) -> None:
    told = [
        ev("u1", "2026-03-02", n=1),
        ev("u1", "2026-03-02", n="2.5"),
        ev("u1", "2026-03-02", n="much"),
        ev("u2", "2026-03-04", n=0.1),
    ]
    project = place.tell(told)
    asked = {"to": "2026-03-04", "property": "n"}
    assert values(place.ask(trends, project, asked, aggregate="sum")) == [3.5, 0, 0.1]
    assert values(place.ask(trends, project, asked, aggregate="avg")) == [1.75, 0, 0.1]
    assert values(place.ask(trends, project, asked, aggregate="sum", cumulative="true")) == [3.5, 3.5, 3.6]
    assert values(place.ask(trends, project, asked, aggregate="max_per_user")) == [3.5, 0, 0.1]
    assert values(place.ask(trends, project, aggregate="max_per_user", to="2026-03-04")) == [3, 0, 1]


def test_rule_65_one_number_for_the_whole_range(place: Place) -> None:
    project = place.tell([ev("u1", "2026-03-02 10:00"), ev("u1", "2026-03-04 11:00"), ev("u2", "2026-03-04 10:00")])
    whole = place.ask(trends, project, interval="whole", aggregate="unique", to="2026-03-04")
    assert whole["series"] == [{"label": "All events", "points": [{"at": "2026-03-02T00:00:00.000Z", "value": 2}]}]


def test_bots_count_in_trends_over_any_event_and_not_among_people_or_page_views(place: Place) -> None:
    human, bot = ev("u1", "2026-03-02", "page_view"), replace(ev("u2", "2026-03-02", "page_view"), bot=True)
    other = replace(ev("u2", "2026-03-02", "crawl"), bot=True)
    project = place.tell([replace(human, kind="page"), replace(bot, kind="page"), other])
    day = {"to": "2026-03-02"}
    assert values(place.ask(trends, project, day)) == [3]
    assert values(place.ask(trends, project, day, event="page_view")) == [1]
    assert values(place.ask(trends, project, day, event="crawl")) == [1]
    assert values(place.ask(trends, project, day, aggregate="unique")) == [1]
    assert values(place.ask(trends, project, day, aggregate="unique", include_bots="true")) == [2]
    assert values(place.ask(trends, project, day, include_bots="false")) == [1]


def test_the_name_is_event_name_where_it_was_given_and_event_type_can_be_filtered(place: Place) -> None:
    project = place.tell(
        [replace(ev("u", "2026-03-02", "Signed up"), event_type="click"), ev("u", "2026-03-02", "click")]
    )
    day = {"to": "2026-03-02"}
    assert values(place.ask(trends, project, day, event="click")) == [1]
    assert values(place.ask(trends, project, day, event="Signed up")) == [1]
    assert values(place.ask(trends, project, day, where={"event_type": "click"})) == [2]


def test_fields_of_kinds_are_found_by_the_names_they_came_with(place: Place) -> None:
    survey = {"survey_type": "nps", "score": 9, "page_url": "/thanks"}
    project = place.tell([replace(ev("u", "2026-03-02", "asked", os="Plan 9"), kind="survey", fields=survey)])
    for prop, value in {
        "survey_type": "nps",
        "score": "9",
        "page_url": "/thanks",
        "os": "Plan 9",
        "kind": "survey",
    }.items():
        assert values(place.ask(trends, project, where={prop: value}, to="2026-03-02")) == [1], prop
    assert values(place.ask(trends, project, aggregate="sum", property="score", to="2026-03-02")) == [9]


def test_the_company_is_found_where_segment_and_posthog_say_it(place: Place) -> None:
    said = [
        {"company": "acme"},
        {"$groups": {"company": "acme"}},
        {"context": {"groupId": "acme"}},
        {"groupId": "acme", "traits": {"seats": 3}},
        {"$group_type": "company", "$group_key": "acme"},
        {"$groups": {"company": "other"}},
        {},
    ]
    project = place.tell([replace(ev("u", "2026-03-02 10:00"), props=props) for props in said])
    assert by_label(place.ask(trends, project, breakdown="company", to="2026-03-02")) == {
        "acme": [5],
        "other": [1],
        "": [1],
    }
    assert values(place.ask(trends, project, where={"company": "acme"}, to="2026-03-02")) == [5]


def test_hostile_names_and_values_are_only_text(place: Place) -> None:
    nasty = "'; DROP TABLE event; --/~\"$x"
    project = place.tell([ev("u", "2026-03-02", nasty, **{nasty: nasty})])
    asked = {"event": nasty, "where": {nasty: nasty}, "breakdown": nasty, "to": "2026-03-02"}
    assert by_label(place.ask(trends, project, asked)) == {nasty: [1]}
    assert by_label(place.ask(trends, project, asked, property=nasty, aggregate="sum")) == {nasty: [0]}


def test_weekly_active_by_the_hour_looks_back_168_hours(place: Place) -> None:
    project = place.tell([ev("u", "2026-03-02 10:30")])
    asked = {"from": "2026-03-09T09:00", "to": "2026-03-09T11:00", "interval": "hour"}
    assert values(place.ask(trends, project, asked, aggregate="weekly_active")) == [1, 0]


@pytest.mark.parametrize(
    "aggregate", ["total", "unique", "weekly_active", "monthly_active", "sum", "avg", "max_per_user"]
)
def test_trends_agree_with_the_reference(place: Place, aggregate: str) -> None:
    hours = (
        [] if aggregate in ("weekly_active", "monthly_active") else ["hour"]
    )  # the rules of hours are tested by hand

    @FEW
    @given(
        history=histories(days=12),
        interval=st.sampled_from([*hours, "day", "week", "month"]),
        week_start=st.sampled_from(["monday", "sunday"]),
        name=st.sampled_from([None, "a", "b"]),
        plan=st.sampled_from([None, "x", ""]),
    )
    def check(history: History, interval: str, week_start: str, name: str | None, plan: str | None) -> None:
        where = () if plan is None else (("plan", plan),)
        span = Span(history.start, history.end, interval, history.zone, week_start)
        expected = reference.trend(history.events, history.people, span, Wanted(name, where), aggregate)
        asked = {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end)), "event": name}
        property_ = "n" if aggregate in ("sum", "avg") else None
        project = place.tell(history.events, history.zone, week_start)
        found = place.ask(
            trends, project, asked, interval=interval, aggregate=aggregate, where=dict(where), property=property_
        )
        points = [(point["at"], point["value"]) for point in found["series"][0]["points"]]
        assert [at for at, _value in points] == [at for at, _value in expected]
        assert [value for _at, value in points] == pytest.approx([value for _at, value in expected])

    check()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "2026-03-20"}, "to"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "to"),
        ({"days": "3"}, "days"),
        ({"interval": "year"}, "interval"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"week_start": "friday"}, "week_start"),
        ({"aggregate": "sum"}, "property"),
        ({"aggregate": "median"}, "aggregate"),
        ({"breakdown_limit": "0"}, "breakdown_limit"),
        ({"include_bots": "maybe"}, "include_bots"),
        ({"cumulative": "maybe"}, "cumulative"),
        ({"where[plan": "x"}, "where[plan"),
        ({"where": "x"}, "where"),
        ({"where[plan]": "\0"}, "where[plan]"),
        ({"from": "1990-01-01", "interval": "hour"}, "interval"),
    ],
)
def test_what_is_wrong_is_named(place: Place, asked: dict[str, str], field: str) -> None:
    project = place.project()
    with pytest.raises(Invalid) as error:
        place.ask(trends, project, asked)
    assert list(error.value.fields) == [field]


def test_a_band_is_what_the_time_before_expects_of_each_point(place: Place) -> None:
    """A later event changes no band of an earlier point; far from what came before lies outside."""
    days = [f"2026-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)]
    told = [ev(f"u{n}", f"{day} 10:00") for at, day in enumerate(days) for n in range(8 + at % 5)]
    asked = {"from": "2026-02-20", "to": "2026-03-03", "band": "true"}
    plain = place.ask(trends, place.tell(told), {**asked, "band": "false"})
    assert "low" not in plain["series"][0]["points"][0]
    quiet = place.ask(trends, place.tell(told), asked)
    loud = place.ask(trends, place.tell([*told, *(ev(f"v{n}", "2026-03-01 10:00") for n in range(90))]), asked)
    points, changed = quiet["series"][0]["points"], loud["series"][0]["points"]
    assert all(0 <= point["low"] <= point["high"] for point in points)
    place_of = [point["at"] for point in points].index("2026-03-01T00:00:00.000Z")
    assert changed[:place_of] == points[:place_of]
    assert changed[place_of]["value"] == 90 > changed[place_of]["high"] == points[place_of]["high"]


@pytest.mark.parametrize(
    "more", [{"breakdown": "plan"}, {"cumulative": "true"}, {"aggregate": "weekly_active"}, {"interval": "whole"}]
)
def test_a_band_is_of_one_plain_series(place: Place, more: dict[str, str]) -> None:
    with pytest.raises(Invalid) as error:
        place.ask(trends, place.tell([ev("u", "2026-03-02")]), to="2026-03-03", band="true", **more)
    assert "band" in error.value.fields


TOGETHER: tuple[dict[str, Any], ...] = (
    {},
    {"event": "a"},
    {"event": "b", "where": {"plan": "pro"}},
    {"event": "a", "where": {"plan": {"not_contains": "r"}, "amount": {"gte": 2}}},
    {"event": "nothing of the kind"},
    {"where": {"duration_seconds": {"gt": 1}, "event_type": ["a", "b"]}},
    {"aggregate": "unique"},
    {"aggregate": "weekly_active", "event": "a", "where": {"plan": ""}},
    {"aggregate": "sum", "property": "amount"},
    {"aggregate": "sum", "property": "amount", "event": "b", "where": {"amount": "2"}},
    {"aggregate": "avg", "property": "duration_seconds", "include_bots": False},
    {"aggregate": "avg", "property": "nowhere"},
    {"aggregate": "unique", "include_bots": True, "cumulative": True},
)
"""Questions that have one number as their answer."""


def ask_together(place: Place, project: Project) -> tuple[list[Any], list[Any]]:
    """What each is answered by itself, and what all are together."""
    span = {"from": "2026-03-01", "to": "2026-03-03", "interval": "whole"}
    asked = [read_asked("trends", {**span, **one}, project) for one in TOGETHER]
    assert trends.LENS.together is not None
    assert all(map(trends.LENS.together.fits, asked))
    alone = [trends.LENS.ask(place.runtime, one).series for one in asked]
    with warehouse_of(place.runtime).look(project.id) as moment:
        return alone, [one.series for one in trends.LENS.ask_together(place.runtime, asked, moment)]


@pytest.fixture(scope="module")
def told_of_plans(place: Place) -> Project:
    linked = replace(ev("u1", "2026-03-02 12:00", "b", amount=2, plan="pro"), anonymous_id="a1")
    told = [ev("a1", "2026-03-02 10:00", amount=3, plan="free"), linked, ev("u2", "2026-02-28 23:59", "b", plan="pro")]
    told += [ev("u3", "2026-03-03 01:00", "a", amount="2.0"), ev("u3", "2026-03-04 00:00", "a", amount=9)]
    return place.tell(told)


def test_questions_that_are_answered_together_are_answered_as_each_is_alone(
    place: Place, told_of_plans: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trends, "TOGETHER_MOST", 5)
    alone, together = ask_together(place, told_of_plans)
    assert together == alone
    assert {series.points[0].value for (series,) in alone} >= {0, 1, 2, 3}


@pytest.mark.parametrize(
    "more", [{"breakdown": "plan"}, {"aggregate": "max_per_user"}, {"interval": "day"}, {"segment": "x"}]
)
def test_what_has_no_one_number_as_its_answer_is_asked_alone(told_of_plans: Project, more: dict[str, Any]) -> None:
    asked = read_asked("trends", {"from": "2026-03-01", "to": "2026-03-03", "interval": "whole", **more}, told_of_plans)
    assert trends.LENS.together is not None
    assert not trends.LENS.together.fits(asked)
