"""Dead letters: jobs that FAILED. They stay until a person requeues or discards them; nothing else touches them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict, NotFound
from quadra.jobs.queue import MANUAL
from quadra.jobs.states import DISCARDED, FAILED, PENDING, require_move
from quadra.jobs.tables import Job, rows_hit
from quadra.jobs.wake import wake_workers


def get_job(session: Session, job_id: str) -> Job:
    """Raises `NotFound`."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def requeue(session: Session, job_id: str) -> Job:
    """Let a dead job run again, with all its attempts and its history. Asked twice, it runs once.

    Raises `NotFound`, or `Conflict` when it is not dead, or when one like it is unfinished.
    """
    at = clock.now()
    values = {"attempt": 0, "available_at": at, "finished_at": None, "trigger": MANUAL, "unique_key": Job.unique_as}
    try:
        job = _leave(session, job_id, PENDING, values)
    except IntegrityError as error:
        raise Conflict("Another job of this kind is unfinished for the same batch; wait for that one.") from error
    wake_workers(session)
    return job


def discard(session: Session, job_id: str) -> Job:
    """Decide that a dead job will never be done. Raises as `requeue` does."""
    return _leave(session, job_id, DISCARDED, {"finished_at": clock.now()})


def _leave(session: Session, job_id: str, state: str, values: dict[str, Any]) -> Job:
    dead = sa.update(Job).where(Job.id == job_id, Job.state == FAILED)
    hit = rows_hit(session, dead.values(state=state, updated_at=clock.now(), **values))
    job = get_job(session, job_id)
    session.refresh(job)
    if not hit:
        require_move(job_id, job.state, state)
        raise Conflict(f"Job {job_id} changed this moment; look again.")
    return job
