"""What the checks found lately: a worker looks every HEALTH_INTERVAL and keeps the report for HEALTH_KEEP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from quadra.core import clock
from quadra.core.locks import delete_free
from quadra.core.runtime import Runtime
from quadra.health.runner import Runner
from quadra.health.tables import HealthReport, Verdict
from quadra.health.verdict import UNHEALTHY, Report

HOUR = timedelta(hours=1)
HOURS = 24


def keep(runtime: Runtime, runner: Runner) -> bool:
    """Look and keep what was found, unless another worker did so in this interval. Raises `Unavailable`."""
    every = runtime.settings.health_interval
    slot = _slot(clock.now(), every)
    with runtime.database.read() as session:
        if session.get(HealthReport, slot) is not None:
            return False
    report = runner.report(max_age_seconds=0)
    try:
        with runtime.database.begin() as session:
            session.add(_row(slot, report, runtime.name))
            prune(session, before=slot - runtime.settings.health_keep)
    except IntegrityError:  # another worker looked at the same time
        return False
    return True


def prune(session: Session, *, before: datetime) -> None:
    delete_free(session, HealthReport, HealthReport.slot_at < before)


def latest(session: Session, count: int = 5) -> Sequence[HealthReport]:
    """The newest reports, the newest first."""
    return session.scalars(sa.select(HealthReport).order_by(HealthReport.slot_at.desc()).limit(count)).all()


def by_hour(session: Session) -> list[tuple[datetime, dict[Verdict, int]]]:
    """For each of the last 24 hours, the oldest first: how many reports said what. An hour without any has none."""
    begin = _slot(clock.now(), HOUR) - (HOURS - 1) * HOUR
    rows = session.execute(
        sa.select(HealthReport.slot_at, HealthReport.status).where(HealthReport.slot_at >= begin)
    ).all()
    counts: dict[datetime, dict[Verdict, int]] = {begin + hour * HOUR: {} for hour in range(HOURS)}
    for at, status in rows:
        hour = counts.setdefault(_slot(at, HOUR), {})
        hour[status] = hour.get(status, 0) + 1
    return sorted(counts.items())


def share_well(hours: Sequence[tuple[datetime, dict[Verdict, int]]]) -> float | None:
    """Percent of the reports that did not say unhealthy; None without reports."""
    total = sum(sum(counts.values()) for _, counts in hours)
    bad = sum(counts.get(UNHEALTHY, 0) for _, counts in hours)
    return None if not total else round(100 * (total - bad) / total, 2)


def _row(slot: datetime, report: Report, source: str) -> HealthReport:
    checks = {one.name: {"status": one.found.status, "message": one.found.message} for one in report.checks}
    return HealthReport(
        slot_at=slot, at=report.at, status=report.status, parts=report.parts, checks=checks, source=source[:100]
    )


def _slot(at: datetime, every: timedelta) -> datetime:
    return at - (at - clock.EPOCH) % every
