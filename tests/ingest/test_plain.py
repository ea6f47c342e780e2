"""The short way of plain events and the way of all events are one: whatever the short way takes, it takes as `accept` does."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from quadra.ingest import plain
from quadra.ingest.accept import Sender, accept_or_refuse
from quadra.ingest.columns import Row
from quadra.ingest.doors.many import quickly
from quadra.ingest.placeholders import ALIASES
from quadra.ingest.plain import rows_of
from quadra.ingest.wire import PLAIN, Refused, read_one, widened

NOW_US = 1_800_000_000_000_000
SENDERS = (
    Sender(1, "socket", needs_identity=True),
    Sender(2, "http", "mobile", "Firefox", "iOS", country="AT", region="Vienna", language="de", visitor="visitor"),
    Sender(3, "http", bot=True),
)
TEXTS = ("", " ", "a", "Wien \u00e9", "y" * 200, "null", "page", "tab\tand\nline")
WORDS = (
    *("event_name", "event_category", "user_id", "anonymous_id", "session_id", "page_url", "page_title", "referrer"),
    *("page", "browser", "os", "language", "page_query"),
)
OBJECTS = (
    *({}, {"plan": "pro", "n": 3}, {"gone": None}, {"deep": [[[[[[[1]]]]]]]}, {"deeper": [[[[[[[[1]]]]]]]]}),
    *(
        {"many": [{}, {}, {}, [], [], [], []]},
        {"long": "x" * 33_000},
        None,
        [],
        "text",
        {"tab": "\t", "\u00e9": "\u4e2d"},
    ),
    *(msgspec.Raw(b'{"huge":1e999}'), msgspec.Raw(b'{"digits":%b}' % (b"9" * 400)), msgspec.Raw(b'{"id":"12e345"}')),
)
TIMES = (
    *("2026-03-01T10:00:00Z", "2026-03-01 10:00:00.123456+02", "2026-03-01T10:00:00", "2026-02-30", "soon", ""),
    *("1999-12-31T23:59:59Z", "2027-01-16T08:00:00Z", "2027-01-16T08:00:01Z", "0001-01-01T00:00:00+14:00"),
    *(1_772_359_200_123, 0, -5, 2**63 - 1, 946_684_800_000, 946_684_799_999, None),
)
SENT = (None, None, None, "2027-01-15T07:00:00Z", 1_800_000_000_000, 1_800_000_030_001, "never", "2027-01-15T07:00:00")
"""When the request was sent, by the sender's clock."""


def fields(chance: random.Random) -> dict[str, Any]:
    """Mostly plain, so that most cases get through most of the checks."""
    found: dict[str, Any] = {"event_id": "id", "timestamp": TIMES[0], "event_type": "bought", "user_id": "u"}
    for name in chance.sample(WORDS, chance.randint(0, 4)):
        found[name] = chance.choice(TEXTS)
    if chance.random() < 0.2:
        found["kind"] = chance.choice(("page", "event", "identify", "survey", "nothing", None, ""))
    if chance.random() < 0.3:
        found["event_type"] = chance.choice(("page", "page_view", "$pageview", "event", "survey", None, "", *ALIASES))
    if chance.random() < 0.3:
        found["timestamp"] = chance.choice(TIMES)
    for name in ("properties", "metadata"):
        if chance.random() < 0.3:
            found[name] = chance.choice(OBJECTS)
    if chance.random() < 0.3:
        found |= {"value": chance.choice((1, 2.5, None)), "duration_ms": chance.choice((0, 7.5)), "success": True}
    if chance.random() < 0.2:
        found["event_id"] = chance.choice(("", None))
    if chance.random() < 0.2:
        del found["user_id"]
    return found


def spelled(found: dict[str, Any], *, camel: bool) -> dict[str, Any]:
    def name(text: str) -> str:
        first, *rest = text.split("_")
        return first + "".join(word.capitalize() for word in rest)

    return {name(key): value for key, value in found.items()} if camel else found


def shown(result: Row | Refused) -> Any:
    if isinstance(result, Refused):
        return result.code, result.fields, result.event_id, result.step
    values = msgspec.structs.asdict(result)
    return {name: (type(one), bytes(one) if isinstance(one, msgspec.Raw) else one) for name, one in values.items()}


@pytest.fixture
def same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("accept", "plain"):
        monkeypatch.setattr(f"quadra.ingest.{module}.uuid7", lambda: "made")


@pytest.mark.usefixtures("same_ids")
def test_the_short_way_makes_the_rows_and_refusals_of_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(15)
    longer: list[Any] = []

    def count(wire: Any, *given: Any) -> Row | Refused:
        longer.append(wire)
        return accept_or_refuse(wire, *given)

    monkeypatch.setattr(plain, "accept_or_refuse", count)
    taken = refused = 0
    for _ in range(600):
        camel = chance.random() < 0.5
        text = msgspec.json.encode([spelled(fields(chance), camel=camel) for _ in range(chance.choice((1, 3, 12)))])
        wires = quickly(text)
        if wires is None:
            continue
        assert {type(wire) for wire in wires} <= PLAIN
        sender, sent_at = chance.choice(SENDERS), chance.choice(SENT)
        full = [accept_or_refuse(widened(wire), sender, NOW_US, sent_at) for wire in wires]
        longer.clear()
        quick = rows_of(wires, sender, NOW_US, sent_at)
        assert list(map(shown, quick)) == list(map(shown, full)), text
        taken += len(wires) - len(longer)
        refused += sum(isinstance(one, Refused) for one in full)
    assert taken > 400, "else nothing is compared"
    assert refused > 500, "else the short way may take what must be refused"


def test_events_of_all_kinds_in_one_array_stay_in_their_order() -> None:
    texts = (
        b'{"event_id":"a","event_type":"x","user_id":"u"}',
        b'{"event_id":"b","event_type":"x","user_id":"u","mine":1}',
        b'{"event_id":"c","kind":"metric","metric_name":"m","metric_value":1,"user_id":"u"}',
        b'{"event_id":"d","event_type":"x"}',
        b'{"event_id":"e","event_type":"x","user_id":"u","properties":{"n":1}}',
    )
    wires = [*map(read_one, texts), Refused("invalid", {"event": "no JSON"}, "f")]
    results = rows_of(wires, SENDERS[0], NOW_US)
    assert [one.event_id for one in results] == list("abcdef")
    assert [type(one) for one in results] == [Row, Row, Row, Refused, Row, Refused]


@pytest.mark.parametrize("bad", [b'"text"', b"[1]", b'{"a":"b\0{"}', b'"a\0{b"'])
def test_an_object_that_is_none_does_not_hide_among_others(bad: bytes) -> None:
    def wire(raw: bytes) -> Any:
        found = widened(read_one(b'{"event_id":"a","event_type":"x","user_id":"u","properties":{}}'))
        found.properties = msgspec.Raw(raw)
        return next(iter(PLAIN))(**{name: getattr(found, name) for name in next(iter(PLAIN)).__struct_fields__})

    wires = [wire(b'{"a":1}'), wire(bad), wire(b'{"a":1}')]
    full = [accept_or_refuse(one, SENDERS[0], NOW_US) for one in wires]
    assert list(map(shown, rows_of(wires, SENDERS[0], NOW_US))) == list(map(shown, full))
