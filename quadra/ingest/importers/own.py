"""Rows of Quadra's own export, or of `events tail --json`, read back: the import of an export is the same events.

All but three columns: the batch, the time of receipt and the door belong to the installation that took the event, not to the
event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from quadra.ingest.agents import Agent
from quadra.ingest.columns import COLUMNS
from quadra.ingest.importers.times import is_blank
from quadra.ingest.kinds import KINDS
from quadra.ingest.wire import Refused

SIGNS = frozenset({"event_id", "batch_id", "kind", "received_at", "bot"})
"""Columns that only rows of ours have together."""
TABLE_NAMES = {"event_name": "name", "event_category": "category", "occurred_at": "timestamp"}
"""Columns that are called otherwise by `events tail`, or in an answer."""
AGENT = {"device_type": 16, "browser": 64, "os": 64, "country": 2, "region": 100}
"""Of the device and where it was; and how long each may be."""
MOVED = {*AGENT, "bot", "door", "value", "fields", "properties", "project_id", "occurred_at", "received_at"}
PLAIN = tuple(column.outside for column in COLUMNS if column.name not in MOVED)
"""What a sender of the event calls as the export does."""
GUARDED = re.compile(r"'+[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""A cell before which the export put an apostrophe, so that no spreadsheet takes it for a formula."""


def is_own(names: Iterable[str]) -> bool:
    return SIGNS.issubset(names)


def event_of(event: Mapping[str, Any]) -> tuple[dict[str, Any], Agent]:
    """(the fields of a row, its device). Raises `Refused`."""
    wrong = {
        name: f"must be text of at most {longest} characters"
        for name, longest in AGENT.items()
        if not isinstance(text := event.get(name), str | None) or len(text or "") > longest
    }
    if not isinstance(event.get("bot") or False, bool):
        wrong["bot"] = "must be true or false"
    event = {**{name: event.get(other) for name, other in TABLE_NAMES.items()}, **event}
    parts = {name: _object(event.get(name)) for name in ("fields", "properties")}
    wrong |= {name: "must be an object" for name, part in parts.items() if not isinstance(part, dict | None)}
    if is_blank(event["occurred_at"]):
        wrong["occurred_at"] = "required"
    if wrong:
        event_id = event.get("event_id")
        raise Refused("invalid", wrong, event_id if isinstance(event_id, str) else None)
    kind = KINDS.get(str(event.get("kind")))
    fields = {name: event.get(name) for name in PLAIN}
    fields |= parts["fields"] or {}
    fields[kind.value if kind else "value"] = event.get("value")
    fields["timestamp"] = event["occurred_at"]
    fields["properties"] = parts["properties"]
    agent = Agent(**{name: event.get(name) or None for name in AGENT}, bot=bool(event.get("bot")))
    return {name: value for name, value in fields.items() if value is not None}, agent


def from_cells(found: Mapping[str, str]) -> dict[str, Any]:
    """A row of the export as CSV, each cell as what it was."""
    row: dict[str, Any] = {name: cell[1:] if GUARDED.match(cell) else cell for name, cell in found.items() if cell}
    for name in ("bot", "success"):
        if row.get(name) in ("true", "false"):
            row[name] = row[name] == "true"
    for name in ("value", "duration_ms"):
        try:
            row |= {name: float(row[name])} if name in row else {}
        except ValueError:
            continue  # it stays text, and is refused by name
    return row


def _object(value: Any) -> Any:
    """As JSON has it, also where it is in one cell."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
