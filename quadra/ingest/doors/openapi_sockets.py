"""The Socket.IO door of ingest, described."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from quadra.core.api.openapi import Group, SocketEvent, refer
from quadra.core.api.openapi_shapes import Reconnect
from quadra.ingest.doors.openapi_events import SCHEMAS, camel, component
from quadra.ingest.kinds import KINDS

BATCH = "019b2f6e-8c2a-7d11-b0a1-5a7d3f0e9b42"
EVENT = "019b2f6e-8c1d-7a60-9c57-0d8f8a1f3c11"


RetryAfter = Annotated[int, Meta(description="Seconds; only with `limited`.")] | UnsetType


class SocketAck(Struct, rename="camel"):
    """Durable. A duplicate was counted before and is not counted again."""

    event_id: str
    batch_id: str
    duplicate: bool


class SocketRefusal(Struct, rename="camel"):
    """Not stored: `unavailable` and `limited` mean try again, anything else never."""

    event_id: str | None
    code: str
    error: str
    fields: dict[str, str]
    retry_after: RetryAfter = UNSET


class SocketSummary(Struct, rename="camel"):
    """Of a list. Where nothing of it could be stored, `code` and `error` say why, and each event is among the refused."""

    stored: int
    duplicates: int
    refused: list[SocketRefusal]
    event_id: UnsetType | None = UNSET
    code: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    fields: dict[str, str] | UnsetType = UNSET
    retry_after: RetryAfter = UNSET


ONE_EVENT = {
    "title": "SocketEvent",
    "description": "An event of any kind, as clients of Socket.IO write it: in camelCase.",
    "anyOf": [camel(SCHEMAS[component(kind)]) for kind in KINDS],
}
ACK = {"eventId": EVENT, "batchId": BATCH, "duplicate": False}
SOCKETS = Group(
    title="Events over Socket.IO",
    says=(
        'Connect to the namespace `/` with `auth: {key: "qk_…"}`. Every message gets exactly one answer, junk too: the '
        "acknowledgement where you asked for one, else the event `event:ack` or `event:error` with the same object."
    ),
    schemas={"SocketEvent": ONE_EVENT},
    sockets=(
        SocketEvent(
            namespace="/",
            name="user:event",
            says="One event, with `eventId` and one of `userId` and `anonymousId`.",
            payload=refer("SocketEvent"),
            answer={"anyOf": [SocketAck, SocketRefusal]},
            example={"eventId": EVENT, "eventType": "signup", "userId": "u-1"},
        ),
        SocketEvent(
            namespace="/",
            name="user:events",
            says="A list of them.",
            payload={"type": "array", "items": refer("SocketEvent")},
            answer=SocketSummary,
            example=[{"eventId": EVENT, "eventType": "signup", "userId": "u-1"}],
        ),
        SocketEvent(
            namespace="/", name="event:ack", to_server=False, says="It is stored.", payload=SocketAck, example=ACK
        ),
        SocketEvent(
            namespace="/",
            name="event:error",
            to_server=False,
            says="It is not stored.",
            payload=SocketRefusal,
            example={
                "eventId": None,
                "code": "invalid",
                "error": "event_id: required",
                "fields": {"eventId": "required"},
            },
        ),
        SocketEvent(
            namespace="/",
            name="server:reconnect",
            to_server=False,
            says="This replica ends and closes the connection: come back within that time.",
            payload=Reconnect,
            example={"reason": "restart", "within_ms": 1000},
        ),
    ),
)
