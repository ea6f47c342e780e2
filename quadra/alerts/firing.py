"""A firing begins, is told, and is over. Everything here runs in the caller's transaction: a firing, its messages and the jobs
that send them exist together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts.kind import Found
from quadra.alerts.reports.tables import ReportMail
from quadra.alerts.tables import SUBJECT_MOST, Alert, Channel, Delivery, Firing
from quadra.core.ids import uuid7
from quadra.core.settings import Settings
from quadra.jobs.queue import enqueue
from quadra.jobs.states import DISCARDED, FAILED, PENDING
from quadra.jobs.tables import Job, rows_hit

NOTIFY = "notify"
"""The kind of job that sends one message."""
PRIORITY = 0


def open_firings(session: Session, alert_ids: Collection[str]) -> dict[str, dict[str, Firing]]:
    """alert -> subject -> what is not over."""
    found: dict[str, dict[str, Firing]] = {}
    query = sa.select(Firing).where(Firing.alert_id.in_(alert_ids), Firing.resolved_at.is_(None))
    for row in session.scalars(query):
        found.setdefault(row.alert_id, {})[row.subject] = row
    return found


def quiet_subjects(session: Session, alert: Alert, at: datetime) -> set[str]:
    """Those that fired so short a time ago that nobody is to be told again."""
    since = at - timedelta(minutes=alert.quiet_minutes)
    return set(session.scalars(sa.select(Firing.subject).where(Firing.alert_id == alert.id, Firing.at > since)))


def begin(
    session: Session, settings: Settings, alert: Alert, project: Project, found: Found, *, at: datetime, tell_now: bool
) -> Firing:
    row = Firing(
        alert_id=alert.id,
        subject=found.subject[:SUBJECT_MOST],
        value=found.value,
        threshold=found.threshold,
        message=found.message,
        figures=dict(found.figures),
        page=found.address(project),
        at=at,
    )
    session.add(row)
    session.flush()
    if tell_now:
        tell(session, settings, alert, project, row, "firing")
    return row


def end(session: Session, settings: Settings, alert: Alert, project: Project, row: Firing, *, at: datetime) -> None:
    """Told only where its beginning was."""
    row.resolved_at = at
    if row.told:
        tell(session, settings, alert, project, row, "resolved")


def tell(
    session: Session,
    settings: Settings,
    alert: Alert,
    project: Project,
    row: Firing,
    state: Literal["firing", "resolved"],
) -> None:
    """One message to each channel, and its job."""
    row.told = True
    known = set(session.scalars(sa.select(Channel.id).where(Channel.id.in_(alert.to))))
    for channel_id in alert.to:
        if channel_id not in known:
            continue
        delivery_id = uuid7()
        job = enqueue(
            session,
            kind=NOTIFY,
            args={"delivery_id": delivery_id},
            project_id=project.id,
            unique_as=f"{NOTIFY}:{delivery_id}",
            priority=PRIORITY,
            max_attempts=settings.job_max_attempts,
        )
        session.add(Delivery(id=delivery_id, firing_id=row.id, channel_id=channel_id, state=state, job_id=job.id))


def delete(session: Session, firing_ids: Collection[str]) -> None:
    """With their messages; what has not been sent is not sent any more."""
    of_them = Delivery.firing_id.in_(firing_ids)
    cancel(session, Delivery, of_them)
    rows_hit(session, sa.delete(Delivery).where(of_them))
    rows_hit(session, sa.delete(Firing).where(Firing.id.in_(firing_ids)))


def cancel(session: Session, table: type[Delivery | ReportMail], which: sa.ColumnElement[bool]) -> None:
    """Give up messages that were not delivered, and the jobs that wait to send them."""
    waiting = sa.select(table.job_id).where(which, table.status.in_(("pending", "failed")))
    jobs = session.scalars(waiting).all()
    rows_hit(session, sa.update(table).where(which, table.status != "delivered").values(status="cancelled"))
    ended = sa.update(Job).where(Job.id.in_(jobs), Job.state.in_((PENDING, FAILED)))
    rows_hit(session, ended.values(state=DISCARDED, unique_key=None))
