"""What waits: open batches that nobody seals, jobs that nobody does, jobs that were given up; and who should do them."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from quadra.core import clock
from quadra.health.context import CheckContext
from quadra.health.verdict import DEGRADED, Found, check, degraded, graded, healthy, unhealthy, worst
from quadra.ingest.tables import Batch
from quadra.jobs.questions import dead_letter_stats, list_workers
from quadra.jobs.states import PENDING
from quadra.jobs.tables import Job

PATIENCE_SECONDS = 60.0
"""After a start, until a missing worker counts as missing: it starts after the web process."""


@check("analysis")
def workers(context: CheckContext) -> Found:
    """Somebody seals batches and does jobs."""
    with context.runtime.database.read() as session:
        rows = list_workers(session)
    at = clock.now()
    lease = context.runtime.settings.job_lease
    alive = [row for row in rows if at - row.heartbeat_at < lease]
    details = {
        "alive": len(alive),
        "names": [row.name for row in alive],
        "jobs_running": sum(row.running for row in alive),
    }
    if alive:
        newest = max(row.heartbeat_at for row in alive)
        age = round(max(0.0, (at - newest).total_seconds()), 1)
        workers = "A worker runs" if len(alive) == 1 else f"{len(alive)} workers run"
        return healthy(f"{workers}; last heard {age:g} s ago.", heartbeat_age_seconds=age, **details)
    if context.role == "web" and context.uptime_seconds < PATIENCE_SECONDS:
        return degraded("No worker yet; this process has just started.", **details)
    return unhealthy("No worker runs: nothing is sealed, analysed or delivered. Start `quadra worker`.", **details)


@check("analysis")
def backlog(context: CheckContext) -> Found:
    """How long the oldest open batch and the oldest job that is due have waited."""
    settings = context.runtime.settings
    at = clock.now()
    with context.runtime.database.read() as session:
        opened = session.scalar(sa.select(sa.func.min(Batch.opened_at)).where(Batch.status == "OPEN"))
        # by when it was due: a job that its breaker postponed waits for somebody else
        due = session.scalar(
            sa.select(sa.func.min(Job.available_at)).where(Job.state == PENDING, Job.available_at <= at)
        )
        waiting = session.scalar(sa.select(sa.func.count()).where(Job.state == PENDING)) or 0
    batch_age, job_age = _age(opened, at), _age(due, at)
    warn, fail = settings.health_backlog_warn.total_seconds(), settings.health_backlog_fail.total_seconds()
    overdue = max(0.0, batch_age - settings.batch_max_age.total_seconds())
    status = worst((graded(overdue, warn, fail), graded(job_age, warn, fail)))
    message = "Nothing waits longer than it should."
    if graded(job_age, warn, fail) == status != "healthy":
        message = f"The oldest job that is due waits for {_words(job_age)}. Are workers busy, or does the job hang?"
    elif status != "healthy":
        message = f"The oldest open batch should have been sealed {_words(overdue)} ago. Does a worker run?"
    details = {
        "oldest_open_batch_seconds": batch_age,
        "oldest_due_job_seconds": job_age,
        "pending_jobs": waiting,
    }
    return Found(status, message, details)


@check("analysis", worst=DEGRADED)
def dead_letters(context: CheckContext) -> Found:
    """Jobs that were given up lately."""
    with context.runtime.database.read() as session:
        stats = dead_letter_stats(session)
    lately = stats["last_24_hours"]
    if lately >= context.runtime.settings.health_dead_letters_warn:
        return degraded(f"{lately} jobs were given up within a day: look at Pipeline, Dead letters.", **stats)
    return healthy(
        f"{lately} jobs were given up within a day." if lately else "No job was given up within a day.", **stats
    )


def _age(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else round(max(0.0, (at - since).total_seconds()), 1)


def _words(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
