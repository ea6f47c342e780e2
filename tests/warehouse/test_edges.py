"""The edges of what the warehouse keeps: the first day of the retention, rows nobody reads, files that came too late."""

from __future__ import annotations

import os
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.warehouse.erasure import erasing
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import catalogue, sweeping
from quadra.warehouse.segments.compaction import compact_some
from quadra.warehouse.segments.hot_rows import NotCovered, evict_some
from quadra.warehouse.segments.merging import choose, merge_some
from quadra.warehouse.segments.publishing import StaleRead
from quadra.warehouse.segments.store import LocalStore
from quadra.warehouse.segments.writing import WriteFailed, Written
from quadra.warehouse.tables import RETIRED, Segment
from tests.warehouse.conftest import age, compact_all, erase, event, installation, numbers, scalar, store


def test_history_begins_with_the_first_kept_day_fresh_and_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now()  # a midnight may pass while this runs
    frozen = SimpleNamespace(now=lambda: at, to_us=clock.to_us, from_us=clock.from_us)
    monkeypatch.setattr(catalogue, "clock", frozen)
    first_us = catalogue.first_kept_us(5)
    assert first_us is not None
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, retention_days=5) as runtime:
        store(runtime, [event(1, occurred_at=first_us - 1), event(2, occurred_at=first_us), event(3)])
        assert numbers(runtime) == [2, 3]
        compact_all(runtime)
        assert numbers(runtime) == [2, 3]
        with runtime.database.read() as session:
            assert sum(one.rows for one in catalogue.live(session, 1)) == 2


@pytest.mark.parametrize(
    ("days", "at", "first"),
    [
        (5, "2026-03-18T12:30:00Z", "2026-03-13T00:00:00Z"),
        (1, "2026-03-18T00:00:00Z", "2026-03-17T00:00:00Z"),
        (30, "2026-03-01T23:59:59Z", "2026-01-30T00:00:00Z"),
    ],
)
def test_so_many_whole_days_before_today_are_kept(
    monkeypatch: pytest.MonkeyPatch, days: int, at: str, first: str
) -> None:
    frozen = SimpleNamespace(now=lambda: datetime.fromisoformat(at), to_us=clock.to_us)
    monkeypatch.setattr(catalogue, "clock", frozen)
    assert catalogue.first_kept_us(days) == clock.to_us(datetime.fromisoformat(first))
    assert catalogue.first_kept_us(None) is None


def files_of_today(*rows: int) -> list[Segment]:
    today = clock.now().date()
    return [Segment(id=f"{at:02}", rows=count, day=today, created_at=clock.now()) for at, count in enumerate(rows)]


def test_four_files_of_a_size_are_merged_and_never_into_one_that_is_too_large() -> None:
    assert choose(files_of_today(10, 10, 10), 1_000) == []
    four = files_of_today(10, 20, 30, 40)
    assert choose(four, 100) == four
    assert choose(four, 99) == four[:3]
    assert choose(files_of_today(90, 90, 90, 90), 100) == []  # no two fit
    assert choose(files_of_today(100, 100, 100, 100), 100) == []  # each is as large as may be


def test_rows_that_only_a_retired_segment_holds_do_not_leave_the_event_table(runtime: Runtime) -> None:
    store(runtime, [event(number) for number in range(5)])
    compact_all(runtime)
    age(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(Segment).values(state=RETIRED, retired_at=clock.now()))
    with pytest.raises(NotCovered):
        evict_some(runtime, 1)
    assert scalar(runtime, "SELECT count(*) FROM event") == 5


def test_a_merge_whose_file_waited_too_long_is_not_recorded(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in range(4):
        store(sqlite_runtime, [event(number) for number in range(part * 5, part * 5 + 5)])
        compact_all(sqlite_runtime)
    with sqlite_runtime.database.read() as session:
        before = catalogue.live(session, 1)
        day = catalogue.day_of(before[0].min_occurred_us)
    monkeypatch.setattr("quadra.warehouse.segments.writing.RECORDED_WITHIN_SECONDS", -1.0)
    with pytest.raises(StaleRead):
        merge_some(sqlite_runtime, 1, day)
    with sqlite_runtime.database.read() as session:
        assert catalogue.live(session, 1) == before
    assert numbers(sqlite_runtime) == list(range(20))


@pytest.mark.parametrize("change", ["value + 1", "NULL"])
def test_a_file_that_does_not_hold_what_was_meant_is_never_listed(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A disk or a library that changes one value of one row."""
    store(sqlite_runtime, [event(number) for number in range(5)])
    real = LocalStore.publish

    def publish(self: LocalStore, name: str) -> tuple[int, str]:
        staged = self.staging(name)
        with closing(duckdb.connect()) as other:
            changed = f"SELECT * REPLACE (CASE WHEN event_id = 'e-3' THEN {change} ELSE value END AS value)"
            other.execute(f"CREATE TABLE kept AS {changed} FROM read_parquet('{staged}')")
            other.execute(f"COPY kept TO '{staged}' (FORMAT parquet)")
        return real(self, name)

    monkeypatch.setattr(LocalStore, "publish", publish)
    with pytest.raises(WriteFailed):
        compact_some(sqlite_runtime, 1)
    with sqlite_runtime.database.read() as session:
        assert catalogue.live(session, 1) == []
    assert numbers(sqlite_runtime) == list(range(5))


def test_a_file_that_may_still_be_listed_is_no_orphan(sqlite_runtime: Runtime) -> None:
    """Whoever wrote it may be halted until then, and must not list it later."""
    root = warehouse_of(sqlite_runtime).store.root
    root.mkdir(parents=True, exist_ok=True)
    ages = {"half an hour.parquet": 1_790, "an hour less ten seconds.parquet": 3_590, "an hour.parquet": 3_601}
    for name, seconds in ages.items():
        (root / name).write_bytes(b"junk")
        os.utime(root / name, (time.time() - seconds,) * 2)
    assert sweeping.remove_orphans(sqlite_runtime) == ["an hour.parquet"]
    assert not Written(Segment(), time.time() - 1_790).stale
    assert Written(Segment(), time.time() - 1_810).stale


def test_what_a_question_spilled_is_removed_after_a_day(sqlite_runtime: Runtime) -> None:
    spill = sqlite_runtime.settings.data_dir / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    for name, hours in {"of yesterday": 25, "of today": 23}.items():
        (spill / name).write_bytes(b"junk")
        os.utime(spill / name, (time.time() - hours * 3600,) * 2)
    sweeping.remove_spill(sqlite_runtime)
    assert [path.name for path in spill.iterdir()] == ["of today"]


def test_an_event_received_before_an_erasure_and_stored_after_its_first_pass_is_erased_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited in a writer's queue."""
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, ingest_timeout="200ms") as runtime:
        store(runtime, [event(number) for number in range(3)])
        real, passes = erasing._pass, []

        def late(runtime: Runtime, lease: Any, erasure: Any, until: float) -> int:
            found = real(runtime, lease, erasure, until)
            passes.append(found)
            if len(passes) == 1:
                received_us = clock.to_us(erasure.requested_at) - 1
                store(runtime, [event(13, received_at=received_us), event(23, received_at=received_us + 2)])
            return found

        looks = iter([clock.EPOCH])  # however busy this machine is, the first look comes before that event is stored
        quick = SimpleNamespace(now=lambda: next(looks, clock.now()), to_us=clock.to_us)
        monkeypatch.setattr(erasing, "clock", quick)
        monkeypatch.setattr(erasing, "_pass", late)
        erase(runtime, "u-3")
        assert passes[0] == 0  # nothing of u-3 was there yet
        assert numbers(runtime) == [0, 1, 2, 23]
