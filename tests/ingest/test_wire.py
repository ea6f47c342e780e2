"""Whatever bytes come, the wire answers with an event or with a refusal that names what is wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quadra.core import clock
from quadra.core.names import snake_case
from quadra.ingest.accept import Sender, accept
from quadra.ingest.columns import Row
from quadra.ingest.doors import body, many
from quadra.ingest.doors.many import read_many, split
from quadra.ingest.kinds import FIELDS, MAX_JSON_BYTES
from quadra.ingest.soundness import MAX_DEPTH, invalid_reason
from quadra.ingest.wire import PLAIN, CamelWire, Refused, Wire, from_dict, from_known, read_one

SENDER = Sender(project_id=1, door="http")
NOW = clock.to_us(clock.EPOCH) + 1_800_000_000_000_000

texts = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    ["", "\0", "a\0b", "\ud800", "\udfff", "\U0001f600", "x" * 129, "x" * 201, "2026-01-01T00:00:00Z", "nan"]
)
numbers = (
    st.integers(-(10**40), 10**40)
    | st.floats()
    | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400, float("inf"), 0, -1, 10**18])
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


known = st.sampled_from([*FIELDS, *map(camel, FIELDS)])
events = st.dictionaries(known | texts, values, max_size=8)


def written(value: Any, *, escape: bool) -> bytes:
    """JSON as careless senders write it: NaN, Infinity, half a surrogate pair."""
    return json.dumps(value, ensure_ascii=escape).encode(errors="surrogatepass")


def taken(raw: bytes) -> Row | Refused:
    """What a door does with one event. Lets nothing out but a row or a refusal."""
    try:
        row = accept(read_one(raw), SENDER, NOW)
    except Refused as refused:
        return checked(refused)
    for column in (row.properties, row.fields):
        assert column is None or isinstance(strictly(bytes(column)), dict)
    msgspec.json.encode(row)
    return row


def checked(refused: Refused, *names: str) -> Refused:
    """A refusal that names fields (these, where they are given) and that every door can send."""
    assert refused.fields
    assert not names or set(refused.fields) == set(names)
    assert refused.code in ("invalid", "clock")
    msgspec.json.encode([refused.fields, refused.message, refused.event_id])
    return refused


def strictly(text: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text.decode(), parse_constant=refuse)


@settings(max_examples=400, deadline=None)
@given(event=events, escape=st.booleans())
def test_any_json_object_becomes_an_event_or_a_refusal_that_names_fields(event: dict[str, Any], escape: bool) -> None:
    taken(written(event, escape=escape))


@settings(max_examples=200, deadline=None)
@given(event=values, escape=st.booleans())
def test_any_json_value_becomes_an_event_or_a_refusal_that_names_fields(event: Any, escape: bool) -> None:
    taken(written(event, escape=escape))


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=60) | st.text('{}[]",:0123456789eE.-+\\untrfalse \n\0', max_size=60).map(str.encode))
def test_any_bytes_become_an_event_or_a_refusal_that_names_fields(raw: bytes) -> None:
    taken(raw)


@settings(max_examples=150, deadline=None)
@given(items=st.lists(values | events, max_size=6), escape=st.booleans())
def test_of_any_array_each_item_becomes_an_event_or_its_own_refusal(items: list[Any], escape: bool) -> None:
    raw = written(items, escape=escape)
    try:
        found = read_many(raw)
    except Refused as refused:  # the text as a whole is no JSON: NaN, or half a surrogate pair
        checked(refused, "events")
        return
    assert len(found) == len(items)
    assert {type(item) for item in found} <= {*PLAIN, Wire, CamelWire, Refused}


@settings(max_examples=200, deadline=None)
@given(event=st.dictionaries(known | st.text(max_size=8), values, max_size=6))
def test_a_decoded_object_becomes_an_event_or_a_refusal_that_names_fields(event: dict[str, Any]) -> None:
    try:
        wire = from_dict(event)
    except Refused as refused:
        checked(refused)
    else:
        assert isinstance(wire, Wire)


@pytest.mark.parametrize("levels", [*range(1, 12), 100, 240, 320, 470, *range(900, 1000, 7), 5_000, 30_000])
@pytest.mark.parametrize("field", ["properties", "metadata", "context", "page", "traits", "tags", "unknown"])
@pytest.mark.parametrize("name", ["x", "\\u0041"], ids=["read straight", "read carefully"])
def test_nesting_is_bounded_at_8_levels_however_deep_it_is(levels: int, field: str, name: str) -> None:
    nested = '{"a":' * levels + "1" + "}" * levels
    event = f'{{"event_type":"{name}","kind":"event","{field}":{nested}}}'.encode()
    found = taken(event)
    allowed = MAX_DEPTH - 1 if field == "unknown" else MAX_DEPTH  # an unknown key lies within the properties
    if levels <= allowed:
        assert isinstance(found, Row)
    else:
        assert isinstance(found, Refused)
        assert "nested deeper than 8 levels" in found.message


def test_a_value_that_is_deep_only_for_a_deeper_stack_is_refused_as_well() -> None:
    """The decoder's bound is the interpreter's: what passed near the top of the stack may not pass further down."""

    def from_depth(frames: int, levels: int) -> Row | Refused:
        if frames:
            return from_depth(frames - 1, levels)
        return taken(b'{"event_type":"x","properties":{"a":' + b"[" * levels + b"]" * levels + b"}}")

    for levels in range(820, 1010):
        assert isinstance(from_depth(20, levels), Refused)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E400", "1" + "0" * 309, "-1" + "0" * 309, "9" * 5000])
@pytest.mark.parametrize("more", ["", ',"metadata":{"b":1}', ',"new":1', ',"x":"\\u0041"'])
def test_a_number_out_of_range_is_refused_by_name_whichever_way_it_is_read(number: str, more: str) -> None:
    found = taken(f'{{"event_type":"x","properties":{{"a":{number}}}{more}}}'.encode())
    assert isinstance(found, Refused)
    assert set(found.fields) <= {"properties", "event"}
    assert "out of range" in found.message or "not JSON" in found.message


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "9" * 40, "1e308", "0.1234567890123456789"]
)
@pytest.mark.parametrize("more", ["", ',"metadata":{"b":1}', ',"x":"\\u0041"'])
def test_a_number_in_range_is_kept_as_exactly_as_a_double_can(number: str, more: str) -> None:
    found = taken(f'{{"event_type":"x","properties":{{"a":{number}}}{more}}}'.encode())
    assert isinstance(found, Row)
    assert float(json.loads(bytes(found.properties))["a"]) == float(number)


def test_a_whole_number_past_a_double_in_a_decoded_object_is_refused_by_name() -> None:
    for field in ("properties", "context", "new"):
        value = 10**309 if field == "new" else {"a": 10**309}
        with pytest.raises(Refused) as caught:
            from_dict({"event_type": "x", field: value})
        assert caught.value.fields == {field: "holds a number that is out of range"}


@pytest.mark.parametrize("field", ["timestamp", "sent_at"])
def test_a_body_of_long_numbers_is_never_read_in_one_call(field: str) -> None:
    """The parser makes an integer of any digits up to 4,300 where a field has no bounds, and lets nobody in meanwhile."""
    item = b'{"event_type":"x","%s":%s}' % (field.encode(), b"9" * 4_000)
    assert many.quickly(b"[" + b",".join([item] * 10) + b"]") is None
    found = taken(item)
    assert isinstance(found, Refused)
    assert found.fields == {field: "holds a number that is out of range"}
    assert body.quickly(b'{"events":[],"sent_at":%s}' % (b"9" * 4_000)) is None


def test_digits_in_a_text_are_no_number() -> None:
    assert isinstance(taken(b'{"event_type":"x","properties":{"a":"' + b"9" * 5000 + b'"}}'), Row)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_refused(literal: str) -> None:
    for field in ("value", "properties", "duration_ms", "unknown"):
        value = f'{{"a":{literal}}}' if field == "properties" else literal
        found = taken(f'{{"event_type":"x","{field}":{value}}}'.encode())
        assert isinstance(found, Refused)
        assert "not JSON" in found.message


def test_camel_and_snake_case_are_the_same_event() -> None:
    samples = {
        name: {"context": {"a": 1}, "page": "https://example.com/"}.get(name, {"a": 1} if t is msgspec.Raw else None)
        for name, t in FIELDS.items()
    }
    for name, type_ in FIELDS.items():
        sample = samples[name]
        if sample is None:
            for candidate in ("2026-01-01", 200, 1.5, True):
                try:
                    msgspec.convert(candidate, type_)
                except msgspec.ValidationError:
                    continue
                sample = candidate
                break
        snake = read_one(msgspec.json.encode({name: sample}))
        other = read_one(msgspec.json.encode({camel(name): sample}))
        careful = from_dict({camel(name): sample})
        first, second, third = (getattr(wire, name) for wire in (snake, other, careful))
        assert first is not None
        assert (first == second == third) or bytes(first) == bytes(second) == bytes(third), name


def test_both_spellings_may_stand_in_one_event() -> None:
    wire = read_one(b'{"event_type":"x","userId":"u","session_id":"s","pageUrl":"/"}')
    assert (wire.event_type, wire.user_id, wire.session_id, wire.page_url) == ("x", "u", "s", "/")


@pytest.mark.parametrize("key", ["eventID", "eventId", "EventId", "event_id"])
def test_a_spelling_of_a_known_field_is_that_field(key: str) -> None:
    assert read_one(json.dumps({key: "e", "event_type": "x"}).encode()).event_id == "e"
    assert snake_case(key) == "event_id"


def test_keys_that_no_kind_knows_are_kept_among_the_properties() -> None:
    found = taken(b'{"event_type":"x","plan":"pro","seats":{"a":[1,null]},"properties":{"plan":"own wins","b":2}}')
    assert isinstance(found, Row)
    assert json.loads(bytes(found.properties)) == {"plan": "own wins", "seats": {"a": [1, None]}, "b": 2}


def test_properties_and_metadata_are_one_thing_and_properties_win() -> None:
    found = taken(b'{"event_type":"x","properties":{"a":1,"b":"p"},"metadata":{"b":"m","c":3}}')
    assert isinstance(found, Row)
    assert json.loads(bytes(found.properties)) == {"a": 1, "b": "p", "c": 3}
    only = taken(b'{"eventType":"x","metadata":{"c":3}}')
    assert isinstance(only, Row)
    assert json.loads(bytes(only.properties)) == {"c": 3}


def test_properties_merged_past_the_bound_are_refused() -> None:
    half = '"' + "x" * (MAX_JSON_BYTES // 2) + '"'
    found = taken(f'{{"event_type":"x","properties":{{"a":{half}}},"metadata":{{"b":{half}}}}}'.encode())
    assert isinstance(found, Refused)
    assert set(found.fields) == {"properties"}


@pytest.mark.parametrize("field", ["properties", "metadata"])
@pytest.mark.parametrize("value", ["[]", '"text"', "1", "true"])
def test_properties_that_are_no_object_are_refused_by_name(field: str, value: str) -> None:
    for name in ("x", "\\u0041"):
        found = taken(f'{{"event_type":"{name}","{field}":{value}}}'.encode())
        assert isinstance(found, Refused)
        assert found.fields == {field: "must be an object"}


@pytest.mark.parametrize("field", ["properties", "metadata", "page", "user_id", "value", "timestamp", "context"])
def test_null_is_the_same_as_leaving_a_field_out(field: str) -> None:
    for name in ("x", "\\u0041"):
        found = taken(f'{{"event_type":"{name}","{field}":null}}'.encode())
        assert isinstance(found, Row)
        assert found.properties is None


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udc00x"])
@pytest.mark.parametrize("where", ['"user_id":"{}"', '"properties":{{"a":"{}"}}', '"properties":{{"{}":1}}', '"{}":1'])
def test_text_that_no_database_keeps_is_refused(escape: str, where: str) -> None:
    found = taken(('{"event_type":"x",' + where.format(escape) + "}").encode())
    assert isinstance(found, Refused)


def test_a_pair_of_surrogates_is_one_character() -> None:
    found = taken(b'{"event_type":"\\ud83d\\ude00","properties":{"a":"\\ud83d\\ude00"}}')
    assert isinstance(found, Row)
    assert found.event_type == "\U0001f600"


def test_every_wrong_field_is_named_together_with_the_events_id() -> None:
    with pytest.raises(Refused) as caught:
        read_one(b'{"event_id":"e1","event_type":5,"userId":[],"value":"high","success":"yes","duration_ms":-1}')
    assert caught.value.event_id == "e1"
    assert set(caught.value.fields) == {"event_type", "user_id", "value", "success", "duration_ms"}
    assert caught.value.fields["user_id"] == "Expected `str | null`, got `array`".replace("`", "")


def test_a_key_of_any_size_is_shown_cut() -> None:
    with pytest.raises(Refused) as caught:
        from_dict({"k" * 1_000_000: "\0", "\ud800": 1})
    assert sorted(len(name) for name in caught.value.fields) == [1, 100]
    msgspec.json.encode(caught.value.fields)


@pytest.mark.parametrize("raw", [b"{}", b"1", b'"x"', b"null", b"[", b"[1", b"", b"[1][2]"])
def test_what_is_no_array_is_refused_as_events(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        split(raw)
    assert set(caught.value.fields) == {"events"}


def test_a_value_deeper_than_the_stack_is_walked_and_found_too_deep() -> None:
    deep: list[Any] = []
    for _ in range(1_000_000):
        deep = [deep]
    assert invalid_reason(deep, MAX_DEPTH) == "nested deeper than 8 levels"
    assert invalid_reason([[1], {"a": {"b": []}}], 4) is None
    assert invalid_reason([[1], {"a": {"b": []}}], 3) == "nested deeper than 8 levels"
    while deep:  # taken apart in a loop: the interpreter would recurse
        deep = deep[0]


@pytest.mark.parametrize(
    "more",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"page": {"x": math.nan}},
        {"page": {"x": "\0"}},
        {"page": {"x": "\ud800"}},
        {"user_id": "a\0"},
        {"properties": {"x": math.nan}},
        {"properties": {"x": "\0"}},
        {"properties": {"x": "\ud800"}},
        {"properties": {"x": 10**400}},
        {"traits": [1]},
        {"of_nobody": 1, "properties": {"a": None}},
        {"userId": "ada", "properties": {"a": 1}},
        {"eventId": "e2", "properties": {"a": 1}},
        {"userId": "bob", "user_id": "ada"},
        {"EventId": "e2", "metricUnit": "ms"},
        {"sessionId": "s", "pageUrl": "https://a.example/", "durationMs": 3},
        {"userAgent": {"not": "text"}, "featureCategory": "f"},
        {"user_id": "ada", "properties": {"a": [1, {"b": "ü"}]}, "page": {"url": "/a"}},
    ],
)
def test_the_quick_way_for_known_fields_ends_as_the_careful_one_does(more: dict[str, Any]) -> None:
    ends = []
    for read in (from_known, from_dict):
        try:
            ends.append(accept(read({"event_id": "e1", "event_type": "a", **more}), SENDER, NOW))
        except Refused as refused:
            ends.append((refused.code, set(refused.fields)))
    assert ends[0] == ends[1]
