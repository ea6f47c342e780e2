"""The steps an event passes: who, what, where, when, and each bound exactly at its edge."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from quadra.core import clock
from quadra.ingest.accept import SKEW_TOLERATED_US, STEPS, Sender, accept
from quadra.ingest.agents import browser_of
from quadra.ingest.columns import Row
from quadra.ingest.kinds import MAX_JSON_BYTES, UNNUMBERED, numbered
from quadra.ingest.tables import Event
from quadra.ingest.wire import Refused, read_one

NOW_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = clock.to_us(NOW_AT)
SECOND = 1_000_000
HTTP = Sender(project_id=7, door="http")
SOCKET = Sender(project_id=7, door="socket", needs_identity=True)


def take(sender: Sender = HTTP, sent_at: int | str | None = None, **fields: Any) -> Row:
    raw = msgspec.json.encode({"event_type": "x", **fields})
    return accept(read_one(raw), sender, NOW, sent_at)


def refusal(sender: Sender = HTTP, sent_at: int | str | None = None, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        take(sender, sent_at, **fields)
    return caught.value


def iso(**shift: float) -> str:
    return clock.iso(NOW_AT + timedelta(**shift))


def test_the_steps_can_be_read() -> None:
    assert [step.__name__ for step in STEPS] == [
        "identity",
        "nesting",
        "shape",
        "page",
        "size",
        "properties",
        "secrets",
        "time",
        "client",
        "copied",
    ]


def test_a_visitor_is_whoever_names_nobody_but_over_a_socket_somebody_must_be_named() -> None:
    known = replace(HTTP, visitor="visitor-1")
    assert (take(known).user_id, take(known).anonymous_id) == ("visitor-1", "visitor-1")
    assert (take(known, user_id="u").user_id, take(known, user_id="u").anonymous_id) == ("u", None)
    assert "user_id" in refusal(replace(SOCKET, visitor="visitor-1"), event_id="e").fields


def test_a_row_has_a_field_for_every_column_but_the_batch() -> None:
    assert {*Row.__struct_fields__, "batch_id"} == set(Event.__table__.columns.keys())


def test_over_http_an_event_without_id_gets_one_that_sorts_by_time() -> None:
    first, second = take(), take()
    assert first.event_id < second.event_id
    assert len(first.event_id) == 36


def test_an_empty_id_is_refused_everywhere() -> None:
    assert refusal(event_id="").fields == {"event_id": "required"}


def test_over_a_socket_the_event_and_whoever_did_it_must_be_named() -> None:
    assert set(refusal(SOCKET).fields) == {"event_id", "user_id"}
    assert set(refusal(SOCKET, event_id="e").fields) == {"user_id"}
    assert take(SOCKET, event_id="e", user_id="u").user_id == "u"
    assert take(SOCKET, event_id="e", anonymous_id="a").user_id == "a"


def test_the_user_is_the_user_id_and_else_the_anonymous_id() -> None:
    row = take(user_id="u", anonymous_id="a")
    assert (row.user_id, row.anonymous_id) == ("u", "a")
    row = take(user_id="", anonymous_id="a")
    assert (row.user_id, row.anonymous_id) == ("a", "a")
    assert take().user_id is None


def test_a_refusal_carries_the_events_id() -> None:
    assert refusal(event_id="e1", kind="nonsense").event_id == "e1"
    assert refusal(kind="nonsense").event_id is None


@pytest.mark.parametrize(
    ("field", "bound"),
    [
        ("event_id", 128),
        ("event_type", 200),
        ("event_name", 200),
        ("user_id", 200),
        ("anonymous_id", 200),
        ("session_id", 200),
        ("event_category", 200),
        ("page_url", 8 * 1024),
        ("page_title", 8 * 1024),
        ("referrer", 8 * 1024),
    ],
)
@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
def test_text_is_taken_up_to_its_bound_in_characters(field: str, bound: int, letter: str) -> None:
    column = {"event_name": "name", "event_category": "category"}.get(field, field)
    assert getattr(take(**{field: letter * bound}), column) == letter * bound
    assert set(refusal(**{field: letter * (bound + 1)}).fields) == {field}


@pytest.mark.parametrize("field", ["properties", "metadata", "traits"])
def test_properties_are_taken_up_to_32_kilobytes(field: str) -> None:
    around = len(b'{"a":""}')
    kind = {"kind": "identify"} if field == "traits" else {}
    assert take(**kind, **{field: {"a": "x" * (MAX_JSON_BYTES - around)}})
    assert refusal(**kind, **{field: {"a": "x" * (MAX_JSON_BYTES - around + 1)}}).fields == {
        field: "larger than 32768 bytes"
    }


def test_the_typed_fields_together_are_bounded() -> None:
    text = "x" * MAX_JSON_BYTES
    error = {"kind": "error", "error_type": "E", "message": text}
    assert take(**error)
    assert set(refusal(**error, stack_trace=text).fields) == {"fields"}


def test_an_event_is_named_by_its_name_and_else_by_its_type() -> None:
    assert take(event_type="click").name == "click"
    row = take(event_type="click", event_name="Buy now")
    assert (row.name, row.event_type) == ("Buy now", "click")
    assert take(kind="page", event_type=None).event_type == "page_view"


@pytest.mark.parametrize(
    ("page", "columns"),
    [
        ("https://a.example/x", ("https://a.example/x", None, None)),
        ({"url": "/u", "title": "T", "referrer": "/r"}, ("/u", "T", "/r")),
        ({"href": "/h"}, ("/h", None, None)),
        ({"path": "/p", "title": 5}, ("/p", None, None)),
        ({"url": "x" * 9000}, ("x" * 8192, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_a_page_may_be_an_address_or_an_object(page: Any, columns: tuple[Any, ...]) -> None:
    row = take(page=page)
    assert (row.page_url, row.page_title, row.referrer) == columns


def test_what_the_kind_has_no_use_for_is_kept_in_the_properties() -> None:
    row = take(event_type="click", source="ad", score=3, tags={"a": 1}, metadata={"source": "own", "x": 1})
    assert row.properties is not None
    assert msgspec.json.decode(row.properties) == {"score": 3.0, "tags": {"a": 1}, "source": "own", "x": 1}


def test_of_properties_and_metadata_the_properties_are_believed() -> None:
    row = take(properties={"a": "own", "b": 1}, metadata={"a": "other", "c": 2})
    assert row.properties is not None
    assert msgspec.json.decode(row.properties) == {"a": "own", "b": 1, "c": 2}


def test_what_else_a_page_object_says_is_kept_in_the_properties() -> None:
    row = take(event_type="click", page={"url": "/a", "title": "A", "search": "?q=1"})
    assert row.properties is not None
    assert msgspec.json.decode(row.properties) == {"page": {"search": "?q=1"}}


def test_a_field_of_its_own_wins_over_the_page_object() -> None:
    assert take(page={"url": "/object"}, page_url="/own").page_url == "/own"


@pytest.mark.parametrize(
    "at", ["2026-03-01T11:00:00Z", "2026-03-01T12:00:00+01:00", "2026-03-01T06:00:00.000-05:00", 1772362800000]
)
def test_a_timestamp_is_iso_with_an_offset_or_milliseconds(at: Any) -> None:
    assert clock.from_us(take(timestamp=at).occurred_at) == NOW_AT - timedelta(hours=1)


def test_a_timestamp_keeps_its_microseconds() -> None:
    assert take(timestamp="2026-03-01T11:59:59.123456Z").occurred_at == NOW - SECOND + 123_456


def test_without_a_timestamp_the_time_of_receipt_counts() -> None:
    row = take(sent_at=iso(hours=-3))
    assert row.occurred_at == row.received_at == NOW


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-03-01", "1772362800000", "24:00"])
def test_what_is_no_date_is_refused_as_invalid(at: str) -> None:
    found = refusal(timestamp=at)
    assert found.code == "invalid"
    assert set(found.fields) == {"timestamp"}


def test_a_time_without_offset_is_refused() -> None:
    assert refusal(timestamp="2026-03-01T12:00:00").fields == {
        "timestamp": "has no offset (write 2026-01-31T12:00:00Z)"
    }


@pytest.mark.parametrize("at", [True, 1.5, [], {}, "\u0662\u0660\u0662\u0666-01-01T00:00:00Z"])
def test_a_timestamp_of_another_type_is_refused_by_name(at: Any) -> None:
    assert set(refusal(timestamp=at).fields) == {"timestamp"}


def test_the_future_is_taken_up_to_24_hours() -> None:
    assert take(timestamp=iso(hours=24)).occurred_at == NOW + 24 * 3600 * SECOND
    found = refusal(timestamp=iso(hours=24, microseconds=1))
    assert (found.code, set(found.fields)) == ("clock", {"timestamp"})


def test_the_past_is_taken_back_to_2000() -> None:
    assert take(timestamp="2000-01-01T00:00:00Z").occurred_at == 946_684_800 * SECOND
    assert refusal(timestamp="1999-12-31T23:59:59.999999Z").code == "clock"


@pytest.mark.parametrize(
    "at", [0, -1, 1_772_362_800, 10**30, -(10**30), "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_a_time_far_outside_is_refused_by_the_clock(at: Any) -> None:
    found = refusal(timestamp=at)
    assert (found.code, set(found.fields)) == ("clock", {"timestamp"})


@pytest.mark.parametrize("way", ["event", "request"])
def test_a_senders_clock_that_is_off_is_corrected(way: str) -> None:
    slow = {"timestamp": iso(hours=-2, seconds=-5)}
    sent = iso(hours=-2)
    row = (
        take(**slow, sent_at=sent)
        if way == "request"
        else accept(
            read_one(msgspec.json.encode({"event_type": "x", **slow, "sent_at": sent})), HTTP, NOW, iso(days=-5)
        )
    )
    assert row.occurred_at == NOW - 5 * SECOND


def test_a_clock_that_is_a_day_and_a_half_ahead_is_corrected_before_the_future_is_judged() -> None:
    assert take(timestamp=iso(hours=36), sent_at=iso(hours=36)).occurred_at == NOW


@pytest.mark.parametrize(
    ("at", "sent", "seconds_before"),
    [(0, 0, 0), (10_000, 12_000, 2), ("1970-01-01T00:00:10Z", "1970-01-01T00:00:12Z", 2)],
)
def test_a_device_whose_clock_began_in_1970_counts_as_now(at: Any, sent: Any, seconds_before: int) -> None:
    """Its battery was empty: both of its times are wrong by the same half century."""
    assert take(timestamp=at, sent_at=sent).occurred_at == NOW - seconds_before * SECOND
    assert refusal(timestamp=at).code == "clock"  # without the second one nobody can tell


def test_a_clock_that_is_off_by_less_than_the_network_may_take_is_left_alone() -> None:
    edge = timedelta(microseconds=SKEW_TOLERATED_US)
    sent = clock.iso(NOW_AT - edge)
    assert take(timestamp=sent, sent_at=sent).occurred_at == NOW - SKEW_TOLERATED_US
    beyond = clock.iso(NOW_AT - edge - timedelta(microseconds=1))
    assert take(timestamp=beyond, sent_at=beyond).occurred_at == NOW


def test_a_sent_at_that_is_no_date_is_refused_by_its_own_name() -> None:
    assert set(refusal(timestamp=iso(), sent_at="soon").fields) == {"sent_at"}


def test_the_browser_of_the_sender_is_noted_and_a_bot_is_marked_and_kept() -> None:
    sender = Sender(1, "http", device_type="bot", browser="Googlebot", os="Other", bot=True)
    row = take(sender)
    assert (row.device_type, row.browser, row.os, row.bot) == ("bot", "Googlebot", "Other", True)


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.mark.parametrize(
    ("fields", "device"),
    [
        ({"user_agent": FIREFOX}, ("desktop", "Firefox", "Linux")),
        ({"userAgent": FIREFOX, "os": "Ubuntu"}, ("desktop", "Firefox", "Ubuntu")),
        ({"device_type": "mobile", "browser": "Chrome", "os": "Android"}, ("mobile", "Chrome", "Android")),
        ({"user_agent": "curl/8.0"}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_a_server_says_whose_browser_it_was(fields: dict[str, Any], device: tuple[str | None, ...]) -> None:
    row = take(**fields)
    assert (row.device_type, row.browser, row.os) == device
    assert row.bot is False


@pytest.mark.parametrize("value", [{"name": "Linux"}, 7, "x" * 65, ["a"]])
def test_what_a_sender_calls_like_a_column_and_is_none_stays_a_property(value: Any) -> None:
    row = take(os=value)
    assert row.os is None
    assert json.loads(bytes(row.properties)) == {"os": value}


def test_fields_are_taken_under_the_names_of_other_systems() -> None:
    row = take(kind="metric", metric_name="m", metric_value=1, metricUnit="EUR")
    assert json.loads(bytes(row.fields))["unit"] == "EUR"
    row = take(kind="metric", metric_name="m", metric_value=1, metric_unit="EUR", unit="USD")
    assert json.loads(bytes(row.fields))["unit"] == "USD"
    assert take(kind="feature", feature_name="f", action="used", feature_category="reports").category == "reports"
    row = take(kind="request", path="/orders", status_code=200)
    assert (json.loads(bytes(row.fields)), row.properties) == ({"endpoint": "/orders", "status_code": 200}, None)
    row = take(kind="survey", survey_type="NPS", score=9)
    assert json.loads(bytes(row.fields))["survey_type"] == "nps"
    assert set(refusal(kind="survey", survey_type="XYZ", score=9).fields) == {"survey_type"}
    way = {"kind": "journey", "journey_type": "j", "step_name": "s", "step_order": 1, "session_id": "s"}
    assert json.loads(bytes(take(**way, path=["a", "b"]).fields))["path"] == ["a", "b"]


def test_the_number_of_a_run_s_end_is_not_shown() -> None:
    assert numbered({"stage": "completed", "stage_order": UNNUMBERED}) == {"stage": "completed"}
    assert numbered({"stage_order": 2, "value": UNNUMBERED}) == {"stage_order": 2, "value": UNNUMBERED}


@pytest.mark.parametrize(
    "agent", ["x" * 5000, f"{'A' * 50}crawl{'l' * 50}/1.0", f"Mozilla/5.0 ({'Z' * 300}) {'Q' * 200}/9.1"]
)
def test_what_a_user_agent_says_fits_its_columns_whatever_it_says(agent: str) -> None:
    found = browser_of(agent)
    for name in ("device_type", "browser", "os"):
        assert len(getattr(found, name) or "") <= Event.__table__.columns[name].type.length  # type: ignore[attr-defined]


def test_what_is_kept_is_what_came() -> None:
    row = take(properties={"a": [1, "\u00e9", None, {"b": 1.5}]})
    assert json.loads(bytes(row.properties)) == {"a": [1, "\u00e9", None, {"b": 1.5}]}


@pytest.mark.parametrize(
    "nobody",
    [
        "undefined",
        "Null",
        " NONE ",
        "[object Object]",
        "NaN",
        "0",
        "-1",
        "anonymous",
        "guest",
        "test",
        "User",
        '"null"',
        "000-000",
    ],
)
def test_an_identify_or_an_alias_with_a_placeholder_is_refused_by_name_and_other_events_are_kept(nobody: str) -> None:
    for fields in (
        {"kind": "identify", "user_id": nobody, "anonymous_id": "a"},
        {"event_type": "alias", "user_id": nobody, "properties": {"previousId": "a"}},
    ):
        assert "placeholder" in refusal(**fields).fields["user_id"]
    assert set(refusal(kind="identify", user_id="u", anonymous_id=nobody).fields) == {"anonymous_id"}
    assert set(refusal(event_type="$create_alias", user_id="u", properties={"alias": nobody}).fields) == {"alias"}
    assert take(user_id=nobody, anonymous_id="a").user_id == nobody
    assert take(kind="identify", user_id="u", anonymous_id="a").user_id == "u"
