"""Compaction: the sealed batches of a project become one file for each day, many batches at a time.

Files are written and durable before one transaction lists them and marks the batches. A process that dies before leaves
files that nobody lists (see sweep.py); one that dies after has done its work.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.lease import Lease
from quadra.warehouse.columns import ARROW_ORDER
from quadra.warehouse.query.engine import Warehouse, warehouse_of
from quadra.warehouse.segments.catalogue import DAY_US, day_of, first_kept_us
from quadra.warehouse.segments.pieces import of_table
from quadra.warehouse.segments.publishing import StaleRead, publish_compaction
from quadra.warehouse.segments.rows import Key, take_batches
from quadra.warehouse.segments.sealed import SealedRows
from quadra.warehouse.segments.writing import Written, write

logger = logging.getLogger(__name__)

ROWS_AT_ONCE, BYTES_AT_ONCE = 120_000, 48 * 2**20
"""Of one transaction and its files; twice as many bytes while they are put together."""
BATCHES_AT_ONCE = 5_000
STALE_MOST = 5
WORK_SECONDS = 300.0
"""Of one job; the next round of planning goes on. An attempt that runs for STUCK_AFTER is taken away."""


def compact_project(runtime: Runtime, lease: Lease) -> None:
    """The job: compact until too little is left for a file, or for a few minutes. Batches that are sealed meanwhile wait for
    the next round of planning: while events stream in, each turn found one or two new ones, and wrote a file of them.
    """
    project_id = lease.job.project_id
    if project_id is None:
        raise Permanent("A compaction is of one project.")
    stale = 0
    until = time.monotonic() + WORK_SECONDS
    while not lease.lost.is_set() and time.monotonic() < until:
        try:
            if not compact_some(runtime, project_id, lease) or not _enough_waits(runtime, project_id):
                break
        except StaleRead:
            stale += 1
            if stale >= STALE_MOST:
                raise
    pa.default_memory_pool().release_unused()  # 10 to 20 MB, which the next compaction takes again


def compact_some(runtime: Runtime, project_id: int, lease: Lease | None = None) -> int:
    """Compact some sealed batches; how many. Raises `StaleRead` when they changed meanwhile, `LeaseLost`, `Unavailable`."""
    sealed = runtime.the(SealedRows)
    with runtime.database.snapshot() as session:
        batches, rows = sealed.first(session, _due(session, project_id), BYTES_AT_ONCE)
    if not batches:
        return 0
    warehouse = warehouse_of(runtime)
    kept_us = first_kept_us(runtime.settings.retention_days)
    written: list[Written] = []
    try:
        _write(warehouse, project_id, rows, kept_us, written)
        with runtime.database.begin() as session:
            if lease is not None:
                lease.hold(session)
            publish_compaction(session, dict(batches), written)
        sealed.forget(batches)
        warehouse.fresh.forget(project_id)
    except (StaleRead, LeaseLost):  # surely not committed; after any other error that is not known
        for item in written:
            warehouse.store.remove(item.segment.path)
        raise
    facts = {"project_id": project_id, "batches": len(batches), "rows": rows.num_rows, "segments": len(written)}
    logger.info("warehouse.batches.compacted", extra=facts)
    return len(batches)


def _enough_waits(runtime: Runtime, project_id: int) -> bool:
    waiting = sa.select(sa.func.sum(Batch.event_count)).where(_waits(project_id))
    with runtime.database.read() as session:
        return (session.scalar(waiting) or 0) >= runtime.settings.segment_events


def _waits(project_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(Batch.project_id == project_id, Batch.segment_id.is_(None), Batch.status != "OPEN")


def _due(session: Session, project_id: int) -> list[Key]:
    """Sealed batches that no compaction has taken, oldest first."""
    query = sa.select(Batch.id, Batch.event_count).where(_waits(project_id)).order_by(Batch.id).limit(BATCHES_AT_ONCE)
    return take_batches(session, query, ROWS_AT_ONCE)


def _write(warehouse: Warehouse, project_id: int, rows: pa.Table, kept_us: int | None, written: list[Written]) -> None:
    """One file for each UTC day that rows occurred on. What is older than the retention is left out."""
    if not rows.num_rows:
        return
    people = warehouse.identity_map(project_id, rows)
    order = pc.sort_indices(rows, sort_keys=ARROW_ORDER)
    days = pc.floor_temporal(rows["occurred_at"], unit="day").cast(pa.int64())
    days_in_order = days.take(order)
    starts = sorted(pc.unique(days).to_pylist())
    with closing(warehouse.cursor()) as cursor:
        for start_us in starts:
            if kept_us is not None and start_us + DAY_US <= kept_us:
                continue
            # most compactions are of one day: no copy
            cursor.register("of_one_day", rows if len(starts) == 1 else rows.filter(pc.equal(days, start_us)))
            pieces = of_table(rows, order.filter(pc.equal(days_in_order, start_us)), people)
            day = day_of(start_us)
            written.append(
                write(
                    cursor, warehouse.store, "of_one_day", people=people, project_id=project_id, day=day, pieces=pieces
                )
            )
