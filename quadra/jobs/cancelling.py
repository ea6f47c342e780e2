"""Cancel a job, as a person decides. One that waits is discarded; from one that runs its lease is taken, as from a worker that
died: what its handler writes afterwards has no effect, and it is told to stop where it looks (`Lease.lost`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.jobs.dead_letters import get_job
from quadra.jobs.errors import Cancelled, failed_attempt, longer
from quadra.jobs.states import DISCARDED, UNFINISHED, require_move
from quadra.jobs.tables import Job, rows_hit


def cancel(session: Session, job_id: str, *, reason: str) -> Job:
    """The job, DISCARDED. Raises `NotFound`, and `Conflict` where it has ended, or changed this moment."""
    job = get_job(session, job_id)
    require_move(job_id, job.state, DISCARDED)
    if job.state not in UNFINISHED:
        raise Conflict(f"Job {job_id} is {job.state}: there is nothing to cancel.")
    at = clock.now()
    began = job.started_at if job.lease_token is not None else None
    seconds = 0.0 if began is None else max(0.0, (at - began).total_seconds())
    error = Cancelled(f"Cancelled: {reason}")
    worker = job.leased_by if began else None
    cancelled = failed_attempt(error, attempt=job.attempt, worker=worker, seconds=seconds)
    # the state and the token of just now: either this happens, or a concurrent success, failure or claim
    same = Job.lease_token.is_(None) if job.lease_token is None else Job.lease_token == job.lease_token
    still = sa.update(Job).where(Job.id == job_id, Job.state == job.state, same)
    hit = rows_hit(
        session,
        still.values(
            state=DISCARDED,
            lease_token=None,
            lease_expires_at=None,
            unique_key=None,
            finished_at=at,
            updated_at=at,
            last_error=error.message,
            error_context=longer(job.error_context, cancelled),
        ),
    )
    session.refresh(job)
    if not hit:
        raise Conflict(f"Job {job_id} changed this moment: it is {job.state} now. Look again.")
    return job
