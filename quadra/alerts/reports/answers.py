"""What the doors of reports answer, and how it is made of rows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from quadra.accounts.answers import Slug
from quadra.accounts.tables import Project
from quadra.alerts.answers import Id
from quadra.alerts.reports import tables
from quadra.alerts.reports.tables import Every
from quadra.core import clock
from quadra.core.api.openapi import Time


class Report(Struct, kw_only=True):
    id: Id
    project: Slug
    name: Annotated[str, Meta(examples=["Visits of the week"])]
    view: Annotated[str | None, Meta(description="The id of its saved view.", examples=[None])]
    page: Annotated[str | None, Meta(description="The slug of its page.", examples=["visits"])]
    every: Every
    at: Annotated[str, Meta(examples=["08:00"])]
    timezone: Annotated[str, Meta(examples=["Europe/Berlin"])]
    to: Annotated[list[str], Meta(examples=[["019be0c4-3c00-7000-8000-000000000001"]])]
    next_at: Time
    last_sent_at: Time | None
    last_error: Annotated[str | None, Meta(description="Why the last one did not go out.", examples=[None])]
    created_at: Time
    created_by: Annotated[str, Meta(examples=["user:ada@example.com"])]


class Reports(Struct, kw_only=True):
    reports: list[Report]


class Sent(Struct, kw_only=True):
    mails: Annotated[int, Meta(description="How many are on their way, one to each channel.", examples=[1])]


def report_shown(row: tables.Report, project: Project) -> Report:
    return Report(
        id=row.id,
        project=project.slug,
        name=row.name,
        view=row.view_id,
        page=row.page,
        every=row.every,
        at=row.at,
        timezone=row.timezone,
        to=row.to,
        next_at=clock.iso(row.next_at),
        last_sent_at=clock.iso_or_none(row.last_sent_at),
        last_error=row.last_error,
        created_at=clock.iso(row.created_at),
        created_by=row.created_by,
    )
