"""Archive batches that were analysed long ago: a mark, nothing more. Their rows leave the hot table when the warehouse says
so, never here; and a batch is marked only once a segment keeps its rows.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.ingest.tables import Batch
from quadra.insights.reading import DAYS
from quadra.insights.store import forget_hours
from quadra.jobs.tables import rows_hit

AT_ONCE = 1_000
"""Bound of one transaction: on SQLite nobody else writes meanwhile."""
HOURS_KEPT = timedelta(days=2 * DAYS)


def archive_due(session: Session, *, after: timedelta) -> int:
    """ANALYZED becomes ARCHIVED for some batches analysed longer ago than `after` that a segment keeps; how many."""
    due = sa.and_(Batch.status == "ANALYZED", Batch.segment_id.is_not(None), Batch.analyzed_at < clock.now() - after)
    query = sa.select(Batch.id).where(due).order_by(Batch.opened_at).limit(AT_ONCE)
    ids = session.scalars(query.with_for_update(skip_locked=True)).all()
    if not ids:
        return 0
    return rows_hit(
        session, sa.update(Batch).where(Batch.id.in_(ids), due).values(status="ARCHIVED", archived_at=clock.now())
    )


def tidy(session: Session) -> int:
    """Forget what no comparison reaches any more; how many rows."""
    return forget_hours(session, before=clock.now() - HOURS_KEPT)
