"""PostHog's events as events of ours. Pure; routes are elsewhere.

Names stay as the SDK sent them (`$pageview`), so that people find what they know; only the kind says what they are.

Who it was: `distinct_id` is the user, except where the event says that the person is not identified yet. posthog-js says so with
`$is_identified`, older SDKs with `$user_state`, servers with `$process_person_profile: false`; and a distinct id that is
the device's own id is a visitor. An identified event keeps the device id as its anonymous id, which is how the visitor
from before the login and the user are known to be one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quadra.ingest.accept import Sender
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import Refused, json_name

EVENT_PATHS = ("/batch", "/capture", "/e", "/i/v0/e")
FLAG_PATHS = ("/flags", "/decide")
PATHS = tuple(path + end for path in (*EVENT_PATHS, *FLAG_PATHS) for end in ("", "/"))

NAMES = {
    "event_id": "uuid",
    "event_type": "event",
    "user_id": "distinct_id",
    "anonymous_id": "distinct_id",
    "session_id": "$session_id",
    "traits": "$set",
}
"""Our field -> what the sender calls it."""

OWN = {"event", "uuid", "distinct_id", "$distinct_id", "properties", "timestamp", "offset", "sent_at"}
KEYS = {"api_key", "token"}
"""Where the project's key stands; it is not kept with the event. Nor is an address."""
DROPPED = {*KEYS, "$ip", "ip"}
DIRECT = "$direct"
"""What posthog-js sends as the referrer of a visit without one."""

NO_FLAGS: dict[str, Any] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}
CONFIG: dict[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "isAuthenticated": False,
    "toolbarParams": {},
    "siteApps": [],
    "defaultIdentifiedOnly": False,
    "elementsChainAsString": True,
    # what needs a server that Quadra is not: without these lines posthog-js would fetch scripts for them
    "sessionRecording": False,
    "surveys": False,
    "productTours": False,
    "heatmaps": False,
    "capturePerformance": False,
    "captureDeadClicks": False,
    "autocaptureExceptions": False,
    "errorTracking": {"autocaptureExceptions": False},
    "conversations": False,
    "logs": {"captureConsoleLogs": False},
}
"""What posthog-js asks for when it starts."""


def key_of(beside: Any, first: Any) -> str | None:
    """The write key that stands in a body: beside the batch, in its first event, or in that one's properties."""
    for place in (beside, first, first.get("properties") if isinstance(first, dict) else None):
        for name in ("api_key", "token"):
            if isinstance(place, dict) and isinstance(place.get(name), str) and place[name]:
                return str(place[name])
    return None


def read(event: Any, received_us: int) -> Any:
    """An event of ours, or a `Refused` that names the sender's own fields."""
    if not isinstance(event, dict):
        return Refused("invalid", {"batch": f"each item must be an object, not {json_name(event)}"})
    try:
        return foreign.wire(fields_of(event, received_us), NAMES)
    except Refused as refused:
        return refused


def sender_of(event: Any, sender: Sender) -> Sender:
    """The sender with the device that the event names."""
    properties = event.get("properties") if isinstance(event, dict) else None
    if not isinstance(properties, dict):
        return sender
    if properties.get("$is_server"):
        return sender  # it names the server's own system, not a device
    device_type = properties.get("$device_type")
    return foreign.described(
        sender,
        properties.get("$raw_user_agent") or properties.get("$useragent"),
        browser=properties.get("$browser"),
        os=properties.get("$os"),
        device_type=device_type.lower() if isinstance(device_type, str) else None,
    )


def fields_of(event: Mapping[str, Any], received_us: int = 0) -> dict[str, Any]:
    """Under our names. Raises `Refused`."""
    event_id = foreign.text(event.get("uuid"))
    properties = event.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise Refused("invalid", {"properties": f"must be an object, not {json_name(properties)}"})
    name = event.get("event")
    if not isinstance(name, str) or not name:
        raise Refused("invalid", {"event": "required"}, event_id if isinstance(event_id, str) else None)
    kept = {key: event[key] for key in event if key not in OWN} | properties
    for key in DROPPED:
        kept.pop(key, None)
    return {
        "kind": KINDS.get(name, "event"),
        "event_type": name,
        "event_id": event_id,
        "session_id": foreign.text(properties.get("$session_id")),
        **_times(event, properties, received_us),
        "page": _page(properties),
        "traits": _traits(name, kept),
        **_who(event, properties),
        "properties": kept,
    }


GROUP = "$groupidentify"
KINDS = {"$pageview": "page", "$identify": "identify", "$set": "identify"}


def _who(event: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    shown = event.get("distinct_id", event.get("$distinct_id"))
    distinct_id = foreign.text(properties.get("distinct_id") if shown is None else shown)
    device_id = foreign.text(properties.get("$device_id"))
    if event.get("event") == GROUP and distinct_id == _group_id(properties):
        return {}  # servers name the group itself where no person did it
    if distinct_id is None:
        raise Refused(
            "invalid", {"distinct_id": "required"}, event["uuid"] if isinstance(event.get("uuid"), str) else None
        )
    identified = properties.get("$is_identified")
    if event.get("event") == "$identify":
        identified = True
    if not isinstance(identified, bool):
        state = properties.get("$user_state")
        identified = state == "identified" or not (
            state == "anonymous" or distinct_id == device_id or properties.get("$process_person_profile") is False
        )
    if not identified:
        return {"anonymous_id": distinct_id}
    return {"user_id": distinct_id, "anonymous_id": foreign.text(properties.get("$anon_distinct_id")) or device_id}


def _group_id(properties: Mapping[str, Any]) -> str:
    return f"${properties.get('$group_type')}_{properties.get('$group_key')}"


def _times(event: Mapping[str, Any], properties: Mapping[str, Any], received_us: int) -> dict[str, Any]:
    """When it happened, and the sender's clock where that is to be corrected by it."""
    here = received_us // 1000
    offset = event.get("offset")
    if event.get("timestamp") is None and isinstance(offset, int | float) and not isinstance(offset, bool):
        # milliseconds that had passed when it was sent: the sender's clock does not matter
        return {"timestamp": int(here - min(max(offset, 0), here)), "sent_at": here}
    sent_at = here if properties.get("$ignore_sent_at") is True else foreign.sent(event.get("sent_at"))
    return {"timestamp": foreign.moment(event.get("timestamp")), "sent_at": sent_at}


def _page(properties: Mapping[str, Any]) -> dict[str, Any]:
    referrer = properties.get("$referrer")
    page = {
        "url": properties.get("$current_url"),
        "path": properties.get("$pathname"),
        "title": properties.get("title") or properties.get("$title"),
        "referrer": None if referrer == DIRECT else referrer,
    }
    return {name: value for name, value in page.items() if isinstance(value, str) and value}


def _traits(name: str, kept: dict[str, Any]) -> Any:
    """What an event says about its person; of `$identify` and `$set` it moves into the traits, others keep it."""
    if KINDS.get(name) != "identify":
        return None
    found = kept.pop("$set", None)
    return {} if found is None else found
