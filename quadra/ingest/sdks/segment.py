"""Segment's messages as events of ours: what its `track`, `page`, `identify` … become. Pure; routes are elsewhere.

The pages, sessions and devices of `context` become columns; the rest of it stays in the properties. Addresses (`ip`) are
not kept, and `integrations` say nothing to us.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quadra.ingest.accept import Sender
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name

TYPES = ("track", "identify", "page", "screen", "group", "alias")
PATHS = tuple(f"/v1/{name}" for name in (*TYPES, "batch", "import"))

NAMES = {
    "event_id": "messageId",
    "event_type": "event",
    "event_name": "name",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "event_category": "category",
}
"""Our field -> what the sender calls it."""

OWN = {
    *("type", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "receivedAt"),
    *("properties", "context", "integrations", "writeKey", "_metadata"),
}
"""Keys of a message that have a place of their own; every other one is kept in the properties."""

ONLY = {"track": "event", "identify": "traits"}
"""Keys that have one in messages of this type alone."""

PAGE = ("url", "title", "referrer")


def read(message: Any) -> Any:
    """An event of ours, or a `Refused` that names the sender's own fields."""
    if not isinstance(message, dict):
        return Refused("invalid", {"batch": f"each item must be an object, not {json_name(message)}"})
    try:
        return foreign.wire(_fields(message), NAMES)
    except Refused as refused:
        return refused


def sender_of(message: Any, sender: Sender) -> Sender:
    """The sender with the device of the browser that the message speaks of."""
    return foreign.described(sender, _object(message, "context").get("userAgent"))


def _fields(message: Mapping[str, Any]) -> dict[str, Any]:
    kind, context, properties = message.get("type"), _object(message, "context"), _object(message, "properties")
    if kind not in TYPES:
        raise Refused("invalid", {"type": f"one of {', '.join(TYPES)}"}, _message_id(message))
    for name in ("properties", "traits", "context"):
        if message.get(name) is not None and not isinstance(message[name], dict):
            raise Refused("invalid", {name: f"must be an object, not {json_name(message[name])}"}, _message_id(message))
    timestamp = message.get("timestamp")
    fields: dict[str, Any] = {
        "event_id": foreign.text(message.get("messageId")),
        "user_id": foreign.text(message.get("userId")),
        "anonymous_id": foreign.text(message.get("anonymousId")),
        "session_id": foreign.text(context.get("sessionId") or properties.get("session_id")),
        "timestamp": foreign.moment(timestamp if timestamp is not None else message.get("originalTimestamp")),
        "sent_at": foreign.sent(message.get("sentAt")),
        "page": _page(context, properties if kind == "page" else {}),
        **_typed(kind, message, properties),
    }
    unknown = {name: value for name, value in message.items() if name not in OWN and name != ONLY.get(kind)}
    fields["properties"] = foreign.beside({**unknown, **properties}, _rest(context))
    return fields


def _typed(kind: str, message: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """What depends on the type of the message."""
    if kind == "track":
        if not isinstance(message.get("event"), str) or not message["event"]:
            raise Refused("invalid", {"event": "required"}, _message_id(message))
        category = properties.get("category")
        return {
            "kind": "event",
            "event_type": message["event"],
            "event_category": category if isinstance(category, str) else None,
        }
    if kind == "identify":
        return {"kind": "identify", "traits": message.get("traits") or {}}
    if kind == "page":
        # every page view bears one name, so that they can be counted together; the page's own is in the properties
        return {"kind": "page", "event_category": message.get("category")}
    if kind == "screen":
        return {
            "kind": "event",
            "event_type": "screen",
            "event_name": message.get("name") or None,
            "event_category": message.get("category"),
        }
    return {"kind": "event", "event_type": kind}


def _page(context: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The page of `context`, each part overruled by what a `page` message says itself."""
    page = _object(context, "page")
    found = {name: properties.get(name) or page.get(name) for name in (*PAGE, "path")}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _rest(context: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in context.items() if name not in ("ip", "userAgent", "page", "sessionId")}
    page = {name: value for name, value in _object(context, "page").items() if name not in PAGE}
    return {**rest, "page": page} if page else rest


def under(shared: Any, message: Any) -> Any:
    """A message of a batch with the context that the batch has for all of them."""
    if not isinstance(shared, dict) or not shared:
        return message
    if not isinstance(message, dict) or not isinstance(message.get("context") or {}, dict):
        return message
    return {**message, "context": {**shared, **(message.get("context") or {})}}


def _object(of: Any, name: str) -> dict[str, Any]:
    found = of.get(name) if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}


def _message_id(message: Mapping[str, Any]) -> str | None:
    found = message.get("messageId")
    return found if isinstance(found, str) else None
