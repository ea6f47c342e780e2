"""Errors that somebody resolved, at the doors; businesses and the SQL of reports have doors of their own too."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from quadra.accounts.keys import make_key
from quadra.accounts.projects import DEFAULT, create_project
from quadra.accounts.tables import AuditEntry
from tests.analytics.conftest import As, Place
from tests.analytics.reference import Event, ev

RANGE = "from=2026-03-01&to=2026-03-03"


def broken(message: str, at: str = "2026-03-02 10:00") -> Event:
    return Event("u", ev("u", at).us, "error", kind="error", fields={"error_type": "E", "message": message})


@pytest.mark.parametrize("prefix", ["/api/analytics", "/api/v2/analytics"])
def test_a_resolved_group_is_open_again_when_another_error_arrives(
    client: FlaskClient, as_: As, place: Place, prefix: str
) -> None:
    project = place.tell([broken("a"), broken("a"), broken("b")])
    reader, editor = as_(project.slug), as_(project.slug, "admin")

    def state() -> dict[str, bool]:
        answer = client.get(f"{prefix}/errors?{RANGE}", headers=reader).json
        overview = client.get(f"{prefix}/dashboard?{RANGE}", headers=reader).json
        assert overview["errors"]["unresolved"] == answer["totals"]["unresolved"]
        assert answer["totals"]["unresolved"] == sum(not group["resolved"] for group in answer["groups"])
        return {group["message"]: group["resolved"] for group in answer["groups"]}

    assert state() == {"a": False, "b": False}
    groups = client.get(f"{prefix}/errors?{RANGE}", headers=reader).json["groups"]
    address = f"{prefix}/errors/{next(group['group_id'] for group in groups if group['message'] == 'a')}"
    assert client.post(f"{address}/resolve").status_code == 401
    assert client.post(f"{address}/resolve", headers=reader).status_code == 403
    assert client.post(f"{address}/resolve", headers=editor).json["resolved"] is True
    assert state() == {"a": True, "b": False}
    only = client.get(f"{prefix}/errors?{RANGE}&resolved=true", headers=reader).json["groups"]
    assert [group["message"] for group in only] == ["a"]

    place.append(project, [broken("a", "2026-03-01 09:00")])  # it arrived after, whenever it happened
    assert state() == {"a": False, "b": False}
    client.post(f"{address}/resolve", headers=editor)
    assert state() == {"a": True, "b": False}
    assert client.post(f"{address}/reopen", headers=editor).json["resolved"] is False
    assert state() == {"a": False, "b": False}
    with place.runtime.database.read() as session:
        query = sa.select(AuditEntry.action).where(AuditEntry.project_id == project.id).order_by(AuditEntry.id)
        noted = [action for action in session.scalars(query) if action.startswith("analytics.error")]
    assert noted == ["analytics.error.resolved", "analytics.error.resolved", "analytics.error.reopened"]


def test_errors_of_another_project_cannot_be_resolved(client: FlaskClient, as_: As, place: Place) -> None:
    mine, other = place.tell([broken("mine")]), place.tell([broken("theirs")])
    theirs = client.get(f"/api/analytics/errors?{RANGE}", headers=as_(other.slug)).json["groups"][0]["group_id"]
    editor = as_(mine.slug, "admin")
    for address in (f"{theirs}/resolve", f"{theirs}/reopen", f"{theirs}/resolve?project={other.slug}", "x/resolve"):
        assert client.post(f"/api/analytics/errors/{address}", headers=editor).status_code == 404


def test_a_business_is_a_project_with_its_metrics_beside_the_range_before(
    client: FlaskClient, as_: As, place: Place
) -> None:
    def metric(at: str, name: str, value: float, **fields: str) -> Event:
        fields = {"metric_name": name, "metric_value": value, "business_id": "shop", **fields}  # type: ignore[assignment]
        return Event("u", ev("u", at).us, "metric", kind="metric", fields=fields)

    project = place.tell(
        [
            metric("2026-03-01 10:00", "revenue", 10, unit="EUR"),
            metric("2026-03-02 10:00", "orders", 30, category="Revenue", unit="EUR"),
            metric("2026-02-27 10:00", "revenue", 5),
            metric("2024-02-27 10:00", "revenue", 7),  # long before, and once after
            metric("2026-03-07 10:00", "revenue", 8),
            metric("2026-03-02 11:00", "paid", 2.5, category="conversion"),
        ]
    )
    headers = as_(project.slug)
    answer = client.get(f"/api/business/status?business_id={project.slug}&{RANGE}", headers=headers).json
    assert (answer["business_id"], answer["name"]) == (project.slug, project.name)
    assert (answer["revenue"]["total"], answer["revenue"]["unit"], answer["revenue"]["previous"]["total"]) == (
        40,
        "EUR",
        5,
    )
    assert (answer["conversion"]["average"], answer["acquisition"]["new_users"]) == (2.5, 0)
    assert [(metric["metric_name"], metric["sum"]) for metric in answer["metrics"]] == [
        ("orders", 30),
        ("paid", 2.5),
        ("revenue", 10),
    ]
    assert client.get("/api/business/status").status_code == 401
    assert client.get("/api/business/status?business_id=no-such", headers=headers).status_code == 404

    assert (
        client.post("/api/business/create", json={"name": "New"}, headers=as_(project.slug, "admin")).status_code == 403
    )
    with place.runtime.database.begin() as session:
        default = create_project(session, name="Default", slug=DEFAULT)
        _, owner = make_key(session, project=default, scope="admin")
    made = client.post("/api/business/create", json={"name": "New shop"}, headers={"Authorization": f"Bearer {owner}"})
    assert (made.status_code, made.json["business_id"], made.json["success"]) == (201, "new-shop", True)
    assert made.json["write_key"].startswith("qk_")


def test_the_sql_of_the_reports_is_for_viewers_of_that_project(client: FlaskClient, as_: As, place: Place) -> None:
    mine, other = place.project(), place.project()
    for prefix in ("/api/analytics", "/api/v2/analytics"):
        assert client.get(f"{prefix}/queries").status_code == 401
        assert client.get(f"{prefix}/queries?project={other.slug}", headers=as_(mine.slug)).status_code == 404
        answer = client.get(f"{prefix}/queries?lens=ai&days=3", headers=as_(mine.slug))
        assert [query["lens"] for query in answer.json["queries"]] == ["ai"]
        assert client.get(f"{prefix}/queries?lens=no", headers=as_(mine.slug)).status_code == 400


def test_one_recorded_funnel_is_answered_by_its_name_also_where_nobody_began_it(
    client: FlaskClient, as_: As, place: Place
) -> None:
    stage = {"funnel_name": "a/b", "stage": "one", "stage_order": 1}
    told = [Event("u", ev("u", "2026-03-02 10:00").us, "funnel", kind="funnel", fields=stage)]
    headers = as_(place.tell(told).slug)
    address = f"/api/analytics/user/funnels/{{}}/analytics?{RANGE}&funnel_name=other"
    found = client.get(address.format("a/b"), headers=headers).json
    assert (found["funnel_name"], found["total_started"], len(found["stages"])) == ("a/b", 1, 1)
    nobody = client.get(address.format("nobody"), headers=headers).json
    assert (nobody["funnel_name"], nobody["total_started"], nobody["stages"]) == ("nobody", 0, [])
