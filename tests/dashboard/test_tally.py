"""The live numbers against a plain recount: whatever way the rows come, and whatever the clocks of the world do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from quadra.core import clock
from quadra.dashboard.messages import Totals
from quadra.dashboard.tally import (
    ACTIVE,
    MINUTE,
    RATE_SECONDS,
    REACH,
    SECOND,
    SLOT,
    TYPES,
    Loaded,
    Seen,
    Tally,
    first_id,
    read_cursor,
)

ZONES = ["UTC", "America/New_York", "Asia/Tehran", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]
MOMENTS = [
    datetime(2026, 3, 8, 7, 30, tzinfo=UTC),  # New York has just lost an hour
    datetime(2026, 3, 9, 4, 0, 1, tzinfo=UTC),  # and the day after begins
    datetime(2026, 11, 1, 6, 30, tzinfo=UTC),  # New York lives an hour twice
    datetime(2026, 11, 2, 5, 0, tzinfo=UTC),
    datetime(2022, 3, 21, 20, 31, tzinfo=UTC),  # in Tehran a day began at one o'clock
    datetime(2022, 9, 21, 19, 59, tzinfo=UTC),  # and another one ended twice
    datetime(2026, 4, 23, 22, 30, tzinfo=UTC),  # in Cairo as well
    datetime(2026, 1, 1, tzinfo=UTC),
]
at_any_time = st.builds(
    lambda moment, seconds: clock.to_us(moment) + seconds * SECOND,
    st.sampled_from(MOMENTS),
    st.integers(-26 * 3600, 26 * 3600),
)


def local_date(us: int, zone: ZoneInfo) -> date:
    return clock.from_us(us).astimezone(zone).date()


def first_minute(day: date, zone: ZoneInfo) -> int:
    """The first minute since 1970 that is of this day, found by looking."""
    minute = clock.to_us(datetime(day.year, day.month, day.day, tzinfo=UTC)) // MINUTE - 15 * 60
    while local_date(minute * MINUTE, zone) < day:
        minute += 15
    return minute


def recount(events: list[Seen], at: int, zone: ZoneInfo) -> dict[str, Any]:
    today = local_date(at, zone)
    begin, before = first_minute(today, zone), first_minute(today - timedelta(days=1), zone)
    if local_date(before * MINUTE, zone) != today - timedelta(days=1):
        raise AssertionError("a day that was left out")
    same_time = (before * MINUTE + at - begin * MINUTE) // MINUTE
    days: dict[str, Counter[str]] = {"today": Counter(), "yesterday": Counter(), "same": Counter()}
    for one in events:
        minute = one.occurred_at // MINUTE
        if begin <= minute <= at // MINUTE:
            days["today"][one.name] += 1
        if before <= minute < begin:
            days["yesterday"][one.name] += 1
        if before <= minute <= same_time:
            days["same"][one.name] += 1
    rate = sum(at // SECOND - RATE_SECONDS <= one.received_at // SECOND < at // SECOND for one in events)
    return {
        "totals": {
            "today": days["today"].total(),
            "yesterdaySameTime": days["same"].total(),
            "yesterday": days["yesterday"].total(),
        },
        "byType": {name: (count, days["same"].get(name, 0)) for name, count in days["today"].most_common(TYPES)},
        "eventsPerSecond": rate / RATE_SECONDS,
        "cursor": [str(len(events)), str(max((one.received_at for one in events), default=0))],
    }


def shown(tally: Tally, at: int) -> dict[str, Any]:
    found = tally.snapshot(at, series_seconds=60)
    return {
        "totals": to_builtins(found.totals),
        "byType": {one.name: (one.count, one.before) for one in found.by_type},
        "eventsPerSecond": found.events_per_second,
        "cursor": found.cursor.split(".")[1:],
    }


@st.composite
def stories(draw: st.DrawFn) -> tuple[ZoneInfo, int, dict[str, list[Seen]], list[Any]]:
    """(zone, when it ends, batch -> its events, deliveries: (when, batch, events or None to close it))."""
    zone, at = ZoneInfo(draw(st.sampled_from(ZONES))), draw(at_any_time)
    batches: dict[str, list[Seen]] = {"a": [], "b": [], "c": []}
    for number in range(draw(st.integers(0, 12))):
        batches[draw(st.sampled_from("abc"))].append(
            Seen(
                f"e{number}",
                draw(st.sampled_from(["view", "click", "buy"])),
                draw(st.sampled_from(["u1", "u2", None])),
                at + draw(st.integers(-50 * 3600, 2 * 3600)) * SECOND + draw(st.integers(0, 999_999)),
                at - draw(st.integers(0, 30)) * SECOND,
                draw(st.booleans()),
            )
        )
    deliveries: list[Any] = []
    for batch_id, events in batches.items():
        for part in draw(st.lists(st.lists(st.sampled_from(events), max_size=4), max_size=4)) if events else []:
            deliveries.append((batch_id, part))
        deliveries.append((batch_id, events))
        if draw(st.booleans()):
            deliveries.append((batch_id, None))
    deliveries = draw(st.permutations(deliveries))
    times = sorted(at - draw(st.integers(0, 200)) * SECOND for _ in deliveries)
    return zone, at, batches, [(when, *one) for when, one in zip(times, deliveries, strict=True)]


@settings(max_examples=300, deadline=None)
@given(story=stories(), looks=st.sets(st.integers(0, 20), max_size=8))
def test_rows_in_any_order_and_any_number_of_times_count_as_a_plain_recount_does(story: Any, looks: set[int]) -> None:
    """`looks` are snapshots on the way: what is kept between them must not show."""
    zone, at, batches, deliveries = story
    tally = Tally(zone)
    for number, (when, batch_id, events) in enumerate(deliveries):
        if events is None:
            tally.close(batch_id, len(batches[batch_id]), when)
        else:
            tally.add(batch_id, events, when)
        if number in looks:
            tally.snapshot(when, series_seconds=10)
            tally.prune(when)
    everything = [one for events in batches.values() for one in events]
    assert shown(tally, at) == recount(everything, at, zone)
    for batch_id, events in batches.items():
        assert not tally.missing(batch_id, len(events))


@settings(max_examples=100, deadline=None)
@given(story=stories())
def test_history_that_was_loaded_and_rows_that_come_afterwards_add_up(story: Any) -> None:
    zone, at, batches, deliveries = story
    old = batches["a"]
    minutes: dict[int, Counter[str]] = {}
    for one in old:
        minutes.setdefault(one.occurred_at // MINUTE, Counter())[one.name] += 1
    arrivals = Counter(one.received_at // SECOND for one in old)
    tally = Tally(zone)
    newest = max((one.received_at for one in old), default=0)
    tally.load(Loaded(minutes=minutes, arrivals=arrivals, done={"a": len(batches["a"])}, received_at=newest), at)
    for when, batch_id, events in deliveries:
        if events is not None:
            tally.add(batch_id, events, when)
    everything = [one for events in batches.values() for one in events]
    assert shown(tally, at) == recount(everything, at, zone)


def test_adding_says_which_rows_were_new() -> None:
    tally = Tally(ZoneInfo("UTC"))
    at = clock.to_us(MOMENTS[0])
    first, second = (Seen(name, "x", None, at, at, False) for name in "ab")
    assert tally.add("batch", [first, first], at) == ["a"]
    assert tally.add("batch", [first, second], at) == ["b"]
    assert tally.missing("batch", 3)
    assert not tally.close("batch", 3, at)
    assert tally.close("batch", 2, at)
    assert tally.add("batch", [Seen("c", "x", None, at, at, False)], at) == []


@settings(max_examples=100, deadline=None)
@given(at=at_any_time, seen=st.lists(st.tuples(st.integers(-700, 90), st.sampled_from("uvwx"), st.booleans())))
def test_active_users_are_those_of_the_last_five_minutes_and_no_bots(at: int, seen: list[Any]) -> None:
    tally = Tally(ZoneInfo("UTC"))
    rows = [Seen(f"e{n}", "x", user, at + ago * SECOND, at, bot) for n, (ago, user, bot) in enumerate(seen)]
    tally.add("batch", rows, at)
    found = tally.snapshot(at, series_seconds=10)

    def active(until: int) -> int:
        slots = range(until // SLOT - ACTIVE // SLOT + 1, until // SLOT + 1)
        return len(
            {
                one.user_id
                for one in rows
                if not one.bot and one.occurred_at <= at + MINUTE and min(one.occurred_at, at) // SLOT in slots
            }
        )

    assert (found.active_users, found.active_users_before) == (active(at), active(at - ACTIVE))


@pytest.mark.parametrize("zone", ZONES)
def test_at_midnight_today_becomes_yesterday(zone: str) -> None:
    there = ZoneInfo(zone)
    midnight = first_minute(date(2026, 6, 10), there) * MINUTE
    tally = Tally(there)
    tally.add("a", [Seen("e", "x", None, midnight - SECOND, midnight - SECOND, False)], midnight - SECOND)
    assert tally.snapshot(midnight - 1, series_seconds=10).totals.today == 1
    assert tally.snapshot(midnight, series_seconds=10).totals == Totals(0, 0, 1)
    tally.add("a", [Seen("f", "x", None, midnight, midnight, False)], midnight)
    assert tally.snapshot(midnight, series_seconds=10).totals.today == 1
    tomorrow = midnight + 24 * 60 * MINUTE
    tally.prune(tomorrow)
    assert tally.snapshot(tomorrow, series_seconds=10).totals == Totals(0, 1, 1)


def test_what_no_snapshot_needs_is_forgotten() -> None:
    tally = Tally(ZoneInfo("UTC"))
    begin = clock.to_us(MOMENTS[0])
    for hour in range(24 * 6):
        at = begin + hour * 60 * MINUTE
        batch_id = f"b{hour}"
        tally.add(batch_id, [Seen(f"e{hour}", "x", "u", at, at, False)], at)
        tally.close(batch_id, 1, at)
        tally.prune(at)
    assert len(tally.minutes) < 50
    assert max(len(tally.arrivals), len(tally.visitors), len(tally.done), len(tally.partial)) < 5


def test_a_cursor_counts_what_the_batches_from_its_horizon_on_hold_and_moves_with_time() -> None:
    """The other side of the sum is the database's: all events of batches whose id is not before the horizon."""
    tally = Tally(ZoneInfo("UTC"))
    begin = clock.to_us(MOMENTS[0])
    held: dict[str, int] = {}

    def store(batch_id: str, count: int, at: int) -> None:
        start = held.get(batch_id, 0)
        rows = [Seen(f"{batch_id}-{n}", "x", None, at, at, False) for n in range(start, start + count)]
        tally.add(batch_id, rows, at)
        held[batch_id] = start + count

    tally.load(Loaded(horizon=first_id(begin - MINUTE)), begin)
    long_open = first_id(begin) + "-long"
    store(long_open, 1, begin)
    for step in range(200):
        at = begin + step * 10 * SECOND
        batch_id = f"{first_id(at)}-{step}"
        store(batch_id, step % 5 + 1, at)
        assert tally.close(batch_id, held[batch_id], at)
        if step == 60:
            store(long_open, 4, at)
            assert tally.close(long_open, 5, at)
        tally.prune(at)
        found = read_cursor(tally.cursor)
        assert found is not None
        assert found.counted == sum(count for name, count in held.items() if name >= found.horizon)
        if step < 60:
            assert found.horizon <= long_open  # it may still grow, and then it is missed
        else:
            assert found.horizon_at > at - REACH - MINUTE
    assert len(tally.done) < 120
