"""Random histories of every kind: the lenses of recorded kinds, of users and of the overview agree with the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadra.analytics.lenses import (
    ai,
    errors,
    event_types,
    events,
    features,
    journeys,
    metrics,
    overview,
    performance,
    recorded_funnels,
    satisfaction,
    users,
)
from quadra.analytics.questions import presence
from quadra.core import clock
from quadra.ingest.kinds import UNNUMBERED
from tests.analytics import recorded_reference as reference
from tests.analytics.conftest import Place
from tests.analytics.reference import Span, ev
from tests.analytics.stories import Story, stories

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
INTERVALS = st.sampled_from(["hour", "day", "day", "week", "month"])
WAYS = 20
"""How many ways of journeys are named where nobody says."""


def near(value: Any) -> Any:
    """Equal but for the last digits of what is not whole."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-9, abs=1e-9)
    if isinstance(value, dict):
        return {name: near(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(near(each) for each in value)
    return value


def asked(place: Place, lens: Any, story: Story, interval: str = "day", **more: Any) -> tuple[Any, Span]:
    project = place.tell(story.events, story.zone)
    return again(place, lens, story, project, interval, **more), span_of(story, interval)


def again(place: Place, lens: Any, story: Story, project: Any, interval: str = "day", **more: Any) -> Any:
    start, end = (clock.iso(clock.from_us(us)) for us in (story.start, story.end))
    return place.ask(lens, project, {"from": start, "to": end}, interval=interval, **more)


def span_of(story: Story, interval: str) -> Span:
    return Span(story.start, story.end, interval, story.zone)


def rows(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_features_agree_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("feature"))
    def check(story: Story) -> None:
        found, span = asked(place, features, story)
        told = {row["feature_name"]: without(row, "feature_name") for row in found["features"]}
        assert told == near(reference.features(story.events, story.people, span))

    check()


def test_satisfaction_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("survey"))
    def check(story: Story) -> None:
        found, span = asked(place, satisfaction, story)
        told = {row["survey_type"]: without(row, "survey_type") for row in found["satisfaction_metrics"]}
        assert told == near(reference.satisfaction(story.events, span))

    check()


def test_ai_usage_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("ai"), interval=INTERVALS)
    def check(story: Story, interval: str) -> None:
        found, span = asked(place, ai, story, interval)
        models, people, days = reference.ai(story.events, story.people, span)
        told = {(row["model"], row["provider"]): without(row, "model", "provider") for row in found["models"]}
        assert told == near(models)
        assert {row[0]: row[1:] for row in rows(found["users"], "user_id", "queries", "tokens", "cost_usd")} == near(
            people
        )
        assert rows(found["by_day"], "at", "queries", "tokens", "cost_usd", "failed") == near(days)
        assert found["totals"]["queries"] == sum(row["queries"] for row in models.values())

    check()


def test_totals_are_of_all_models_and_not_only_of_those_that_are_named(place: Place) -> None:
    called = [
        replace(
            ev("u1", "2026-03-02 10:00"), kind="ai", fields={"model": f"m{at}", "total_tokens": 10, "cost_usd": 0.5}
        )
        for at in range(3)
    ]
    found = place.ask(ai, place.tell(called), {"from": "2026-03-02", "to": "2026-03-02"}, limit=1)
    assert len(found["models"]) == 1
    assert without(found["totals"], "prompt_tokens", "completion_tokens") == {
        "queries": 3,
        "total_tokens": 30,
        "cost_usd": 1.5,
    }


def test_performance_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("request"), interval=INTERVALS)
    def check(story: Story, interval: str) -> None:
        found, span = asked(place, performance, story, interval)
        endpoints, hours, days, whole = reference.performance(story.events, span)
        told = {(row["endpoint"], row["method"]): without(row, "endpoint", "method") for row in found["endpoints"]}
        assert told == near(endpoints)
        assert {row["hour"]: without(row, "hour") for row in found["by_hour"]} == near(hours)
        assert [(row["at"], without(row, "at")) for row in found["by_day"]] == near(days)
        assert found["totals"] == near(whole)
        most = max(row["requests"] for row in hours.values())
        first = min(hour for hour, row in hours.items() if row["requests"] == most)
        assert found["peak"] == ({"hour": first, "requests": most} if most else None)

    check()


def test_errors_agree_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("error"), interval=INTERVALS)
    def check(story: Story, interval: str) -> None:
        found, span = asked(place, errors, story, interval)
        groups, days = reference.errors(story.events, story.people, span)
        aside = ("group_id", "error_type", "message", "stack_trace", "resolved", "resolved_at")
        assert {(row["error_type"], row["message"]): without(row, *aside) for row in found["groups"]} == groups
        assert rows(found["by_day"], "at", "count", "users") == days
        total = sum(row["count"] for row in groups.values())
        assert found["totals"] == {"total": total, "groups": len(groups), "unresolved": len(groups)}

    check()


def test_recorded_funnels_agree_with_the_reference(place: Place) -> None:
    @settings(FEW, max_examples=50)
    @given(story=stories("funnel"))
    def check(story: Story) -> None:
        found, span = asked(place, recorded_funnels, story)
        told = {row["funnel_name"]: without(row, "funnel_name", "overall_conversion_rate") for row in found["funnels"]}
        assert told == near(reference.funnels(story.events, story.people, span))

    check()


def test_a_funnel_is_completed_at_its_last_stage_only_where_nobody_sends_its_end(place: Place) -> None:
    def stage(who: str, name: str, order: int, **more: Any) -> Any:
        fields = {"funnel_name": "buy", "stage": name, "stage_order": order, "session_id": who}
        return replace(ev(who, f"2026-03-02 1{order % 9}:00", "funnel"), kind="funnel", fields=fields, **more)

    def completed(*more: Any) -> tuple[int, list[int]]:
        story = [stage("u", "cart", 1), stage("u", "paid", 2), stage("v", "cart", 1), *more]
        project = place.tell(story)
        (funnel,) = place.ask(recorded_funnels, project, {"from": "2026-03-01", "to": "2026-03-03"})["funnels"]
        return funnel["total_completed"], [row["users_stopped"] for row in funnel["stages"]]

    assert completed() == (1, [1, 0])
    gave_up = stage("v", "completed", UNNUMBERED, event_type="funnel_completed")
    gave_up.fields["success"] = False
    assert completed(gave_up) == (0, [1, 1])


def test_journeys_agree_with_the_reference(place: Place) -> None:
    @settings(FEW, max_examples=40)
    @given(story=stories("journey"))
    def check(story: Story) -> None:
        found, span = asked(place, journeys, story)
        steps, ways, totals = reference.journeys(story.events, span)
        told = {
            (row["journey_type"], row["step_name"]): without(row, "journey_type", "step_name")
            for row in found["journeys"]
        }
        assert told == near(steps)
        assert {
            (row["journey_type"], tuple(row["steps"])): (row["sessions"], row["completed"]) for row in found["paths"]
        } == dict(sorted(ways.items(), key=lambda item: (-item[1][0], item[0]))[:WAYS])
        assert {row[0]: row[1:] for row in rows(found["totals"], "journey_type", "sessions", "completed")} == totals

    check()


def test_metrics_agree_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories("metric"), interval=INTERVALS)
    def check(story: Story, interval: str) -> None:
        found, span = asked(place, metrics, story, interval)
        keys = ("metric_name", "component", "business_id")
        told = {tuple(row[name] for name in keys): without(row, *keys, "last_at") for row in found["metrics"]}
        assert told == near(reference.metrics(story.events, span))

    check()


def test_events_and_their_types_agree_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories(), size=st.integers(1, 9), whose=st.sampled_from(["u1", "a1", None]))
    def check(story: Story, size: int, whose: str | None) -> None:
        found, span = asked(place, event_types, story)
        told = {row["event_type"]: (row["count"], row["avg_duration_ms"]) for row in found["event_types"]}
        assert told == near(reference.by_type(story.events, span))
        assert found["total_events"] == sum(count for count, _mean in told.values())

        project = place.tell(story.events, story.zone)
        expected = [
            event.fields["event_id"]
            for event in sorted(story.events, key=reference.key, reverse=True)
            if span.holds(event) and (whose is None or story.people.get(event.id or "") == "u1")
        ]
        by_offset, by_cursor, cursor = [], [], None
        for offset in range(0, len(expected) + size, size):
            page = again(place, events, story, project, limit=size, offset=offset, user_id=whose)
            by_offset += [row["event_id"] for row in page["events"]]
            if offset == 0 or cursor:
                page = again(place, events, story, project, limit=size, cursor=cursor, user_id=whose)
                cursor = page["cursor"]
                by_cursor += [row["event_id"] for row in page["events"]]
        assert (by_offset, by_cursor, cursor) == (expected, expected, None)

    check()


def test_users_agree_with_the_reference(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where people are too many to be looked at together."""
    monkeypatch.setattr(presence, "ROWS_AT_ONCE", 30)
    monkeypatch.setattr(presence, "BLOCK", 2)

    @FEW
    @given(story=stories("event", "page", "feature", most=60))
    def check(story: Story) -> None:
        found, span = asked(place, users, story)
        args = story.events, story.people
        assert {**without(found["totals"], "previous"), "total": found["totals"]["users"]} == {
            **reference.counted(*args, span),
            "users": found["totals"]["users"],
        }
        assert found["totals"]["previous"]["active"] == reference.counted(*args, reference.before(span))["active"]
        active = {name: reference.active(*args, span, days) for name, days in users.ACTIVE_DAYS.items()}
        assert {name: found[name] for name in active} == active
        assert found["stickiness"] == pytest.approx(active["dau"] / active["mau"] if active["mau"] else 0)
        count, seconds = reference.lengths(*args, span)
        assert (found["sessions"]["count"], found["sessions"]["average_seconds"]) == (count, pytest.approx(seconds))
        for row in found["retention"]:
            assert (row["people"], row["returned"]) == reference.came_back(*args, span, row["day"])
        new = reference.counted(*args, span)["new"]
        for unit, points in found["new"].items():
            assert [point["at"] for point in points] == [
                reference.iso(period) for period in span_of(story, unit.removeprefix("by_")).axis()
            ]
            assert sum(point["users"] for point in points) == new
        inside = reference.groups(
            reference.of(story.events, span, humans=True), lambda e: reference.person(e, story.people)
        )
        assert {row["user_id"]: row["events"] for row in found["users"]} == {
            who: len(each) for who, each in inside.items() if who is not None
        }

    check()


def test_the_overview_agrees_with_the_reference(place: Place) -> None:
    @FEW
    @given(story=stories(most=60), whole_days=st.booleans(), moved=st.none() | st.integers(-9, 9))
    def check(story: Story, whole_days: bool, moved: int | None) -> None:
        """`moved`: by how many quarters of its length the other range lies away; None leaves it to Quadra."""
        project = place.tell(story.events, story.zone)
        span = span_of(story, "day")
        if whole_days:
            first, last = ((reference.EPOCH + us * reference.US) for us in (span.start, span.end))
            start, end = (clock.to_us(span.midnight(day.date())) for day in (first, last))
            span = Span(start, end, "day", story.zone)
        asked = {"from": clock.iso(clock.from_us(span.start)), "to": clock.iso(clock.from_us(span.end))}
        then = reference.before(span)
        if moved is not None:
            by = moved * (span.end - span.start) // 4 // 1000 * 1000  # a time is written in milliseconds
            then = Span(span.start + by, span.end + by, "day", story.zone)
            asked |= {
                "compare_from": clock.iso(clock.from_us(then.start)),
                "compare_to": clock.iso(clock.from_us(then.end)),
            }
        found = place.ask(overview, project, asked)
        for side, its in ((lambda part: part, span), (lambda part: part["previous"], then)):
            _agrees(
                {name: side(found[name]) for name in ("users", "sessions", "events", "api", "ai", "errors")}, story, its
            )
        uses = reference.features(story.events, story.people, span)
        assert {row["feature_name"]: row["total_uses"] for row in found["top_features"]} == {
            name: row["total_uses"] for name, row in uses.items()
        }
        used = reference.features(story.events, story.people, then)
        assert {row["feature_name"]: row["previous"]["total_uses"] for row in found["top_features"]} == {
            name: used[name]["total_uses"] if name in used else 0 for name in uses
        }
        points = [
            (
                reference.iso(period),
                len(each),
                len(reference.people_of([one for one in each if not one.bot], story.people)),
            )
            for period in span.axis()
            for each in [[event for event in reference.of(story.events, span) if span.period(event.us) == period]]
        ]
        assert rows(found["series"], "at", "events", "users") == points
        earlier = [row["previous"]["events"] for row in found["series"]]
        if whole_days and moved is None:
            assert sum(earlier) == len(reference.of(story.events, then))

    def _agrees(found: dict[str, Any], story: Story, span: Span) -> None:
        args = story.events, story.people
        assert without(found["users"], "previous") == reference.counted(*args, span)
        count, seconds = reference.lengths(*args, span)
        assert found["sessions"]["count"] == count
        assert found["sessions"]["avg_duration_seconds"] == pytest.approx(seconds)
        types = {name: number for name, (number, _mean) in reference.by_type(story.events, span).items()}
        assert (found["events"]["total"], found["events"]["by_type"]) == (sum(types.values()), types)
        whole = reference.performance(story.events, span)[3]
        assert without(found["api"], "previous") == near(
            {name: whole[name] for name in ("requests", "error_rate", "avg_ms", "p95_ms")}
        )
        calls = reference.of(story.events, span, "ai")
        assert (found["ai"]["queries"], found["ai"]["tokens"]) == (len(calls), sum(map(reference.tokens, calls)))
        assert found["ai"]["cost_usd"] == pytest.approx(sum(call.fields.get("cost_usd", 0) for call in calls))
        assert found["errors"]["total"] == len(reference.of(story.events, span, "error"))

    check()
