"""What happens to rows in order: compaction, merging, verification, leaving the event table, retention, sweeping."""

from __future__ import annotations

import os
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pyarrow import parquet

from quadra.core import clock
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.jobs.claim import claim
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.lease import Lease
from quadra.jobs.queue import enqueue
from quadra.warehouse.handlers import HANDLERS
from quadra.warehouse.query import fresh
from quadra.warehouse.query.engine import warehouse_of
from quadra.warehouse.segments import catalogue, sweeping, writing
from quadra.warehouse.segments.compaction import compact_project, compact_some
from quadra.warehouse.segments.hot_rows import NotCovered, evict_some
from quadra.warehouse.segments.merging import choose, find_days, merge_some
from quadra.warehouse.segments.planning import plan
from quadra.warehouse.segments.publishing import StaleRead
from quadra.warehouse.segments.verifying import Damaged, live_segments, verify
from quadra.warehouse.tables import Segment
from tests.warehouse.conftest import DAY_US, age, compact_all, event, installation, numbers, scalar, store


def segments(runtime: Runtime) -> list[Segment]:
    with runtime.database.read() as session:
        return live_segments(session)


def files(runtime: Runtime) -> set[str]:
    return set(warehouse_of(runtime).store.older_than(-60))


def flip(runtime: Runtime, segment: Segment, at: int | None = None) -> None:
    path = warehouse_of(runtime).store.local(segment.path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)


def jobs(runtime: Runtime, kind: str) -> list[str]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.text("SELECT state FROM job WHERE kind = :kind"), {"kind": kind}))


def take(runtime: Runtime, kind: str) -> Lease:
    """Claim the job of this kind that is due."""
    with runtime.database.begin() as session:
        (job,) = claim(session, worker="test", kinds=[kind], limit=1, length=timedelta(minutes=1))
    return Lease(job, timedelta(minutes=1))


def test_a_compaction_writes_one_file_for_each_day(any_runtime: Runtime) -> None:
    store(any_runtime, [event(number, days_ago=number % 3) for number in range(300)])
    compact_all(any_runtime)
    assert sorted(segment.rows for segment in segments(any_runtime)) == [100, 100, 100]
    assert numbers(any_runtime) == list(range(300))
    assert verify(any_runtime) == []
    assert not [name for name in files(any_runtime) if name.endswith(".partial")]


def test_rows_of_one_user_lie_together(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number) for number in range(500)])
    compact_all(sqlite_runtime)
    (segment,) = segments(sqlite_runtime)
    path = warehouse_of(sqlite_runtime).store.local(segment.path)
    with warehouse_of(sqlite_runtime).cursor() as cursor:
        users = [row[0] for row in cursor.sql(f"SELECT user_id FROM read_parquet('{path}')").fetchall()]
    assert users == sorted(users)


def test_a_compaction_goes_on_where_more_waits_than_a_question_reads(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(runtime, [event(number) for number in range(10)])
    monkeypatch.setattr(fresh, "ROWS_MOST", 9)
    with pytest.raises(Unavailable):
        numbers(runtime)
    compact_all(runtime)
    assert numbers(runtime) == list(range(10))


def test_a_compaction_sorts_rows_as_a_merge_does(sqlite_runtime: Runtime) -> None:
    who = ["ü", "u-1", "u-10", "U-2", None, "𝄞", "\uffff", ""]
    at = clock.now_us() // DAY_US * DAY_US
    rows = [
        event(number, user_id=who[number * 5 % 8], occurred_at=at + number * 7 % 3, anonymous_id=f"a{number % 2}")
        for number in range(64)
    ]
    store(sqlite_runtime, [event(64, user_id="u-1", anonymous_id="ü", occurred_at=at), *rows])
    compact_some(sqlite_runtime, 1)
    (segment,) = segments(sqlite_runtime)
    warehouse = warehouse_of(sqlite_runtime)
    path = warehouse.store.local(segment.path)
    people = warehouse.identity_map(1)
    with closing(warehouse.cursor()) as cursor:
        merged = writing.write(
            cursor, warehouse.store, writing.files([path]), people=people, project_id=1, day=segment.day
        )
    held = parquet.read_table(path)
    again = parquet.read_table(warehouse.store.local(merged.segment.path))
    assert again.to_pylist() == held.to_pylist()
    assert dict(zip(held["user_id"].to_pylist(), held["person"].to_pylist(), strict=True))["ü"] == "u-1"


def test_open_batches_are_not_compacted(runtime: Runtime) -> None:
    store(runtime, [event(1)], seal=False)
    assert compact_some(runtime, 1) == 0


def test_a_batch_that_changed_while_it_was_written_is_read_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(runtime, [event(number) for number in range(10)])
    publish = compact_some.__globals__["publish_compaction"]

    def after_an_erasure(session: sa.orm.Session, batches: dict[str, int], written: list[object]) -> None:
        monkeypatch.undo()
        session.execute(sa.update(Batch).values(event_count=Batch.event_count - 1))
        publish(session, batches, written)

    monkeypatch.setitem(compact_some.__globals__, "publish_compaction", after_an_erasure)
    with pytest.raises(StaleRead):
        compact_some(runtime, 1)
    assert files(runtime) == set()
    assert numbers(runtime) == list(range(10))


def test_two_compactions_of_the_same_batches_publish_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    store(runtime, [event(number) for number in range(10)])
    publish = compact_some.__globals__["publish_compaction"]

    def after_another(session: sa.orm.Session, batches: dict[str, int], written: list[object]) -> None:
        session.execute(sa.update(Batch).values(segment_id="another"))
        publish(session, batches, written)

    monkeypatch.setitem(compact_some.__globals__, "publish_compaction", after_another)
    with pytest.raises(StaleRead):
        compact_some(runtime, 1)
    assert segments(runtime) == []


def test_a_worker_that_lost_its_job_publishes_nothing(runtime: Runtime) -> None:
    store(runtime, [event(1)])
    with runtime.database.begin() as session:
        enqueue(session, kind="compact", project_id=1, max_attempts=5)
    lease = take(runtime, "compact")
    with runtime.database.begin() as session:
        session.execute(sa.text("UPDATE job SET lease_token = 'another'"))
    with pytest.raises(LeaseLost):
        compact_some(runtime, 1, lease)
    assert segments(runtime) == []
    assert files(runtime) == set()


def test_a_file_that_waited_too_long_is_not_recorded(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    store(runtime, [event(1)])
    monkeypatch.setattr("quadra.warehouse.segments.writing.RECORDED_WITHIN_SECONDS", -1.0)
    with pytest.raises(StaleRead):
        compact_some(runtime, 1)
    monkeypatch.undo()
    compact_all(runtime)
    assert numbers(runtime) == [1]


def test_the_files_of_a_day_are_merged(any_runtime: Runtime) -> None:
    for part in range(4):
        store(any_runtime, [event(part * 10 + number, days_ago=1) for number in range(10)])
        compact_all(any_runtime)
    ((project_id, day),) = _days(any_runtime)
    assert merge_some(any_runtime, project_id, day) == 4
    assert [segment.rows for segment in segments(any_runtime)] == [40]
    assert numbers(any_runtime) == list(range(40))
    assert len(files(any_runtime)) == 5
    sweeping.sweep(any_runtime)
    assert len(files(any_runtime)) == 1
    assert numbers(any_runtime) == list(range(40))


def test_two_merges_of_the_same_files_publish_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in range(4):
        store(runtime, [event(part)])
        compact_all(runtime)
    day = segments(runtime)[0].day
    real = merge_some.__globals__["_write"]

    def merged_meanwhile(*arguments: object) -> object:
        monkeypatch.undo()
        written = real(*arguments)
        assert merge_some(runtime, 1, day) == 4
        return written

    monkeypatch.setitem(merge_some.__globals__, "_write", merged_meanwhile)
    with pytest.raises(StaleRead):
        merge_some(runtime, 1, day)
    assert numbers(runtime) == [0, 1, 2, 3]
    assert len(segments(runtime)) == 1


def _days(runtime: Runtime) -> list[tuple[int, object]]:
    with runtime.database.read() as session:
        return find_days(session, rows_most=1_000)


def test_merging_rewrites_a_row_a_few_times_only() -> None:
    day = clock.now().date()
    there: list[Segment] = []
    rewritten = 0
    for _ in range(1_000):  # compactions of 100 rows
        there.append(Segment(id=str(len(there)), day=day, rows=100, created_at=clock.now()))
        if chosen := choose(there, 2_000_000):
            rows = sum(segment.rows for segment in chosen)
            rewritten += rows
            there = [one for one in there if one not in chosen]
            there.append(Segment(id="m", day=day, rows=rows, created_at=clock.now()))
    assert len(there) < 20
    assert rewritten / 100_000 < 8


def test_a_day_that_is_over_becomes_one_file() -> None:
    day = clock.now().date() - timedelta(days=3)
    old = clock.now() - timedelta(hours=7)
    two = [Segment(id=str(rows), day=day, rows=rows, created_at=old) for rows in (10, 900_000)]
    assert set(choose(two, 2_000_000)) == set(two)
    two[0].created_at = clock.now()
    assert choose(two, 2_000_000) == []


@pytest.mark.parametrize("place", [0, None, -1])
def test_a_flipped_byte_is_found_and_named(runtime: Runtime, place: int | None) -> None:
    store(runtime, [event(number, days_ago=number % 3) for number in range(300)])
    compact_all(runtime)
    damaged = segments(runtime)[1]
    flip(runtime, damaged, place)
    (damage,) = verify(runtime)
    assert damage.path == damaged.path
    assert damage.expected == damaged.sha256
    assert len(damage.actual) == 64
    assert damage.actual != damaged.sha256


def test_a_lost_file_is_found_and_named(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(1)])
    compact_all(sqlite_runtime)
    (segment,) = segments(sqlite_runtime)
    warehouse_of(sqlite_runtime).store.remove(segment.path)
    (damage,) = verify(sqlite_runtime)
    assert str(damage) == f"Segment {segment.path} is damaged: the file is No such file or directory, should be there."


def test_a_file_with_other_rows_and_the_right_hash_is_found(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(1), event(2)])
    compact_all(sqlite_runtime)
    with sqlite_runtime.database.begin() as session:
        session.execute(sa.update(Segment).values(rows=3))
    (damage,) = verify(sqlite_runtime)
    assert (damage.what, damage.expected, damage.actual) == ("its row count", "3", "2")


def test_damage_is_not_merged_into_a_new_file(sqlite_runtime: Runtime) -> None:
    for part in range(4):
        store(sqlite_runtime, [event(part)])
        compact_all(sqlite_runtime)
    flip(sqlite_runtime, segments(sqlite_runtime)[2])
    ((project_id, day),) = _days(sqlite_runtime)
    with pytest.raises(Damaged, match=segments(sqlite_runtime)[2].path):
        merge_some(sqlite_runtime, project_id, day)


def test_old_rows_leave_the_event_table_and_stay_in_questions(any_runtime: Runtime) -> None:
    store(any_runtime, [event(number, days_ago=number % 3) for number in range(250)])
    compact_all(any_runtime)
    assert evict_some(any_runtime, 1) == 0  # they are young
    age(any_runtime)
    assert evict_some(any_runtime, 1) == 3
    assert scalar(any_runtime, "SELECT count(*) FROM event") == 0
    assert scalar(any_runtime, "SELECT count(*) FROM batch WHERE status = 'ARCHIVED' AND cold_at > 0") == 3
    assert numbers(any_runtime) == list(range(250))


def test_rows_stay_while_a_job_still_wants_their_batch(runtime: Runtime) -> None:
    store(runtime, [event(1)])
    compact_all(runtime)
    age(runtime)
    with runtime.database.begin() as session:
        batch_id = session.scalar(sa.select(Batch.id))
        job_id = enqueue(session, kind="deliver", batch_id=batch_id, max_attempts=1).id
    for state, stays in (("PENDING", True), ("FAILED", True), ("SUCCESS", False)):
        with runtime.database.begin() as session:
            session.execute(sa.text("UPDATE job SET state = :state WHERE id = :id"), {"state": state, "id": job_id})
        assert evict_some(runtime, 1) == (0 if stays else 1)


def test_rows_that_were_never_analysed_stay(runtime: Runtime) -> None:
    store(runtime, [event(1)])
    compact_all(runtime)
    age(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.update(Batch).values(status="SEALED"))
    assert evict_some(runtime, 1) == 0


def test_nothing_is_deleted_that_a_damaged_segment_should_hold(runtime: Runtime) -> None:
    store(runtime, [event(number) for number in range(20)])
    compact_all(runtime)
    age(runtime)
    flip(runtime, segments(runtime)[0])
    with pytest.raises(Damaged, match=segments(runtime)[0].path):
        evict_some(runtime, 1)
    assert scalar(runtime, "SELECT count(*) FROM event") == 20


@pytest.mark.parametrize(
    "change", ["value = 99", "properties = '{\"a\": 1}'", "batch_id = (SELECT max(id) FROM batch)"]
)
def test_nothing_is_deleted_that_no_segment_holds_value_for_value(runtime: Runtime, change: str) -> None:
    store(runtime, [event(number) for number in range(20)], per_batch=10)
    compact_all(runtime)
    age(runtime)
    with runtime.database.begin() as session:
        session.execute(sa.text(f"UPDATE event SET {change} WHERE event_id = 'e-7'"))
    with pytest.raises(NotCovered, match="e-7"):
        evict_some(runtime, 1)
    assert scalar(runtime, "SELECT count(*) FROM event") == 20


def test_the_retention_drops_segments_and_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now()  # a midnight may pass while this runs
    monkeypatch.setattr(catalogue, "clock", SimpleNamespace(now=lambda: at, to_us=clock.to_us, from_us=clock.from_us))
    url = f"sqlite:///{tmp_path / 'q.db'}"
    with installation(url, tmp_path) as runtime:
        store(runtime, [event(number, days_ago=number) for number in range(10)])
        compact_all(runtime)
    with installation(url, tmp_path, retention_days=3) as runtime:
        seen = numbers(runtime)
        assert seen == [0, 1, 2, 3]
        sweeping.sweep(runtime)
        assert numbers(runtime) == seen
        assert len(segments(runtime)) == len(files(runtime)) == 4
        # what arrives late is never written, and leaves the event table like the rest
        store(runtime, [event(20, days_ago=8), event(21)])
        compact_all(runtime)
        assert numbers(runtime) == [*seen, 21]
        age(runtime, days=4)
        while evict_some(runtime, 1):
            pass
        assert scalar(runtime, "SELECT count(*) FROM event") == 0
        assert numbers(runtime) == [*seen, 21]


def test_only_old_unlisted_files_are_orphans(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(1)])
    compact_all(sqlite_runtime)
    (listed,) = files(sqlite_runtime)
    root = warehouse_of(sqlite_runtime).store.local(".")
    for name in ("1/old.parquet", "1/old.parquet.partial", "1/young.parquet"):
        (root / name).write_bytes(b"junk")
    hours_ago = time.time() - 2 * 3600
    for name in ("1/old.parquet", "1/old.parquet.partial", listed):
        os.utime(root / name, (hours_ago, hours_ago))
    assert numbers(sqlite_runtime) == [1]
    assert sweeping.remove_orphans(sqlite_runtime) == ["1/old.parquet", "1/old.parquet.partial"]
    assert files(sqlite_runtime) == {listed, "1/young.parquet"}
    assert numbers(sqlite_runtime) == [1]


def test_replaced_files_stay_as_long_as_a_question_may_read_them(sqlite_runtime: Runtime) -> None:
    for part in range(4):
        store(sqlite_runtime, [event(part)])
        compact_all(sqlite_runtime)
    with warehouse_of(sqlite_runtime).look(1) as look:
        merge_some(sqlite_runtime, 1, segments(sqlite_runtime)[0].day)
        assert sweeping.remove_retired(sqlite_runtime, grace=timedelta(hours=1)) == 0
        assert look.query("SELECT count(*) FROM events").rows == [(4,)]


def test_what_is_due_is_planned_once(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, segment_events=100) as runtime:
        store(runtime, [event(number) for number in range(99)])
        assert plan(runtime) == 0
        store(runtime, [event(99)])
        assert (plan(runtime), plan(runtime)) == (1, 0)
        lease = take(runtime, "compact")
        compact_project(runtime, lease)
        assert numbers(runtime) == list(range(100))


def test_a_compaction_leaves_what_is_too_little_for_a_file_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While events stream in, batches are sealed during each of its turns."""
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, segment_events=20) as runtime:
        store(runtime, [event(number) for number in range(20)])
        coming = iter([range(20, 50), range(50, 60)])
        some = compact_some

        def while_more_come(*arguments: Any) -> int:
            done = some(*arguments)
            store(runtime, [event(number) for number in next(coming, ())])
            return done

        monkeypatch.setitem(compact_project.__globals__, "compact_some", while_more_come)
        plan(runtime)
        compact_project(runtime, take(runtime, "compact"))
        assert sorted(segment.rows for segment in segments(runtime)) == [20, 30]
        assert numbers(runtime) == list(range(60))
        assert plan(runtime) == 0


def test_few_events_are_compacted_after_a_while(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, segment_age="50ms") as runtime:
        store(runtime, [event(1)])
        time.sleep(0.1)
        assert plan(runtime) == 1


def test_a_dead_compaction_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path, segment_events=1) as runtime:
        store(runtime, [event(1)])
        assert plan(runtime) == 1
        with runtime.database.begin() as session:
            session.execute(sa.text("UPDATE job SET state = 'FAILED', unique_key = NULL"))
        assert plan(runtime) == 0
        assert jobs(runtime, "compact") == ["FAILED"]


def test_merges_and_coolings_are_planned(tmp_path: Path) -> None:
    with installation(f"sqlite:///{tmp_path / 'q.db'}", tmp_path) as runtime:
        for part in range(4):
            store(runtime, [event(part)])
            compact_all(runtime)
        age(runtime)
        assert plan(runtime) == 2
        for kind in ("merge", "cool"):
            lease = take(runtime, kind)
            HANDLERS[kind].work(runtime, lease)
        assert len(segments(runtime)) == 1
        assert scalar(runtime, "SELECT count(*) FROM event") == 0
        assert numbers(runtime) == [0, 1, 2, 3]


def test_a_job_without_a_project_is_dead_at_once(sqlite_runtime: Runtime) -> None:
    with sqlite_runtime.database.begin() as session:
        for kind in ("compact", "merge", "cool", "erase"):
            enqueue(session, kind=kind, max_attempts=5)
    for kind in ("compact", "merge", "cool", "erase"):
        with pytest.raises(Permanent):
            HANDLERS[kind].work(sqlite_runtime, take(sqlite_runtime, kind))


def test_history_is_asked_by_the_day(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number, days_ago=number) for number in range(5)])
    compact_all(sqlite_runtime)
    now = clock.now_us()
    assert numbers(sqlite_runtime, start_us=now - 2 * DAY_US - DAY_US // 2) == [0, 1, 2]
