"""Umami: rows of `website_event`, joined with their session, as CSV, JSON or NDJSON; or pages of its API's `/events`.

A row of type 1 is a page view, every other one an event by its name. Umami's session is a visitor for a month, its visit is
a session of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quadra.core.names import snake_case
from quadra.ingest.importers.histories.reading import Event, device, read_json, required, text_of, texts_of
from quadra.ingest.wire import Refused

INSIDE = ("data",)
"""What its API calls the list."""
PAGE = "1"
DATA = ("data", "event_data")
"""What the query of docs/import.md calls the properties of an event."""


def read(record: dict[str, Any]) -> Iterator[Event]:
    # its API says `urlPath` where its database says `url_path`
    row = record if "session_id" in record else {snake_case(name): value for name, value in record.items()}
    said = texts_of(row)
    event_id = required(said, "event_id", "id")
    visitor = required(said, "session_id")
    name = said.get("event_name")
    is_page = (said.get("event_type") or (PAGE if name is None else "2")) == PAGE
    if not is_page and name is None:
        raise Refused("invalid", {"event_name": "required, where event_type is not 1"}, event_id)
    fields = {
        "event_id": event_id,
        "kind": "page" if is_page else "event",
        "event_type": None if is_page else name,
        "timestamp": required(said, "created_at"),
        "user_id": said.get("distinct_id"),
        "anonymous_id": visitor,
        "session_id": said.get("visit_id") or visitor,
        "page_url": _url(said, "hostname", "url"),
        "page_title": said.get("page_title"),
        "referrer": _url(said, "referrer_domain", "referrer") if said.get("referrer_domain") else None,
        "language": said.get("language"),
        "screen": said.get("screen"),
        "properties": _properties(row),
    }
    agent = device(
        said.get("device"),
        said.get("browser"),
        said.get("os"),
        said.get("country"),
        said.get("region") or said.get("subdivision1"),
    )
    yield fields, agent


def _url(said: Mapping[str, str], host: str, begins: str) -> str | None:
    path, site = said.get(f"{begins}_path"), said.get(host)
    if path is None and site is None:
        return None
    query = said.get(f"{begins}_query")
    address = f"{path or '/'}{f'?{query}' if query else ''}"
    return f"https://{site}{address}" if site else address


def _properties(row: Mapping[str, Any]) -> dict[str, Any] | None:
    found = next((row[name] for name in DATA if row.get(name)), None)
    if isinstance(found, str):
        found = read_json(found, "data")
    if found is not None and not isinstance(found, dict):
        raise Refused("invalid", {"data": "must be an object"})
    tag = text_of(row, "tag")
    return {**(found or {}), **({"tag": tag} if tag else {})} or None
