"""The short way of an import: a line or fields with nothing special about them become a plain event at once, and `plain.rows_of`
makes rows of many, as it does for the doors. A file has a million of them, and most are plain.

What it takes becomes the row that the long way makes of it (a test holds the two equal); the rest is left to that, which also
says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from quadra.core.typed import Typed
from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.importers.own import AGENT
from quadra.ingest.kinds import MAX_JSON_BYTES
from quadra.ingest.sdks import foreign
from quadra.ingest.soundness import are_sound, raw_of
from quadra.ingest.wire import CamelPlain, Plain, is_utf8, spellings

_NAMES = Plain.__struct_fields__
TAKEN = frozenset(_NAMES) - {"metadata"}
"""Fields of a plain event or page view; one with any other takes the long way."""
_LEFT_OUT = "sent_at"
"""Years later it says nothing about the sender's clock."""
_KNOWN = TAKEN | {_LEFT_OUT}
_UNSTORED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""NUL and halves of characters, escaped."""
_DECODE = {cls: msgspec.json.Decoder(cls).decode for cls in (Plain, CamelPlain)}
_PLAIN = Typed[Any](Plain)


def _exported() -> Any:
    """A row of our own export (see `own`). What only belongs to the installation may be anything."""
    hints = dict(zip(_NAMES, (field.type for field in msgspec.structs.fields(Plain)), strict=True))
    hints |= {"page": None, "metadata": None}  # columns that an export does not have
    common = msgspec.defstruct(
        "ExportedEvent", [(name, hints[name], None) for name in _NAMES], rename={"timestamp": "occurred_at"}
    )
    places = [
        (name, Annotated[str, msgspec.Meta(max_length=AGENT[name])] | None, None) for name in ("country", "region")
    ]
    rest = [(name, msgspec.Raw, None) for name in ("fields", "door", "project_id")]
    required = [("bot", bool | None), ("batch_id", msgspec.Raw), ("received_at", msgspec.Raw)]
    return msgspec.defstruct(
        "Exported", [*required, *places, *rest], bases=(common,), kw_only=True, forbid_unknown_fields=True
    )


_EXPORTED = Typed[Any](_exported())
_agent_of = lru_cache(maxsize=4096)(lambda bot, country, region: Agent(None, None, None, bot, country, region))


def from_line(raw: bytes) -> tuple[Any, Agent] | None:
    """The plain event of a line of NDJSON, with the device that it is about; None where that takes a closer look."""
    if (b"\\u" in raw and _UNSTORED.search(raw)) or not is_utf8(raw):
        return None
    try:
        if b'"batch_id"' in raw:
            return _of_export(_EXPORTED.decode(raw))
        wire = _DECODE[spellings(raw)[0]](raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    if wire.metadata is not None or not _is_small(wire.properties) or not _is_dated(wire):
        return None
    return wire, UNKNOWN


def from_fields(fields: Mapping[str, Any]) -> Any:
    """The plain event of fields; None where that takes a closer look."""
    if not fields.keys() <= _KNOWN:
        return None
    values = dict(fields)
    properties = values.pop("properties", None)
    values.pop(_LEFT_OUT, None)
    try:
        wire = _PLAIN.convert(values)
        if properties is not None and (raw := raw_of(properties)) is not None:
            wire.properties = raw
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        return None
    if (properties is None) != (wire.properties is None) or not are_sound(values.values()):
        return None
    return wire if _is_small(wire.properties) and _is_dated(wire) else None


def _of_export(found: Any) -> tuple[Any, Agent] | None:
    if found.kind not in ("event", "page") or _object(found.fields) not in (None, b"{}"):
        return None
    wire = Plain(*msgspec.structs.astuple(found)[: len(_NAMES)])
    if _object(wire.properties) is None:
        wire.properties = None
    if not wire.event_id or not _is_small(wire.properties) or not _is_dated(wire):
        return None
    return wire, _agent_of(bool(found.bot), found.country or None, found.region or None)


def _object(raw: msgspec.Raw | None) -> bytes | None:
    return None if raw is None or (text := bytes(raw)) == b"null" else text


def _is_small(raw: msgspec.Raw | None) -> bool:
    """Whether it is an object that can be kept; here, so that what cannot is not gathered."""
    return raw is None or ((text := bytes(raw))[:1] == b"{" and len(text) <= MAX_JSON_BYTES)


def _is_dated(wire: Any) -> bool:
    """Whether it says when, as nearly all files do; then with an offset, and milliseconds where it was seconds."""
    at = wire.timestamp
    if type(at) is int:
        if at in foreign.SECONDS:
            wire.timestamp = at * 1000
        return True
    if type(at) is not str or at[4:5] != "-":
        return False
    if at[-1] != "Z":
        wire.timestamp = foreign.moment(at)
    return True
