"""What Plausible's tracker and its events API send as events of ours. Pure; the routes are in `tracker_routes`.

Every field has a long and a short name. `d` is the write key, or a host among the origins of one. Not kept: `v` (the version
of the tracker), `h` (the address keeps its hash anyway) and `interactive`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name

PATH = "/api/event"
PAGE_VIEW, ENGAGEMENT = "pageview", "engagement"
NAMES = {"event_type": "name", "page": "url", "properties": "props"}
KEY = re.compile(rb'"(?:d|domain)"\s*:\s*"([^"\\,]{1,200})')


def key_of(event: Any) -> str:
    """Of several sites with commas between, the first: an event is stored once."""
    return foreign.word(_either(event, "d", "domain")).partition(",")[0].strip()


def key_in_raw(raw: bytes) -> str:
    found = KEY.search(raw)
    return found[1].decode(errors="replace") if found else ""


def read(event: Any) -> Any:
    """An event of ours, or a `Refused` that names the sender's own fields."""
    try:
        return foreign.wire(_fields(event), NAMES)
    except Refused as refused:
        return refused


def _fields(event: Mapping[str, Any]) -> dict[str, Any]:
    name = _either(event, "n", "name")
    if not isinstance(name, str) or not name:
        raise Refused("invalid", {"name": "required"})
    page = {"url": _either(event, "u", "url"), "referrer": _either(event, "r", "referrer")}
    fields: dict[str, Any] = {
        "page": {part: value for part, value in page.items() if isinstance(value, str) and value},
        "properties": _properties(event),
    }
    if name == PAGE_VIEW:
        return {**fields, "kind": "page"}
    if name == ENGAGEMENT:
        depth, engaged = foreign.number(_either(event, "sd", "scroll_depth")), foreign.number(event.get("e"))
        seen = {**fields["properties"], **({} if depth is None else {"scroll_depth": depth})}
        return {**fields, "kind": "event", "event_type": ENGAGEMENT, "duration_ms": engaged, "properties": seen}
    revenue = foreign.decoded(_either(event, "$", "revenue"))
    if isinstance(revenue, dict) and (amount := foreign.number(revenue.get("amount"))) is not None:
        fields["value"] = amount
        fields["properties"] = {"revenue": amount, "currency": revenue.get("currency"), **fields["properties"]}
    return {**fields, "kind": "event", "event_type": name}


def _properties(event: Mapping[str, Any]) -> dict[str, Any]:
    """Old trackers call them `meta` and send them as a text."""
    for names in (("p", "props"), ("m", "meta")):
        if (found := foreign.decoded(_either(event, *names))) is not None:
            if not isinstance(found, dict):
                raise Refused("invalid", {names[1]: f"must be an object, not {json_name(found)}"})
            return found
    return {}


def _either(event: Any, short: str, long: str) -> Any:
    return event.get(short, event.get(long)) if isinstance(event, dict) else None
