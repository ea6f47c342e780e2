"""Sealing from outside the writer: by age, also of batches whose writer died, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict, NotFound
from quadra.ingest.tables import Batch
from quadra.jobs.queue import enqueue_for_batch


def seal_due(session: Session, *, max_age: timedelta, job_kinds: Sequence[str], max_attempts: int) -> list[str]:
    """Seal the open batches that are older than `max_age`; their ids."""
    due = sa.select(Batch.id, Batch.project_id).where(Batch.status == "OPEN", Batch.opened_at <= clock.now() - max_age)
    return [
        batch_id
        for batch_id, project_id in session.execute(due.order_by(Batch.id)).all()
        if _seal(session, batch_id, project_id, job_kinds, max_attempts)
    ]


def seal(session: Session, batch_id: str, *, job_kinds: Sequence[str], max_attempts: int) -> None:
    """Seal one batch now. Raises `NotFound`, or `Conflict` when it is not open."""
    batch = session.get(Batch, batch_id)
    if batch is None:
        raise NotFound(f"There is no batch {batch_id}.")
    if not _seal(session, batch_id, batch.project_id, job_kinds, max_attempts):
        raise Conflict(f"Batch {batch_id} is {batch.status}, only an OPEN one can be sealed.")


def _seal(session: Session, batch_id: str, project_id: int, job_kinds: Sequence[str], max_attempts: int) -> bool:
    """One conditional update. False where somebody else was quicker: its writer filled it, or another worker sealed it."""
    updated = session.execute(
        sa.update(Batch)
        .where(Batch.id == batch_id, Batch.status == "OPEN")
        .values(status="SEALED", sealed_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if updated.rowcount == 0:  # type: ignore[attr-defined]
        return False
    enqueue_for_batch(
        session.connection(), kinds=job_kinds, project_id=project_id, batch_id=batch_id, max_attempts=max_attempts
    )
    return True
