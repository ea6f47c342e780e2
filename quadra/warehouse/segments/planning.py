"""What is due: one job for each project that has something to compact or rows to let go, one for each day to merge.

A dead letter keeps its like from being enqueued again: what failed for good waits for a person, not for the next round.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.ingest.tables import Batch
from quadra.jobs.queue import enqueue
from quadra.jobs.states import FAILED
from quadra.jobs.tables import Job
from quadra.warehouse.handlers import COMPACT, COOL, HANDLERS, MERGE
from quadra.warehouse.segments import hot_rows, merging

Wanted = tuple[str, int, str, Mapping[str, Any]]
"""Kind, project, what it is the only one of, args."""


def plan(runtime: Runtime) -> int:
    """Enqueue what is due; how many jobs."""
    with runtime.database.read() as session:
        due = [wanted for wanted in find_due(session, runtime.settings) if not _is_there(session, wanted[2])]
    if not due:
        return 0
    with runtime.database.begin() as session:
        return sum(_enqueue(session, runtime.settings, wanted) for wanted in due)


def find_due(session: Session, settings: Settings) -> list[Wanted]:
    due: list[Wanted] = [(COMPACT, found, f"{COMPACT}:{found}", {}) for found in find_uncompacted(session, settings)]
    for project_id, day in merging.find_days(session, rows_most=settings.segment_rows):
        due.append((MERGE, project_id, f"{MERGE}:{project_id}:{day}", {"day": day.isoformat()}))
    cool = session.scalars(sa.select(Batch.project_id).where(hot_rows.is_due(settings)).distinct())
    return due + [(COOL, found, f"{COOL}:{found}", {}) for found in cool]


def find_uncompacted(session: Session, settings: Settings) -> list[int]:
    """Projects with enough sealed events, or with some that have waited long enough."""
    waiting = sa.and_(Batch.segment_id.is_(None), Batch.status != "OPEN")
    events = sa.func.sum(Batch.event_count)
    oldest = sa.func.min(sa.type_coerce(Batch.sealed_at, sa.BigInteger))
    query = sa.select(Batch.project_id).where(waiting).group_by(Batch.project_id)
    since: timedelta = settings.segment_age
    enough = sa.or_(events >= settings.segment_events, oldest <= clock.to_us(clock.now() - since))
    return list(session.scalars(query.having(enough)))


def _is_there(session: Session, unique_as: str) -> bool:
    unfinished = sa.select(Job.id).where(Job.unique_key == unique_as)
    dead = sa.select(Job.id).where(Job.state == FAILED, Job.unique_as == unique_as)
    return any(session.scalar(query.limit(1)) is not None for query in (unfinished, dead))


def _enqueue(session: Session, settings: Settings, wanted: Wanted) -> bool:
    kind, project_id, unique_as, args = wanted
    try:
        enqueue(
            session,
            kind=kind,
            args=args,
            project_id=project_id,
            unique_as=unique_as,
            priority=HANDLERS[kind].priority,
            max_attempts=settings.job_max_attempts,
        )
    except Conflict:  # another worker planned the same
        return False
    return True
