"""The columns of an event as segments and questions have them: one schema for files, for fresh rows, for the relation."""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("batch_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("occurred_at", TIME, nullable=False),
        pa.field("received_at", TIME, nullable=False),
        pa.field("page_url", pa.string()),
        pa.field("page_title", pa.string()),
        pa.field("referrer", pa.string()),
        pa.field("device_type", pa.string()),
        pa.field("browser", pa.string()),
        pa.field("os", pa.string()),
        pa.field("duration_ms", pa.float64()),
        pa.field("value", pa.float64()),
        pa.field("success", pa.bool_()),
        pa.field("bot", pa.bool_(), nullable=False),
        pa.field("fields", pa.string()),
        pa.field("properties", pa.string()),
    ]
)
NAMES = tuple(SCHEMA.names)
TIMES = ("occurred_at", "received_at")
JSONS = ("fields", "properties")

ORDER = "user_id NULLS LAST, occurred_at, event_id"
"""Of the rows in a file: one person's lie together, so that asking for one person reads little."""


def property_path(name: str) -> str:
    """The path of a top-level key for DuckDB's JSON functions, whatever characters it has (a JSON pointer)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
