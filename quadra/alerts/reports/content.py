"""What a report says: its questions, asked about the day, week or month before, and their answers as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.orm import Session

from quadra.accounts.tables import Project
from quadra.alerts.reports import words
from quadra.alerts.reports.blocks import Block, blocks_of
from quadra.alerts.reports.tables import Report
from quadra.alerts.reports.timetable import period_before
from quadra.analytics.lens_list import lens_of, read_asked
from quadra.analytics.tables import SavedView
from quadra.core.errors import Invalid, NotFound
from quadra.core.runtime import Runtime

PAGES: Mapping[str, Sequence[tuple[str, str, Mapping[str, Any]]]] = {
    "overview": (("Overview", "dashboard", {}),),
    "visits": (
        ("Visits", "visits", {}),
        ("Pages", "visits", {"by": "page", "limit": 10}),
        ("Channels", "visits", {"by": "channel", "limit": 10}),
        ("Countries", "visits", {"by": "country", "limit": 10}),
        ("Goals", "goals", {}),
    ),
    "events": (("Events", "trends", {}), ("Types of events", "user/events/analytics", {})),
    "users": (("Users", "users", {}),),
    "goals": (("Goals", "goals", {}),),
    "features": (("Features", "user/features/stats", {}),),
    "satisfaction": (("Satisfaction", "user/satisfaction/metrics", {}),),
    "ai": (("AI usage", "ai", {}),),
    "performance": (("Performance", "performance", {}),),
    "errors": (("Errors", "errors", {}),),
}
"""The pages that may be sent: title, lens and parameters of each part."""
FINER = {"day": "hour", "week": "day", "month": "day"}
RANGE_NAMES = ("from", "to", "days", "start_date", "end_date", "timezone", "compare_from", "compare_to")
BESIDE = "-before"
"""Ends the key of a question that a page asks only to compare with."""


@dataclass(frozen=True)
class Part:
    title: str
    blocks: list[Block]
    problem: str = ""
    """Why there is no answer."""


@dataclass(frozen=True)
class Content:
    name: str
    project: str
    first: date
    last: date
    hourly: bool
    zone: ZoneInfo
    parts: list[Part]
    url: str
    """The page; empty where PUBLIC_URL is not set."""
    unsubscribe_url: str = ""
    late: bool = False

    @property
    def period(self) -> str:
        if self.first == self.last:
            return f"{self.first:%A}, {_day(self.first)} {self.first.year}"
        return f"{_day(self.first)} to {_day(self.last)} {self.last.year}"

    def label(self, at: str) -> str:
        local = datetime.fromisoformat(at).astimezone(self.zone)
        return f"{local:%H:%M}" if self.hourly else _day(local.date())


def content_of(
    runtime: Runtime, report: Report, project: Project, due: datetime, *, unsubscribe_url: str = "", late: bool = False
) -> Content:
    """Blocks. Raises `NotFound` where its view is gone, and what every question raises when too much is asked at once."""
    first, last = period_before(report.every, report.timezone, project.week_start, due)
    with runtime.database.read() as session:
        view = view_of(session, report)
    bounds = {"from": first.isoformat(), "to": last.isoformat(), "timezone": report.timezone}
    return Content(
        name=report.name,
        project=project.name,
        first=first,
        last=last,
        hourly=report.every == "day",
        zone=ZoneInfo(report.timezone),
        parts=[_part(runtime, project, asked, bounds, report.every) for asked in _questions(report, view)],
        url=_url(runtime.settings.public_url, project, report.page, view, bounds),
        unsubscribe_url=unsubscribe_url,
        late=late,
    )


def view_of(session: Session, report: Report) -> SavedView | None:
    """The saved view of the report, None for one of a page. Raises `NotFound`."""
    if report.view_id is None:
        return None
    view = session.get(SavedView, report.view_id)
    if view is None or view.project_id != report.project_id:
        raise NotFound("The saved view of this report is gone; choose another one, or a page.")
    return view


def _questions(report: Report, view: SavedView | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if view is None:
        for title, lens, params in PAGES.get(report.page or "", ()):
            yield title, lens, dict(params)
        return
    for key, question in view.questions.items():
        if not key.endswith(BESIDE) and not str(question["lens"]).startswith("/"):
            yield words.title(key), question["lens"], question["params"]


def _part(
    runtime: Runtime,
    project: Project,
    question: tuple[str, str, dict[str, Any]],
    bounds: Mapping[str, str],
    every: str,
) -> Part:
    """A question that cannot be answered as it is leaves the others alone: its segment may be gone."""
    title, path, params = question
    kept = {name: value for name, value in params.items() if name not in RANGE_NAMES}
    interval = next((name for name in ("interval", "period") if name in kept), "interval")
    intervals = lens_of(path).asks.intervals
    if kept.get(interval) != "whole" and FINER[every] in intervals:
        kept[interval] = FINER[every]
    try:
        answer = lens_of(path).ask(runtime, read_asked(path, {**kept, **bounds}, project))
    except (Invalid, NotFound) as error:
        return Part(title, [], " ".join([error.message, *(error.fields or {}).values()]))
    return Part(title, blocks_of(msgspec.to_builtins(answer)))


def _url(public: str, project: Project, page: str | None, view: SavedView | None, bounds: Mapping[str, str]) -> str:
    if not public:
        return ""
    own = {} if view is None else {name: value for name, value in view.params.items() if name not in RANGE_NAMES}
    query = urlencode({"project": project.slug, **own, "from": bounds["from"], "to": bounds["to"]}, doseq=True)
    return f"{public.rstrip('/')}/{page or (view.page if view else '')}?{query}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
