"""The only place where the list of segments changes. Each function belongs into one transaction and says by its error that
nothing of it may be kept: another worker was quicker, or what was read has changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.ids import uuid7
from quadra.ingest.batches import lock
from quadra.ingest.tables import Batch
from quadra.jobs.errors import Transient
from quadra.jobs.tables import rows_hit
from quadra.warehouse.segments.writing import Written
from quadra.warehouse.tables import LIVE, RETIRED, Segment

IDS_AT_ONCE = 500


class StaleRead(Transient):
    """What was compacted or merged has changed since it was read; the job reads again."""

    code = "stale_read"


def publish_compaction(session: Session, batches: Mapping[str, int], written: Sequence[Written]) -> None:
    """From this commit on the rows of `batches` (id -> events when they were read) are read from these segments.

    Raises `StaleRead`.
    """
    _require_recordable(written)
    run = uuid7()
    ids = sorted(batches)
    for at in range(0, len(ids), IDS_AT_ONCE):
        chunk = ids[at : at + IDS_AT_ONCE]
        lock(session, chunk)
        free = sa.and_(Batch.id.in_(chunk), Batch.segment_id.is_(None), Batch.status != "OPEN")
        if rows_hit(session, sa.update(Batch).where(free).values(segment_id=run)) != len(chunk):
            raise StaleRead
        # while they are locked: an erasure takes rows out and lowers the count in one transaction
        query = sa.select(Batch.id, Batch.event_count).where(Batch.id.in_(chunk))
        if dict(session.execute(query).all()) != {batch_id: batches[batch_id] for batch_id in chunk}:
            raise StaleRead
    session.add_all([item.segment for item in written])


def replace(session: Session, old: Iterable[str], written: Sequence[Written]) -> None:
    """From this commit on these segments are read instead of the `old` ones. Raises `StaleRead`."""
    _require_recordable(written)
    if not retire(session, old):
        raise StaleRead
    session.add_all([item.segment for item in written])


def retire(session: Session, ids: Iterable[str]) -> bool:
    """Take these segments out of every later question. False where one of them was not LIVE: then roll back."""
    chosen = list(ids)
    still = sa.and_(Segment.id.in_(chosen), Segment.state == LIVE)
    gone = sa.update(Segment).where(still).values(state=RETIRED, retired_at=clock.now())
    return rows_hit(session, gone) == len(chosen)


def _require_recordable(written: Iterable[Written]) -> None:
    if any(item.stale for item in written):
        raise StaleRead
