"""Each kind of event: what it must have, and where its fields are kept."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.kinds import FIELDS, KINDS, kind_of
from quadra.ingest.wire import PLAIN, Refused, read_one, widened

NOW = 1_800_000_000_000_000
SENDER = Sender(project_id=1, door="http")

COMPLETE: dict[str, dict[str, Any]] = {
    "event": {"event_type": "click"},
    "page": {},
    "identify": {"traits": {"plan": "pro"}},
    "feature": {"feature_name": "export", "action": "used"},
    "funnel": {"funnel_name": "signup", "stage": "start", "stage_order": 0},
    "journey": {"journey_type": "first", "step_name": "one", "step_order": 1, "session_id": "s"},
    "survey": {"survey_type": "nps", "score": 0},
    "ai": {"model": "m"},
    "error": {"error_type": "TypeError", "message": "x is not a function"},
    "request": {"endpoint": "/api", "status_code": 200},
    "metric": {"metric_name": "revenue", "metric_value": 0},
}


REQUIRED = {
    "event": {"event_type"},
    "page": set(),
    "identify": set(),
    "feature": {"feature_name", "action"},
    "funnel": {"funnel_name", "stage", "stage_order"},
    "journey": {"journey_type", "step_name", "step_order", "session_id"},
    "survey": {"survey_type", "score"},
    "ai": {"model"},
    "error": {"error_type", "message"},
    "request": set(),
    "metric": {"metric_name", "metric_value"},
}
"""By hand, not from the code: a rule that is lost there is missed here."""


def take(**fields: Any) -> Row:
    return accept(read_one(msgspec.json.encode(fields)), SENDER, NOW)


def refusal(**fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        take(**fields)
    return caught.value


def test_every_kind_is_tried_here() -> None:
    assert set(COMPLETE) == set(REQUIRED) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_event_of_a_kind_is_taken(kind: str) -> None:
    row = take(kind=kind, **COMPLETE[kind])
    assert row.kind == kind
    assert row.name == row.event_type == {"event": "click", "page": "page_view"}.get(kind, kind)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in REQUIRED.items() for field in sorted(fields)]
)
@pytest.mark.parametrize("value", ["left out", None, ""])
def test_a_required_field_is_missed_by_name(kind: str, field: str, value: Any) -> None:
    fields = {name: sample for name, sample in COMPLETE[kind].items() if name != field}
    if value != "left out":
        fields[field] = value
    found = refusal(kind=kind, **fields)
    assert set(found.fields) == {field}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_that_a_kind_keeps_is_a_field_of_the_wire(kind: str) -> None:
    one = KINDS[kind]
    assert {*one.required, *one.kept, one.value, one.duration} <= set(FIELDS)


def test_a_kind_that_is_not_known_is_refused_with_the_list() -> None:
    found = refusal(kind="sale", event_type="x")
    assert found.fields == {"kind": f"one of {', '.join(KINDS)}"}


@pytest.mark.parametrize(("survey", "low", "high"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7)])
def test_a_score_is_within_the_bounds_of_its_survey(survey: str, low: int, high: int) -> None:
    for score in (low, high, (low + high) / 2):
        assert take(kind="survey", survey_type=survey, score=score).value == score
    for score in (low - 0.5, high + 0.5):
        assert refusal(kind="survey", survey_type=survey, score=score).fields == {
            "score": f"{survey} takes {low} to {high}"
        }


def test_a_survey_of_another_type_is_refused_by_name() -> None:
    assert set(refusal(kind="survey", survey_type="stars", score=1).fields) == {"survey_type"}


@pytest.mark.parametrize("action", ["opened", "used", "completed"])
def test_a_feature_is_opened_used_or_completed(action: str) -> None:
    row = take(kind="feature", feature_name="export", action=action, duration_seconds=1.5, success=False)
    assert json.loads(bytes(row.fields)) == {"feature_name": "export", "action": action}
    assert (row.duration_ms, row.success) == (1500, False)
    assert set(refusal(kind="feature", feature_name="export", action="closed").fields) == {"action"}


def test_the_number_of_a_kind_is_its_value() -> None:
    assert take(kind="ai", model="m", cost_usd=0.25, response_time_ms=12).value == 0.25
    assert take(kind="ai", model="m", cost_usd=0.25, response_time_ms=12).duration_ms == 12
    assert take(kind="metric", metric_name="n", metric_value=-3.5).value == -3.5
    assert take(event_type="x", value=2).value == 2


@pytest.mark.parametrize(("status", "success"), [(200, True), (399, True), (400, False), (599, False), (None, None)])
def test_a_request_succeeded_where_its_status_says_so(status: int | None, success: bool | None) -> None:
    fields = {} if status is None else {"status_code": status}
    assert take(kind="request", endpoint="/", **fields).success is success


def test_a_request_that_says_itself_whether_it_succeeded_is_believed() -> None:
    assert take(kind="request", status_code=500, success=True).success is True


@pytest.mark.parametrize("status", [99, 600, -1, 200.5, "200"])
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    assert set(refusal(kind="request", status_code=status).fields) == {"status_code"}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"event_type": "click"}, "event"),
        ({"event_type": "page_view"}, "page"),
        ({"event_type": "$pageview"}, "page"),
        ({"event_type": "survey", "survey_type": "nps", "score": 9}, "survey"),
        ({"event_type": "survey"}, "event"),
        ({"event_type": "error"}, "event"),
        ({"event_type": "error", "error_type": "E", "message": "m"}, "error"),
        ({"event_type": "request"}, "event"),
        ({"event_type": "page_view", "kind": "event"}, "event"),
    ],
)
def test_the_kind_is_what_was_said_or_what_the_fields_show(fields: dict[str, Any], kind: str) -> None:
    wire = read_one(msgspec.json.encode(fields))
    assert kind_of(widened(wire) if type(wire) in PLAIN else wire) == kind
    assert take(**fields).kind == kind


@pytest.mark.parametrize("fields", [{}, {"kind": "event"}, {"event_type": ""}, {"event_name": "only a name"}])
def test_a_plain_event_needs_a_type(fields: dict[str, Any]) -> None:
    assert refusal(**fields).fields == {"event_type": "required"}


def test_tags_may_be_a_list_or_an_object_and_nothing_else() -> None:
    for tags in (["a", "b"], {"team": "x"}):
        row = take(kind="metric", metric_name="n", metric_value=1, tags=tags)
        assert json.loads(bytes(row.fields))["tags"] == tags
    assert set(refusal(kind="metric", metric_name="n", metric_value=1, tags="a").fields) == {"tags"}
