"""A request body as events: one object, `{"events": […]}`, an array or NDJSON; gzip or plain; bounded either way."""

from __future__ import annotations

import re
import zlib
from itertools import islice
from typing import Any

import msgspec

from quadra.core.errors import Invalid, TooLarge
from quadra.core.web.http import MAX_BODY_BYTES
from quadra.ingest.doors import apart, many
from quadra.ingest.doors.many import read_many
from quadra.ingest.kinds import Milliseconds
from quadra.ingest.wire import MAX_EVENTS, MAX_FIELDS, Refused, read_one

MAX_GZIP_MEMBERS = 100
"""A gzip stream may be many in a row; 5 MB of empty ones would hold the event loop for seconds."""
MOST_LINES = 10 * MAX_EVENTS
"""The empty ones too."""
MOST_KEYS = 4
BESIDE = frozenset({"api_key", "write_key", "apiKey", "writeKey", "sent_at", "sentAt"})
"""What may stand beside `events`."""


class Keyed(msgspec.Struct):
    """A JSON object with the write key in it, in each spelling."""

    api_key: str | None = None
    write_key: str | None = None
    api_key_camel: str | None = msgspec.field(name="apiKey", default=None)
    write_key_camel: str | None = msgspec.field(name="writeKey", default=None)

    def key(self) -> str | None:
        return self.api_key or self.write_key or self.api_key_camel or self.write_key_camel


class Envelope(Keyed, kw_only=True):
    """`{"events": […]}` and what may stand beside it."""

    events: msgspec.Raw
    sent_at: Milliseconds | str | None = None
    sent_at_camel: Milliseconds | str | None = msgspec.field(name="sentAt", default=None)

    def holding(self, events: bytes) -> Envelope:
        self.events = msgspec.Raw(events)
        return self

    def body(self, wires: list[Any]) -> Body:
        sent_at = self.sent_at if self.sent_at is not None else self.sent_at_camel
        return Body(wires, sent_at=sent_at, key=self.key())


_keyed = msgspec.json.Decoder(Keyed)
_envelope = msgspec.json.Decoder(Envelope)
_raw = msgspec.json.Decoder(msgspec.Raw)
_encode = msgspec.json.encode
_KEY = re.compile(rb'"(qk_[A-Za-z0-9_-]{8,197})"')


class Body(msgspec.Struct):
    """Events as they came (a `Refused` where one could not be read), and what stood beside them."""

    wires: list[Any]
    single: bool = False
    sent_at: int | str | None = None
    key: str | None = None
    """The write key in the body: of the whole request, the one event or the first line."""


def unpack(raw: bytes, encoding: str, most: int = MAX_BODY_BYTES) -> bytes:
    """The plain body. Raises `TooLarge` before more than `most` is in memory, `Invalid` for what is not gzip."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Invalid(f"Content-Encoding {encoding[:50]!r} is not known; send gzip or plain.", code="encoding")
    plain = bytearray()
    rest, members = raw, 0
    try:
        while rest:
            members += 1
            if members > MAX_GZIP_MEMBERS:
                raise TooLarge(f"The body is more than {MAX_GZIP_MEMBERS} gzip streams.")
            decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            plain += decoder.decompress(rest, most + 1 - len(plain))
            if len(plain) > most:
                raise TooLarge(f"The body unpacks to more than {most} bytes.")
            if not decoder.eof:
                raise Invalid("The body is half a gzip stream.", code="encoding")
            rest = decoder.unused_data  # gzip files may follow one another
    except zlib.error as error:
        raise Invalid(f"The body is not {encoding}: {error}.", code="encoding") from error
    return bytes(plain)


def parse(raw: bytes, *, ndjson: bool = False) -> Body:
    """The events of a plain body. Raises `Invalid` where nothing of it can be read, `TooLarge` for too many events."""
    found = None if ndjson else quickly(raw)
    return carefully(raw, ndjson=ndjson) if found is None else found


def quickly(raw: bytes) -> Body | None:
    """The same where every event fits its struct, which is nearly always and takes little time. Raises `TooLarge`."""
    if raw[:1] == b"[":
        wires = many.quickly(raw)
        return None if wires is None else Body(wires)
    if raw[:1] != b"{" or b'"events"' not in raw:
        return None
    try:
        envelope = _envelope.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    wires = many.quickly(bytes(envelope.events))
    return None if wires is None else envelope.body(wires)


def carefully(raw: bytes, *, ndjson: bool = False) -> Body:
    """Event by event. Raises as `parse` does."""
    text = raw.strip()
    if text.startswith(b"\xef\xbb\xbf"):
        text = text[3:].strip()
    if not text:
        raise Invalid("The body is empty; send an event as JSON.")
    if ndjson:
        return _lines(text)
    if text[:1] == b"[":
        return Body(_array(text))
    if text[:1] != b"{":
        raise Invalid("The body must be a JSON object, an array of them, or one object a line (NDJSON).")
    if b'"events"' in text and (found := _enveloped(text)) is not None:
        return found.body(_array(bytes(found.events)))
    if (b"\n" in text or b"\r" in text) and not _is_json(text):
        return _lines(text)
    try:
        return Body([read_one(text)], single=True, key=key_in(text))
    except Refused as refused:
        return Body([refused], single=True, key=key_in(text))


def _enveloped(text: bytes) -> Envelope | None:
    """`{"events": […]}`; None for an event that only mentions "events", and for NDJSON."""
    try:
        return _envelope.decode(text)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # perhaps one event among them holds NaN
    try:
        values = apart.members(text, MAX_FIELDS)
    except apart.NoSuch:
        return None
    if not values.get("events", b"").startswith(b"["):
        return None
    events = values.pop("events")
    beside = b",".join(_encode(name) + b":" + value for name, value in values.items() if name in BESIDE)
    try:
        return _envelope.decode(b'{"events":[]%b%b}' % (b"," if beside else b"", beside)).holding(events)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def key_in(text: bytes) -> str | None:
    """The write key that a JSON object holds."""
    if b'"api' not in text and b'"write' not in text:
        return None
    try:
        return _keyed.decode(text).key()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def keys_in(text: bytes) -> list[str]:
    """What may be a write key, wherever in a plain body it stands: the first few, found without reading the body."""
    found = dict.fromkeys(match[1].decode() for match in islice(_KEY.finditer(text), MOST_KEYS))
    return list(found)


def _array(text: bytes) -> list[Any]:
    try:
        return read_many(text)
    except Refused as refused:
        raise Invalid(f"The body is {refused.fields['events']}.") from refused


def _lines(text: bytes) -> Body:
    if text.count(b"\n") + text.count(b"\r") > MOST_LINES:
        raise TooLarge(f"More than {MOST_LINES} lines at once; send them in several requests.")
    lines = many.bounded([line for line in text.splitlines() if line.strip()])
    return Body([_line(line) for line in lines], key=key_in(lines[0]))


def _line(line: bytes) -> Any:
    try:
        return read_one(line)
    except Refused as refused:
        return refused


def _is_json(text: bytes) -> bool:
    try:
        _raw.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
