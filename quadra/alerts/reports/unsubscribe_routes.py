"""What the link under a mail opens, without a login. The page has a button: programs that look at every link of a mail must not
end reports. Mail programs that offer it themselves send the POST at once (RFC 8058).
"""

from __future__ import annotations

import sqlalchemy as sa
from flask import Response, make_response, render_template
from msgspec import Struct
from sqlalchemy.orm import Session

from quadra.accounts import audit
from quadra.alerts.reports.sending import drop_mails
from quadra.alerts.reports.tables import Report, ReportMail
from quadra.alerts.reports.unsubscribing import read_token
from quadra.core.api.doors import Doors
from quadra.core.api.openapi import Param
from quadra.core.errors import NotFound
from quadra.core.web.http import runtime, wants_page
from quadra.core.web.limits import client_address

doors = Doors("unsubscribe", __name__)

NAMED = {"token": Param(name="token", shape=str, example="WyJvbmUiLCJ0d28iXQ.c2lnbmF0dXJl")}


class Subscription(Struct, kw_only=True):
    report: str
    """Its name."""
    subscribed: bool


@doors(
    "GET",
    "/unsubscribe/{token}",
    title="Show whether a mail comes",
    says="A browser gets a page with a button.",
    named=NAMED,
    answers=Subscription,
    lenient=True,
    refuses=(404, 429),
)
def show(token: str) -> Subscription | Response:
    with runtime().database.begin() as session:
        report, channel_id = _find(session, token)
    return _shown(Subscription(report=report.name, subscribed=channel_id in report.to))


@doors(
    "POST",
    "/unsubscribe/{token}",
    title="End a mail",
    says="For the channel that got the link; a second time changes nothing. The body is not looked at.",
    named=NAMED,
    answers=Subscription,
    lenient=True,
    refuses=(404, 429),
)
def unsubscribe(token: str) -> Subscription | Response:
    with runtime().database.begin() as session:
        report, channel_id = _find(session, token)
        if channel_id in report.to:
            left = [each for each in report.to if each != channel_id]
            session.execute(sa.update(Report).where(Report.id == report.id).values(to=left))
            drop_mails(session, sa.and_(ReportMail.report_id == report.id, ReportMail.channel_id == channel_id))
            audit.record(
                session,
                actor="unsubscribe link",
                action="alerts.report.unsubscribed",
                subject=report.id,
                project_id=report.project_id,
                address=client_address(),
                details={"name": report.name, "channel": channel_id},
            )
        return _shown(Subscription(report=report.name, subscribed=False))


def _find(session: Session, token: str) -> tuple[Report, str]:
    report_id, channel_id = read_token(session, token)
    report = session.get(Report, report_id)
    if report is None:
        raise NotFound("This report is gone; no more mails of it come.")
    return report, channel_id


def _shown(found: Subscription) -> Subscription | Response:
    if not wants_page():
        return found
    headers = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
    return make_response(render_template("unsubscribe.html", found=found), 200, headers)
