"""The doors of reports: made and changed by editors, read by viewers of the project."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from typing import Annotated

import sqlalchemy as sa
from flask import Response
from msgspec import Meta, Struct
from sqlalchemy.orm import Session

from quadra.accounts.access import caller
from quadra.accounts.params import OfProject
from quadra.accounts.project_rows import ProjectRows, each
from quadra.accounts.tables import Project
from quadra.alerts.reports import answers, sending
from quadra.alerts.reports.content import PAGES
from quadra.alerts.reports.tables import Every, Report
from quadra.alerts.reports.timetable import next_after
from quadra.alerts.tables import NAME_MOST, Channel
from quadra.analytics.tables import SavedView
from quadra.core import clock
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Answer
from quadra.core.api.params import Params, choice, says
from quadra.core.errors import Conflict, Invalid
from quadra.core.web.http import runtime

doors = Doors("reports", __name__)

CHANNELS_MOST = 20
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
PREVIEW = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox",
    "X-Frame-Options": "SAMEORIGIN",
}
"""A mail states its styles in place. Nothing in it runs or loads."""

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MOST, examples=["Visits of the week"])]
View = Annotated[str, says("The id of a saved view; or give `page`.")]
Page = Annotated[str, choice(PAGES, "A page; or give `view`."), Meta(examples=["visits"])]
At = Annotated[
    str, says("The time of day in `timezone`. Weekly on the first day of the week, monthly on the first.", "08:00")
]
Zone = Annotated[str, says("Left out: the project's.", "Europe/Berlin")]
To = Annotated[tuple[str, ...], says("Ids of e-mail channels.", ["019be0c4-3c00-7000-8000-000000000001"])]


class NewReport(OfProject, kw_only=True):
    name: Name
    view: View | None = None
    page: Page | None = None
    every: Every
    at: At = "08:00"
    timezone: Zone | None = None
    to: To = ()


class ChangedReport(Struct, kw_only=True):
    name: Annotated[str | None, says("Left out: as it was.")] = None
    view: View | None = None
    page: Page | None = None
    every: Every | None = None
    at: Annotated[str | None, says("Left out: as it was.")] = None
    timezone: Annotated[str | None, says("Left out: as it was.")] = None
    to: Annotated[tuple[str, ...] | None, says("Left out: as it was.")] = None


def _make(session: Session, asked: NewReport, project: Project) -> Report:
    row = Report(
        project_id=project.id,
        name=asked.name.strip(),
        view_id=asked.view,
        page=asked.page,
        every=asked.every,
        at=asked.at,
        timezone=asked.timezone or project.timezone,
        to=list(asked.to),
        created_by=caller().actor[:300],
    )
    _check(session, row, project)
    return row


def _change(session: Session, asked: ChangedReport, row: Report, project: Project) -> None:
    row.name = row.name if asked.name is None else asked.name.strip()
    if asked.view is not None or asked.page is not None:
        row.view_id, row.page = asked.view, asked.page
    row.every = asked.every or row.every
    row.at = row.at if asked.at is None else asked.at
    row.timezone = asked.timezone or row.timezone
    row.to = row.to if asked.to is None else list(asked.to)
    _check(session, row, project)
    row.last_error = None


def _check(session: Session, row: Report, project: Project) -> None:
    """What is wrong about the report as it is to be kept, all of it at once; else when it is due next."""
    wrong = {}
    if not row.name or len(row.name) > NAME_MOST or not row.name.isprintable():
        wrong["name"] = f"1 to {NAME_MOST} printable characters"
    if (row.view_id is None) == (row.page is None):
        wrong["page"] = "either page or view is needed, and not both"
    elif row.page is not None and row.page not in PAGES:
        wrong["page"] = "one of " + ", ".join(PAGES)
    elif row.view_id is not None and not _is_view(session, row.view_id, project.id):
        wrong["view"] = "the id of a saved view of this project"
    if not TIME_OF_DAY.fullmatch(row.at):
        wrong["at"] = "a time of day such as 08:00"
    if row.timezone not in zoneinfo.available_timezones():
        wrong["timezone"] = "a name such as Europe/Berlin"
    if len(row.to) > CHANNELS_MOST or set(row.to) - _mail_channels(session, row.to, project.id):
        wrong["to"] = f"at most {CHANNELS_MOST} ids of e-mail channels of this project"
    if wrong:
        raise Invalid("The report cannot be kept like this.", fields=wrong)
    row.next_at = next_after(row.every, row.at, row.timezone, project.week_start, clock.now())


def _is_view(session: Session, view_id: str, project_id: int) -> bool:
    view = session.get(SavedView, view_id[:36])
    return view is not None and view.project_id == project_id


def _mail_channels(session: Session, ids: Sequence[str], project_id: int) -> set[str]:
    mine = sa.select(Channel.id).where(Channel.project_id == project_id, Channel.kind == "email")
    return set(session.scalars(mine.where(Channel.id.in_([one[:36] for one in ids]))))


ROWS = ProjectRows(
    doors,
    Report,
    "/api/reports",
    "report",
    answers=answers.Report,
    shown=each(answers.report_shown),
    action="alerts.report",
    most=100,
    noted=("name", "every"),
)
ROWS.lists(answers.Reports)
ROWS.makes(
    Params(NewReport), _make, says="Give `view` or `page`. Each mail is about the whole day, week or month before."
)
ROWS.changes(Params(ChangedReport), _change)
ROWS.deletes(sending.delete, says="What has not been sent is not sent any more.")


@doors(
    "POST",
    "/api/reports/{report_id}/send",
    title="Send a report now",
    says="About the last whole day, week or month. When it is due next stays as it is.",
    needs="editor",
    named=ROWS.named,
    answers=answers.Sent,
    answer_says="The mails are on their way.",
    status=202,
    refuses=(404, 409),
)
def send_report(report_id: str) -> answers.Sent:
    here = runtime()
    with ROWS.editing(report_id, "sent") as (session, row, _project):
        mails = sending.make_mails(session, here.settings, row, clock.now())
        if not mails:
            raise Conflict("It goes to nobody: name e-mail channels in `to`.")
    return answers.Sent(mails=mails)


@doors(
    "GET",
    "/api/reports/{report_id}/preview",
    title="Preview a report",
    says="As a browser shows it, without the link that ends it.",
    needs="viewer",
    named=ROWS.named,
    answers=Answer(says="The mail.", shape=str, example="<!doctype html>…", media="text/html"),
    refuses=(404, 503),
)
def preview_report(report_id: str) -> Response:
    here = runtime()
    with here.database.read() as session:
        row, project = ROWS.get(session, report_id, "viewer")
    made = sending.made_of(here, row, project, clock.now())
    return Response(made.standing_alone(), headers=PREVIEW, content_type="text/html; charset=utf-8")
