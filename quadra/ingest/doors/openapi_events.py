"""What an event may be, as JSON Schema, made of the tables in `kinds` that the code itself goes by."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from quadra.core.api.openapi import Schema, refer
from quadra.ingest.kinds import ACTIONS, FIELDS, KINDS, SCORES, Kind
from quadra.ingest.wire import MAX_EVENTS

COMMON = tuple(list(FIELDS)[: list(FIELDS).index("traits")])
"""Fields that every kind has: those before the first kind's own."""

SAYS = {
    "event_id": "Yours, so that sending it again counts nothing twice; made here where it is left out.",
    "kind": "What the event is; left out, it is told from `event_type`.",
    "event_name": "What it is called in reports, where that is not `event_type`.",
    "anonymous_id": "A visitor who is not known yet.",
    "timestamp": "ISO 8601 with an offset, or milliseconds since 1970; left out, the time of receipt counts.",
    "sent_at": "Your clock when you sent it: corrects a clock that is wrong by more than 30 s.",
    "page": "A URL, or an object with `url`, `title` and `referrer`.",
    "properties": "Anything else: at most 32 kB, 8 levels deep.",
    "metadata": "The same as `properties`.",
    "user_id": "Who did it.",
    "duration_ms": "How long it took.",
    "value": "A number to add up or average.",
    "source": "Where they came from.",
    "path": "The way so far, as text or as a list of steps; of a request, the same as `endpoint`.",
    "user_agent": "Of the browser that a server speaks for; fills `device_type`, `browser` and `os`.",
    "score": "Of its scale: " + ", ".join(f"{kind} {low} to {high}" for kind, (low, high) in SCORES.items()) + ".",
    "tags": "An object, or a list.",
    "business_id": "Whose metric it is.",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "event": {"event_type": "signup", "user_id": "u-1", "properties": {"plan": "pro"}},
    "page": {"kind": "page", "user_id": "u-1", "session_id": "s-1", "page": {"url": "https://example.com/pricing"}},
    "identify": {"kind": "identify", "user_id": "u-1", "traits": {"plan": "pro"}},
    "feature": {"feature_name": "export", "action": "used", "user_id": "u-1", "duration_seconds": 1.5},
    "funnel": {"funnel_name": "checkout", "stage": "cart", "stage_order": 1, "user_id": "u-1", "session_id": "s-1"},
    "journey": {"journey_type": "onboarding", "step_name": "invite", "step_order": 2, "session_id": "s-1"},
    "survey": {"survey_type": "nps", "score": 9, "user_id": "u-1", "context": "after checkout"},
}


def shape_of(field: str) -> Schema:
    """The schema of one field, as the code checks it."""
    schema: Schema = msgspec.json.schema(FIELDS[field])
    if FIELDS[field] is msgspec.Raw:  # anything to the decoder, then `check_json` looks into it
        schema = {"type": ["object", "array"] if field == "tags" else "object"}
    if field == "kind":
        schema = {"enum": list(KINDS)}
    return schema | ({"description": SAYS[field]} if field in SAYS else {})


def kind_schema(name: str, kind: Kind) -> Schema:
    """An event of this kind; what may be left out may be null as well."""
    own = [*kind.required, *kind.kept, kind.value, kind.duration]
    properties: dict[str, Schema] = {}
    for field in dict.fromkeys([*kind.required, *COMMON, *own]):
        schema = shape_of(field)
        if field in kind.required:
            properties[field] = schema | ({"minLength": 1} if schema.get("type") == "string" else {})
        else:
            says = {"description": schema.pop("description")} if "description" in schema else {}
            properties[field] = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}], **says}
    properties["kind"] = {"const": name, "description": SAYS["kind"]}
    made: Schema = {
        "type": "object",
        "title": f"{name} event",
        "required": list(kind.required),
        "properties": properties,
        "additionalProperties": True,
        "description": "Keys that are not listed are kept in `properties`; camelCase is taken as well.",
    }
    return made | RULES[name](properties) if name in RULES else made


def _feature(properties: dict[str, Schema]) -> Schema:
    properties["action"] = {"enum": list(ACTIONS)}
    return {}


def _survey(properties: dict[str, Schema]) -> Schema:
    """Each survey has a scale of its own."""
    properties["survey_type"] = {"enum": list(SCORES)}
    scales = [
        {"properties": {"survey_type": {"const": name}, "score": {"minimum": low, "maximum": high}}}
        for name, (low, high) in SCORES.items()
    ]
    return {"anyOf": scales}


RULES = {"feature": _feature, "survey": _survey}
"""What `Kind.check` demands, by kind."""


def component(kind: str) -> str:
    return f"{kind.capitalize()}Event"


def _any_kind() -> Schema:
    others = [
        {"allOf": [refer(component(name)), {"required": ["kind"]}], "title": f"{name} event"}
        for name in KINDS
        if name != "event"
    ]
    return {
        "title": "Event",
        "description": "One event, of any kind. Without a `kind` it is a plain event.",
        "anyOf": [refer(component("event")), *others],
    }


SCHEMAS: dict[str, Schema] = {
    **{component(name): kind_schema(name, kind) for name, kind in KINDS.items()},
    "AnyEvent": _any_kind(),
    "Events": {
        "title": "Events",
        "description": f"One event, a list of at most {MAX_EVENTS:,}, or an object that holds the list.",
        "anyOf": [
            refer("AnyEvent"),
            {"type": "array", "items": refer("AnyEvent"), "maxItems": MAX_EVENTS},
            {
                "type": "object",
                "required": ["events"],
                "properties": {
                    "events": {"type": "array", "items": refer("AnyEvent"), "maxItems": MAX_EVENTS},
                    "sent_at": {"type": ["integer", "string", "null"], "description": SAYS["sent_at"]},
                    "api_key": {
                        "type": ["string", "null"],
                        "description": "The write key, where no header can be set.",
                    },
                },
            },
        ],
    },
}


def camel(schema: Schema) -> Schema:
    """The same event as Socket.IO clients usually write it."""
    renamed = {CAMEL[name]: found for name, found in schema["properties"].items()}
    required = [CAMEL[name] for name in schema["required"]]
    return schema | {"properties": renamed, "required": ["eventId", *required]}


CAMEL = {field: field.split("_")[0] + "".join(word.capitalize() for word in field.split("_")[1:]) for field in FIELDS}
EventId = Annotated[str, Meta(examples=["019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11"])]
