"""The short way of an import and the door's way are one: whatever the short way takes, it takes as `accept` does."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import random
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from quadra.core import clock
from quadra.ingest.accept import Sender, accept
from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.columns import Row
from quadra.ingest.importers import formats
from quadra.ingest.importers import run as run_module
from quadra.ingest.importers.access_log_events import Visitors
from quadra.ingest.importers.ids import Ids, keyed
from quadra.ingest.importers.items import Reading
from quadra.ingest.importers.plain import TAKEN, from_fields, from_line
from quadra.ingest.importers.run import Accepting, Gathered, Result, _wire, run
from quadra.ingest.importers.source import Source
from quadra.ingest.importers.times import Times
from quadra.ingest.log import Log
from quadra.ingest.placeholders import ALIASES
from quadra.ingest.wire import Refused

NOW_US = 1_800_000_000_000_000
AGENTS = (UNKNOWN, Agent("mobile", "Firefox", "iOS", False, "AT", "Vienna"), Agent("bot", None, None, True))
TEXTS = (
    "",
    " ",
    "a",
    "Wien \u00e9",
    "x" * 128,
    "x" * 129,
    "y" * 200,
    "y" * 201,
    "z" * 501,
    "nul\0",
    "half\ud800",
    "null",
)
ODD = (0, 1, -1, 1.5, math.nan, math.inf, True, False, None, [], {}, ["a"], {"a": None}, 2**70, 10**400)
WORDS = sorted(TAKEN - {"event_id", "kind", "timestamp", "properties", "value", "duration_ms", "success"})
OBJECTS = (
    {},
    {"plan": "pro", "n": 3},
    {"gone": None},
    {"gone": None, "nan": math.nan},
    {"inf": math.inf},
    {"huge": 10**300},
    {"long": 2**70, "longer": -(10**30)},
    {"exact": 0.1, "more": 1e22, "text": "1.10", "twice": {"a": [1, 2]}},
    {"large": 1e308, "e": "1e999"},
    {"nul": "a\0b"},
    {"half": "\ud800"},
    {"deep": [[[[[[[1]]]]]]]},
    {"deeper": [[[[[[[[1]]]]]]]]},
    {"long": "x" * 33_000},
    {"page": {"url": "/"}, "\u00e9": "\u4e2d"},
)
TIMES = (
    *("2026-03-01T10:00:00Z", "2026-03-01 10:00:00.123456+02", "2026-03-01T10:00:00", "2026-03-01", " 2026-03-01 "),
    *("2026-02-30", "soon", "20260301", "202603011200000", "2026-W09-7", "1.5e-12345", "0001-01-01T00:00:00+14:00"),
    *(1_772_359_200, 1_772_359_200_123, "1772359200", "1772359200123", 1_772_359_200.5, 0, -5, 10**30, True),
    *(
        "1999-12-31T23:59:59Z",
        "2027-01-16T08:00:00Z",
        "2027-01-16T08:00:01Z",
        "2027-01-15T08:00:00+00:00",
        "2099-01-01",
        None,
        "",
        math.nan,
    ),
)


def fields(chance: random.Random) -> dict[str, Any]:
    """Mostly plain, so that most cases get through most of the checks."""
    found: dict[str, Any] = {"event_id": "id", "timestamp": TIMES[0], "event_type": "bought"}
    for name in chance.sample(WORDS, chance.randint(0, 4)):
        found[name] = chance.choice(TEXTS)
    if chance.random() < 0.2:
        found[chance.choice(sorted(TAKEN))] = chance.choice(ODD)
    if chance.random() < 0.3:
        found["kind"] = chance.choice(("page", "event", "identify", "survey", "nothing", None, ""))
    if chance.random() < 0.3:
        found["event_type"] = chance.choice(("page", "page_view", "$pageview", "event", "survey", None, "", *ALIASES))
    if chance.random() < 0.4:
        found["timestamp"] = chance.choice(TIMES)
    if chance.random() < 0.4:
        found["properties"] = chance.choice(OBJECTS)
    if chance.random() < 0.3:
        found |= {"value": chance.choice((1, 2.5, None)), "duration_ms": chance.choice((0, 7.5)), "success": True}
    if chance.random() < 0.1:
        found[chance.choice(("traits", "score", "eventType", "category", "page", "mine"))] = chance.choice(("a", {}, 1))
    return found


def in_full(found: dict[str, Any], agent: Agent) -> Row | str:
    try:
        return accept(_wire(dict(found)), Sender(1, "import", *agent), NOW_US)
    except Refused as refused:
        return refused.message


def columns(row: Row) -> dict[str, Any]:
    """Without the moment of receipt; objects as what they are, since a line is kept as it came."""
    values = {**msgspec.structs.asdict(row), "received_at": 0}
    return {
        name: (type(one), json.loads(bytes(one)) if isinstance(one, msgspec.Raw) else one)
        for name, one in values.items()
    }


def in_short(wire: Any, agent: Agent) -> Row | str:
    """By the group, as an import does."""
    gathered = [Gathered(1, b"", wire, agent)]
    with pytest.MonkeyPatch.context() as patch, closing(Ids("secret")) as ids:
        patch.setattr(clock, "now_us", lambda: NOW_US)
        (row,) = Accepting(1, ids).rows(gathered)
    return row if isinstance(row, Row) else row.message


def test_what_the_short_way_takes_is_the_row_that_the_long_way_makes() -> None:
    chance = random.Random(15)
    taken = refused = 0
    for _ in range(3_000):
        found, agent = fields(chance), chance.choice(AGENTS)
        before = dict(found)
        wire, full = from_fields(found), in_full(found, agent)
        assert found.keys() == before.keys(), "the long way gets what the short way was given"
        refused += isinstance(full, str)
        if wire is not None and wire.event_id:  # else it gets one, by its line
            taken += 1
            quick = in_short(wire, agent)
            assert isinstance(quick, Row) == isinstance(full, Row), f"{found}: {quick}; {full}"
            assert quick == full if isinstance(full, str) else columns(quick) == columns(full), found
    assert taken > 300, "else nothing is compared"
    assert refused > 500, "else the short way may take what must be refused"


def test_when_it_was_sent_neither_changes_an_event_nor_makes_it_take_the_long_way() -> None:
    plain = {"event_id": "id", "timestamp": TIMES[0], "event_type": "bought"}
    for sent_at in (None, "2020-01-01T00:00:00Z"):
        wire = from_fields({**plain, "sent_at": sent_at})
        assert wire is not None
        assert in_short(wire, UNKNOWN) == in_short(from_fields(plain), UNKNOWN)


def lines(chance: random.Random) -> bytes:
    """The same as a line, in one of both spellings, or as a row of our export."""
    found = fields(chance)
    if chance.random() < 0.2:
        found["event_id"] = chance.choice((None, "", " ", " padded ", 7, "x" * 129))
    form = chance.choice(("snake", "camel", "export"))
    if form == "camel":
        found = {camel_case(name): value for name, value in found.items()}
    if form == "export":
        found["occurred_at"] = found.pop("timestamp")
        found |= {"batch_id": "b", "received_at": "2026-03-01T10:00:00Z", "door": "http"}
        found |= {"bot": chance.choice((True, False, None, 1)), "country": chance.choice(("AT", None, "AUT"))}
        found |= {"kind": chance.choice(("event", "page", "survey")), "fields": chance.choice((None, {}, {"score": 3}))}
    if chance.random() < 0.1:
        found[chance.choice(("time", "sent_at", "eventId", "status"))] = chance.choice(("a", 200, None))
    return json.dumps(found, ensure_ascii=chance.random() < 0.5, separators=chance.choice(((",", ":"), None))).encode(
        errors=chance.choice(("surrogatepass", "replace"))
    )


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def brought(text: Path, patch: pytest.MonkeyPatch, *, long: bool) -> tuple[list[Any], list[Any]]:
    """(rows, refusals) of a file."""
    rows: list[Any] = []
    result = Result()
    if long:
        patch.setattr(formats, "from_line", lambda raw: None)
        patch.setattr(run_module, "from_fields", lambda fields: None)
    patch.setattr(run_module, "SHOWN", 10_000)
    patch.setattr(run_module, "GROUP", 7)
    patch.setattr(run_module, "append", lambda log, group: [rows.append(columns(row)) or ("b", False) for row in group])
    with closing(Source(str(text))) as source, closing(Ids("secret")) as ids:
        items = formats.read(source, "ndjson", Reading(Visitors("secret"), Times()))[1]
        run(items, project_id=1, ids=ids, log=cast(Log, object()), result=result)
    assert result.read == result.stored + result.refused
    return rows, result.refusals


def test_a_file_read_the_short_way_is_the_same_events_ids_and_refusals_as_read_the_long_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(19)
    all_lines = [lines(chance) for _ in range(1_500)]
    all_lines += [all_lines[3], b"not JSON", b"[]", b'{"a":', *(b'{"event_type":"same","timestamp":1772359200}',) * 3]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in all_lines))
    short = sum(from_line(line) is not None for line in all_lines)
    with monkeypatch.context() as patch:
        quick = brought(path, patch, long=False)
    with monkeypatch.context() as patch:
        full = brought(path, patch, long=True)
    assert quick == full
    assert 200 < short < 1_300, "else only one way is seen"
    assert len(quick[0]) > 200


def test_ids_of_lines_are_the_keyed_hash_that_earlier_imports_gave() -> None:
    for key in (b"k" * 32, b"", b"x" * 64):
        for message in (b"", b"a", b"line " * 100):
            assert keyed(key)(message) == hmac.digest(key, message, hashlib.sha256)
