"""A foreign SDK's body taken apart: what stands beside its batch, and the items, each still text.

No call into a parser is larger than one event, and an item that no parser reads is refused for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from quadra.core.errors import Invalid, TooLarge
from quadra.ingest.accept import Sender
from quadra.ingest.doors import apart, many
from quadra.ingest.sdks import foreign
from quadra.ingest.wire import MAX_EVENT_BYTES, MAX_FIELDS, TOO_LARGE, Refused, id_in

KEY_NAMES = ("writeKey", "write_key", "apiKey", "api_key", "token")
BESIDE = (*KEY_NAMES, "context", "sentAt", "sent_at")

_Members: Any = msgspec.defstruct("_Members", [(name, msgspec.Raw, msgspec.Raw()) for name in ("batch", *BESIDE)])
_members = msgspec.json.Decoder(_Members)


class Opened(NamedTuple):
    """A body: an object (a single event's own) or what stands beside a batch; the items; whether it is a batch."""

    beside: dict[str, Any]
    items: list[Any]
    is_batch: bool


def open_batch(raw: bytes) -> Opened:
    """An event, a list of them, or `{"batch": […]}`. Raises `Invalid`, `TooLarge`."""
    text = raw.strip()
    if text[:1] == b"[":
        return Opened({}, _split(text), True)
    if b'"batch"' in text and (batch := (found := _beside(text)).pop("batch", b"")).startswith(b"["):
        return Opened({name: foreign.decode(value) for name, value in found.items() if value}, _split(batch), True)
    return open_single(text)


def open_single(raw: bytes) -> Opened:
    """One event. Raises `Invalid`, `TooLarge`."""
    if len(raw) > MAX_EVENT_BYTES:
        raise TooLarge(f"The event is larger than {MAX_EVENT_BYTES} bytes.")
    found: Any = foreign.decode(raw)
    if not isinstance(found, dict):
        raise Invalid("The body must be a JSON object or a list of them.")
    return Opened(found, [found], False)


def read_all(
    opened: Opened, read: Callable[[Any], Any], sender_of: Callable[[Any, Sender], Sender], sender: Sender
) -> tuple[list[Any], list[Sender]]:
    """(an event of ours or a `Refused`, its sender) of each item."""
    wires, senders = [], []
    for found in _decoded(opened.items):
        wires.append(found if type(found) is Refused else read(found))
        senders.append(sender if type(found) is Refused else sender_of(found, sender))
    return wires, senders


def first(opened: Opened) -> Any:
    """The first item, where it can be read."""
    return next(_decoded(opened.items[:1]), None)


def _decoded(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if not isinstance(item, bytes):
            yield item
        elif len(item) > MAX_EVENT_BYTES:
            yield Refused("invalid", {"event": TOO_LARGE}, id_in(item))
        else:
            try:
                yield foreign.decode(item)
            except Invalid as error:
                yield Refused("invalid", {"event": error.message.removeprefix("The body is ")}, id_in(item))


def _beside(text: bytes) -> dict[str, bytes]:
    try:
        envelope = _members.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            members = apart.members(text, MAX_FIELDS)
        except apart.NoSuch:
            return {}
    else:
        members = {name: bytes(getattr(envelope, name)) for name in ("batch", *BESIDE)}
    return {
        name: value
        for name, value in members.items()
        if name == "batch" or (name in BESIDE and len(value) <= MAX_EVENT_BYTES)
    }


def _split(text: bytes) -> list[bytes]:
    try:
        return many.split(text)
    except Refused as refused:
        raise Invalid(f"The body is {refused.fields['events']}.") from refused
