"""A request body as events: one object, `{"events": […]}`, an array or NDJSON; gzip or plain; bounded either way."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from quadra.core.errors import Invalid, TooLarge
from quadra.core.http import MAX_BODY_BYTES
from quadra.ingest.wire import Refused, read_many, read_one

MAX_EVENTS = 10_000
MAX_GZIP_MEMBERS = 100
"""A gzip stream may be many in a row; 5 MB of empty ones would hold the event loop for seconds."""


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
    sent_at: int | str | None = None
    sent_at_camel: int | str | None = msgspec.field(name="sentAt", default=None)


_keyed = msgspec.json.Decoder(Keyed)
_envelope = msgspec.json.Decoder(Envelope)
_raw = msgspec.json.Decoder(msgspec.Raw)


class Body(msgspec.Struct):
    """Events as they came (a `Refused` where one could not be read), and what stood beside them."""

    wires: list[Any]
    single: bool = False
    sent_at: int | str | None = None
    key: str | None = None
    """The write key in the body: of the whole request, the one event or the first line."""


def unpack(raw: bytes, encoding: str) -> bytes:
    """The plain body. Raises `TooLarge` before more than the bound is in memory, `Invalid` for what is not gzip."""
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
            plain += decoder.decompress(rest, MAX_BODY_BYTES + 1 - len(plain))
            if len(plain) > MAX_BODY_BYTES:
                raise TooLarge(f"The body unpacks to more than {MAX_BODY_BYTES} bytes.")
            if not decoder.eof:
                raise Invalid("The body is half a gzip stream.", code="encoding")
            rest = decoder.unused_data  # gzip files may follow one another
    except zlib.error as error:
        raise Invalid(f"The body is not {encoding}: {error}.", code="encoding") from error
    return bytes(plain)


def parse(raw: bytes, *, ndjson: bool = False) -> Body:
    """The events of a plain body. Raises `Invalid` where nothing of it can be read, `TooLarge` for too many events."""
    text = raw.strip()
    if text.startswith(b"\xef\xbb\xbf"):
        text = text[3:].strip()
    if not text:
        raise Invalid("The body is empty; send an event as JSON.")
    if ndjson:
        return _lines(text)
    if text[:1] == b"[":
        return Body(_bounded(_array(text)))
    if text[:1] != b"{":
        raise Invalid("The body must be a JSON object, an array of them, or one object a line (NDJSON).")
    if b'"events"' in text:
        try:
            found = _envelope.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None  # an event that only mentions "events", or NDJSON
        if found is not None:
            return Body(
                _bounded(_array(bytes(found.events))),
                sent_at=found.sent_at if found.sent_at is not None else found.sent_at_camel,
                key=found.key(),
            )
    if b"\n" in text and not _is_json(text):
        return _lines(text)
    try:
        return Body([read_one(text)], single=True, key=key_in(text))
    except Refused as refused:
        return Body([refused], single=True, key=key_in(text))


def key_in(text: bytes) -> str | None:
    """The write key that a JSON object holds."""
    if b'"api' not in text and b'"write' not in text:
        return None
    try:
        return _keyed.decode(text).key()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _array(text: bytes) -> list[Any]:
    try:
        return read_many(text)
    except Refused as refused:
        raise Invalid(f"The body is {refused.fields['events']}.") from refused


def _lines(text: bytes) -> Body:
    lines = [line for line in text.splitlines() if line.strip()]
    _bounded(lines)
    return Body([_line(line) for line in lines], key=key_in(lines[0]))


def _line(line: bytes) -> Any:
    try:
        return read_one(line)
    except Refused as refused:
        return refused


def _bounded(events: list[Any]) -> list[Any]:
    if len(events) > MAX_EVENTS:
        raise TooLarge(f"{len(events)} events in one request; {MAX_EVENTS} are the most.")
    return events


def _is_json(text: bytes) -> bool:
    try:
        _raw.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
