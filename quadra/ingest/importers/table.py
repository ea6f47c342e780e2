"""CSV as events: the header says which column is which field, every other column becomes a property.

It is read twice: what a property is, a number or text, is decided by its whole column (see `cells`).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from quadra.core.errors import Invalid
from quadra.core.names import snake_case
from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.importers import own
from quadra.ingest.importers.cells import Column, read_cell
from quadra.ingest.importers.records import delimiter_of, rows_of_cells
from quadra.ingest.importers.source import Source, decoded
from quadra.ingest.importers.times import Times, plain_name
from quadra.ingest.kinds import COMMON, FIELDS, KINDS, Kind
from quadra.ingest.wire import Refused

ALIASES = {
    "event": "event_type",
    "type": "event_type",
    "action_name": "event_type",
    "id": "event_id",
    "uuid": "event_id",
    "message_id": "event_id",
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
TEXTS = {name for name, type_ in FIELDS.items() if "str" in str(type_)}
"""Fields whose cells are taken as they stand."""
OBJECTS = {name for name, type_ in FIELDS.items() if type_ is msgspec.Raw} | {"fields"}


def is_header(line: str) -> bool:
    """Whether a file that begins with this line is a table that says in each row what happened."""
    names = {_field(cell) for cell in next(csv.reader([line], delimiter=delimiter_of(line)), [])}
    return not names.isdisjoint(SAYS_WHAT)


Row = tuple[dict[str, Any], Agent]


def rows(source: Source, times: Times, mapped: Mapping[str, str]) -> Iterator[tuple[int, bytes, Row | Refused]]:
    """(line, what the row's id is made from, its fields and device). Raises `Invalid` for a header that names no event."""
    csv.field_size_limit(min(sys.maxsize, 2**30))
    first = decoded(source.head).lstrip("\r\n").partition("\n")[0]
    if not first.strip():
        return
    records = rows_of_cells(source, first)
    header = next((row for _, row in records if isinstance(row, list)), None)
    if header is None:
        return
    event: Callable[[list[str]], Row]
    if own.is_own(header):
        event = partial(_own_event, header)
    else:
        there = _present(mapped, header, source.name)
        fields = _columns(header, times.place(header, source.name), there)
        if not set(fields).intersection(SAYS_WHAT):
            raise Invalid(
                f"No column of {source.name} says what happened; one must be called event, event_type or kind. "
                f"Name it with --map event=COLUMN. It has: {', '.join(header)[:300]}."
            )
        event = partial(_event, list(zip(fields, header, _typed(records, len(fields)), strict=True)), times)
        source.rewind()
        records = rows_of_cells(source, first)
        next(row for _, row in records if isinstance(row, list))
    for number, row in records:
        if isinstance(row, Refused):
            yield number, b"", row
            continue
        identity = "\0".join(row).encode(errors="replace")
        try:
            if len(row) > len(header):
                raise Refused("invalid", {"line": f"{len(row)} cells under {len(header)} columns"})
            yield number, identity, event(row)
        except Refused as refused:
            yield number, identity, refused


def _typed(records: Iterator[tuple[int, list[str] | Refused]], width: int) -> list[Column]:
    columns = [Column() for _ in range(width)]
    open_ = list(enumerate(columns))
    for _, row in records:
        if not isinstance(row, list):
            continue
        for place, column in open_:
            if place < len(row):
                column.add(row[place])
        if any(column.is_text for _, column in open_):
            open_ = [(place, column) for place, column in open_ if not column.is_text]
    return columns


def _own_event(header: list[str], row: list[str]) -> Row:
    return own.event_of(own.from_cells(dict(zip(header, row, strict=False))))


def _event(plan: list[tuple[str, str, Column]], times: Times, row: list[str]) -> Row:
    """`plan` has for each column its field or None, its name and what its cells are. Raises `Refused`."""
    event: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    for (field, name, column), cell in zip(plan, row, strict=False):
        if cell == "":
            continue
        if field in TEXTS:
            event[field] = cell
        elif field in OBJECTS:
            try:
                found = json.loads(cell)
            except (ValueError, RecursionError):
                raise Refused("invalid", {name: "not JSON"}) from None
            event.update(found) if field == "fields" and isinstance(found, dict) else event.update({field: found})
            continue
        elif field in FIELDS:
            event[field] = read_cell(cell, FIELDS[field])
        else:
            properties[name.strip()] = column.value(cell)
            continue
        if field not in COMMON:
            typed[field] = column.value(cell)
    if not event.keys() <= COMMON.keys() and (kind := KINDS.get(str(event.get("kind") or "event"))):
        own_fields = _own(kind)
        for field in [name for name in event if name not in COMMON and name not in own_fields]:
            value = event.pop(field)  # a field of other kinds: no question reads it for this one
            properties[field] = typed.get(field, value)
    if properties:
        given = event.get("properties")
        event["properties"] = {**properties, **(given if isinstance(given, dict) else {})}
    return times.required(event), UNKNOWN


def _own(kind: Kind) -> set[str]:
    return {*kind.required, *kind.kept, kind.value, kind.duration}


def _present(mapped: Mapping[str, str], header: list[str], what: str) -> Mapping[str, str]:
    """Raises `Invalid` where a column that was named is not there."""
    names = [name.strip() for name in header]
    if missing := [column for column in mapped if column not in names]:
        raise Invalid(
            f"{what} has no column {', '.join(missing)}, which --map names. It has: {', '.join(names)[:300]}."
        )
    return mapped


def _columns(header: list[str], time: int | None, mapped: Mapping[str, str]) -> list[str]:
    """The field of each column, `time` being that with the time; one that would be a second one for a field stays a property."""
    names = [snake_case(name.strip()) for name in header]
    chosen: list[str] = []
    for place, name in enumerate(names):
        field = "timestamp" if place == time else _field(name)
        if (said := mapped.get(header[place].strip())) is not None:
            chosen.append(said)
            continue
        if field in mapped.values():
            field = f"other_{field}"
        if field != name and place != time and (field in names or field in chosen):
            field = name
        chosen.append("other_timestamp" if field == "timestamp" and place != time else field)
    return chosen


def _field(name: str) -> str:
    name = plain_name(name)
    return name if name in FIELDS else ALIASES.get(name, name)
