"""The first rows of a dry run, as they would be stored: whether a mapping is right is seen here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from quadra.core import clock
from quadra.ingest.columns import COLUMNS, Row
from quadra.ingest.tail import short

FIRST = 10
LEFT_OUT = {"project_id", "received_at", "door"}
"""What says nothing about the file."""
HEAD = ("occurred_at", "kind", "event_name", "user_id")


def as_object(row: Row) -> dict[str, Any]:
    """Its columns that are not empty, as the export calls them."""
    found: dict[str, Any] = {}
    for column in COLUMNS:
        value = getattr(row, column.name)
        if value is None or value is False or column.name in LEFT_OUT:
            continue
        if column.is_time:
            value = clock.iso(clock.from_us(value))
        elif column.type is msgspec.Raw:
            value = msgspec.json.decode(value)
        found[column.outside] = value
    return found


def as_line(found: Mapping[str, Any]) -> str:
    if HEAD[0] not in found:
        return "  ".join(f"{name}={short(value)}" for name, value in found.items())
    at, kind, name, who = (short(found.get(column, "-")) for column in HEAD)
    rest = [f"{column}={short(value)}" for column, value in found.items() if column not in HEAD]
    return f"{at}  {kind:<8} {name:<22} {who}  {' '.join(rest)}".rstrip()
