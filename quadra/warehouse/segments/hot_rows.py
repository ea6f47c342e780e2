"""Eviction: rows leave the event table once they are old and it is certain that segments hold every one of them, value for value.

With a row goes the memory of its id: an event that is sent again after HOT_DAYS is stored again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.ingest.batches import lock
from quadra.ingest.tables import Batch, Event
from quadra.jobs.errors import Permanent
from quadra.jobs.lease import Lease
from quadra.jobs.states import FAILED, UNFINISHED
from quadra.jobs.tables import Job, rows_hit
from quadra.warehouse.query.engine import Warehouse, warehouse_of
from quadra.warehouse.segments.catalogue import day_of, first_kept_us
from quadra.warehouse.segments.publishing import StaleRead
from quadra.warehouse.segments.rows import Key, read_batches, take_batches
from quadra.warehouse.segments.verifying import require_sound
from quadra.warehouse.segments.writing import COLUMNS, files
from quadra.warehouse.tables import LIVE, Segment

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 50_000
"""Compared at once."""
ROWS_DELETED_AT_ONCE = 2_000
"""Of one transaction: on SQLite no other process writes during it."""
BATCHES_AT_ONCE = 500
WORK_SECONDS = 300.0


class NotCovered(Permanent):
    """Rows of the event table are in no segment; nothing was deleted."""

    code = "not_covered"


def is_due(settings: Settings) -> sa.ColumnElement[bool]:
    """Batches whose rows may leave: old, in segments, analysed, and no job, not even a dead one, still wants them."""
    wanted = sa.exists().where(Job.batch_id == Batch.id, Job.state.in_((*UNFINISHED, FAILED)))
    return sa.and_(
        Batch.cold_at.is_(None),
        Batch.sealed_at < _cut(settings),
        Batch.segment_id.is_not(None),
        Batch.status.in_(("ANALYZED", "ARCHIVED")),
        ~wanted,
    )


def evict_project(runtime: Runtime, lease: Lease) -> None:
    """The job."""
    if lease.job.project_id is None:
        raise Permanent("Rows leave one project at a time.")
    until = time.monotonic() + WORK_SECONDS  # the next round of planning goes on
    while not lease.lost.is_set() and evict_some(runtime, lease.job.project_id, lease) and time.monotonic() < until:
        pass


def evict_some(runtime: Runtime, project_id: int, lease: Lease | None = None) -> int:
    """Delete the rows of some batches; how many batches. Raises `NotCovered`, `Damaged`, `LeaseLost`, `Unavailable`."""
    with runtime.database.snapshot() as session:
        batches = _due(session, runtime.settings, project_id)
        rows = read_batches(session, batches)
        kept_us = first_kept_us(runtime.settings.retention_days)
        if kept_us is not None:  # what is older went with its segments, or never got into one
            rows = rows.filter(pc.greater_equal(rows["occurred_at"].cast(pa.int64()), kept_us))
        segments = _segments(session, project_id, rows)
    if not batches:
        return 0
    warehouse = warehouse_of(runtime)
    require_sound(warehouse, segments)
    _require_covered(warehouse, rows, segments)
    for portion in _portions(batches):
        with runtime.database.begin() as session:
            if lease is not None:
                lease.hold(session)
            _delete(session, portion)
    logger.info("warehouse.rows.evicted", extra={"project_id": project_id, "batches": len(batches)})
    return len(batches)


def _cut(settings: Settings) -> datetime:
    days = min(settings.hot_days, settings.retention_days or settings.hot_days)
    return clock.now() - timedelta(days=days)


def _due(session: Session, settings: Settings, project_id: int) -> list[Key]:
    here = sa.and_(Batch.project_id == project_id, is_due(settings))
    query = sa.select(Batch.id, Batch.event_count).where(here).order_by(Batch.sealed_at).limit(BATCHES_AT_ONCE)
    return take_batches(session, query, ROWS_AT_ONCE)


def _segments(session: Session, project_id: int, rows: pa.Table) -> list[Segment]:
    """All that may hold these rows."""
    starts = pc.unique(pc.floor_temporal(rows["occurred_at"], unit="day").cast(pa.int64())).to_pylist()
    days = [day_of(start_us) for start_us in starts]
    here = sa.and_(Segment.project_id == project_id, Segment.state == LIVE, Segment.day.in_(days))
    return list(session.scalars(sa.select(Segment).where(here)))


def _require_covered(warehouse: Warehouse, rows: pa.Table, segments: Sequence[Segment]) -> None:
    if not rows.num_rows:
        return
    with closing(warehouse.cursor()) as cursor:
        cursor.register("hot", rows)
        held = "SELECT * FROM hot WHERE false"
        if segments:
            source = files(warehouse.store.ready([segment.path for segment in segments]))
            held = f"SELECT {COLUMNS} FROM {source} WHERE batch_id IN (SELECT DISTINCT batch_id FROM hot)"
        missing = cursor.sql(
            f"SELECT event_id, batch_id FROM (SELECT {COLUMNS} FROM hot EXCEPT ALL {held}) ORDER BY ALL LIMIT 5"
        ).fetchall()
    if missing:
        named = ", ".join(f"{event_id} of batch {batch_id}" for event_id, batch_id in missing)
        raise NotCovered(f"No segment holds event {named}. Nothing was deleted.")


def _portions(batches: Sequence[Key]) -> list[list[str]]:
    portions: list[list[str]] = []
    rows = ROWS_DELETED_AT_ONCE
    for batch_id, count in batches:
        if rows + count > ROWS_DELETED_AT_ONCE:
            portions.append([])
            rows = 0
        portions[-1].append(batch_id)
        rows += count
    return portions


def _delete(session: Session, ids: Sequence[str]) -> None:
    """The rows go and their batches are marked, together or not at all."""
    at = clock.now()
    lock(session, ids)
    still = sa.and_(Batch.id.in_(ids), Batch.segment_id.is_not(None), Batch.cold_at.is_(None))
    if rows_hit(session, sa.update(Batch).where(still).values(cold_at=at)) != len(ids):
        raise StaleRead  # another worker did it
    rows_hit(session, sa.delete(Event).where(Event.batch_id.in_(ids)))
    analysed = sa.and_(Batch.id.in_(ids), Batch.status == "ANALYZED")
    rows_hit(session, sa.update(Batch).where(analysed).values(status="ARCHIVED", archived_at=at))
