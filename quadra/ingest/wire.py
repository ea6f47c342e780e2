"""Bytes to checked events. The fast way decodes straight into a struct; what does not fit is looked at field by field.

Senders write camelCase or snake_case; keys that no kind knows are kept in the event's properties.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, final

import msgspec

from quadra.core.names import snake_case
from quadra.core.typed import Typed
from quadra.ingest.kinds import ALIASES, FIELDS, FREE
from quadra.ingest.soundness import MAX_DEPTH, TOO_DEEP, Fields, are_sound, invalid_reason, raw_of

MAX_EVENTS = 10_000
"""In one request or message."""
MAX_EVENT_BYTES = 256 * 1024
"""Of one event's JSON. The fields together may be about as large; what is larger is refused before anything is made of it."""
MAX_FIELDS = 1_000
"""Of one event. What more there is belongs into `properties`; each unknown name costs a look."""

# a Raw field takes any JSON, null included, so it is no union: None only says that the key was not there
_columns = [(name, type_ if type_ is msgspec.Raw else type_ | None, None) for name, type_ in FIELDS.items()]

Wire: Any = msgspec.defstruct("Wire", _columns, forbid_unknown_fields=True)
"""One event as it came, every field optional, attributes in snake_case."""

CamelWire: Any = msgspec.defstruct("CamelWire", _columns, forbid_unknown_fields=True, rename="camel")
"""The same read from camelCase keys."""

_by_name = {column[0]: column for column in _columns} | {"page": ("page", str | None, None)}
_plain = [
    *("event_id", "kind", "event_name", "event_type", "timestamp", "event_category"),
    *("user_id", "anonymous_id", "session_id", "page_url", "page_title", "referrer", "page"),
    *("device_type", "browser", "os", "language", "screen", "page_query"),
    *("duration_ms", "value", "success", "properties", "metadata"),
]
Plain: Any = msgspec.defstruct("Plain", [_by_name[name] for name in _plain], forbid_unknown_fields=True)
"""One event or page view with nothing special about it, as most are: `plain.rows_of` makes rows of them, and takes them apart
in this order."""
CamelPlain: Any = msgspec.defstruct(
    "CamelPlain", [_by_name[name] for name in _plain], forbid_unknown_fields=True, rename="camel"
)
PLAIN = frozenset({Plain, CamelPlain})

_CAMEL = {
    camel: name
    for name, camel in zip(CamelWire.__struct_fields__, CamelWire.__struct_encode_fields__, strict=True)
    if camel != name == snake_case(camel)
}
_ONE = {cls: msgspec.json.Decoder(cls) for cls in (Plain, CamelPlain, Wire, CamelWire)}
_PLAIN = msgspec.json.Decoder()
_encode = msgspec.json.encode
_PLAIN_WIRE = Typed[Any](Wire)
_CHECK = {name: Typed[Any](type_ | None).convert for name, type_ in FIELDS.items()}
_SNAKE, _CAMELS = (Plain, Wire, CamelWire), (CamelPlain, CamelWire, Wire)
_RAW_FIELDS = frozenset(name for name, type_ in FIELDS.items() if type_ is msgspec.Raw)

_WRITE_KEYS = {"api_key", "write_key"}
"""What a body calls the sender's write key, which is no part of the event."""
TOO_LARGE = f"larger than {MAX_EVENT_BYTES} bytes"
_EVENT_ID = re.compile(rb'"(?:event_?[iI]d|messageId|uuid)"\s*:\s*"([^"\\]{1,128})"')


@final
class Refused(Exception):
    """An event that cannot be stored: `code` for programs, `fields` for people. `event_id` where it could be read.

    Steps raise it. From `accept_or_refuse` on it is a value, one of the two results that an event may have.
    """

    def __init__(self, code: str, fields: Fields, event_id: str | None = None, *, step: str = "decode"):
        super().__init__(code, fields)
        self.code = code
        self.fields = fields
        self.event_id = event_id
        self.step = step
        """What refused it: `decode`, an accept step, or `write`. For the metrics."""

    @property
    def message(self) -> str:
        return "; ".join(f"{name}: {what}" for name, what in self.fields.items())


def read_one(raw: bytes) -> Any:
    """One event from one JSON object. Raises `Refused`."""
    if len(raw) > MAX_EVENT_BYTES:
        raise Refused("invalid", {"event": TOO_LARGE}, id_in(raw))
    if not has_escapes(raw) and is_utf8(raw):
        for cls in spellings(raw):
            try:
                return _ONE[cls].decode(raw)
            except msgspec.ValidationError:
                continue
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                break
    return _read_carefully(raw)


def from_dict(fields: dict[Any, Any]) -> Any:
    """One event from a decoded JSON object, snake_case or camelCase. Raises `Refused`, naming every field that is wrong."""
    if len(fields) > MAX_FIELDS:
        event_id = fields.get("event_id", fields.get("eventId"))
        wrong = {"event": f"has more than {MAX_FIELDS} fields; put them into properties"}
        raise Refused("invalid", wrong, event_id if isinstance(event_id, str) else None)
    plain: dict[str, Any] = {}
    objects: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    wrong = {}
    sound = invalid_reason(fields, MAX_DEPTH + 1) is None  # first: nothing after it minds depth or size
    for key, value in fields.items():
        name = key if key in FIELDS else snake_case(key)
        if name in ALIASES and fields.get(ALIASES[name]) is None:
            name = ALIASES[name]
        if not sound and (problem := invalid_reason({key: value}, MAX_DEPTH + 1)) is not None:
            wrong[_shown(key)] = problem
        elif name not in FIELDS or (name in FREE and not _fits(name, value)):
            if name not in _WRITE_KEYS or not str(value).startswith("qk_"):
                extra[key] = value
        elif name not in _RAW_FIELDS:
            plain[name] = value
        elif value is not None:
            if isinstance(value, dict) or (name == "tags" and isinstance(value, list)):
                objects[name] = value
            else:
                wrong[name] = "must be an object"
    try:
        wire = _PLAIN_WIRE.convert(plain)
    except msgspec.ValidationError:
        wire = None
        wrong |= _unfitting(plain)
    if wrong:
        event_id = plain.get("event_id")
        far = all(name in ("timestamp", "sent_at") and type(plain.get(name)) is int for name in wrong)  # beyond 64 bits
        raise Refused("clock" if far else "invalid", wrong, event_id if isinstance(event_id, str) else None)
    if extra:
        objects["properties"] = {**extra, **objects.get("properties", {})}
    for name, value in objects.items():
        setattr(wire, name, msgspec.Raw(_encode(value)))
    return wire


def from_known(fields: dict[str, Any]) -> Any:
    """The same, quicker, where every field has a name of ours and fits: no value is walked through for that. None is a field
    that is not there.
    """
    plain: dict[str, Any] = {}
    raws: list[tuple[str, msgspec.Raw]] = []
    try:
        for key, value in fields.items():
            if value is None:
                continue
            name = _CAMEL.get(key, key)  # of both spellings the later counts, as there
            if name not in _RAW_FIELDS:
                plain[name] = value
            elif (raw := raw_of(value)) is not None:
                raws.append((name, raw))
            else:
                return from_dict(_there(fields))
        wire = _PLAIN_WIRE.convert(plain)
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        return from_dict(_there(fields))
    if not are_sound(plain.values()):
        return from_dict(_there(fields))
    for name, raw in raws:
        setattr(wire, name, raw)
    return wire


def _there(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _fits(name: str, value: Any) -> bool:
    try:
        _CHECK[name](value)
    except msgspec.ValidationError:
        return False
    return True


def _unfitting(plain: dict[str, Any]) -> Fields:
    """The fields that are not of their type, each by itself: all at once, only the first is named."""
    wrong: Fields = {}
    for name, value in plain.items():
        try:
            _CHECK[name](value)
        except msgspec.ValidationError as error:
            wrong[name] = _say(error)
    return wrong


def has_escapes(raw: bytes) -> bool:
    """Of characters. One byte is found much faster than two are, and most events have not even a backslash."""
    return b"\\" in raw and b"\\u" in raw


def is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def spellings(raw: bytes) -> tuple[Any, Any, Any]:
    """The structs to try, the likeliest first."""
    return _SNAKE if b'"event_type"' in raw or b'"event_id"' in raw else _CAMELS


def widened(plain: Any) -> Any:
    """The same event with all fields."""
    return Wire(**msgspec.structs.asdict(plain))


def _read_carefully(raw: bytes) -> Any:
    try:
        raw.decode()  # the decoder itself does not look into strings it skips
        decoded = _PLAIN.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        decoded = _leniently(raw)
        if decoded is None:
            raise Refused("invalid", {"event": f"not JSON: {error}"}, id_in(raw)) from error
    except RecursionError as error:
        raise Refused("invalid", {"event": TOO_DEEP}, id_in(raw)) from error
    if not isinstance(decoded, dict):
        raise Refused("invalid", {"event": f"must be an object, not {json_name(decoded)}"})
    return from_dict(decoded)


def _leniently(raw: bytes) -> Any:
    """NaN and half characters as Python reads them, for `from_dict` to refuse under the names of their fields."""
    try:
        return json.loads(raw.decode(errors="surrogateescape"), parse_constant=lambda _name: math.nan)
    except (ValueError, RecursionError):
        return None


def id_in(raw: bytes) -> str | None:
    """The id of an event that is no JSON, so that its sender knows which one it was."""
    found = _EVENT_ID.search(raw[:MAX_EVENT_BYTES])
    return found[1].decode(errors="replace").replace("\0", "") if found else None


def _shown(key: str) -> str:
    """A key as an answer can carry it."""
    return key[:100].encode(errors="replace").decode().replace("\0", "")


def _say(error: msgspec.ValidationError) -> str:
    return str(error).split(" - at `")[0].replace("`", "")


def json_name(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a string", list: "a list", dict: "an object", bytes: "binary data"}.get(
        type(value), "a number"
    )
