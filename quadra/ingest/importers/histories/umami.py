"""Umami: rows of `website_event`, joined with their session, as CSV, JSON or NDJSON; or pages of its API's `/events`.

A row of type 1 is a page view, every other one an event by its name. Umami's session is a visitor for a month, its visit is
a session of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from quadra.core.names import snake_case
from quadra.ingest.importers.histories.reading import Event, device, required, text_of
from quadra.ingest.wire import Refused

INSIDE = ("data",)
"""What its API calls the list."""
PAGE = "1"
DATA = ("data", "event_data")
"""What the query of docs/import.md calls the properties of an event."""


def read(record: dict[str, Any]) -> Iterator[Event]:
    # its API says `urlPath` where its database says `url_path`
    row = record if "session_id" in record else {snake_case(name): value for name, value in record.items()}
    event_id = required(row, "event_id", "id")
    visitor = required(row, "session_id")
    name = text_of(row, "event_name")
    is_page = (text_of(row, "event_type") or (PAGE if name is None else "2")) == PAGE
    if not is_page and name is None:
        raise Refused("invalid", {"event_name": "required, where event_type is not 1"}, event_id)
    fields = {
        "event_id": event_id,
        "kind": "page" if is_page else "event",
        "event_type": None if is_page else name,
        "timestamp": required(row, "created_at"),
        "user_id": text_of(row, "distinct_id"),
        "anonymous_id": visitor,
        "session_id": text_of(row, "visit_id") or visitor,
        "page_url": _url(row, "hostname", "url"),
        "page_title": text_of(row, "page_title"),
        "referrer": _url(row, "referrer_domain", "referrer") if text_of(row, "referrer_domain") else None,
        "language": text_of(row, "language"),
        "screen": text_of(row, "screen"),
        "properties": _properties(row),
    }
    agent = device(
        text_of(row, "device"),
        text_of(row, "browser"),
        text_of(row, "os"),
        text_of(row, "country"),
        text_of(row, "region") or text_of(row, "subdivision1"),
    )
    yield fields, agent


def _url(row: Mapping[str, Any], host: str, begins: str) -> str | None:
    path, site = text_of(row, f"{begins}_path"), text_of(row, host)
    if path is None and site is None:
        return None
    query = text_of(row, f"{begins}_query")
    address = f"{path or '/'}{f'?{query}' if query else ''}"
    return f"https://{site}{address}" if site else address


def _properties(row: Mapping[str, Any]) -> dict[str, Any] | None:
    found = next((row[name] for name in DATA if row.get(name)), None)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            raise Refused("invalid", {"data": "not JSON"}) from None
    if found is not None and not isinstance(found, dict):
        raise Refused("invalid", {"data": "must be an object"})
    tag = text_of(row, "tag")
    return {**(found or {}), **({"tag": tag} if tag else {})} or None
