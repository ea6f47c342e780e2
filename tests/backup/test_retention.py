"""Which backups stay: the plan alone, without a disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quadra.backup.schedule import Entry, entries, is_due
from quadra.backup.stores.manifest import Manifest, Part, Verified, new_id
from quadra.backup.stores.retention import Keep, plan
from quadra.backup.stores.stores import Kept
from quadra.core.errors import Misconfigured
from quadra.core.settings import load

NOW = datetime(2026, 3, 18, 12, 30, tzinfo=UTC)  # a Wednesday
NONE = Keep(days=0, hourly=0, daily=0, weekly=0, monthly=0)


def kept(hours_ago: float, *, kind: str = "database", verified: bool = False) -> Kept:
    at = NOW - timedelta(hours=hours_ago)
    parts = [Part("models" if kind == "models" else "database", "f", 1, "", 1, "")]
    made = Manifest(new_id(kind, at), kind, at, 0.0, "1", "zstd", "", parts)
    return Kept(made, (), Verified(at, "restore", 1) if verified else None)


def hours(backups: list[Kept], keep: Keep) -> list[float]:
    stays = plan(backups, keep, NOW)
    return [(NOW - one.manifest.created_at) / timedelta(hours=1) for one in backups if one.manifest.id in stays]


def test_the_newest_of_each_hour_day_week_and_month_stays() -> None:
    every = [kept(hours_ago / 2) for hours_ago in range(1, 2 * 24 * 70)]
    assert hours(every, Keep(days=0, hourly=3, daily=0, weekly=0, monthly=0)) == [0.5, 1.0, 2.0]
    assert hours(every, Keep(days=0, hourly=0, daily=3, weekly=0, monthly=0)) == [0.5, 13.0, 37.0]
    assert hours(every, Keep(days=0, hourly=0, daily=0, weekly=2, monthly=0)) == [0.5, 61.0]
    assert hours(every, Keep(days=0, hourly=0, daily=0, weekly=0, monthly=2)) == [0.5, 17 * 24 + 13.0]
    assert hours(every, Keep(days=1, hourly=0, daily=0, weekly=0, monthly=0))[-1] == 23.5


def test_the_newest_of_each_kind_and_the_newest_that_was_proven_stay_whatever_the_numbers_say() -> None:
    every = [kept(1), kept(50, verified=True), kept(60, verified=True), kept(70), kept(5, kind="models")]
    assert hours(every, NONE) == [1.0, 50.0, 5.0]


@pytest.mark.parametrize(
    ("what", "slot"),
    [
        ("models", NOW.replace(minute=0)),
        ("database", NOW.replace(hour=2, minute=0)),
        ("full", datetime(2026, 3, 15, 3, tzinfo=UTC)),
        ("prune", NOW.replace(hour=4, minute=0)),
    ],
)
def test_the_schedule_is_hourly_daily_at_two_and_on_sundays_at_three(what: str, slot: datetime) -> None:
    (entry,) = [entry for entry in entries(load()) if entry.what == what]
    assert entry.slot(NOW) == slot


def test_before_its_hour_the_last_slot_is_yesterdays() -> None:
    assert Entry("database", "0 2 * * *").slot(NOW.replace(hour=1)) == datetime(2026, 3, 17, 2, tzinfo=UTC)
    assert Entry("full", "0 3 * * 0").slot(datetime(2026, 3, 15, 2, tzinfo=UTC)) == datetime(2026, 3, 8, 3, tzinfo=UTC)


def test_a_slot_begins_with_its_minute_and_never_before() -> None:
    entry = Entry("database", "15 2 * * *")
    due = datetime(2026, 3, 18, 2, 15, tzinfo=UTC)
    assert entry.slot(due) == due
    assert entry.slot(due + timedelta(seconds=40)) == due
    assert entry.slot(due - timedelta(seconds=1)) == due - timedelta(days=1)


def test_times_that_cron_does_not_know_stop_the_start() -> None:
    with pytest.raises(Misconfigured, match="QUADRA_BACKUP_DATABASE_AT"):
        load(backup_database_at="at two")


def test_what_is_done_or_was_due_before_the_installation_is_not_due() -> None:
    slot, long_ago = NOW.replace(hour=2, minute=0), NOW - timedelta(days=90)
    assert is_due([kept(24)], "database", slot, since=long_ago)
    assert not is_due([kept(5)], "database", slot, since=long_ago)
    assert not is_due([kept(5, kind="full")], "database", slot, since=long_ago)
    assert is_due([kept(5, kind="models")], "database", slot, since=long_ago)
    assert not is_due([], "database", slot, since=NOW)
    assert not is_due([], "database", slot, since=None)
