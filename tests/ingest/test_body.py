"""A request body in each of its shapes, and the bounds that hold before it is in memory."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.core.errors import Invalid, TooLarge
from quadra.core.web.http import MAX_BODY_BYTES
from quadra.ingest.doors import events
from quadra.ingest.doors.body import MAX_GZIP_MEMBERS, Body, parse, unpack
from quadra.ingest.wire import MAX_EVENTS, Refused

ONE = b'{"event_type":"a"}'


def names(body: Body) -> list[Any]:
    return [wire.fields if type(wire) is Refused else wire.event_type for wire in body.wires]


@pytest.mark.parametrize(
    ("raw", "single"),
    [
        (ONE, True),
        (b" \r\n" + ONE + b"\n", True),
        (b"\xef\xbb\xbf" + ONE, True),
        (b'{\n  "event_type":\n  "a"\n}\n', True),
        (b"[" + ONE + b"]", False),
        (b'{"events":[' + ONE + b"]}", False),
        (b'{"sent_at":1,"batch":"x","events":[' + ONE + b"]}", False),
    ],
)
def test_an_event_is_read_from_each_shape(raw: bytes, single: bool) -> None:
    found = parse(raw)
    assert names(found) == ["a"]
    assert found.single is single


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n \n"])
@pytest.mark.parametrize("declared", [True, False])
def test_one_object_a_line_is_an_event_a_line(newline: bytes, declared: bool) -> None:
    found = parse(
        newline.join([ONE, b'{"eventType":"b","properties":{"events":[1]}}', b"not json", b"[1]"]), ndjson=declared
    )
    first, second, third, fourth = names(found)
    assert (first, second) == ("a", "b")
    assert set(third) == set(fourth) == {"event"}
    assert not found.single


def test_one_line_that_is_declared_ndjson_is_no_single_event() -> None:
    assert parse(ONE, ndjson=True).single is False


def test_an_event_may_have_a_property_called_events() -> None:
    found = parse(b'{"event_type":"a","properties":{"events":[1,2]}}')
    assert names(found) == ["a"]
    assert found.single


def test_what_stands_beside_the_events_is_read_in_both_spellings() -> None:
    snake = parse(b'{"api_key":"k","sent_at":"2026-01-01T00:00:00Z","events":[]}')
    other = parse(b'{"writeKey":"k","sentAt":"2026-01-01T00:00:00Z","events":[]}')
    assert (snake.key, snake.sent_at) == (other.key, other.sent_at) == ("k", "2026-01-01T00:00:00Z")


def test_an_empty_array_is_no_event_and_no_error() -> None:
    assert parse(b"[]").wires == parse(b'{"events":[]}').wires == []


@pytest.mark.parametrize("raw", [b"", b"  \n", b"\xef\xbb\xbf", b"1", b'"text"', b"null", b"<html>", b"\xff\xfe{"])
def test_a_body_without_any_event_is_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid):
        parse(raw)


@pytest.mark.parametrize("raw", [b"[1", b"[1]]", b'{"events":1}', b'{"events":null}', b'{"events":{}}', b"[" * 100_000])
def test_a_body_that_should_hold_an_array_and_does_not_is_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid, match="not a JSON array"):
        parse(raw)


def test_a_single_object_that_is_no_json_is_one_refused_event() -> None:
    found = parse(b'{"event_type":')
    assert found.single
    assert [set(fields) for fields in names(found)] == [{"event"}]


@pytest.mark.parametrize("shape", ["array", "envelope", "lines"])
def test_ten_thousand_events_are_taken_and_one_more_is_too_large(shape: str) -> None:
    def body(count: int) -> bytes:
        if shape == "lines":
            return b"\n".join([ONE] * count)
        array = b"[" + b",".join([ONE] * count) + b"]"
        return array if shape == "array" else b'{"events":' + array + b"}"

    assert len(parse(body(MAX_EVENTS)).wires) == MAX_EVENTS == 10_000
    with pytest.raises(TooLarge, match="More than 10000 events"):
        parse(body(MAX_EVENTS + 1))


@settings(max_examples=300, deadline=None)
@given(
    raw=st.binary(max_size=80)
    | st.text('{}[]",:0123456789eE.-+\\untrfalse\n events', max_size=80).map(str.encode)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=8).map(
        lambda value: json.dumps({"events": value}).encode()
    ),
    ndjson=st.booleans(),
)
def test_any_body_is_read_or_refused_as_a_whole_or_event_by_event(raw: bytes, ndjson: bool) -> None:
    try:
        found = parse(raw, ndjson=ndjson)
    except (Invalid, TooLarge) as error:
        assert error.message  # noqa: PT017 - either way is right here
    else:
        assert isinstance(found.wires, list)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_passes_as_it_is(encoding: str) -> None:
    assert unpack(ONE, encoding) == ONE


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_gzip_and_deflate_are_unpacked(encoding: str) -> None:
    assert unpack(gzip.compress(ONE), encoding) == unpack(zlib.compress(ONE), encoding) == ONE


def test_gzip_streams_in_a_row_are_one_body() -> None:
    assert unpack(gzip.compress(b"[") + gzip.compress(ONE) + gzip.compress(b"]"), "gzip") == b"[" + ONE + b"]"


def test_so_many_gzip_streams_are_one_body_and_one_more_is_too_large() -> None:
    assert unpack(gzip.compress(b" ") * 100, "gzip") == b" " * 100
    with pytest.raises(TooLarge, match="100 gzip streams"):
        unpack(gzip.compress(b" ") * 101, "gzip")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 5000])
def test_an_encoding_that_is_not_known_is_invalid_and_named(encoding: str) -> None:
    with pytest.raises(Invalid, match="not known") as caught:
        unpack(ONE, encoding)
    assert caught.value.code == "encoding"
    assert len(caught.value.message) < 200


PARTS = ("plain", "cut", "header", "trailing")
"""Names, since gzip puts the time of day into what it makes."""


@pytest.mark.parametrize(
    "raw", [ONE, gzip.compress(ONE)[:-9], gzip.compress(ONE)[:3], gzip.compress(ONE) + b"rest"], ids=PARTS
)
def test_what_is_no_whole_gzip_is_invalid(raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        unpack(raw, "gzip")
    assert caught.value.code == "encoding"


def test_five_megabytes_unpacked_are_taken_and_one_byte_more_is_too_large() -> None:
    assert len(unpack(gzip.compress(b" " * MAX_BODY_BYTES), "gzip")) == MAX_BODY_BYTES == 5 * 1024 * 1024
    with pytest.raises(TooLarge):
        unpack(gzip.compress(b" " * (MAX_BODY_BYTES + 1)), "gzip")


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join([packer.compress(bytes(2**20)) for _ in range(megabytes)]) + packer.flush()


@pytest.mark.parametrize("streams", [1, 3])
def test_a_gzip_bomb_is_refused_before_it_is_in_memory(streams: int) -> None:
    raw = bomb(400) if streams == 1 else b"".join([bomb(4)] * streams)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unpack(raw, "gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BODY_BYTES


def test_a_hundred_gzip_streams_are_taken_and_more_are_too_large() -> None:
    empty = gzip.compress(b"")
    assert unpack(empty * (MAX_GZIP_MEMBERS - 1) + gzip.compress(ONE), "gzip") == ONE
    with pytest.raises(TooLarge, match="gzip streams"):
        unpack(empty * (MAX_BODY_BYTES // len(empty)), "gzip")


def test_a_body_is_as_long_as_it_says() -> None:
    """Half a body of lines is whole lines, and one that is cut off: nothing of it may be taken for all."""
    half = {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(ONE[:5])}
    with pytest.raises(Invalid, match="ended before"):
        events._received(half)
    assert events._received({"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(ONE)}) == ONE[:5]
    with pytest.raises(Invalid, match="not a number"):
        events._received({"CONTENT_LENGTH": "-5", "wsgi.input": io.BytesIO(ONE)})
    with pytest.raises(TooLarge):
        events._received({"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1), "wsgi.input": io.BytesIO(ONE)})
    with pytest.raises(TooLarge):
        events._received({"wsgi.input": io.BytesIO(b" " * (MAX_BODY_BYTES + 1))})
