"""Which tables of BigQuery an event goes to, and what its row holds there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from quadra.core import clock
from quadra.warehouse.columns import JSONS, KINDS, OUTSIDE

Row = dict[str, Any]
Columns = tuple[tuple[str, str], ...]

_TYPES = {"VARCHAR": "STRING", "TIMESTAMPTZ": "TIMESTAMP", "DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN"}
EVENTS: Columns = (
    ("project", "STRING"),
    *((name, "JSON" if inside in JSONS else _TYPES[KINDS[inside]]) for name, inside in OUTSIDE.items()),
)
COMMON: Columns = (("project", "STRING"), ("event_id", "STRING"))
TABLES: dict[str, tuple[str, Columns]] = {
    "events": ("occurred_at", EVENTS),
    "request_logs": (
        "timestamp",
        (
            *COMMON,
            ("timestamp", "TIMESTAMP"),
            ("request_id", "STRING"),
            ("method", "STRING"),
            ("path", "STRING"),
            ("status_code", "INTEGER"),
            ("response_time_ms", "FLOAT"),
            ("user_agent", "STRING"),
            ("ip_address", "STRING"),
            ("user_id", "STRING"),
            ("session_id", "STRING"),
            ("business_id", "STRING"),
            ("language", "STRING"),
            ("error_message", "STRING"),
        ),
    ),
    "business_metrics": (
        "timestamp",
        (
            *COMMON,
            ("timestamp", "TIMESTAMP"),
            ("business_id", "STRING"),
            ("metric_name", "STRING"),
            ("metric_value", "FLOAT"),
            ("metric_unit", "STRING"),
            ("category", "STRING"),
            ("tags", "JSON"),
        ),
    ),
    "system_metrics": (
        "timestamp",
        (
            *COMMON,
            ("timestamp", "TIMESTAMP"),
            ("metric_name", "STRING"),
            ("metric_value", "FLOAT"),
            ("metric_unit", "STRING"),
            ("component", "STRING"),
            ("tags", "JSON"),
        ),
    ),
}
"""Table -> the column whose day is its partition, and its columns with their types."""


def rows_of(project: str, event: Row) -> Iterator[tuple[str, Row]]:
    """(table, row) for an event with the columns of `warehouse.columns`: all go to `events`, some to one more."""
    yield "events", {"project": project, **{name: _plain(event[inside]) for name, inside in OUTSIDE.items()}}
    common = {"project": project, "event_id": event["event_id"], "timestamp": _plain(event["occurred_at"])}
    fields = _object(event["fields"])
    if event["kind"] == "request":
        yield "request_logs", common | _request(event, fields)
    if event["kind"] == "metric":
        metric = {
            "metric_name": fields.get("metric_name"),
            "metric_value": event["value"],
            "metric_unit": fields.get("unit"),
            "tags": _json(fields.get("tags")),
        }
        if fields.get("business_id") is not None:
            category = event["category"] or fields.get("category")
            yield "business_metrics", common | metric | {"business_id": fields["business_id"], "category": category}
        if fields.get("component") is not None:
            yield "system_metrics", common | metric | {"component": fields["component"]}


def _request(event: Row, fields: Row) -> Row:
    """Addresses are not kept, so none leaves."""
    own = _object(event["properties"])
    status = fields.get("status_code")
    return {
        "request_id": _text(own.get("request_id")) or event["event_id"],
        "method": fields.get("method"),
        "path": fields.get("endpoint"),
        "status_code": int(status) if status is not None else None,
        "response_time_ms": event["duration_ms"],
        "user_agent": _text(own.get("user_agent")) or event["browser"],
        "ip_address": None,
        "user_id": event["user_id"],
        "session_id": event["session_id"],
        "business_id": _text(own.get("business_id")),
        "language": _text(own.get("language")),
        "error_message": fields.get("error_message"),
    }


def _plain(value: Any) -> Any:
    return clock.iso(value) if isinstance(value, datetime) else value


def _object(text: str | None) -> Row:
    found = orjson.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
