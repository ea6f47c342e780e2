"""Sealed batches enter the queues of sinks, what waits gets its job, and what was delivered long ago is forgotten."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.core import clock
from quadra.core.errors import Conflict
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.core.upkeep import Upkeep
from quadra.jobs.queue import enqueue
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job, rows_hit
from quadra.sinks import queue
from quadra.sinks.handlers import PRIORITY
from quadra.sinks.registry import Listed, configured
from quadra.sinks.tables import SinkRow

logger = logging.getLogger(__name__)

BACK = timedelta(minutes=2)
"""How far before the last thorough look each turn looks: a transaction commits after it took its time."""
FAR_BACK = timedelta(hours=1)
"""And a thorough one: clocks of machines differ."""
THOROUGH_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=2)
"""How long entries that were delivered are kept. Longer than any look goes back."""


FAILING_EVERY = timedelta(seconds=10)
"""How often the queue of a sink is filled that failed last: nobody waits for it, and senders wait for each transaction."""


class Looked:
    """When this process last looked thoroughly, and for sinks that fail."""

    def __init__(self, _runtime: Runtime):
        self.at = self.failing_at = float("-inf")


def plan(runtime: Runtime, *, gather: bool = True) -> None:
    """Put what was sealed into the queues and enqueue jobs. Without `gather` nothing waits for more of its like."""
    sinks = configured(runtime.settings)
    if not sinks:
        return
    looked = runtime.the(Looked)
    at = time.monotonic()
    thorough = at - looked.at > THOROUGH_EVERY.total_seconds()
    failing = thorough or at - looked.failing_at > FAILING_EVERY.total_seconds()
    _fill(runtime, sinks, thorough=thorough, failing=failing)
    if failing:
        looked.failing_at = at
    if thorough:
        looked.at = at
    with runtime.database.read() as session:
        due = [(sink, project_id) for sink in sinks for project_id in _due(session, sink, runtime.settings, gather)]
    if due:
        with runtime.database.begin() as session:
            for sink, project_id in due:
                _enqueue(session, sink, project_id, runtime.settings)


def _fill(runtime: Runtime, sinks: Sequence[Listed], *, thorough: bool, failing: bool) -> None:
    """One transaction for all sinks, and none where nothing is new: on SQLite senders wait for it. What is left over is found
    at the next turn."""
    at = clock.now()
    back = FAR_BACK if thorough else BACK
    with runtime.database.read() as session:
        rows = {sink.name: session.get(SinkRow, sink.name) for sink in sinks}
        found = {
            name: queue.find_new(session, row, sealed_after=row.looked_at - back)
            for name, row in rows.items()
            if row is not None and (failing or not row.failures)
        }
    first = [name for name, row in rows.items() if row is None]
    new = [entry for name, batches in found.items() for entry in queue.entries(name, batches)]
    whole = [name for name, batches in found.items() if thorough and len(batches) < queue.AT_ONCE]
    if not (first or new or whole):
        return
    with runtime.database.begin() as session:
        for name in first:
            row = queue.row_of(session, name)
            new += queue.entries(name, queue.find_new(session, row, sealed_after=row.looked_at - back))
        queue.add(session, new)
        if whole:
            rows_hit(session, sa.update(SinkRow).where(SinkRow.name.in_(whole)).values(looked_at=at))


def _due(session: Session, listed: Listed, settings: Settings, gather: bool) -> list[int]:
    """Projects with enough events in the queue, or with some that have waited for long enough."""
    row = session.get(SinkRow, listed.name)
    if row is not None and row.paused_at is not None:
        return []
    since, enough = clock.now() - listed.gathers, listed.rows_at_once(settings)
    unfinished = sa.select(Job.project_id).where(Job.kind == listed.kind, Job.state.in_(UNFINISHED))
    # such a job goes on until the queue is empty; that queue may be long, and is not counted each second
    free = set(session.scalars(sa.select(Project.id))) - set(session.scalars(unfinished))
    return [
        one.project_id
        for one in (queue.waiting(session, listed.name, free) if free else ())
        if not gather or not listed.gathers or one.events >= enough or one.since <= since
    ]


def _enqueue(session: Session, listed: Listed, project_id: int, settings: Settings) -> None:
    try:
        enqueue(
            session,
            kind=listed.kind,
            project_id=project_id,
            unique_as=f"{listed.kind}:{project_id}",
            priority=PRIORITY,
            max_attempts=settings.job_max_attempts,
        )
    except Conflict:  # another worker was quicker
        return


def forget(runtime: Runtime) -> None:
    for listed in configured(runtime.settings):
        count = queue.AT_ONCE
        while count == queue.AT_ONCE:
            with runtime.database.begin() as session:
                row = queue.row_of(session, listed.name)
                before = (
                    min(row.looked_at, clock.now()) - KEPT
                )  # after a long stop the next look goes back to `looked_at`
                count = queue.forget(session, listed.name, sealed_before=before)


UPKEEP = (
    Upkeep("sinks-plan", lambda _: timedelta(seconds=1), plan),
    Upkeep("sinks-forget", lambda _: timedelta(hours=1), forget),
)
