"""`/status`: how Quadra is, for customers in plain words and for operators in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from quadra import __version__
from quadra.core import clock
from quadra.core.errors import QuadraError
from quadra.core.runtime import Runtime
from quadra.health import history
from quadra.health.runner import Runner
from quadra.health.tables import HealthReport
from quadra.health.verdict import PARTS, Report
from quadra.jobs.states import UNFINISHED
from quadra.jobs.tables import Job

RECENT = 5
DELIVERY = "deliver"
"""What the kinds of jobs that deliver batches to other systems begin with."""


def body(runtime: Runtime, runner: Runner, *, whole: bool) -> dict[str, Any]:
    """The answer. `whole` is for viewers: strangers are told verdicts and no numbers of what goes on inside."""
    report = runner.report()
    recent, pending = _kept(runtime)
    last = recent[0] if recent else None
    return {
        "system": {"status": report.status, "uptime_seconds": runner.scene.uptime_seconds, "version": __version__},
        "parts": [{"name": name, "title": PARTS[name], "status": status} for name, status in report.parts.items()],
        "deployment": {
            "current": __version__,
            "status": "not_managed",
            "recovery_attempts": 0,
            "total": 0,
            "successful": 0,
            "failed": 0,
            "last_health_check": clock.iso(last.at) if last else None,
        },
        "health": {"recent_checks": [_recent(row, whole) for row in recent]},
        "analytics": {"pending_deliveries": pending, "sinks": []} if whole else None,
    }


def update(row: HealthReport) -> dict[str, Any]:
    """The message `health:update`: Socket.IO speaks camelCase."""
    return {
        "overallStatus": row.status,
        "timestamp": clock.iso(row.at),
        "parts": row.parts,
        "checks": row.checks,
    }


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


def _recent(row: HealthReport, whole: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"timestamp": clock.iso(row.at), "status": row.status}
    if whole:
        told["checks"] = row.checks
    return told


def strip(report: Report) -> dict[str, Any]:
    """What a stranger sees of a report."""
    return {"overall_status": report.status, "timestamp": clock.iso(report.at)}
