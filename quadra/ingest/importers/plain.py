"""The short way from fields to a row, for files of a million of them: one struct that is the row checks all types and lengths
at once. It takes what is plain, and takes it exactly as `accept` does (a test holds the two equal); the rest is left to
`accept`, which also says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from quadra.core import clock
from quadra.core.typed import Typed
from quadra.ingest.accept import EARLIEST_US, FUTURE_US
from quadra.ingest.agents import Agent
from quadra.ingest.columns import SENT, Row
from quadra.ingest.kinds import FIELDS, KINDS, PAGE_TYPES
from quadra.ingest.placeholders import ALIASES
from quadra.ingest.sdks.foreign import SECONDS
from quadra.ingest.soundness import are_sound, check_json, raw_of

RENAMED = {"event_name": "name", "event_category": "category", "timestamp": "occurred_at"}
SAME = (
    *("event_id", "kind", "event_type", "user_id", "anonymous_id", "session_id"),
    *("page_url", "page_title", "referrer", "duration_ms", "value", "success"),
    *(column.name for column in SENT),
)
TAKEN = frozenset({*SAME, *RENAMED, "page", "properties"})
"""Fields of a plain event or page view; one with any other takes the long way."""
PAGE_MOST = 8 * 1024
"""What is longer is cut, by `accept`."""
_BOUNDED = {name: FIELDS[name] | None for name in SAME} | {
    "event_id": FIELDS["event_id"],
    "name": FIELDS["event_name"] | None,
    "category": FIELDS["event_category"] | None,
}
_REQUIRED = {"event_id", "kind", "name", "event_type"}
_PLAIN_ROW = Typed[Any](
    msgspec.defstruct(
        "PlainRow",
        [(name, type_) if name in _REQUIRED else (name, type_, None) for name, type_ in _BOUNDED.items()],
        bases=(Row,),
    )
)
"""A row with the bounds that senders have."""


def row_of(fields: Mapping[str, Any], agent: Agent, project_id: int, door: str, received_us: int) -> Row | None:
    """What `accept` makes of these fields; None where that takes a closer look. `event_id` is there."""
    if not fields.keys() <= TAKEN:
        return None
    at = _microseconds(fields.get("timestamp"))
    if at is None or not EARLIEST_US <= at <= received_us + FUTURE_US:
        return None
    event_type = fields.get("event_type")
    if (kind := _kind(fields.get("kind"), event_type)) is None:
        return None
    values = dict(fields)
    properties = values.pop("properties", None)
    values["project_id"], values["received_at"], values["occurred_at"] = project_id, received_us, at
    values["kind"], values["event_type"] = kind, event_type
    values["name"], values["category"] = values.pop("event_name", None), values.pop("event_category", None)
    values.pop("timestamp")
    if (page := values.pop("page", None)) is not None:
        if type(page) is not str or len(page) > PAGE_MOST or values.get("page_url") is not None:
            return None
        values["page_url"] = page
    try:
        row: Row = _PLAIN_ROW.convert(values)
        raw = None if properties is None else raw_of(properties)
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        return None
    if not are_sound(values.values()) or (properties is not None and (raw is None or check_json(raw, "properties"))):
        return None
    row.properties = raw
    row.event_type = row.event_type or "page_view"
    row.name = row.name or row.event_type
    row.user_id = row.user_id or row.anonymous_id or None
    row.anonymous_id, row.session_id = row.anonymous_id or None, row.session_id or None
    row.category, row.language = row.category or None, row.language or None
    row.screen, row.page_query = row.screen or None, row.page_query or None
    row.device_type, row.browser = row.device_type or agent.device_type, row.browser or agent.browser
    row.os, row.bot, row.door = row.os or agent.os, agent.bot, door
    row.country, row.region = agent.country, agent.region
    return row


def _kind(kind: Any, event_type: Any) -> str | None:
    """`page` or `event`; None for all other kinds, and for what may be one."""
    if kind is None and type(event_type) is str and (event_type == "event" or event_type not in KINDS):
        kind = "page" if event_type in PAGE_TYPES else "event"
    if kind == "event":
        return "event" if event_type and event_type not in ALIASES else None
    return "page" if kind == "page" else None


def _microseconds(value: Any) -> int | None:
    """Since 1970, of seconds or ISO 8601; None for all that takes a closer look, such as text that may be a number."""
    if type(value) is int:
        return value * 1_000_000 if value in SECONDS else value * 1_000
    if type(value) is not str or value[4:5] != "-":
        return None
    try:
        at = datetime.fromisoformat(value)
        return clock.to_us(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
