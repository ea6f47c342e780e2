"""The edges of what lenses count, by hand: random stories seldom hold the very status, score or second where a rule turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quadra.analytics.lenses import performance, satisfaction, sessions, trends
from tests.analytics.conftest import Place
from tests.analytics.reference import Event, ev

DAY = {"from": "2026-03-02", "to": "2026-03-02"}


def of(kind: str, at: str = "2026-03-02 10:00", **fields: Any) -> Event:
    return replace(ev("u1", at), kind=kind, fields=fields)


@pytest.mark.parametrize(
    ("status", "rate", "client", "server"),
    [(399, 0, 0, 0), (400, 100, 1, 0), (499, 100, 1, 0), (500, 100, 0, 1), (599, 100, 0, 1)],
)
def test_a_request_failed_from_status_400_on_and_by_the_server_from_500_on(
    place: Place, status: int, rate: int, client: int, server: int
) -> None:
    found = place.ask(performance, place.tell([of("request", endpoint="/a", status_code=status)]), DAY)
    for row in (found["totals"], *found["endpoints"]):
        assert (row["error_rate"], row["errors_4xx"], row["errors_5xx"]) == (rate, client, server)


@pytest.mark.parametrize(("success", "rate"), [(True, 0), (False, 100), (None, 0)])
def test_a_request_without_a_status_failed_where_its_sender_says_so(
    place: Place, success: bool | None, rate: int
) -> None:
    fields = {} if success is None else {"success": success}
    found = place.ask(performance, place.tell([of("request", endpoint="/a", **fields)]), DAY)
    assert found["totals"]["error_rate"] == rate


@pytest.mark.parametrize("score", range(11))
def test_of_an_nps_9_and_10_promote_and_6_and_less_detract(place: Place, score: int) -> None:
    (found,) = place.ask(satisfaction, place.tell([of("survey", survey_type="nps", score=score)]), DAY)[
        "satisfaction_metrics"
    ]
    assert found["nps"] == (100 if score >= 9 else -100 if score <= 6 else 0)


@pytest.mark.parametrize("score", range(1, 6))
def test_of_a_csat_4_and_5_are_content_and_a_ces_is_the_mean(place: Place, score: int) -> None:
    told = [of("survey", survey_type=kind, score=score) for kind in ("csat", "ces")]
    found = place.ask(satisfaction, place.tell(told), DAY)["satisfaction_metrics"]
    by_type = {row["survey_type"]: row for row in found}
    assert by_type["csat"]["csat"] == (100 if score >= 4 else 0)
    assert by_type["ces"]["ces"] == score


@pytest.mark.parametrize(("second", "count"), [("10:30:00", 1), ("10:30:01", 2)])
def test_a_pause_of_just_half_an_hour_ends_no_session(place: Place, second: str, count: int) -> None:
    project = place.tell([ev("u1", "2026-03-02 10:00"), ev("u1", f"2026-03-02 {second}")])
    assert place.ask(sessions, project, DAY)["count"] == count


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        ("2026-03-01 23:59:59.999999", 0),
        ("2026-03-02 00:00", 1),
        ("2026-03-02 23:59:59.999999", 1),
        ("2026-03-03 00:00", 0),
    ],
)
def test_a_day_begins_with_its_first_microsecond_and_ends_before_the_next(
    place: Place, event: str, counted: int
) -> None:
    (series,) = place.ask(trends, place.tell([ev("u1", event)]), DAY)["series"]
    assert [point["value"] for point in series["points"]] == [counted]


def test_a_value_that_is_called_other_joins_the_rest(place: Place) -> None:
    told = [*["Other"] * 3, *["a"] * 2, "b"]
    project = place.tell([ev("u1", "2026-03-02 10:00", plan=plan) for plan in told])

    def series(limit: int) -> list[tuple[str, float]]:
        found = place.ask(trends, project, DAY, breakdown="plan", breakdown_limit=limit)["series"]
        return sorted((one["label"], one["points"][0]["value"]) for one in found)

    assert series(3) == [("Other", 3), ("a", 2), ("b", 1)]
    assert series(2) == [("Other", 4), ("a", 2)]
    assert series(1) == [("Other", 6)]
