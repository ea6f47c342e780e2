"""The job `notify`: one message to one channel. Its delivery id goes out with it, the same at each attempt: whoever gets it
twice, because a worker was killed between sending and writing that down, knows that it is one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts import metrics
from quadra.alerts.reports.tables import ReportMail
from quadra.alerts.sender import LATE, Message
from quadra.alerts.sender_list import SENDERS
from quadra.alerts.tables import Alert, Channel, Delivery, Firing
from quadra.core import clock
from quadra.core.errors import Conflict, NotFound
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.insights import breaker
from quadra.jobs.dead_letters import requeue
from quadra.jobs.errors import Permanent, Transient
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease
from quadra.jobs.states import FAILED
from quadra.jobs.tables import Job, rows_hit

FAILURES = 5
COOLDOWN = timedelta(seconds=60)
TRIAL = timedelta(seconds=60)
ANSWER_KEPT = 1_000
AGAIN_AFTER = timedelta(minutes=10)
"""A message that became a dead letter is tried again this long after, while it is younger than `AGAIN_UNTIL`."""
AGAIN_UNTIL = timedelta(days=1)


def notify(runtime: Runtime, lease: Lease) -> None:
    delivery_id = str(lease.job.args.get("delivery_id"))
    with runtime.database.read() as session:
        delivery, channel, message = _load(session, delivery_id, runtime.settings)
    if delivery.status != "pending" and delivery.status != "failed":
        with runtime.database.begin() as session:
            lease.succeed(session)
        return
    sender = SENDERS[channel.kind]
    guarded(
        runtime,
        lease,
        Delivery,
        delivery_id,
        channel,
        lambda: sender.send(runtime.settings, channel.target, channel.secret, message),
    )


def guarded(
    runtime: Runtime,
    lease: Lease,
    table: type[Delivery | ReportMail],
    delivery_id: str,
    channel: Channel,
    send: Callable[[], str],
) -> None:
    """Send by the breaker of the channel's target, and note in the row of `table` how it went.

    Raises `targets.Refused`, or `Unavailable` while the breaker is open.
    """
    sender = SENDERS[channel.kind]
    guard = breaker.Guard(f"{sender.kind}:{sender.breaker(channel.target)}"[:64], FAILURES, COOLDOWN, TRIAL)
    mine = sa.update(table).where(table.id == delivery_id)
    try:
        said = breaker.call(runtime.database, guard, send, counts=lambda _error: True)
    except Transient as error:
        last = lease.job.attempt >= lease.job.max_attempts
        with runtime.database.begin() as session:
            lease.hold(session)
            status = "failed" if last else "pending"
            rows_hit(session, mine.values(answer=error.message[:ANSWER_KEPT], status=status))
        metrics.alert_deliveries_total.labels(channel.kind, "refused").inc()
        raise
    with runtime.database.begin() as session:
        lease.succeed(session)
        rows_hit(session, mine.values(status="delivered", delivered_at=clock.now(), answer=said[:ANSWER_KEPT]))
    metrics.alert_deliveries_total.labels(channel.kind, "delivered").inc()


def _load(session: Session, delivery_id: str, settings: Settings) -> tuple[Delivery, Channel, Message]:
    delivery = session.get(Delivery, delivery_id)
    channel = None if delivery is None else session.get(Channel, delivery.channel_id)
    if delivery is None or channel is None:
        raise Permanent("The alert or the channel of this message is gone.")
    firing = session.get_one(Firing, delivery.firing_id)
    alert = session.get_one(Alert, firing.alert_id)
    project = session.get_one(Project, alert.project_id)
    at = firing.at if delivery.state == "firing" else (firing.resolved_at or firing.at)
    return delivery, channel, message_of(settings, delivery, firing, alert, project, at)


def message_of(
    settings: Settings, delivery: Delivery, firing: Firing, alert: Alert, project: Project, at: datetime
) -> Message:
    over = "" if delivery.state == "firing" else "This is over: "
    return Message(
        id=delivery.id,
        alert=alert.name,
        project=project.slug,
        state=delivery.state,
        subject=firing.subject,
        text=over + firing.message,
        value=firing.value,
        threshold=firing.threshold,
        at=at,
        url=f"{settings.public_url.rstrip('/')}{firing.page}" if settings.public_url else "",
        late=clock.now() - at > LATE,
    )


def try_again(runtime: Runtime) -> None:
    """Messages whose job gave up: their target may be back. They stay dead letters in between, for people to see."""
    for table in (Delivery, ReportMail):
        _try_again(runtime, table)


def _try_again(runtime: Runtime, table: type[Delivery | ReportMail]) -> None:
    at = clock.now()
    due = (
        sa.select(Job.id)
        .join(table, table.job_id == Job.id)
        .where(table.status == "failed", table.at > at - AGAIN_UNTIL)
        .where(Job.state == FAILED, Job.finished_at < at - AGAIN_AFTER)
        .limit(100)
    )
    with runtime.database.read() as session:
        ids = session.scalars(due).all()
    for job_id in ids:
        try:
            with runtime.database.begin() as session:
                requeue(session, job_id)
                rows_hit(session, sa.update(table).where(table.job_id == job_id).values(status="pending"))
        except (Conflict, NotFound):  # somebody else was quicker
            continue


HANDLER = Handler(notify, timeout=timedelta(minutes=1), priority=0, apart=True)
