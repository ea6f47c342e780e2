"""Take back what dead and stuck workers hold, and forget what is long finished. Any number of workers may run this at
once: each row changes by one conditional update, so it changes once; and none waits for a row that another one holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.jobs.errors import Stuck, Transient, WorkerLost, failed_attempt, judge, longer
from quadra.jobs.states import DISCARDED, FAILED, PENDING, RUNNING, SUCCESS
from quadra.jobs.tables import Job, WorkerRow, rows_hit
from quadra.jobs.wake import wake_workers

RECOVERED_AT_ONCE = 100
PRUNED_AT_ONCE = 1_000
"""Bounds of one transaction: on SQLite no other process writes during it."""


@dataclass(frozen=True, slots=True)
class Recovered:
    job_id: str
    kind: str
    state: str
    attempt: int
    worker: str | None
    reason: str


def find_lost(session: Session, *, stuck_after: timedelta) -> list[str]:
    """The running jobs whose lease ran out, or that one attempt has held for longer than `stuck_after`."""
    at = clock.now()
    gone = sa.or_(Job.lease_expires_at < at, Job.started_at < at - stuck_after)
    query = sa.select(Job.id).where(Job.state == RUNNING, gone).order_by(Job.id).limit(RECOVERED_AT_ONCE)
    return list(session.scalars(query))


def recover(session: Session, job_id: str, *, stuck_after: timedelta, backoff: timedelta) -> Recovered | None:
    """Give a job that `find_lost` found another attempt, or none where all are spent. None where it needs it no more.

    Its attempt stays spent: a job that kills its worker each time must end.
    """
    # skipped where it is locked: its handler is in the transaction that ends the job, or another worker recovers it
    query = sa.select(Job).where(Job.id == job_id, Job.state == RUNNING).with_for_update(skip_locked=True)
    job = session.scalar(query.execution_options(populate_existing=True))
    if job is None or job.started_at is None or job.lease_expires_at is None:
        return None
    at = clock.now()
    error: Transient
    if job.lease_expires_at < at:
        error = WorkerLost()
    elif job.started_at < at - stuck_after:
        error = Stuck()
    else:
        return None
    verdict = judge(error, attempt=job.attempt, max_attempts=job.max_attempts, backoff=backoff)
    seconds = (at - job.started_at).total_seconds()
    failure = failed_attempt(error, attempt=job.attempt, worker=job.leased_by, seconds=seconds)
    dead = verdict.retry_in is None
    values = {
        "state": FAILED if dead else PENDING,
        "lease_token": None,
        "lease_expires_at": None,
        "updated_at": at,
        "last_error": error.message,
        "error_context": longer(job.error_context, failure),
    }
    if verdict.retry_in is None:
        values |= {"finished_at": at, "unique_key": None}
    else:
        values |= {"available_at": at + verdict.retry_in}
    still = sa.update(Job).where(Job.id == job_id, Job.state == RUNNING, Job.lease_token == job.lease_token)
    if not rows_hit(session, still.values(values)):
        return None
    wake_workers(session)  # those that found nothing to wait for learn when it is due
    return Recovered(job_id, job.kind, str(values["state"]), job.attempt, job.leased_by, error.code)


def prune(session: Session, *, finished_before: datetime) -> int:
    """Delete some jobs that ended well, or were discarded, before that time; how many. Dead letters stay."""
    ended = sa.and_(Job.state.in_((SUCCESS, DISCARDED)), Job.finished_at < finished_before)
    return delete_free(session, Job, ended, at_most=PRUNED_AT_ONCE)


def beat(session: Session, *, worker: str, kinds: list[str], concurrency: int, running: int) -> None:
    """Say that this worker is alive."""
    here = sa.update(WorkerRow).where(WorkerRow.name == worker)
    if not rows_hit(session, here.values(heartbeat_at=clock.now(), running=running)):
        session.add(WorkerRow(name=worker, kinds=kinds, concurrency=concurrency, running=running))


def retire(session: Session, *, worker: str) -> None:
    """This worker has ended in order."""
    rows_hit(session, sa.delete(WorkerRow).where(WorkerRow.name == worker))


def prune_workers(session: Session, *, silent_since: datetime) -> int:
    """Forget workers whose last heartbeat is older; how many. Their jobs come back by their leases."""
    return delete_free(session, WorkerRow, WorkerRow.heartbeat_at < silent_since)
