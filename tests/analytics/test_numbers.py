"""What came in adds up: by source and day, with what was not stored beside it."""

from __future__ import annotations

from typing import Any

import pytest

from quadra.analytics.lenses import hidden, numbers
from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.ingest.accept import Sender, accept
from quadra.ingest.counts import DUPLICATE, HOUR_US, Counts
from quadra.ingest.importers.run import Result, count
from quadra.ingest.log import Log
from quadra.ingest.wire import Refused, from_dict
from tests.analytics.conftest import Place
from tests.ingest.conftest import Ticket


def test_sources_stand_beside_one_another_day_by_day(place: Place) -> None:
    project = place.project("Europe/Berlin")
    now = clock.now_us()
    log = Log(place.runtime.database, writer="numbers", batch_max_events=100)
    rows = []
    for number, (door, bot, hours, kind) in enumerate(
        [
            ("http", False, 1, "page"),
            ("http", False, 1, "event"),
            ("http", True, 1, "page"),
            ("import", False, 49, "page"),
        ]
    ):
        wire = {
            "event_id": f"n{number}",
            "kind": kind,
            "event_type": "x",
            "user_id": f"u{number}",
            "timestamp": (now - hours * HOUR_US) // 1000,
        }
        rows.append(accept(from_dict(wire), Sender(project.id, door, bot=bot), now))
    log.append(rows)
    counts = Counts(place.runtime)
    counts.add(project.id, "http", DUPLICATE, number=2)
    counts.write()
    counts.add(project.id, "http", DUPLICATE)  # into the row that is there
    counts.refused(project.id, "socket", [Refused("clock", {"timestamp": "no"})])
    counts.write()
    asked = {"from": clock.iso(clock.from_us(now - 72 * HOUR_US)), "to": clock.iso(clock.from_us(now + HOUR_US))}
    left_out = place.ask(hidden, project, asked)
    assert (left_out["bots"], left_out["late"], left_out["late_until"]) == (1, 1, clock.iso(clock.from_us(now)))
    recent = {**asked, "from": clock.iso(clock.from_us(now - 24 * HOUR_US))}
    assert [place.ask(hidden, project, recent)[name] for name in ("late", "late_until")] == [0, None]
    found = place.ask(numbers, project, asked)
    totals = {each.pop("source"): each for each in found["totals"]}
    nothing: dict[str, Any] = {
        **dict.fromkeys(("accepted", "page_views", "visitors", "bots", "late", "duplicates", "refused"), 0),
        "refused_for": [],
    }
    http = {"accepted": 3, "page_views": 1, "visitors": 2, "bots": 1, "duplicates": 3}
    assert totals == {
        "http": {**nothing, **http},
        "import": {**nothing, "accepted": 1, "page_views": 1, "visitors": 1, "late": 1},
        "socket": {
            **nothing,
            "refused": 1,
            "refused_for": [{"reason": totals["socket"]["refused_for"][0]["reason"], "count": 1}],
        },
    }
    by_period = [{each["source"]: each["accepted"] for each in period["sources"]} for period in found["periods"]]
    assert sum(period.get("http", 0) for period in by_period) == 3
    assert sum(period.get("import", 0) for period in by_period) == 1
    place.compact(project)
    again = place.ask(numbers, project, asked)["totals"]
    assert {each.pop("source"): each for each in again} == totals


def test_what_a_flush_found_there_already_and_what_an_import_did_not_store_is_counted(place: Place) -> None:
    project = place.project()
    counts = Counts(place.runtime)
    wires = [from_dict({"event_id": f"d{number}", "event_type": "x", "user_id": "u"}) for number in range(3)]
    rows = [accept(wire, Sender(project.id, "socket"), clock.now_us()) for wire in wires]
    ticket = Ticket(rows=rows)
    ticket.door = "socket"
    counts.not_new(ticket, [("b", True), ("b", False), Refused("invalid", {"name": "no"})])
    result = Result(duplicates=4)
    result.reasons["decode: invalid"] = 2
    count(counts, project.id, result)
    found = {
        each["source"]: each for each in place.ask(numbers, project, {"days": "1", "from": None, "to": None})["totals"]
    }
    assert (found["socket"]["duplicates"], found["socket"]["refused"]) == (1, 1)
    assert (found["import"]["duplicates"], found["import"]["refused"]) == (4, 2)


def test_counts_wait_while_a_fake_database_is_away_and_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise Unavailable("away")

    project = place.project()
    counts = Counts(place.runtime)
    monkeypatch.setattr("quadra.ingest.counts.KEYS_MOST", 2)
    for door in ("http", "socket", "segment"):
        counts.add(project.id, door, DUPLICATE, number=5)
    with monkeypatch.context() as patch:
        patch.setattr(place.runtime.database, "begin", away)
        counts.write()
    counts.stop()  # it was never started; what waits is written all the same
    found = place.ask(numbers, project, {"days": "1", "from": None, "to": None})["totals"]
    assert {each["source"]: each["duplicates"] for each in found} == {"http": 5, "socket": 5}
