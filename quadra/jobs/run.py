"""One attempt at one job: call the handler, then write down how it ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from quadra.core.database import Database
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.jobs import lease as leases
from quadra.jobs.errors import LeaseLost, failed_attempt, judge
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Claimed, Lease
from quadra.jobs.states import PENDING, SUCCESS

logger = logging.getLogger(__name__)

TURN_MOST = 32
"""Jobs that one call of a handler does: what it reads is in memory until they are done."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, to count and to show."""

    job: Claimed
    state: str | None
    """The state the job is in now; None where the lease was lost, so that another worker decides that."""
    seconds: float
    waited_seconds: float
    """From when the job could be claimed until it was."""
    error: str | None = None


class Run:
    def __init__(self, job: Claimed, handler: Handler, lease_length: timedelta):
        self.lease = Lease(job, lease_length)
        self.handler = handler
        self.thread: threading.Thread | None = None
        """That does it."""
        self.together = False
        """Whether that does others with it."""
        self._started: float | None = time.monotonic()

    @property
    def waits(self) -> bool:
        """Whether others of its thread come first."""
        return self._started is None

    def wait(self) -> None:
        self._started = None

    def begin(self) -> None:
        self._started = time.monotonic()

    @property
    def key(self) -> str:
        """This claim among those of its process; a job that was given back may be claimed with the same attempt again."""
        return f"{self.lease.job.id}:{self.lease.job.token}"

    @property
    def seconds(self) -> float:
        return 0.0 if self._started is None else time.monotonic() - self._started

    @property
    def overdue(self) -> bool:
        return self.seconds > self.handler.timeout.total_seconds()

    def work(self, runtime: Runtime, backoff: timedelta) -> Ended:
        """Raises `Unavailable` when the outcome could not be written for as long as a lease lasts."""
        try:
            self.handler.work(runtime, self.lease)
            return self.finish(runtime.database)
        except LeaseLost as error:
            return self._lost(error)
        except (Exception, SystemExit) as error:  # some libraries raise SystemExit; it would end this thread in silence
            try:
                return settle(runtime.database, self, error, backoff, patience=self.lease.length)
            except LeaseLost as lost:
                return self._lost(lost)

    def finish(self, database: Database, *, together: int = 1) -> Ended:
        """The handler returned; it did so many jobs at once."""
        try:
            if not self.lease.succeeded:
                _write(database, self.lease.length, self.lease.succeed)
            return self.ended(SUCCESS, together=together)
        except LeaseLost as error:
            return self._lost(error)

    def ended(self, state: str | None, error: BaseException | None = None, *, together: int = 1) -> Ended:
        job = self.lease.job
        waited = (job.started_at - job.available_at).total_seconds()
        return Ended(job, state, self.seconds / together, waited, None if error is None else str(error))

    def _lost(self, error: LeaseLost) -> Ended:
        logger.warning("jobs.lease.lost", extra={"job_id": self.lease.job.id, "attempt": self.lease.job.attempt})
        return self.ended(None, error)


def shared_out(jobs: Iterable[Claimed], handlers: Mapping[str, Handler]) -> list[list[Claimed]]:
    """What each thread is to do."""
    alone: list[list[Claimed]] = []
    together: dict[str, list[Claimed]] = {}
    for job in jobs:
        if handlers[job.kind].together and job.attempt == 1:
            together.setdefault(job.kind, []).append(job)
        else:
            alone.append([job])
    return [*alone, *together.values()]


def turns(runtime: Runtime, runs: Sequence[Run], held: Container[str]) -> Iterator[tuple[list[Run], bool]]:
    """Call the handler for some of them after the other, as far as they are still `held`. Yields each turn, and whether it is
    done: else whose fault it is shows when each is done by itself.
    """
    for run in runs[TURN_MOST:]:
        run.wait()
    for first in range(0, len(runs), TURN_MOST):
        some = [run for run in runs[first : first + TURN_MOST] if run.key in held]
        if some:
            yield some, _do_together(runtime, some)


def _do_together(runtime: Runtime, runs: Sequence[Run]) -> bool:
    handler = runs[0].handler
    assert handler.together is not None
    for run in runs:
        run.begin()
    try:
        handler.together(runtime, [run.lease for run in runs])
    except (Exception, SystemExit) as error:
        kind = runs[0].lease.job.kind
        logger.warning("jobs.together.failed", extra={"kind": kind, "jobs": len(runs), "reason": str(error)})
        for run in runs:
            run.wait()
        return False
    return True


def settle(database: Database, run: Run, error: BaseException, backoff: timedelta, *, patience: timedelta) -> Ended:
    """Write that the attempt failed with `error`. Raises `LeaseLost`, and `Unavailable` after `patience`."""
    job = run.lease.job
    verdict = judge(error, attempt=job.attempt, max_attempts=job.max_attempts, backoff=backoff)
    details = {"job_id": job.id, "kind": job.kind, "attempt": job.attempt, "reason": str(error)}
    if verdict.retry_in is not None and not verdict.spends_attempt:
        wait = verdict.retry_in
        if not run.lease.postponed:
            _write(database, patience, lambda session: leases.postpone(session, job, retry_in=wait, reason=str(error)))
        logger.info("jobs.job.postponed", extra=details)
        return run.ended(PENDING, error)
    failure = failed_attempt(error, attempt=job.attempt, worker=job.worker, seconds=run.seconds)
    states: list[str] = []
    _write(
        database, patience, lambda session: states.append(leases.fail(session, job, failure, retry_in=verdict.retry_in))
    )
    logger.warning("jobs.job.failed", extra={**details, "state": states[-1]})
    return run.ended(states[-1], error)


def _write(database: Database, patience: timedelta, write: Callable[[Session], object]) -> None:
    """Try again while the database is away: otherwise a finished job would run again.

    Safe to repeat, also after a commit whose outcome is unknown: the token has gone with it.
    """
    until = time.monotonic() + patience.total_seconds()
    wait = 0.1
    while True:
        try:
            with database.begin() as session:
                write(session)
            return
        except Unavailable:
            if time.monotonic() + wait > until:
                raise
            time.sleep(wait)
            wait = min(wait * 2, 2.0)
