"""Keep an insight. One for each (batch, analyst): a second analysis replaces what the first one said.

Runs in the transaction that ends the job, after the lease was found to be ours; so of two workers only one gets here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.ingest.batches import lock
from quadra.ingest.tables import Batch
from quadra.insights.tables import HourCount, Insight


def find_insight(session: Session, *, batch_id: str, analyst: str) -> Insight | None:
    return session.scalar(sa.select(Insight).where(Insight.batch_id == batch_id, Insight.analyst == analyst))


# made once, and asked of the bare connection: making statements took longer than the database needs for them
IS_THERE = sa.select(Insight.id).where(
    Insight.batch_id == sa.bindparam("batch"), Insight.analyst == sa.bindparam("analyst")
)
ARE_THERE = sa.select(Insight.batch_id, Insight.id).where(
    Insight.batch_id.in_(sa.bindparam("batches", expanding=True)), Insight.analyst == sa.bindparam("analyst")
)
INSERT = sa.insert(Insight)
MARK = (
    sa.update(Batch)
    .where(Batch.id.in_(sa.bindparam("batches", expanding=True)), Batch.status == "SEALED")
    .values(status="ANALYZED", analyzed_at=sa.bindparam("at"))
)
ADD = (
    sa.update(HourCount)
    .where(HourCount.project_id == sa.bindparam("project"), HourCount.hour_at == sa.bindparam("hour"))
    .values(events=HourCount.events + sa.bindparam("added"))
)


def save_insight(session: Session, batch: Batch, *, analyst: str, **values: Any) -> bool:
    """Write it; whether the batch had none of this analyst before."""
    connection = session.connection()
    known = connection.scalar(IS_THERE, {"batch": batch.id, "analyst": analyst})
    if known is not None:
        connection.execute(sa.update(Insight).where(Insight.id == known).values(**values))
        return False
    about = {"project_id": batch.project_id, "batch_id": batch.id, "event_count": batch.event_count}
    connection.execute(INSERT, {**about, "analyst": analyst, **values})
    return True


def save_local(session: Session, made: Sequence[tuple[Batch, dict[str, Any]]]) -> set[str]:
    """Write what the local analyst made of batches; which of them had none before."""
    connection = session.connection()
    known = dict(connection.execute(ARE_THERE, {"batches": [batch.id for batch, _ in made], "analyst": "local"}).all())
    fresh = []
    for batch, values in made:
        if batch.id in known:
            connection.execute(sa.update(Insight).where(Insight.id == known[batch.id]).values(**values))
        else:
            about = {"project_id": batch.project_id, "batch_id": batch.id, "event_count": batch.event_count}
            fresh.append({**about, "analyst": "local", **values})
    if fresh:
        connection.execute(INSERT, fresh)
    return {row["batch_id"] for row in fresh}


def mark_analyzed(session: Session, batch_ids: Sequence[str]) -> None:
    """SEALED becomes ANALYZED. No row where it is that already: then this was another look at the same batch."""
    lock(session, batch_ids)
    session.connection().execute(MARK, {"batches": batch_ids, "at": clock.now()})


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
    counted = {"project": project_id, "hour": hour_at, "added": events}
    return session.connection().execute(ADD, counted).rowcount > 0
