"""Many events from one JSON array: quickly where all of them fit, else one by one, so that each is refused for itself.

The quick way runs on the event loop for small bodies. Everything else may take a hundred times as long a byte and belongs
on a native thread (`Intake.aside`); no call into a parser is larger than one event there, so that the loop gets its turns.
"""

from __future__ import annotations

from typing import Any

import msgspec

from quadra.core.errors import TooLarge
from quadra.ingest.doors import apart
from quadra.ingest.wire import (
    MAX_EVENTS,
    CamelPlain,
    CamelWire,
    Plain,
    Refused,
    Wire,
    has_escapes,
    is_utf8,
    json_name,
    read_one,
    spellings,
)

WHOLE_BYTES = 128 * 1024
"""The cost of one call of the parser, whatever is in it."""
MOST_BRACES = 4 * MAX_EVENTS
"""Objects in an array that is decoded as a whole: each could be an event, and an empty one takes 500 bytes."""
MOST_COMMAS = 30 * MAX_EVENTS
"""Beyond this the items are counted before the parser makes an object of each."""

_MANY = {cls: msgspec.json.Decoder(list[cls]) for cls in (Plain, CamelPlain, Wire, CamelWire)}  # type: ignore[valid-type]
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES = {b"[": [], b'"': "", b"t": True, b"f": True, b"n": None} | dict.fromkeys((b"%d" % n for n in range(10)), 0)


def read_many(raw: bytes) -> list[Any]:
    """Events from one JSON array: a wire struct or a `Refused` for each, in order.

    Raises `Refused` if it is no array, `TooLarge` for too many.
    """
    found = quickly(raw)
    return [_one_or_refused(item) for item in split(raw)] if found is None else found


def quickly(raw: bytes) -> list[Any] | None:
    """The same where all fit their struct, else None. Raises `TooLarge`."""
    if has_escapes(raw) or not is_utf8(raw):
        return None
    # `page` and `context` become Python objects: a large body of them is read event by event
    if len(raw) > WHOLE_BYTES and (raw.count(b"{") > MOST_BRACES or b'"page"' in raw or b'"context"' in raw):
        return None
    for cls in spellings(raw):
        try:
            return bounded(_MANY[cls].decode(raw))
        except msgspec.ValidationError:
            continue
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
    return None


def split(raw: bytes) -> list[bytes]:
    """The items of a JSON array, each still text, also where a parser does not get through. Raises `Refused`, `TooLarge`."""
    problem = "its brackets do not match"
    if raw.count(b",") <= MOST_COMMAS:
        try:
            return [bytes(item) for item in bounded(_RAWS.decode(raw))]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error)
    try:
        return bounded(apart.items(raw, MAX_EVENTS))
    except apart.NoSuch:
        raise Refused("invalid", {"events": f"not a JSON array of events: {problem}"}) from None


def bounded(items: list[Any]) -> list[Any]:
    if len(items) > MAX_EVENTS:
        raise TooLarge(f"More than {MAX_EVENTS} events at once; send them in several requests.")
    return items


def _one_or_refused(raw: bytes) -> Any:
    if (first := raw[:1]) != b"{" and first in _NAMES:  # at once: ten thousand of these are a body of 20 kB
        return Refused("invalid", {"event": f"must be an object, not {json_name(_NAMES[first])}"})
    try:
        return read_one(raw)
    except Refused as refused:
        return refused
