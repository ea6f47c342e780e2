"""A lease is the right of one worker to do one job until a time. Every write about a running job repeats its token; where
that hits no row, another worker has the job by now, and this worker's result must have no effect.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.jobs.errors import FailedAttempt, LeaseLost, longer
from quadra.jobs.states import FAILED, JOB_MOVES, PENDING, RUNNING, SUCCESS, Trigger
from quadra.jobs.tables import Job, rows_hit
from quadra.jobs.wake import wake_workers


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job as it was when this worker claimed it."""

    id: str
    kind: str
    args: dict[str, Any]
    project_id: int | None
    batch_id: str | None
    priority: int
    attempt: int
    max_attempts: int
    trigger: Trigger
    available_at: datetime
    started_at: datetime
    error_context: list[Any]
    token: str
    worker: str


# made once: each batch ends several jobs
SUCCEEDED: dict[str, Any] = {
    "state": SUCCESS,
    "lease_token": None,
    "lease_expires_at": None,
    "last_error": None,
    "unique_key": None,
    "finished_at": sa.bindparam("at"),
    "updated_at": sa.bindparam("at"),
}
SUCCEED = (
    sa.update(Job)
    .where(Job.id == sa.bindparam("job"), Job.lease_token == sa.bindparam("token"), Job.state == RUNNING)
    .values(SUCCEEDED)
)

SUCCEED_TOGETHER = (
    sa.update(Job)
    .where(
        Job.id.in_(sa.bindparam("jobs", expanding=True)),
        Job.lease_token.in_(sa.bindparam("tokens", expanding=True)),
        Job.state == RUNNING,
    )
    .values(SUCCEEDED)
)


class Lease:
    """What a handler gets."""

    def __init__(self, job: Claimed, length: timedelta):
        self.job = job
        self.length = length
        self.lost = threading.Event()
        """Set when it is known that the job was taken away. A handler that works for long may look here and give up."""
        self.succeeded = False
        """Whether `succeed` was committed."""
        self.postponed = False
        """Whether `postpone` was committed."""

    def hold(self, session: Session) -> None:
        """Fence what `session` writes: from here until it commits no other worker can get the job.

        Raises `LeaseLost`; then let it out, which rolls everything back. Call it first: it waits for a worker that is about to
        take the job away.
        """
        values = {"lease_expires_at": clock.now() + self.length}
        if not rows_hit(session, _mine(self.job).values(values)):
            raise _lost(self.job)

    def succeed(self, session: Session) -> None:
        """The job is done when `session` commits: what it writes and this happen together or not at all.

        Raises `LeaseLost` as `hold` does, and wants to be first as that does. The handler then only has to return.
        """
        succeed(session, self.job)
        sa_event.listen(session, "after_commit", self._note_success, once=True)

    def postpone(self, session: Session, *, retry_in: timedelta, reason: str) -> None:
        """The job waits when `session` commits, with its attempt: what the handler notes about what is away and this are one
        transaction. The handler then raises `Unavailable`. Raises `LeaseLost` as `hold` does.
        """
        postpone(session, self.job, retry_in=retry_in, reason=reason)
        sa_event.listen(session, "after_commit", self._note_wait, once=True)

    def _note_success(self, _session: Session) -> None:
        self.succeeded = True

    def _note_wait(self, _session: Session) -> None:
        self.postponed = True


def succeed_together(session: Session, leases: Sequence[Lease]) -> None:
    """All these jobs are done when `session` commits, or none: raises `LeaseLost` where one of them was taken away. Call it
    first, as `Lease.succeed`.
    """
    jobs, tokens = [lease.job.id for lease in leases], list({lease.job.token for lease in leases})
    done = session.connection().execute(SUCCEED_TOGETHER, {"jobs": jobs, "tokens": tokens, "at": clock.now()})
    if done.rowcount != len(jobs):
        raise LeaseLost(f"The lease of one of {len(jobs)} jobs was lost; what they came to is thrown away.")

    def note(_session: Session) -> None:
        for lease in leases:
            lease.succeeded = True

    sa_event.listen(session, "after_commit", note, once=True)


def succeed(session: Session, job: Claimed) -> None:
    at = clock.now()
    if not session.connection().execute(SUCCEED, {"job": job.id, "token": job.token, "at": at}).rowcount:
        raise _lost(job)


def fail(session: Session, job: Claimed, failure: FailedAttempt, *, retry_in: timedelta | None) -> str:
    """This attempt failed; again after `retry_in`, or dead without it. Returns the new state."""
    written = {"error_context": longer(job.error_context, failure), "last_error": failure.message}
    if retry_in is None:
        _leave(session, job, FAILED, finished_at=clock.now(), unique_key=None, **written)
        return FAILED
    _leave(session, job, PENDING, available_at=clock.now() + retry_in, **written)
    return PENDING


def postpone(session: Session, job: Claimed, *, retry_in: timedelta, reason: str) -> None:
    """Give the job back with its attempt: what it needs is away."""
    at = clock.now() + retry_in
    _leave(session, job, PENDING, attempt=Job.attempt - 1, available_at=at, last_error=reason)


def release(session: Session, job: Claimed) -> None:
    """Give the job back with its attempt: this worker stops."""
    _leave(session, job, PENDING, attempt=Job.attempt - 1)
    wake_workers(session)


def extend(session: Session, leases: Iterable[Lease]) -> list[Lease]:
    """Move the expiry of leases on; those that are lost.

    A row that is locked is left out: its own handler is in the middle of a transaction that holds it, so no worker can take
    it either, and one long effect must not keep the heartbeats of the other jobs waiting.
    """
    known = {lease.job.id: lease for lease in leases}
    query = sa.select(Job.id, Job.lease_token).where(Job.id.in_(known)).with_for_update(skip_locked=True)
    lost = []
    for job_id, token in session.execute(query).all():
        lease = known[job_id]
        statement = _mine(lease.job).values(lease_expires_at=clock.now() + lease.length)
        if (token != lease.job.token or not rows_hit(session, statement)) and not lease.succeeded:
            lost.append(lease)
    return lost


def find_taken(session: Session, leases: Iterable[Lease]) -> list[Lease]:
    """Those whose job was taken away. Only reads, so that it may be asked often: a person who cancels a job waits for it."""
    known = {lease.job.id: lease for lease in leases}
    rows = session.execute(sa.select(Job.id, Job.lease_token).where(Job.id.in_(known))).all()
    return [known[job_id] for job_id, token in rows if token != known[job_id].job.token and not known[job_id].succeeded]


def _mine(job: Claimed) -> sa.Update:
    return sa.update(Job).where(Job.id == job.id, Job.lease_token == job.token, Job.state == RUNNING)


def _leave(session: Session, job: Claimed, state: str, **values: Any) -> None:
    assert state in JOB_MOVES[RUNNING]
    at = clock.now()
    statement = _mine(job).values(state=state, lease_token=None, lease_expires_at=None, updated_at=at, **values)
    if not rows_hit(session, statement):
        raise _lost(job)


def _lost(job: Claimed) -> LeaseLost:
    return LeaseLost(f"The lease of job {job.id} was lost; its result is thrown away.")
