"""Keep an insight. One for each (batch, analyst): a second analysis replaces what the first one said.

Runs in the transaction that ends the job, after the lease was found to be ours; so of two workers only one gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.ingest.tables import Batch
from quadra.insights.tables import HourCount, Insight
from quadra.jobs.tables import rows_hit


def find_insight(session: Session, *, batch_id: str, analyst: str) -> Insight | None:
    return session.scalar(sa.select(Insight).where(Insight.batch_id == batch_id, Insight.analyst == analyst))


def save_insight(session: Session, batch: Batch, *, analyst: str, **values: Any) -> bool:
    """Write it; whether the batch had none of this analyst before."""
    existing = find_insight(session, batch_id=batch.id, analyst=analyst)
    if existing is None:
        session.add(
            Insight(
                project_id=batch.project_id, batch_id=batch.id, analyst=analyst, event_count=batch.event_count, **values
            )
        )
        session.flush()
        return True
    for name, value in values.items():
        setattr(existing, name, value)
    session.flush()
    return False


def mark_analyzed(session: Session, batch_id: str) -> None:
    """SEALED becomes ANALYZED. No row where it is that already: then this was another look at the same batch."""
    sealed = sa.update(Batch).where(Batch.id == batch_id, Batch.status == "SEALED")
    rows_hit(session, sealed.values(status="ANALYZED", analyzed_at=clock.now()))


def count_hours(session: Session, project_id: int, hours: Mapping[int, int]) -> None:
    """Add the events of a batch to the hours they occurred in. Call once for each batch."""
    for hour_us in sorted(hours):  # in one order: two workers that count the same hours wait, and do not deadlock
        hour_at, events = clock.from_us(hour_us), hours[hour_us]
        if _add(session, project_id, hour_at, events):
            continue
        try:
            with session.begin_nested():
                session.add(HourCount(project_id=project_id, hour_at=hour_at, events=events))
        except IntegrityError:
            # another worker began this hour between the two statements; its row is there to be added to
            _add(session, project_id, hour_at, events)


def forget_hours(session: Session, *, before: datetime) -> int:
    """Delete the counts of hours that no comparison reaches any more."""
    return delete_free(session, HourCount, HourCount.hour_at < before)


def _add(session: Session, project_id: int, hour_at: datetime, events: int) -> bool:
    row = sa.update(HourCount).where(HourCount.project_id == project_id, HourCount.hour_at == hour_at)
    return rows_hit(session, row.values(events=HourCount.events + events)) > 0
