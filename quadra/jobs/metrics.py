"""How jobs go: counted where they run, which is another process than the web, and read from the database for all workers."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.observing.metrics import FAST, counter, gauge, gauges, histogram
from quadra.core.settings import Settings
from quadra.jobs.questions import HOUR
from quadra.jobs.run import Ended
from quadra.jobs.states import DISCARDED, FAILED, JOB_STATES, PENDING, RUNNING, SUCCESS
from quadra.jobs.tables import Job, WorkerRow

job_claim_latency_seconds = histogram(
    "job_claim_latency_seconds", "From when a job could be claimed until it was.", buckets=(*FAST, 60.0, 600.0)
)
job_duration_seconds = histogram("job_duration_seconds", "Of one attempt.", ("kind",))
job_attempts_total = counter("job_attempts_total", "Attempts by the state they left the job in.", ("kind", "state"))

KEPT = (PENDING, RUNNING, FAILED)
"""States whose jobs are few, or should be: these are counted whole. The others go on for a week, and only their last hour is."""


def ended(attempt: Ended) -> None:
    """For `Executor.on_ended`."""
    job_claim_latency_seconds.observe(max(attempt.waited_seconds, 0))
    job_duration_seconds.labels(attempt.job.kind).observe(attempt.seconds)
    job_attempts_total.labels(attempt.job.kind, attempt.state or "LOST").inc()


def queue(session: Session, _settings: Settings) -> Iterator[GaugeMetricFamily]:
    at = clock.now()
    lately = sa.and_(Job.state.in_((SUCCESS, DISCARDED)), Job.finished_at >= at - HOUR)
    rows = session.execute(
        sa.select(Job.kind, Job.state, sa.func.count())
        .where(sa.or_(Job.state.in_(KEPT), lately))
        .group_by(Job.kind, Job.state)
    ).all()
    numbers = {(kind, state): number for kind, state, number in rows}
    kinds = {kind for kind, _ in numbers}
    says = "Jobs in each state; of those that ended (SUCCESS, DISCARDED) only the last hour's."
    yield gauges(
        "jobs",
        says,
        ("kind", "state"),
        {(kind, state): numbers.get((kind, state), 0) for kind in kinds for state in JOB_STATES},
    )
    dead = sum(number for (_, state), number in numbers.items() if state == FAILED)
    yield gauge("dead_letters", "Jobs that wait for a person to requeue or discard them.", dead)
    oldest = session.scalar(sa.select(sa.func.min(Job.available_at)).where(Job.state == PENDING))
    age = 0.0 if oldest is None else max(0.0, (at - oldest).total_seconds())
    yield gauge("jobs_oldest_pending_age_seconds", "How long the oldest job that could be claimed has waited.", age)
    alive = session.scalar(sa.select(sa.func.count()).select_from(WorkerRow)) or 0
    yield gauge("workers", "Workers that beat lately.", alive)


GAUGES = (queue,)
