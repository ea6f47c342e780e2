"""Sealing from outside the writer: by age, also of batches whose writer died, and by hand. A sealed batch gets its jobs in
the same transaction; batches that were sealed without them are found later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict, NotFound
from quadra.ingest.tables import Batch
from quadra.jobs.queue import enqueue_for_batches
from quadra.jobs.tables import Job, rows_hit
from quadra.jobs.wake import wake_after_commit

AT_ONCE = 500
"""Batches of one transaction: on SQLite nobody else writes meanwhile."""


LOCK = (
    sa.select(Batch.id)
    .where(Batch.id.in_(sa.bindparam("batches", expanding=True)))
    .order_by(Batch.id)
    .with_for_update()
)


def lock(session: Session, ids: Sequence[str]) -> None:
    """Hold several batches, always in one order: of two transactions that change some of the same ones, one waits."""
    session.connection().execute(LOCK, {"batches": ids}).all()


def oldest_open(session: Session) -> datetime | None:
    """When the open batch that is the next to be sealed by age was opened; a look that locks nothing."""
    query = sa.select(Batch.opened_at).where(Batch.status == "OPEN").order_by(Batch.opened_at).limit(1)
    return session.scalar(query)


def seal_due(session: Session, *, max_age: timedelta, job_kinds: Mapping[str, int], max_attempts: int) -> list[str]:
    """Seal open batches that are older than `max_age`, the empty ones being dropped; the ids of the sealed."""
    query = sa.select(Batch.id, Batch.project_id).where(_is_due(max_age)).order_by(Batch.id).limit(AT_ONCE)
    # skipped where a writer has it locked: waiting for one batch while holding others, as writers do too, is a deadlock
    due = session.execute(query.with_for_update(skip_locked=True)).all()
    return [batch_id for batch_id, project_id in due if _seal(session, batch_id, project_id, job_kinds, max_attempts)]


def seal(session: Session, batch_id: str, *, job_kinds: Mapping[str, int], max_attempts: int) -> None:
    """Seal one batch now. Raises `NotFound`, or `Conflict` when it is not open or has no events."""
    batch = session.get(Batch, batch_id)
    if batch is None:
        raise NotFound(f"There is no batch {batch_id}.")
    if not _seal(session, batch_id, batch.project_id, job_kinds, max_attempts):
        raise Conflict(f"Batch {batch_id} is {batch.status}, only an OPEN one with events can be sealed.")


def find_without_job(session: Session, *, kind: str, opened_after: datetime) -> list[tuple[str, int]]:
    """Some sealed batches that never had a job of this kind, and their projects: they were sealed before the kind existed,
    or by a process that did not know it.

    A dead, discarded or finished job is a job too. Finished ones are pruned one day: `opened_after` must lie later.
    """
    had = sa.exists().where(Job.batch_id == Batch.id, Job.kind == kind)
    sealed = sa.and_(Batch.status.in_(("SEALED", "ANALYZED")), Batch.opened_at >= opened_after)
    query = sa.select(Batch.id, Batch.project_id).where(sealed, ~had).order_by(Batch.opened_at).limit(AT_ONCE)
    return [(batch_id, project_id) for batch_id, project_id in session.execute(query)]


def enqueue_missing(
    session: Session, found: Iterable[tuple[str, int]], *, kind: str, priority: int, max_attempts: int
) -> int:
    """Give these batches their job; how many. Several workers may do it at once: an unfinished one keeps out a second."""
    query = sa.select(Batch.id, Batch.project_id).where(Batch.id.in_([batch_id for batch_id, _ in found]))
    # skipped where it is locked: another worker is about to insert the same job, and ours would wait for that
    ours = [(batch_id, project_id) for batch_id, project_id in session.execute(query.with_for_update(skip_locked=True))]
    enqueue_for_batches(session.connection(), ours, kinds={kind: priority}, max_attempts=max_attempts)
    wake_after_commit(session)
    return len(ours)


def _is_due(max_age: timedelta) -> sa.ColumnElement[bool]:
    return sa.and_(Batch.status == "OPEN", Batch.opened_at <= clock.now() - max_age)


def _seal(session: Session, batch_id: str, project_id: int, job_kinds: Mapping[str, int], max_attempts: int) -> bool:
    """One conditional update. False where somebody else was quicker: its writer filled it, or another worker sealed it;
    and where it is empty: then it is gone, and its writer, should it still live, begins another.
    """
    is_open = sa.and_(Batch.id == batch_id, Batch.status == "OPEN")
    if rows_hit(session, sa.delete(Batch).where(is_open, Batch.event_count == 0)):
        return False
    if not rows_hit(session, sa.update(Batch).where(is_open).values(status="SEALED", sealed_at=clock.now())):
        return False
    enqueue_for_batches(session.connection(), [(batch_id, project_id)], kinds=job_kinds, max_attempts=max_attempts)
    wake_after_commit(session)
    return True
