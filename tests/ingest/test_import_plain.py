"""The short way of an import and the door's way are one: whatever the short way takes, it takes as `accept` does."""

from __future__ import annotations

import hashlib
import hmac
import math
import random
from typing import Any

import msgspec

from quadra.ingest.accept import Sender, accept
from quadra.ingest.agents import UNKNOWN, Agent
from quadra.ingest.columns import Row
from quadra.ingest.importers.ids import keyed
from quadra.ingest.importers.plain import TAKEN, row_of
from quadra.ingest.importers.run import _wire
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
    values = msgspec.structs.asdict(row)
    return {name: (type(one), bytes(one) if isinstance(one, msgspec.Raw) else one) for name, one in values.items()}


def test_what_the_short_way_takes_is_the_row_that_the_long_way_makes() -> None:
    chance = random.Random(15)
    taken = refused = 0
    for _ in range(3_000):
        found, agent = fields(chance), chance.choice(AGENTS)
        before = dict(found)
        quick, full = row_of(found, agent, 1, "import", NOW_US), in_full(found, agent)
        assert found.keys() == before.keys(), "the long way gets what the short way was given"
        refused += isinstance(full, str)
        if quick is not None:
            taken += 1
            assert isinstance(full, Row), f"{found} is refused: {full}"
            assert columns(quick) == columns(full), found
    assert taken > 300, "else nothing is compared"
    assert refused > 500, "else the short way may take what must be refused"


def test_ids_of_lines_are_the_keyed_hash_that_earlier_imports_gave() -> None:
    for key in (b"k" * 32, b"", b"x" * 64):
        for message in (b"", b"a", b"line " * 100):
            assert keyed(key)(message) == hmac.digest(key, message, hashlib.sha256)
