"""The doors of the lenses: who may ask, about which project, and what every answer carries."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from quadra.accounts.tables import Project
from quadra.analytics.lens_list import AT_DOORS, LENSES
from quadra.analytics.questions.lens import PREFIXES, Lens
from tests.analytics.conftest import As, Place, strictly
from tests.analytics.reference import Event, ev

GETS = [lens.path for lens in LENSES if not lens.in_body]


@pytest.mark.parametrize("prefix", ["/api/analytics", "/api/v2/analytics"])
@pytest.mark.parametrize("path", GETS)
def test_every_question_is_for_viewers_of_that_project(
    client: FlaskClient, as_: As, place: Place, prefix: str, path: str
) -> None:
    mine, other = place.tell([ev("u", "2026-03-02 10:00")]), place.tell([ev("u", "2026-03-02 10:00")] * 3)
    address = f"{prefix}/{path}?from=2026-03-01&to=2026-03-03"
    elsewhere = {"REMOTE_ADDR": f"10.0.{PREFIXES.index(prefix)}.{GETS.index(path)}"}  # strangers' refusals are limited
    assert client.get(address, environ_base=elsewhere).status_code == 401
    assert client.get(address, headers=as_(mine.slug, "ingest"), environ_base=elsewhere).status_code == 403
    answer = client.get(address, headers=as_(mine.slug))
    assert answer.status_code == 200
    assert {"computed_at", "rows_read", "elapsed_ms"} < set(answer.json)
    assert answer.json["rows_read"] == 1
    assert client.get(f"{address}&project={other.slug}", headers=as_(mine.slug)).status_code == 404
    wrong = client.get(f"{address}&timezone=Nowhere", headers=as_(mine.slug))
    assert wrong.status_code == 400
    assert list(wrong.json["error"]["fields"]) == ["timezone"]


def test_parameters_may_be_in_camel_case_and_properties_stay_as_they_are(
    client: FlaskClient, as_: As, place: Place
) -> None:
    project = place.tell([ev("u", "2026-03-02 10:00", planType="pro", plan_type="free")])
    address = "/api/analytics/trends?from=2026-03-02&to=2026-03-02&weekStart=sunday&breakdownLimit=3"
    for where, count in {"planType": 1, "plan_type": 0}.items():
        answer = client.get(f"{address}&where[{where}]=pro", headers=as_(project.slug))
        assert answer.json["series"][0]["points"][0]["value"] == count


@pytest.mark.parametrize("lens", GETS)
@pytest.mark.parametrize("span", ["from=1970-01-01&interval=month", "from=0&to=1970-01-31"])
def test_a_range_may_begin_with_time_itself(client: FlaskClient, as_: As, place: Place, lens: str, span: str) -> None:
    answer = client.get(f"/api/analytics/{lens}?{span}", headers=as_(place.project().slug))
    assert answer.status_code in (200, 400), answer.json
    if answer.status_code == 400:  # of what it takes more, or of periods fewer
        assert answer.json["error"]["fields"]


def test_an_offset_may_come_unquoted(client: FlaskClient, as_: As, place: Place) -> None:
    project = place.tell([ev("u", "2026-03-02 10:00")])
    address = "/api/analytics/trends?from=2026-03-02T12:00:00+02:00&to=2026-03-03"
    answer = client.get(address, headers=as_(project.slug))
    assert [point["value"] for point in answer.json["series"][0]["points"]] == [1, 0]


def test_without_a_range_the_last_30_days_are_asked_about(client: FlaskClient, as_: As, place: Place) -> None:
    headers = as_(place.project().slug)
    for days, points in {"": 30, "?days=7": 7, "?from=2026-03-01&days=3": 3, "?to=2026-03-05&days=2": 2}.items():
        answer = client.get(f"/api/analytics/trends{days}", headers=headers)
        assert len(answer.json["series"][0]["points"]) == points


@pytest.mark.parametrize("prefix", ["/api/analytics", "/api/v2/analytics"])
def test_a_funnel_is_for_viewers_of_that_project(client: FlaskClient, as_: As, place: Place, prefix: str) -> None:
    mine, other = place.tell([ev("u", "2026-03-02 10:00"), ev("u", "2026-03-02 11:00", "b")]), place.project()
    body = {"from": "2026-03-02", "to": "2026-03-03", "steps": [{"event": "a"}, {"event": "b"}], "windowSeconds": 3600}
    address = f"{prefix}/funnels/query"
    assert client.post(address, json=body).status_code == 401
    answer = client.post(address, json=body, headers=as_(mine.slug))
    assert answer.status_code == 200
    assert [step["count"] for step in answer.json["steps"]] == [1, 1]
    assert answer.json["rows_read"] == 2
    assert client.post(address, json={**body, "project": other.slug}, headers=as_(mine.slug)).status_code == 404
    assert client.post(address, json={**body, "project": 1}, headers=as_(mine.slug)).status_code == 400
    assert client.post(f"{address}?timezone=Nowhere", json=body, headers=as_(mine.slug)).status_code == 400


@pytest.mark.parametrize("lens", [*LENSES, *AT_DOORS], ids=lambda lens: lens.path)
def test_a_name_that_is_not_known_is_refused_with_the_nearest_one(
    client: FlaskClient, as_: As, place: Place, lens: Lens[Any, Any]
) -> None:
    headers = as_(place.project().slug)
    for prefix in lens.prefixes:
        address = f"{prefix}/{lens.path}".replace("{funnel_name}", "checkout")
        if lens.in_body:
            answer = client.post(address, json={"steps": [{"evnt": "a"}], "tiemzone": "UTC"}, headers=headers)
            wrong = {"steps[0].evnt": "event", "tiemzone": "timezone"}
        else:
            answer = client.get(f"{address}?tiemzone=UTC&whree[plan]=x", headers=headers)
            wrong = {"tiemzone": "timezone", "whree": "where"}
        assert answer.status_code == 400
        fields = answer.json["error"]["fields"]
        assert {
            name: f"is not known here; did you mean {near}?" for name, near in wrong.items()
        }.items() <= fields.items()


@pytest.mark.parametrize(
    "asked",
    [
        "days=1&days=2",
        "event=a&event=b",
        "where[plan][like]=1",
        "where[n][gt]=many",
        "where[n][lte]=",
        "where[n][set]=yes",
        "where[n][contains]=",
    ],
)
def test_what_is_meant_by_a_parameter_must_be_said(client: FlaskClient, as_: As, place: Place, asked: str) -> None:
    answer = client.get(f"/api/analytics/trends?{asked}", headers=as_(place.project().slug))
    assert answer.status_code == 400, answer.json
    assert asked.partition("=")[0] in answer.json["error"]["fields"]


def test_mistyped_names_are_refused_in_reports_and_exports_too(client: FlaskClient, as_: As, place: Place) -> None:
    headers = as_(place.project().slug)
    for path in ("queries?evnt=a", "queries?lens=trends&evnt=a", "export?evnt=a"):
        answer = client.get(f"/api/analytics/{path}", headers=headers)
        assert (answer.status_code, list(answer.json["error"]["fields"])) == (400, ["evnt"]), path


@pytest.mark.parametrize("lens", [*LENSES, *AT_DOORS], ids=lambda lens: lens.path)
def test_an_answer_has_the_fields_of_its_struct_and_no_other_ones(
    client: FlaskClient, as_: As, everything: Project, lens: Lens[Any, Any]
) -> None:
    address = f"{lens.prefixes[0]}/{lens.path}".replace("{funnel_name}", "checkout")
    headers = as_(everything.slug)
    if lens.in_body:
        body = {"from": "2026-03-02", "to": "2026-03-03", "steps": [{}], "breakdown": "n"}
        answer = client.post(address, json=body, headers=headers)
    else:
        answer = client.get(f"{address}?from=2026-03-02&to=2026-03-03", headers=headers)
    assert answer.status_code == 200, answer.json
    found = strictly(lens, answer.data)
    assert found["rows_read"] > 0
    if lens.path not in ("realtime/stats", "paths"):
        assert any(found[name] for name in found if name not in ("computed_at", "rows_read", "elapsed_ms"))


@pytest.fixture(scope="module")
def everything(place: Place) -> Project:
    """A project with one event or more of each kind."""
    us = ev("u1", "2026-03-02 12:00").us
    given: dict[str, dict[str, Any]] = {
        "feature": {"feature_name": "export", "action": "used"},
        "funnel": {"funnel_name": "checkout", "stage": "cart", "stage_order": 1},
        "journey": {"journey_type": "start", "step_name": "hello", "step_order": 1, "session_id": "s1"},
        "survey": {"survey_type": "nps", "score": 9},
        "ai": {"model": "m", "cost_usd": 0.5},
        "error": {"error_type": "E", "message": "m"},
        "request": {"endpoint": "/x", "method": "GET", "status_code": 500, "response_time_ms": 5},
        "metric": {"metric_name": "revenue", "metric_value": 5, "business_id": "b"},
        "page": {"page_url": "/"},
        "identify": {"traits": {"plan": "pro"}},
    }
    events = [
        Event("u1", us + number, kind, kind=kind, fields=fields) for number, (kind, fields) in enumerate(given.items())
    ]
    return place.tell([*events, ev("u1", "2026-03-02 10:00", n=2), ev("u1", "2026-03-02 10:01", "b")])
