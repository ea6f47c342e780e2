"""What Umami's tracker and clients send as events of ours. Pure; the routes are in `tracker_routes`.

A message is `{"type": "event" or "identify", "payload": {…}}`; an event without a name is a page view. `website` is the write
key. Not kept: `cache`, which only Umami's own server reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name

PATH = "/api/send"
TYPES = ("event", "identify")
NAMES = {
    "event_type": "name",
    "user_id": "id",
    "page_title": "title",
    "traits": "data",
    "properties": "data",
    "page": "url",
}
"""Our field -> what the sender calls it."""


def payload_of(message: Any) -> Mapping[str, Any]:
    found = message.get("payload") if isinstance(message, dict) else None
    return found if isinstance(found, dict) else {}


def key_of(message: Any) -> str:
    return foreign.word(payload_of(message).get("website"))


def read(message: Any) -> Any:
    """An event of ours, or a `Refused` that names the sender's own fields."""
    try:
        return foreign.wire(_fields(message), NAMES)
    except Refused as refused:
        return refused


def _fields(message: Mapping[str, Any]) -> dict[str, Any]:
    kind, payload = message.get("type") or "event", message.get("payload")
    if kind not in TYPES:
        raise Refused("invalid", {"type": f"one of {', '.join(TYPES)}"})
    if not isinstance(payload, dict):
        raise Refused("invalid", {"payload": f"must be an object, not {json_name(payload)}"})
    data = payload.get("data")
    if data is not None and not isinstance(data, dict):
        raise Refused("invalid", {"data": f"must be an object, not {json_name(data)}"})
    name, host = payload.get("name"), foreign.word(payload.get("hostname"))
    page = {
        "url": _address(payload.get("url"), host),
        "title": payload.get("title"),
        "referrer": _address(payload.get("referrer"), host),
    }
    fields: dict[str, Any] = {
        "user_id": foreign.text(payload.get("id")),
        "timestamp": foreign.moment(payload.get("timestamp")),
        "page": {part: value for part, value in page.items() if isinstance(value, str) and value},
        "language": foreign.word(payload.get("language"), 35) or None,
        "screen": foreign.word(payload.get("screen"), 32) or None,
    }
    if kind == "identify":
        return {**fields, "kind": "identify", "traits": data or {}}
    if payload.get("tag") is not None:
        data = {"tag": payload["tag"], **(data or {})}
    if not name:
        return {**fields, "kind": "page", "properties": data}
    return {
        **fields,
        "kind": "event",
        "event_type": name,
        "value": foreign.number((data or {}).get("revenue")),
        "properties": data,
    }


def _address(of: Any, host: str) -> Any:
    """The client of a browser sends the path alone, and beside it the host."""
    return f"https://{host}{of}" if isinstance(of, str) and of.startswith("/") and host else of
