"""`/status`: how Quadra is, for customers in plain words and for operators in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from quadra import __version__
from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.health import history
from quadra.health.answers import Analytics, Deployment, Part, RecentChecks, Status, SystemStatus, recent
from quadra.health.runner import Runner
from quadra.health.tables import HealthReport
from quadra.health.verdict import PARTS
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job

RECENT = 5
NOT_MANAGED = {
    "current": __version__,
    "status": "not_managed",
    **dict.fromkeys(("recovery_attempts", "total", "successful", "failed"), 0),
}
DELIVERY = "deliver"
"""What the kinds of jobs that deliver batches to other systems begin with."""


def status(runtime: Runtime, runner: Runner, *, whole: bool) -> Status:
    """The answer. `whole` is for viewers: strangers are told verdicts and no numbers of what goes on inside."""
    report = runner.report()
    kept, pending = _kept(runtime)
    return Status(
        system=SystemStatus(status=report.status, uptime_seconds=runner.context.uptime_seconds, version=__version__),
        parts=[Part(name=name, title=PARTS[name], status=verdict) for name, verdict in report.parts.items()],
        deployment=Deployment(
            **(NOT_MANAGED if runtime.deployed is None else runtime.deployed()),
            last_health_check=clock.iso(kept[0].at) if kept else None,
        ),
        health=RecentChecks(recent_checks=[recent(row, whole=whole) for row in kept]),
        analytics=Analytics(pending_deliveries=pending, sinks=[]) if whole else None,
    )


def _kept(runtime: Runtime) -> tuple[Sequence[HealthReport], int | None]:
    """(recent reports, deliveries that wait); nothing while the database is away, which the report says itself."""
    try:
        with runtime.database.read() as session:
            return history.latest(session, RECENT), _pending_deliveries(session)
    except (QuadraError, SQLAlchemyError):
        return [], None


def _pending_deliveries(session: Session) -> int:
    waiting = sa.select(sa.func.count()).where(Job.state.in_(UNFINISHED), Job.kind.startswith(DELIVERY))
    return session.scalar(waiting) or 0
