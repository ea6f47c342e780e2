"""Rows of sealed batches that a process keeps until they are compacted: the same as the database has, and bounded."""

from __future__ import annotations

from itertools import chain

import pytest
import sqlalchemy as sa

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.warehouse.segments import sealed
from quadra.warehouse.segments.rows import read_batches
from quadra.warehouse.segments.sealed import SealedRows, by_batch
from tests.warehouse.conftest import compact_all, event, numbers, store
from tests.warehouse.test_erasing import erase


def batches(runtime: Runtime) -> list[Batch]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(Batch).order_by(Batch.id)))


def values(runtime: Runtime, *, of: SealedRows | None = None) -> dict[str, list[float]]:
    """Batch id -> the values of its events."""
    kept = of or runtime.the(SealedRows)
    with runtime.database.snapshot() as session:
        return {batch_id: sorted(rows["value"].to_pylist()) for batch_id, rows in kept.each(session, batches(runtime))}


def flat(found: dict[str, list[float]]) -> list[float]:
    return sorted(chain.from_iterable(found.values()))


def test_rows_are_read_once_and_kept_until_they_are_compacted(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(runtime, [event(number) for number in range(20)], per_batch=5)
    first = values(runtime)
    assert flat(first) == list(range(20))
    with monkeypatch.context() as patched:
        patched.setattr(sealed, "read_batches", lambda _session, keys: read_batches(_session, none_of(keys)))
        assert values(runtime) == first
        compact_all(runtime)
    assert runtime.the(SealedRows)._bytes == 0
    assert numbers(runtime) == list(range(20))
    assert values(runtime) == first
    assert runtime.the(SealedRows)._bytes == 0, "what was compacted is not kept again"


def none_of(keys: list[tuple[str, int]]) -> list[tuple[str, int]]:
    assert keys == []
    return keys


def test_what_was_erased_does_not_come_back_out_of_them(runtime: Runtime) -> None:
    store(runtime, [event(number) for number in range(20)])
    values(runtime)
    erase(runtime, "u-3")
    left = [number for number in range(20) if number % 10 != 3]
    assert flat(values(runtime)) == left
    compact_all(runtime)
    assert numbers(runtime) == left


def test_a_batch_that_another_worker_compacted_is_read_again(runtime: Runtime) -> None:
    store(runtime, [event(number) for number in range(3)])
    (before,) = values(runtime).values()
    with runtime.database.begin() as session:
        session.execute(sa.update(Batch).values(segment_id="another", cold_at=clock.now()))
        session.execute(sa.text("DELETE FROM event"))
    assert (before, *values(runtime).values()) == ([0, 1, 2], [])


def test_they_are_bounded_and_the_oldest_go(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    store(sqlite_runtime, [event(number) for number in range(40)], per_batch=5)
    kept = SealedRows(sqlite_runtime)
    monkeypatch.setattr(sealed, "KEPT_BYTES", 3_000)
    first = values(sqlite_runtime, of=kept)
    assert flat(first) == list(range(40))
    assert 0 < kept._bytes <= 3_000
    assert kept._bytes == sum(table.nbytes for table in kept._kept.values())
    newest = [(batch.id, batch.event_count) for batch in batches(sqlite_runtime)][-len(kept._kept) :]
    assert list(kept._kept) == newest


def test_rows_of_batches_that_lie_between_one_another_are_told_apart(sqlite_runtime: Runtime) -> None:
    store(sqlite_runtime, [event(number) for number in range(30)], per_batch=10)
    with sqlite_runtime.database.snapshot() as session:
        rows = read_batches(session, [(batch.id, batch.event_count) for batch in batches(sqlite_runtime)])
    mixed = rows.take([at * 7 % 30 for at in range(30)])
    found = by_batch(mixed)
    assert {batch_id: set(table["batch_id"].to_pylist()) for batch_id, table in found.items()} == {
        batch.id: {batch.id} for batch in batches(sqlite_runtime)
    }
    assert {batch_id: sorted(table["event_id"].to_pylist()) for batch_id, table in found.items()} == {
        batch_id: sorted(table["event_id"].to_pylist()) for batch_id, table in by_batch(rows).items()
    }
    assert by_batch(rows.slice(0, 0)) == {}
