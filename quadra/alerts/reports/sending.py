"""Reports go out: what is due becomes mails with their jobs in one transaction, and the job `report` makes and sends one mail.

Its id goes out with it, the same at each attempt, as Message-ID: mail programs show a repeat once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts import mail
from quadra.alerts.delivering import guarded
from quadra.alerts.firing import PRIORITY, cancel
from quadra.alerts.reports.content import content_of
from quadra.alerts.reports.rendering import Rendered, render
from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.reports.timetable import last_until, next_after
from quadra.alerts.reports.unsubscribing import token_of
from quadra.alerts.sender import LATE
from quadra.alerts.tables import Channel
from quadra.core import clock
from quadra.core.errors import NotFound, QuadraError
from quadra.core.ids import uuid7
from quadra.core.runtime import Runtime
from quadra.core.settings import Settings
from quadra.jobs.errors import Permanent
from quadra.jobs.handlers import Handler
from quadra.jobs.lease import Lease
from quadra.jobs.queue import enqueue
from quadra.jobs.tables import rows_hit

REPORT = "report"
"""The kind of job that sends one mail."""
AT_ONCE = 100
LATE_AFTER = 3 * LATE
"""A mail that goes out so long after it was due says so: making it takes a while."""


def enqueue_due(runtime: Runtime) -> None:
    """Of what was missed while no worker ran only the newest goes out. Several workers may do this at once."""
    now = clock.now()
    query = sa.select(Report.id).where(Report.next_at <= now).order_by(Report.next_at).limit(AT_ONCE)
    with runtime.database.read() as session:
        ids = session.scalars(query).all()
    for report_id in ids:
        with runtime.database.begin() as session:
            report = session.get(Report, report_id)
            if report is None or report.next_at > now:
                continue
            project = session.get_one(Project, report.project_id)
            when = (report.every, report.at, report.timezone, project.week_start)
            due = last_until(*when, report.next_at, now)
            mine = sa.update(Report).where(Report.id == report_id, Report.next_at == report.next_at)
            if rows_hit(session, mine.values(next_at=next_after(*when, due))):  # else another worker was quicker
                make_mails(session, runtime.settings, report, due)


def make_mails(session: Session, settings: Settings, report: Report, due: datetime) -> int:
    """One to each channel, and its job. How many."""
    known = set(session.scalars(sa.select(Channel.id).where(Channel.id.in_(report.to))))
    wanted = [channel_id for channel_id in report.to if channel_id in known]
    for channel_id in wanted:
        mail_id = uuid7()
        job = enqueue(
            session,
            kind=REPORT,
            args={"mail_id": mail_id},
            project_id=report.project_id,
            unique_as=f"{REPORT}:{mail_id}",
            priority=PRIORITY,
            max_attempts=settings.job_max_attempts,
        )
        session.add(ReportMail(id=mail_id, report_id=report.id, channel_id=channel_id, due_at=due, job_id=job.id))
    return len(wanted)


def send_mail(runtime: Runtime, lease: Lease) -> None:
    mail_id = str(lease.job.args.get("mail_id"))
    with runtime.database.begin() as session:  # the first mail of all makes the secret of the links
        row = session.get(ReportMail, mail_id)
        report = None if row is None else session.get(Report, row.report_id)
        channel = None if row is None else session.get(Channel, row.channel_id)
        if row is None or report is None or channel is None:
            raise Permanent("The report or the channel of this mail is gone.")
        project = session.get_one(Project, report.project_id)
        token = token_of(session, report.id, channel.id)
    if row.status not in ("pending", "failed"):
        with runtime.database.begin() as session:
            lease.succeed(session)
        return
    try:
        made = made_of(runtime, report, project, row.due_at, token, late=clock.now() - row.due_at > LATE_AFTER)
        guarded(
            runtime, lease, ReportMail, mail_id, channel, lambda: _send(runtime.settings, channel, row, made, token)
        )
    except QuadraError as error:
        _note(runtime, report.id, last_error=error.message)
        if isinstance(error, NotFound):
            raise Permanent(error.message) from error
        raise
    _note(runtime, report.id, last_error=None, last_sent_at=clock.now())


def made_of(
    runtime: Runtime, report: Report, project: Project, due: datetime, token: str = "", *, late: bool = False
) -> Rendered:
    """The mail about the period before `due`. Blocks."""
    public = runtime.settings.public_url.rstrip("/")
    link = f"{public}/unsubscribe/{token}" if token and public else ""
    return render(content_of(runtime, report, project, due, unsubscribe_url=link, late=late))


def _send(settings: Settings, channel: Channel, row: ReportMail, made: Rendered, token: str) -> str:
    headers = {}
    if settings.public_url:
        headers["List-Unsubscribe"] = f"<{settings.public_url.rstrip('/')}/unsubscribe/{token}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail.send(
        settings,
        mail.Mail(
            id=row.id,
            to=channel.target,
            subject=made.subject,
            text=made.text,
            html=made.html,
            images=made.images,
            headers=headers,
        ),
    )


def _note(runtime: Runtime, report_id: str, **values: object) -> None:
    with runtime.database.begin() as session:
        rows_hit(session, sa.update(Report).where(Report.id == report_id).values(**values))


def delete(session: Session, report: Report) -> None:
    """With its mails; what has not been sent is not sent any more."""
    drop_mails(session, ReportMail.report_id == report.id)
    rows_hit(session, sa.delete(Report).where(Report.id == report.id))


def drop_mails(session: Session, which: sa.ColumnElement[bool]) -> None:
    cancel(session, ReportMail, which)
    rows_hit(session, sa.delete(ReportMail).where(which))


def forget(runtime: Runtime, *, older_than: timedelta) -> None:
    """What is noted about mails that went out, or were given up, long ago."""
    before = clock.now() - older_than
    old = sa.select(ReportMail.id).where(ReportMail.at < before, ReportMail.status != "pending").limit(AT_ONCE)
    while True:
        with runtime.database.read() as session:
            ids: Collection[str] = session.scalars(old).all()
        if not ids:
            return
        with runtime.database.begin() as session:
            drop_mails(session, ReportMail.id.in_(ids))


HANDLER = Handler(send_mail, timeout=timedelta(minutes=10), priority=PRIORITY, apart=True)
