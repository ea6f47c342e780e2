"""Our own doors of ingest: `/api/events`, typed events, the tracker. Other doors are in `openapi_sockets` and `openapi_foreign`.

A new route of this room is described in one of these files.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from quadra.core.api.openapi import WRITE_KEY, Answer, Body, Door, Group, Param, refer
from quadra.core.web.http import MAX_BODY_BYTES
from quadra.ingest.doors.events import PATH
from quadra.ingest.doors.openapi_events import EXAMPLES, SCHEMAS, EventId, component, shape_of
from quadra.ingest.doors.openapi_sockets import SOCKETS
from quadra.ingest.doors.routes import TYPED_DOORS
from quadra.ingest.kinds import KINDS
from quadra.ingest.sdks.openapi_foreign import POSTHOG, SEGMENT
from quadra.ingest.sdks.openapi_trackers import TRACKERS
from quadra.ingest.wire import MAX_EVENTS

BATCH = "019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42"
EVENT = "019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11"


class Result(Struct):
    """What became of one event. Refused ones are always told; the others with `results=all`."""

    index: int
    event_id: EventId | None
    status: Literal["stored", "duplicate", "refused"]
    batch_id: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    fields: dict[str, str] | UnsetType = UNSET


class Summary(Struct):
    stored: int
    duplicates: int
    refused: int
    results: list[Result]


class Tracked(Struct):
    success: Literal[True]
    event_id: EventId
    duplicate: bool


KEY_PARAM = Param(name="key", shape=str, says="The write key, for beacons that cannot set a header.")
SUMMARY = {
    "stored": 1,
    "duplicates": 0,
    "refused": 1,
    "results": [
        {
            "index": 1,
            "event_id": None,
            "status": "refused",
            "code": "invalid",
            "message": "event_type: required",
            "fields": {"event_type": "required"},
        }
    ],
}
SEND = Group(
    title="Send events",
    says=(
        "An event that is acknowledged is on disk and counted exactly once; a repeated `event_id` is acknowledged again "
        "and not counted again. Any page may call these doors: no cookie opens them, and a key may be limited to origins."
    ),
    schemas=SCHEMAS,
    doors=(
        Door(
            method="POST",
            path=PATH,
            title="Send events",
            says=(
                f"One, a list, or one a line; gzip with `Content-Encoding`. At most {MAX_EVENTS:,} events and "
                f"{MAX_BODY_BYTES // 2**20} MB unpacked. Of several, bad ones are refused by name and the rest is stored; "
                "a bad one alone is a 400."
            ),
            needs=WRITE_KEY,
            params=(
                Param(name="results", shape=str, says="`all` tells of every event, not only of those refused."),
                KEY_PARAM,
            ),
            body=Body(
                media={"application/json": refer("Events"), "application/x-ndjson": str},
                example=EXAMPLES["event"],
            ),
            answers={200: Answer(says="What became of them.", shape=Summary, example=SUMMARY)},
        ),
        Door(
            method="GET",
            path="/q.js",
            also=("/script.js", "/js/script.js"),
            title="The tracker for web pages",
            says='`<script async src="…/q.js" data-key="qk_…"></script>` counts page views; `quadra("signup")` sends more.',
            answers={200: Answer(says="A script.", media="text/javascript", shape=str)},
        ),
        Door(
            method="GET",
            path="/q-more.js",
            title="What the tracker loads where its tag asks for more",
            answers={200: Answer(says="A script.", media="text/javascript", shape=str)},
        ),
        Door(
            method="GET",
            path="/q-survey.js",
            title="A small survey for web pages",
            says='`<script async src="…/q-survey.js" data-type="nps"></script>`, or `quadra.ask({type: "csat"})` at any time.',
            answers={200: Answer(says="A script.", media="text/javascript", shape=str)},
        ),
    ),
)

TITLES = {
    "events/track": "Something happened",
    "features/track": "A feature was used",
    "funnels/track": "A stage of a funnel was reached",
    "funnels/complete": "A funnel was completed",
    "journeys/track": "A step of a journey was taken",
    "journeys/complete": "A journey was completed",
    "satisfaction/record": "A survey was answered",
}


def _typed(path: str, kind: str, event_type: str | None) -> Door:
    shape, example = refer(component(kind)), EXAMPLES[kind]
    if event_type is not None:  # the end of a run: what is required of a stage or step is filled in
        name = KINDS[kind].required[0]
        example = {name: example[name], "session_id": example["session_id"]}
        fields = {field: shape_of(field) | {"minLength": 1} for field in example}
        shape = {"type": "object", "required": list(fields), "properties": fields}
    return Door(
        method="POST",
        path=path,
        title=TITLES[path.removeprefix("/api/analytics/user/")],
        says="Fields may stand in the address as well; those of the body win.",
        needs=WRITE_KEY,
        params=(KEY_PARAM,),
        body=Body(shape=shape, example=example),
        answers={
            200: Answer(
                says="Stored, now or before.",
                shape=Tracked,
                example={"success": True, "event_id": EVENT, "duplicate": False},
            )
        },
    )


TYPED = Group(
    title="Typed events",
    says="One event each, of a kind that reports know more about. `POST /api/events` takes the same with `kind`.",
    doors=tuple(_typed(path, kind, event_type) for path, (kind, event_type) in TYPED_DOORS.items()),
)

GROUPS = (SEND, TYPED, SOCKETS, SEGMENT, POSTHOG, TRACKERS)
