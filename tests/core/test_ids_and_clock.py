"""Identifiers sort by time, and times keep every microsecond."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quadra.core import clock, ids
from quadra.core.ids import uuid7

moments = st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000)).map(lambda since: clock.EPOCH + since)


def test_ids_of_one_process_are_in_order_and_none_comes_twice() -> None:
    made = [uuid7() for _ in range(50_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_made_by_threads_at_once_are_all_different_and_in_order_for_each() -> None:
    made: list[list[str]] = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda own=own: own.extend(uuid7() for _ in range(5_000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({one for own in made for one in own}) == 40_000


def test_an_id_is_a_uuid_of_version_7_that_carries_its_time() -> None:
    before = time.time_ns() // 1_000_000
    found = uuid.UUID(uuid7())
    after = time.time_ns() // 1_000_000
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert before <= found.int >> 80 <= after + 1


def test_ids_go_on_in_order_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", [0])
    times = iter([2_000_000_000_000_000_000, 1_000_000_000_000_000_000, 1_999_999_999_000_000_000])
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(times))
    made = [uuid7() for _ in range(3)]
    assert made == sorted(made)


@given(moments)
def test_a_time_comes_back_from_microseconds_exactly(at: datetime) -> None:
    assert clock.from_us(clock.to_us(at)) == at


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_the_same_in_every_zone(at: datetime, minutes: int) -> None:
    assert clock.to_us(at.astimezone(timezone(timedelta(minutes=minutes)))) == clock.to_us(at)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC), "2026-01-02T03:04:05.120Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_001, tzinfo=UTC), "2026-01-02T03:04:05.120001Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000Z"),
    ],
)
def test_a_time_is_written_in_utc(at: datetime, text: str) -> None:
    assert clock.iso(at) == text
    assert datetime.fromisoformat(text) == at


def test_now_is_aware_and_the_same_on_both_clocks() -> None:
    assert clock.now().tzinfo is UTC
    assert abs(clock.to_us(clock.now()) - clock.now_us()) < 1_000_000
