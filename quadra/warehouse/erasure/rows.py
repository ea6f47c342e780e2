"""Take the rows of one erasure out of the event table, and out of the segments. Each function does a part and says how many
rows it took; it is called until there are none.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.runtime import Runtime
from quadra.ingest.tables import Batch, Event
from quadra.jobs.errors import LeaseLost
from quadra.jobs.lease import Lease
from quadra.jobs.tables import rows_hit
from quadra.warehouse.query.duck import rows
from quadra.warehouse.query.engine import Warehouse, warehouse_of
from quadra.warehouse.segments.publishing import StaleRead, replace
from quadra.warehouse.segments.verifying import live_segments, require_sound
from quadra.warehouse.segments.writing import COLUMNS, Written, files, write
from quadra.warehouse.tables import Erasure, Segment

ROWS_AT_ONCE = 1_000
"""In one transaction: on SQLite no other process writes during it."""
IDS_AT_ONCE = 500


def erase_hot(runtime: Runtime, lease: Lease, erasure: Erasure) -> int:
    """Rows of the event table. Their batch counts them no more from the same moment on: a compaction that has read them
    sees by the count that it must read again."""
    by_batch: dict[str, list[str]] = defaultdict(list)
    for at in range(0, len(erasure.ids), IDS_AT_ONCE):
        theirs = Event.user_id.in_(erasure.ids[at : at + IDS_AT_ONCE])
        here = sa.and_(Event.project_id == erasure.project_id, theirs, Event.received_at <= erasure.requested_at)
        with runtime.database.read() as session:
            query = sa.select(Event.batch_id, Event.event_id).where(here).limit(ROWS_AT_ONCE)
            for batch_id, event_id in session.execute(query):
                by_batch[batch_id].append(event_id)
    if not by_batch:
        return 0
    gone = 0
    with runtime.database.begin() as session:
        lease.hold(session)
        for batch_id in sorted(by_batch):
            which = sa.and_(
                Event.project_id == erasure.project_id,
                Event.event_id.in_(by_batch[batch_id]),
                Event.batch_id == batch_id,
            )
            count = rows_hit(session, sa.delete(Event).where(which))
            fewer = {"event_count": Batch.event_count - count}
            rows_hit(session, sa.update(Batch).where(Batch.id == batch_id).values(fewer))
            gone += count
            compacted = session.scalar(sa.select(Batch.segment_id).where(Batch.id == batch_id))
            if compacted is None:  # otherwise they are counted as they leave their segment
                _count(session, erasure, count)
    return gone


def erase_from_segments(runtime: Runtime, lease: Lease, erasure: Erasure) -> int:
    """Rows of one segment. Raises `StaleRead` when it was replaced in the meantime, `Damaged` where it cannot be copied."""
    warehouse = warehouse_of(runtime)
    with runtime.database.read() as session:
        segments = live_segments(session, erasure.project_id)
    for segment in segments:
        count, written = _without(warehouse, segment, erasure)
        if not count:
            continue
        try:
            with runtime.database.begin() as session:
                lease.hold(session)
                replace(session, [segment.id], written)
                _count(session, erasure, count)
        except (StaleRead, LeaseLost):
            for item in written:
                warehouse.store.remove(item.segment.path)
            raise
        return count
    return 0


def _without(warehouse: Warehouse, segment: Segment, erasure: Erasure) -> tuple[int, list[Written]]:
    """(rows to erase, the file without them; none where nothing is left)"""
    requested_us = clock.to_us(erasure.requested_at)
    source = files([warehouse.store.local(segment.path)])
    # no row is left out because of a NULL: without a user id it names no person
    theirs = f"coalesce(user_id IN (SELECT id FROM erased) AND epoch_us(received_at) <= {requested_us}, false)"
    with closing(warehouse.cursor()) as cursor:
        cursor.register("erased", pa.table({"id": pa.array(erasure.ids, pa.string())}))
        ((count,),) = rows(cursor, f"SELECT count(*) FROM {source} WHERE {theirs}")
        if not count:
            return 0, []
        require_sound(warehouse, [segment])
        if count == segment.rows:
            return count, []
        rest = f"(SELECT {COLUMNS} FROM {source} WHERE NOT {theirs})"
        people = warehouse.identity_map(segment.project_id)
        return count, [
            write(cursor, warehouse.store, rest, people=people, project_id=segment.project_id, day=segment.day)
        ]


def _count(session: Session, erasure: Erasure, count: int) -> None:
    session.execute(sa.update(Erasure).where(Erasure.id == erasure.id).values(rows=Erasure.rows + count))
