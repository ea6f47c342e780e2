"""The made-up shop: believable, repeatable, and only ever in its own project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import islice
from random import Random
from typing import cast

from quadra.core import clock
from quadra.demo import people as demo_people
from quadra.demo.kept import in_incident
from quadra.demo.run import Done, _append, _history
from quadra.ingest.columns import Row
from quadra.ingest.log import Appended, Log
from tests.servers.quadra import QuadraProcess

NOON = clock.from_us(1_780_000_000_000_000)


def history(seed: int = 1, days: int = 3, until: int = 0) -> list[Row]:
    return list(_history(1, seed, days, NOON + timedelta(hours=until), Done()))


def test_the_same_seed_makes_the_same_history_and_another_one_another() -> None:
    first = [(row.event_id, row.name, row.occurred_at, row.user_id) for row in history()]
    assert first == [(row.event_id, row.name, row.occurred_at, row.user_id) for row in history()]
    assert {event_id for event_id, *_ in first}.isdisjoint(row.event_id for row in history(seed=2))


def test_ids_are_unique_and_stay_when_time_goes_on() -> None:
    now, later = history(), history(until=5)
    assert len({row.event_id for row in now}) == len(now)
    soon = {row.event_id for row in later}
    still = [row for row in now if row.occurred_at > clock.to_us(NOON - timedelta(days=2))]
    assert soon.issuperset(row.event_id for row in still)
    assert all(row.occurred_at < clock.to_us(NOON) for row in now)


def test_every_kind_of_event_comes_up_and_most_of_a_funnel_is_lost_on_the_way() -> None:
    rows = history(days=7)
    assert {row.kind for row in rows} == {
        *("event", "page", "identify", "feature", "funnel", "journey", "survey", "ai", "error", "request", "metric")
    }
    stages = Counter(json.loads(bytes(row.fields or b""))["stage"] for row in rows if row.kind == "funnel")
    assert stages["basket"] > stages["address"] > stages["payment"] > stages["confirmed"] > 0
    assert stages["completed"] == stages["confirmed"]
    journeys = Counter(row.event_type for row in rows if row.kind == "journey")
    assert journeys["journey_completed"] == stages["confirmed"]
    assert 0 < sum(row.bot for row in rows) < len(rows) / 20


def test_history_is_received_when_it_is_stored_in_a_fake_log() -> None:
    class FakeLog:
        def append(self, rows: Sequence[Row]) -> Appended:
            self.rows = rows
            return Appended([("batch", False)] * len(rows), [])

    log, began = FakeLog(), clock.now_us()
    _append(cast(Log, log), Done(), history(days=1)[:10])
    assert len(log.rows) == 10
    assert all(row.occurred_at < began <= row.received_at <= clock.now_us() for row in log.rows)


def test_nights_are_quiet_and_people_come_back() -> None:
    rows = history(days=7)
    hours = Counter(clock.from_us(row.occurred_at).hour for row in rows)
    assert sum(hours[hour] for hour in (2, 3, 4)) < sum(hours[hour] for hour in (19, 20, 21)) / 4
    days: dict[str | None, set[date]] = {}
    for row in rows:
        days.setdefault(row.user_id, set()).add(clock.from_us(row.occurred_at).date())
    assert sum(len(seen) > 1 for seen in days.values()) > 20


def test_whoever_comes_back_was_there_before() -> None:
    day = NOON.date()
    odds = Random(1)
    for visitor in islice(iter(lambda: demo_people.returning(1, day, odds), None), 50):
        _, first_day, number = visitor.id.split("-")
        there = date(2000 + int(first_day[:2]), int(first_day[2:4]), int(first_day[4:]))
        assert there < day
        assert int(number) in demo_people.newcomers(1, there)


def test_the_demo_writes_into_its_own_project_only_and_a_day_once(
    quadra_process: Callable[..., QuadraProcess],
) -> None:
    quadra = quadra_process()
    first = json.loads(quadra.run("demo", "--days", "1", "--seconds", "1", "--rate", "40", "--json").stdout)
    assert (first["project"], first["duplicates"]) == ("demo", 0)
    assert first["stored"] > 100
    again = json.loads(quadra.run("demo", "--days", "1", "--seconds", "0", "--json").stdout)
    assert again["duplicates"] > 100
    tail = ("events", "tail", "--since", "1h", "--no-follow", "--json")
    assert quadra.run(*tail, "--project", "default").stdout == ""
    assert len(quadra.run(*tail, "--project", "demo").stdout.splitlines()) == first["stored"] + again["stored"]


def test_ctrl_c_ends_the_demo_with_a_summary(quadra_process: Callable[..., QuadraProcess]) -> None:
    quadra = quadra_process()
    command = [sys.executable, "-m", "quadra", "demo", "--rate", "50"]
    environment = {**os.environ, "QUADRA_DATA_DIR": str(quadra.directory / "data")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert "until Ctrl-C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=90)
    assert (process.returncode, complaint.strip()) == (0, "")
    assert said.startswith("Stored ")


def test_a_history_has_sources_campaigns_countries_and_an_incident_that_shows() -> None:
    rows = history(days=21)
    landed = {row.page_url.partition("?")[2] for row in rows if row.kind == "page" and row.page_url}
    assert {"", "utm_source=garden-letter&utm_medium=email&utm_campaign=seeds-and-soil"} < landed
    assert len({row.country for row in rows}) > 5
    assert {row.language for row in rows} > {"de-DE", "en-GB"}
    declined = [clock.from_us(row.occurred_at) for row in rows if b"PaymentDeclined" in bytes(row.fields or b"")]
    within = sum(in_incident(at) for at in declined)
    assert 0 < within > (len(declined) - within) / 21 / 6 * 4  # more in four hours of it than in any other four
