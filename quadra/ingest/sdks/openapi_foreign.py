"""The doors that the SDKs of Segment and PostHog knock at, described."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from quadra.core.api.openapi import WRITE_KEY, Answer, Body, Door, Group, Param, Schema
from quadra.ingest.sdks import posthog, segment

Object = dict[str, Any]
TYPES = {dict: "object", bool: "boolean"}


class ForeignRefusal(Struct):
    index: int
    event_id: str | None
    code: str
    message: str
    fields: dict[str, str]


class SegmentAnswer(Struct):
    success: Literal[True]
    refused: list[ForeignRefusal] | UnsetType = UNSET


class PosthogAnswer(Struct):
    status: Literal[1]
    refused: list[ForeignRefusal] | UnsetType = UNSET


NO_FLAGS: Schema = {
    "type": "object",
    "required": list(posthog.NO_FLAGS),
    "properties": {name: {"type": TYPES[type(value)]} for name, value in posthog.NO_FLAGS.items()},
    "description": "No flag is set for anybody; the configuration stands beside it where it was asked for.",
}
MESSAGE: Schema = {
    "type": "object",
    "properties": {
        "messageId": {"type": ["string", "null"], "maxLength": 128, "description": "The event's id."},
        "userId": {"type": ["string", "integer", "null"]},
        "anonymousId": {"type": ["string", "integer", "null"]},
        "timestamp": {"type": ["string", "integer", "null"]},
        "sentAt": {"type": ["string", "integer", "null"]},
        "context": {"type": ["object", "null"]},
        "properties": {"type": ["object", "null"]},
        "traits": {"type": ["object", "null"]},
        "writeKey": {"type": ["string", "null"], "description": "The key, where it is in no header."},
    },
}
TRACK = MESSAGE | {
    "required": ["event"],
    "properties": MESSAGE["properties"] | {"event": {"type": "string", "minLength": 1, "maxLength": 200}},
}
MANY: Schema = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": {"type": "object"}},
        "context": {"type": "object", "description": "Shared by all messages."},
        "sentAt": {"type": ["string", "integer", "null"]},
        "writeKey": {"type": ["string", "null"]},
    },
}
WHO = {"userId": "u-1", "messageId": "m-1"}
SEGMENT_DOORS: dict[str, tuple[str, Schema, Object]] = {
    "track": ("Something happened", TRACK, {"event": "Signed up", **WHO}),
    "identify": ("Who a person is", MESSAGE, {"traits": {"plan": "pro"}, **WHO}),
    "page": ("A page was seen", MESSAGE, {"properties": {"url": "https://example.com/"}, **WHO}),
    "screen": ("A screen was seen", MESSAGE, {"name": "Home", **WHO}),
    "group": ("Somebody belongs to a group", MESSAGE, {"groupId": "g-1", **WHO}),
    "alias": ("Two ids are one", MESSAGE, {"previousId": "a-1", **WHO}),
    "batch": ("Many messages", MANY, {"batch": [{"type": "track", "event": "Signed up", **WHO}]}),
    "import": ("Many messages of the past", MANY, {"batch": [{"type": "track", "event": "Signed up", **WHO}]}),
}


def _segment(path: str) -> Door:
    title, shape, example = SEGMENT_DOORS[path.rpartition("/")[2]]
    return Door(
        method="POST",
        path=path,
        title=title,
        needs=WRITE_KEY,
        body=Body(shape=shape, example=example),
        answers={200: Answer(says="Stored, now or before.", shape=SegmentAnswer, example={"success": True})},
    )


SEGMENT = Group(
    title="Segment's SDKs",
    says="Set their host to this server and their write key to one of Quadra's. An event's id is its `messageId`.",
    doors=tuple(_segment(path) for path in segment.PATHS),
)

CAPTURED: Schema = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "minLength": 1, "maxLength": 200},
        "distinct_id": {"type": ["string", "integer"]},
        "uuid": {"type": ["string", "null"], "maxLength": 128, "description": "The event's id."},
        "timestamp": {"type": ["string", "number", "null"]},
        "properties": {"type": ["object", "null"]},
        "api_key": {"type": "string", "description": "The write key, where it is in no header."},
    },
}
CAPTURE: Schema = {
    "anyOf": [
        CAPTURED | {"required": ["event"]},
        {"type": "array", "items": {"type": "object"}},
        {
            "type": "object",
            "required": ["batch"],
            "properties": {"batch": {"type": "array", "items": {"type": "object"}}},
        },
    ]
}
ENCODING = Param(
    name="compression",
    shape={"enum": ["gzip", "gzip-js", "base64"]},
    says="How the body is packed; a packed body of `Content-Encoding: gzip` needs none.",
)
CONFIG = Param(name="config", shape=str, says="`true`: with what posthog-js starts with.")
FLAGS = Answer(says="No flags.", shape=NO_FLAGS, example=posthog.NO_FLAGS)
TOKEN = Param(name="token", shape={"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"}, example="qk_Zm9vYmFy")


def _posthog(path: str) -> tuple[Door, ...]:
    if path in posthog.EVENT_PATHS:
        door = Door(
            method="POST",
            path=path,
            also=(f"{path}/",),
            title="Events",
            says='One, a list, or `{"batch": […]}`; JSON, gzip, or a form with `data`.',
            needs=WRITE_KEY,
            params=(ENCODING,),
            body=Body(shape=CAPTURE, example={"event": "signed up", "distinct_id": "u-1", "uuid": "e-1"}),
            answers={200: Answer(says="Stored, now or before.", shape=PosthogAnswer, example={"status": 1})},
        )
        return (door,)
    says = "Nobody has a flag here; the SDKs ask before they send."
    return tuple(
        Door(
            method=method,
            path=path,
            also=(f"{path}/",),
            title="Flags",
            says=says,
            params=(CONFIG,) if path == "/flags" else (),
            answers={200: FLAGS},
        )
        for method in ("GET", "POST")
    )


POSTHOG = Group(
    title="PostHog's SDKs",
    says="Set their host to this server and their project key to a write key. An event's id is its `uuid`.",
    doors=(
        *(door for path in (*posthog.EVENT_PATHS, *posthog.FLAG_PATHS) for door in _posthog(path)),
        Door(
            method="GET",
            path="/array/{token}/config",
            title="What posthog-js starts with",
            params=(TOKEN,),
            answers={200: Answer(says="The configuration.", shape=Object)},
            refuses=(404,),
        ),
        Door(
            method="GET",
            path="/array/{token}/config.js",
            title="The same as a script",
            params=(TOKEN,),
            answers={200: Answer(says="A script.", media="text/javascript", shape=str)},
            refuses=(404,),
        ),
    ),
)
