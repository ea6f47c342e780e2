"""A JSON text taken apart by its structure: a broken item costs itself only."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quadra.core.errors import Invalid, TooLarge
from quadra.ingest.doors import apart, many
from quadra.ingest.doors.body import keys_in, parse
from quadra.ingest.doors.envelope import open_batch
from quadra.ingest.wire import MAX_EVENT_BYTES, MAX_EVENTS, MAX_FIELDS, Refused, from_dict, read_one

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON = st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(max_size=4), one), max_leaves=12)
GOOD = b'{"event_type":"a","event_id":"good"}'
BROKEN = {
    "NaN": b'{"event_type":"a","event_id":"bad","value":NaN}',
    "Infinity": b'{"event_type":"a","event_id":"bad","properties":{"a":[-Infinity]}}',
    "half a pair": b'{"event_type":"a","event_id":"bad","properties":{"a":"\\ud800"}}',
    "half a pair in a name": b'{"event_type":"a","event_id":"bad","\\ud83d":1}',
    "brackets": b'{"event_type":"a","event_id":"bad","properties":' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
    "no text": b'{"event_type":"a","event_id":"bad","properties":{"a":"\xff"}}',
    "a line end": b'{"event_type":"a","event_id":"bad","properties":{"a":"x\ny"}}',
    "an escape": b'{"event_type":"a","event_id":"bad","properties":{"a":"\\x"}}',
    "no value": b'{"event_type":"a","event_id":"bad","properties":}',
}


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 2]))
def test_an_array_is_taken_apart_as_a_parser_would(found: list[object], indent: int | None) -> None:
    text = json.dumps(found, indent=indent).encode()
    assert [json.loads(item) for item in apart.items(text, 100)] == found


@given(st.dictionaries(st.text("abcdé", max_size=4), JSON, max_size=6))
def test_an_object_is_taken_apart_as_a_parser_would(found: dict[str, object]) -> None:
    text = json.dumps(found, ensure_ascii=False).encode()
    assert {name: json.loads(value) for name, value in apart.members(text, 100).items()} == found


@pytest.mark.parametrize("text", [b"", b"1", b"{}", b"[1", b"[1]]", b'["a]', b"[}", b"[1][2]", b"[[1]"])
def test_what_is_no_array_by_its_brackets_is_none(text: bytes) -> None:
    with pytest.raises(apart.NoSuch):
        apart.items(text, 100)


def test_no_more_is_taken_apart_than_was_asked_for() -> None:
    began = time.process_time()
    assert len(apart.items(b"[" + b"1," * 2_000_000 + b"1]", 10)) == 11
    assert time.process_time() - began < 1


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("shape", [b"[%b]", b'{"sent_at":1,"events":[%b],"api_key":"k"}'])
def test_one_broken_event_of_many_is_refused_by_its_id_and_the_others_are_read(name: str, shape: bytes) -> None:
    found = parse(shape % b",".join([GOOD, BROKEN[name], GOOD]))
    first, second, third = found.wires
    assert first.event_type == third.event_type == "a"
    assert type(second) is Refused
    assert (second.event_id, second.code) == ("bad", "invalid")
    if b"events" in shape:
        assert (found.sent_at, found.key) == (1, "k")


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_message_of_a_foreign_batch_leaves_the_others(name: str) -> None:
    opened = open_batch(b'{"batch":[{"a":1},%b,{"b":2}],"writeKey":"k"}' % BROKEN[name])
    assert len(opened.items) == 3
    assert opened.beside == {"writeKey": "k"}


def test_an_array_of_anything_but_objects_is_refused_item_by_item_up_to_the_bound() -> None:
    found = many.read_many(b'[1,"a",null,true,[],-1]')
    assert [type(one) for one in found] == [Refused] * 6
    with pytest.raises(TooLarge):
        many.read_many(b"[" + b"1," * MAX_EVENTS + b"1]")


@pytest.mark.parametrize("item", [b"1", b"{}", b"[]", b'"a"', b'{"aA":1}', b'{"event_type":"a","value":NaN}'])
def test_a_million_items_are_too_many_before_anything_is_made_of_them(item: bytes) -> None:
    began = time.process_time()
    with pytest.raises((TooLarge, Invalid)):
        parse(b"[" + (item + b",") * (5_000_000 // (len(item) + 1)) + item + b"]")
    assert time.process_time() - began < 3  # it took a quarter of a minute


def test_an_event_has_a_bound_of_bytes_and_of_fields() -> None:
    with pytest.raises(Refused) as caught:
        read_one(b'{"event_id":"e1","a":"%b"}' % (b"x" * MAX_EVENT_BYTES))
    assert (caught.value.event_id, set(caught.value.fields)) == ("e1", {"event"})
    with pytest.raises(Refused, match="event") as caught:
        from_dict({"eventId": "e2", **{f"k{number}": 1 for number in range(MAX_FIELDS)}})
    assert caught.value.event_id == "e2"


def test_a_key_is_found_without_reading_the_body_and_only_a_few_are_looked_up() -> None:
    key = b'"qk_' + b"a" * 43 + b'"'
    assert keys_in(b'[{"properties":{"token":' + key + b"}}]") == [key.decode().strip('"')]
    assert keys_in(b'{"a":"say \\"qk_' + b"b" * 43 + b'\\""}') == []
    assert len(keys_in(b",".join(b'"qk_%08d%b"' % (number, b"c" * 40) for number in range(1000)))) == 4
