"""The doors of the lenses: who may ask, about which project, and what every answer carries."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from quadra.analytics import routes
from tests.analytics.conftest import As, Place
from tests.analytics.reference import ev


@pytest.mark.parametrize("prefix", ["/api/analytics", "/api/v2/analytics"])
@pytest.mark.parametrize("path", list(routes.GETS))
def test_every_question_is_for_viewers_of_that_project(
    client: FlaskClient, as_: As, place: Place, prefix: str, path: str
) -> None:
    mine, other = place.tell([ev("u", "2026-03-02 10:00")]), place.tell([ev("u", "2026-03-02 10:00")] * 3)
    address = f"{prefix}/{path}?from=2026-03-01&to=2026-03-03"
    assert client.get(address).status_code == 401
    assert client.get(address, headers=as_(mine.slug, "ingest")).status_code == 403
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


@pytest.mark.parametrize("lens", list(routes.GETS))
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
