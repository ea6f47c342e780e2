"""The job that delivers: what waits in the queue of one sink and one project, parcel by parcel, until there is none.

There is one unfinished job for each sink and project, so parcels of a project never overtake one another. A parcel leaves the
queue after the other side has it: a worker that dies in between sends it once more. A failure costs no attempt: the job waits
and comes back for as long as the other side is away, and nothing of it becomes a dead letter.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.core.errors import Unavailable
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.insights.breaker import Guard, call
from quadra.jobs.errors import LeaseLost, Permanent
from quadra.jobs.lease import Lease
from quadra.sinks import queue
from quadra.sinks.parcels import read_parcel
from quadra.sinks.registry import Listed
from quadra.sinks.sink import Parcel, Refused, Sink
from quadra.sinks.tables import SinkRow

logger = logging.getLogger(__name__)

WORK_SECONDS = 20.0
"""Of one job: then another project has its turn."""
TIMEOUT = timedelta(minutes=3)
"""Of one job; a send has bounds of its own, far below this."""
WAIT_MOST_SECONDS = 30
COOLDOWN_MOST = timedelta(seconds=30)
"""A trial is one parcel and costs nothing; what waits grows older meanwhile."""


class OpenSinks:
    """The sinks that this process has open: connections are kept from job to job."""

    def __init__(self, runtime: Runtime):
        self._settings = runtime.settings
        self._open: dict[str, Sink] = {}

    def get(self, listed: Listed) -> Sink:
        if listed.name not in self._open:
            self._open[listed.name] = listed.make(self._settings)
        return self._open[listed.name]

    def drop(self, listed: Listed) -> None:
        """After a failure nobody knows in which state it is."""
        sink = self._open.pop(listed.name, None)
        if sink is not None:
            sink.close()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


def guard_of(listed: Listed, settings: Settings) -> Guard:
    return Guard(
        name=listed.name,
        failures=settings.breaker_failures,
        cooldown=min(settings.breaker_cooldown, COOLDOWN_MOST),
        trial_length=TIMEOUT,
    )


def deliver(listed: Listed, runtime: Runtime, lease: Lease) -> None:
    """The job. Raises `Unavailable` where the other side is away, `LeaseLost`."""
    with runtime.database.read() as session:
        project = session.get(Project, lease.job.project_id)
    if project is None:
        raise Permanent("The project of this job is gone.")
    until = time.monotonic() + WORK_SECONDS
    while time.monotonic() < until and not lease.lost.is_set():
        rows = listed.rows_at_once(runtime.settings)
        with runtime.database.read() as session:
            paused = _is_paused(session, listed)
            batches = [] if paused else queue.next_batches(session, listed.name, project.id, rows=rows)
        if not batches:
            return
        parcel = read_parcel(runtime, project, batches)
        refused = _send(listed, runtime, lease, parcel) if parcel.lines else []
        with runtime.database.begin() as session:
            lease.hold(session)
            queue.delivered(
                session,
                listed.name,
                project.id,
                parcel.batch_ids,
                events=len(parcel.lines),
                refused=refused,
            )
        told = {"sink": listed.name, "project_id": project.id, "events": len(parcel.lines), "refused": len(refused)}
        logger.info("sinks.parcel.delivered", extra=told)
    if lease.lost.is_set():
        raise LeaseLost


def _is_paused(session: Session, listed: Listed) -> bool:
    row = session.get(SinkRow, listed.name)
    return row is not None and row.paused_at is not None


def _send(listed: Listed, runtime: Runtime, lease: Lease, parcel: Parcel) -> list[Refused]:
    """Whatever a library raises is the other side's failure: it is noted, told, and tried again for ever.

    Opening is a part of the call: a side that is dead at that is left alone like one that takes nothing, and a connection
    alone does not make it well.
    """

    def send() -> list[Refused]:
        return runtime.the(OpenSinks).get(listed).send(parcel)

    try:
        return call(runtime.database, guard_of(listed, runtime.settings), send, counts=lambda _error: True)
    except Unavailable as error:
        if error.code == "breaker_open":
            raise
        raise _noted(listed, runtime, lease, error) from error
    except Exception as error:
        raise _noted(listed, runtime, lease, error) from error


def _noted(listed: Listed, runtime: Runtime, lease: Lease, error: Exception) -> Unavailable:
    """One transaction notes the failure and lets the job wait: on SQLite senders of events wait for each. Raises `LeaseLost`."""
    runtime.the(OpenSinks).drop(listed)
    reason = f"{type(error).__name__}: {error}"
    with runtime.database.begin() as session:
        lease.hold(session)
        failures = queue.failed(session, listed.name, reason)
        wait = min(2 ** min(failures - 1, 10), WAIT_MOST_SECONDS)
        told = f"{listed.title} could not be delivered to: {reason}"
        lease.postpone(session, retry_in=timedelta(seconds=wait), reason=told)
    logger.warning("sinks.sink.failed", extra={"sink": listed.name, "reason": reason, "in_a_row": failures})
    return Unavailable(told, retry_after_seconds=wait)
