"""What a message over Socket.IO says, and what its answer says. Nothing here knows of connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quadra.core.errors import Limited, QuadraError
from quadra.ingest.doors import apart, lane
from quadra.ingest.doors.many import bounded, quickly, read_many
from quadra.ingest.wire import MAX_EVENT_BYTES, Refused, from_dict, json_name, read_one

encode = msgspec.json.encode
Answer = tuple[bool, bytes]
"""Whether it is good news, and its JSON."""


def parse_one(text: str | None, payload: Any) -> Any:
    """The event, or a `Refused`."""
    try:
        return _parse_one(text, payload)
    except Refused as refused:
        return refused


def _parse_one(text: str | None, payload: Any) -> Any:
    if text is not None:
        raw = text.encode(errors="surrogatepass")
        try:
            return read_one(raw)
        except Refused as refused:
            if "event" not in refused.fields or len(raw) > MAX_EVENT_BYTES:
                raise
            # not one JSON value: more arguments than one, or no JSON at all
            _name, payload = lane.arguments(f'["user:event",{text}]')
            if payload is None:
                raise
    if not isinstance(payload, dict):
        raise Refused("invalid", {"event": f"must be an object, not {json_name(payload)}"})
    return from_dict(payload)


def parse_many_quickly(text: str | None) -> list[Any] | None:
    """The events of an array where all of them fit, else None. Raises `TooLarge`."""
    return None if text is None or text[:1] != "[" else quickly(text.encode(errors="surrogatepass"))


def parse_many(text: str | None, payload: Any) -> list[Any]:
    """Event by event. Raises `Refused`, `TooLarge`."""
    if text is not None:
        raw = text.encode(errors="surrogatepass")
        try:
            return read_many(raw)
        except Refused as refused:
            try:
                first = apart.items(b"[%b]" % raw, 1)[:1]  # more arguments than one
            except apart.NoSuch:
                raise refused from None
            if first and first[0][:1] == b"[":
                return read_many(first[0])
            raise Refused("invalid", {"events": "must be an array of events"}) from None
    if not isinstance(payload, list):
        raise Refused("invalid", {"events": f"must be an array of events, not {json_name(payload)}"})
    return [parse_one(None, item) for item in bounded(payload)]


def refusal(refused: Refused) -> Answer:
    return error_answer(refused.event_id, refused.code, refused.message, refused.fields)


def not_stored(event_id: str | None, error: QuadraError) -> Answer:
    """The answer for one event. `retryAfter` is in seconds, as the header of that name is."""
    answer = describe(event_id, error.code, error.message, {})
    if isinstance(error, Limited):
        answer["retryAfter"] = error.retry_after_seconds
    return False, encode(answer)


def stored(event_id: str, batch_id: str, duplicate: bool) -> Answer:
    return True, b'{"eventId":%b,"batchId":"%b","duplicate":%b}' % (
        encode(event_id),
        batch_id.encode(),
        b"true" if duplicate else b"false",
    )


def summary(stored: int, duplicates: int, refused: Sequence[Refused]) -> Answer:
    """What `user:events` is answered."""
    return True, encode({"stored": stored, "duplicates": duplicates, "refused": _described(refused)})


def none_stored(error: QuadraError | Refused, wires: Sequence[Any] = ()) -> Answer:
    """The same where an error kept all from being stored: each event is refused with it, or with a reason of its own."""
    fields = error.fields if isinstance(error, Refused) else {}
    whole = describe(None, error.code, error.message, fields)
    if isinstance(error, Limited):
        whole["retryAfter"] = error.retry_after_seconds
    refused = _described([wire for wire in wires if type(wire) is Refused])
    refused += [whole | {"eventId": wire.event_id} for wire in wires if type(wire) is not Refused]
    return False, encode({"stored": 0, "duplicates": 0, "refused": refused, **whole})


def _described(refused: Sequence[Refused]) -> list[dict[str, Any]]:
    return [describe(one.event_id, one.code, one.message, one.fields) for one in refused]


def error_answer(event_id: str | None, code: str, message: str, fields: dict[str, str]) -> Answer:
    return False, encode(describe(event_id, code, message, fields))


def describe(event_id: str | None, code: str, message: str, fields: dict[str, str]) -> dict[str, Any]:
    named = {_camel(name): what for name, what in fields.items()}
    return {"eventId": event_id, "code": code, "error": message, "fields": named}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
