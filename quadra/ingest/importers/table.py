"""CSV as events: the header says which column is which field, every other column becomes a property."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from quadra.core.errors import Invalid
from quadra.core.names import snake_case
from quadra.ingest.importers.source import Source, decoded
from quadra.ingest.kinds import FIELDS, KINDS, Kind
from quadra.ingest.wire import Refused

DELIMITERS = ",;\t|"
ALIASES = {
    "event": "event_type",
    "type": "event_type",
    "action_name": "event_type",
    "id": "event_id",
    "uuid": "event_id",
    "message_id": "event_id",
    "time": "timestamp",
    "date": "timestamp",
    "datetime": "timestamp",
    "created_at": "timestamp",
    "occurred_at": "timestamp",
    "distinct_id": "user_id",
    "userid": "user_id",
    "user": "user_id",
    "session": "session_id",
    "url": "page_url",
    "current_url": "page_url",
    "title": "page_title",
    "category": "event_category",
    "duration": "duration_ms",
}
"""Names that other exports give to our fields; a column with our own name wins over them."""
SAYS_WHAT = ("event_type", "kind")
COMMON = {
    *("event_id", "kind", "event_type", "event_name", "event_category", "category", "user_id", "anonymous_id"),
    *("session_id", "timestamp", "page", "page_url", "page_title", "referrer", "duration_ms", "duration_seconds"),
    *("value", "success", "properties", "metadata"),
}
"""What events of every kind have."""
TRUE, FALSE = ("true", "yes", "t"), ("false", "no", "f")
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?")
OBJECTS = {name for name, type_ in FIELDS.items() if type_ is msgspec.Raw} | {"fields"}


def is_header(line: str) -> bool:
    """Whether a file that begins with this line is a table that says in each row what happened."""
    names = {_field(cell) for cell in next(csv.reader([line], delimiter=_delimiter(line)), [])}
    return not names.isdisjoint(SAYS_WHAT)


def rows(source: Source) -> Iterator[tuple[int, bytes, dict[str, Any] | Refused]]:
    """(line, what the row's id is made from, fields). Raises `Invalid` for a header that names no event."""
    csv.field_size_limit(min(sys.maxsize, 2**30))
    first = decoded(source.head).lstrip("\r\n").partition("\n")[0]
    if not first.strip():
        return
    reader = csv.reader(source.text(), delimiter=_delimiter(first), skipinitialspace=True)
    header = next(row for row in reader if row)
    fields = _columns(header)
    if not set(fields).intersection(SAYS_WHAT):
        raise Invalid(
            f"No column of {source.name} says what happened; one must be called event, event_type or kind. "
            f"It has: {', '.join(header)[:300]}."
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, b"", Refused("invalid", {"line": f"not CSV: {error}"})
            continue
        if row:
            yield reader.line_num, "\0".join(row).encode(errors="replace"), _event(fields, header, row)


def _event(fields: list[str], header: list[str], row: list[str]) -> dict[str, Any] | Refused:
    if len(row) > len(fields):
        return Refused("invalid", {"line": f"{len(row)} cells under {len(fields)} columns"})
    event: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for field, name, cell in zip(fields, header, row, strict=False):
        if cell == "":
            continue
        if field in OBJECTS:
            try:
                found = json.loads(cell)
            except (ValueError, RecursionError):
                return Refused("invalid", {name: "not JSON"})
            event.update(found) if field == "fields" and isinstance(found, dict) else event.update({field: found})
        elif field in FIELDS:
            event[field] = cell if FIELDS[field] is not bool and _is_text(field) else _value(cell)
        else:
            properties[name.strip()] = _value(cell)
    kind = KINDS.get(str(event.get("kind") or "event"))
    for field in [name for name in event if kind and name not in COMMON and name not in _own(kind)]:
        properties[field] = _value(event.pop(field))  # a field of other kinds: of this one nobody would look for it
    if properties:
        own = event.get("properties")
        event["properties"] = {**properties, **(own if isinstance(own, dict) else {})}
    return event


def _own(kind: Kind) -> set[str]:
    return {*kind.required, *kind.kept, kind.value, kind.duration}


def _columns(header: list[str]) -> list[str]:
    """The field of each column; one that would be a second one for a field stays a property."""
    own = [snake_case(name.strip()) for name in header]
    found: list[str] = []
    for name in own:
        field = _field(name)
        if name == "name" and "event_type" in own and "kind" in own:
            field = "event_name"  # as Quadra exports it
        found.append(name if field != name and (field in own or field in found) else field)
    return found


def _field(name: str) -> str:
    name = re.sub(r"[\s-]+", "_", snake_case(name.strip().lstrip("$")))
    return name if name in FIELDS else ALIASES.get(name, name)


def _is_text(field: str) -> bool:
    """Whether cells of this field are taken as they stand."""
    return "str" in str(FIELDS[field])


def _value(cell: Any) -> Any:
    """Numbers and truth values as such; `007` and what is longer than a number is exact stay text."""
    if not isinstance(cell, str):
        return cell
    if NUMBER.fullmatch(cell):
        return float(cell) if set(cell) & set(".eE") else int(cell)
    low = cell.lower()
    return True if low in TRUE else False if low in FALSE else cell


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)
