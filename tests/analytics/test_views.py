"""The views for people with an SQL tool, and the ready reports over them, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from quadra.accounts.projects import create_project
from quadra.analytics.views.ready_reports import READY
from quadra.core import clock
from quadra.core.database import Database
from quadra.ingest.accept import Sender, accept
from quadra.ingest.kinds import UNNUMBERED
from quadra.ingest.log import Log
from quadra.ingest.wire import from_dict
from tests.servers.schema import bring_up

VIEWS = {
    "user_events": ("event_type", "signed_up"),
    "feature_usage": ("duration_seconds", 2.5),
    "conversion_funnels": ("stage_order", 2),
    "user_journeys": ("step_name", "welcome"),
    "user_satisfaction": ("score", 9.0),
    "ai_usage": ("prompt_tokens", 12),
    "api_performance": ("status_code", 500),
    "errors": ("message", "it's broken"),
    "business_metrics": ("metric_value", 10.5),
    "system_metrics": ("component", "web"),
    "page_views": ("page_title", "Home"),
    "request_logs": ("path", "/a"),
}
AT = "2026-03-02T10:00:00.123456Z"
EVENTS: tuple[dict[str, Any], ...] = (
    {"event_type": "signed_up"},
    {"kind": "feature", "feature_name": "export", "action": "used", "duration_seconds": 2.5},
    {"kind": "funnel", "funnel_name": "buy", "stage": "pay", "stage_order": 2, "time_to_stage_seconds": 1.5},
    {"kind": "journey", "journey_type": "j", "step_name": "welcome", "step_order": 1, "session_id": "s"},
    {"kind": "survey", "survey_type": "nps", "score": 9, "context": {"page": "/"}},
    {"kind": "ai", "model": "m", "prompt_tokens": 12, "cost_usd": 0.5},
    {"kind": "request", "endpoint": "/a", "method": "GET", "status_code": 500, "response_time_ms": 20},
    {"kind": "request", "endpoint": "/a", "method": "GET", "status_code": 500, "response_time_ms": 40},
    {"kind": "error", "error_type": "E", "message": "it's broken"},
    {"kind": "metric", "metric_name": "revenue", "metric_value": 10.5, "business_id": "shop", "tags": ["x"]},
    {"kind": "metric", "metric_name": "cpu", "metric_value": 0.5, "component": "web"},
    {"kind": "page", "page_url": "https://a.example/", "page_title": "Home"},
)


@pytest.fixture
def told(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url)
    bring_up(database)
    with database.begin() as session:
        project = create_project(session, name="Shop")
    rows = [
        accept(
            from_dict({"event_id": f"e{number}", "user_id": "u", "timestamp": AT, **event}),
            Sender(project.id, "http"),
            clock.now_us(),
        )
        for number, event in enumerate(EVENTS)
    ]
    Log(database, writer="test", batch_max_events=100).append(rows)
    yield database
    database.dispose()


def test_each_view_shows_the_rows_of_its_kind_and_takes_no_writing(told: Database) -> None:
    for view, (column, value) in VIEWS.items():
        with told.read() as session:
            rows = session.execute(sa.text(f"SELECT * FROM {view}")).mappings().all()
            assert len(rows) == (2 if view in ("api_performance", "request_logs", "user_events") else 1), view
            assert value in [row[column] for row in rows], view
            assert rows[0]["project"] == "shop"
            assert str(rows[0]["timestamp"]) == "2026-03-02 10:00:00.123456"
            assert str(rows[0]["day"]) == "2026-03-02"
        for write in (f"DELETE FROM {view}", f"UPDATE {view} SET event_id = 'x'"):
            with pytest.raises(sa.exc.DBAPIError), told.engine.begin() as connection:
                connection.execute(sa.text(write))
    with told.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM event")) == len(EVENTS)


def test_a_completed_run_shows_no_number_of_its_end_and_a_session_is_one_row(told: Database) -> None:
    project = Sender(1, "http")
    ends = (
        {
            "kind": "funnel",
            "event_type": "funnel_completed",
            "funnel_name": "buy",
            "stage": "completed",
            "stage_order": UNNUMBERED,
        },
        {
            "kind": "journey",
            "event_type": "journey_completed",
            "journey_type": "j",
            "step_name": "end",
            "step_order": UNNUMBERED,
        },
    )
    later = {"user_id": "u", "session_id": "s", "timestamp": "2026-03-02T10:00:30Z"}
    rows = [
        accept(from_dict({"event_id": f"end{number}", **later, **event}), project, clock.now_us())
        for number, event in enumerate(ends)
    ]
    Log(told, writer="later", batch_max_events=100).append(rows)
    with told.read() as session:
        for view, order, normal in (("conversion_funnels", "stage_order", 2), ("user_journeys", "step_order", 1)):
            found = session.execute(sa.text(f"SELECT completed, {order} FROM {view} ORDER BY completed")).all()
            assert [tuple(row) for row in found] == [(0, normal), (1, None)]
        (visit,) = session.execute(sa.text("SELECT * FROM user_sessions")).mappings().all()
    assert (visit["project"], visit["session_id"], visit["user_id"], visit["events"]) == ("shop", "s", "u", 3)
    assert str(visit["started_at"]) == "2026-03-02 10:00:00.123456"
    assert float(visit["duration_seconds"]) == pytest.approx(29.876544, abs=0.001)


def test_the_ready_reports_run_on_the_views(told: Database) -> None:
    found = {}
    with told.read() as session:
        for report in READY:
            params = {**report.shown("shop")["parameters"], "from": "2026-03-01 00:00:00"}
            found[report.name] = [dict(row) for row in session.execute(sa.text(report.sql), params).mappings()]
    (requests,) = found["requests_by_day"]
    assert (requests["path"], requests["status_code"], requests["requests"], requests["errors"]) == ("/a", 500, 2, 2)
    assert requests["avg_response_time_ms"] == 30
    (business,) = found["business_metrics_by_name"]
    assert (business["business_id"], business["metric_name"], business["reports"]) == ("shop", "revenue", 1)
    (system,) = found["system_metrics_by_component"]
    assert (system["component"], system["max_value"]) == ("web", 0.5)
