"""How a business does. A business is a project; its revenue, conversion and acquisition are metrics that it reports.

A metric belongs to one of the three by its category, or by its name where its category is none of them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct, structs

from quadra.analytics.lenses import metrics
from quadra.analytics.lenses.metrics import LATEST, MetricsAnswer
from quadra.analytics.questions.groups import BUSINESS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import USER_NUMBERS, UserNumbers, UserNumbersBeside, counted_people
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, before, field, where_clause
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.api.params import says
from quadra.core.typed import Typed
from quadra.warehouse.query.span import Range

CATEGORIES = ("revenue", "conversion", "acquisition")
NAME = field("metric_name")
CATEGORY = f"CASE WHEN lower(category) IN {CATEGORIES} THEN lower(category) ELSE lower({NAME}) END"


class Params(Asked, kw_only=True, frozen=True):
    business_id: Annotated[str | None, says("The same as `project`.")] = None


class Reported(Struct, kw_only=True):
    reports: int
    total: float
    average: float | None
    last: float | None
    unit: str | None


class ReportedRow(Reported, kw_only=True):
    category: str


class ReportedBeside(Reported, kw_only=True):
    previous: Reported


class Acquired(Reported, kw_only=True):
    new_users: int


class AcquiredBeside(Acquired, kw_only=True):
    previous: Acquired


class BusinessStatus(MetricsAnswer, kw_only=True):
    business_id: str
    name: str
    timezone: str
    created_at: Time
    revenue: ReportedBeside
    conversion: ReportedBeside
    acquisition: AcquiredBeside
    users: UserNumbersBeside


ROWS = Typed(list[ReportedRow])


def reported(question: Question) -> Statement:
    params = Parameters()
    where = f"{question.range.sql} AND {where_clause(question, params, kind='metric')}"
    sql = f"""
        SELECT {CATEGORY} AS category, count(*) AS reports, fsum(value) AS total, favg(value) AS average,
            arg_max(value, {LATEST}) AS last, arg_max({field("unit")}, {LATEST}) AS unit
        FROM events WHERE {where} AND {CATEGORY} IN {CATEGORIES} GROUP BY ALL"""
    return Statement(sql, params)


class _Numbers(Struct):
    revenue: Reported
    conversion: Reported
    acquisition: Acquired
    users: UserNumbers


def _numbers(events: Snapshot, question: Question) -> _Numbers:
    rows = {row.category: row for row in events.structs(ROWS, reported(question))}
    (people,) = events.structs(USER_NUMBERS, counted_people(question))
    revenue, conversion, acquisition = (_without_name(rows.get(name)) for name in CATEGORIES)
    return _Numbers(revenue, conversion, Acquired(**structs.asdict(acquisition), new_users=people.new), people)


def _without_name(row: ReportedRow | None) -> Reported:
    if row is None:
        return Reported(reports=0, total=0.0, average=None, last=None, unit=None)
    return Reported(reports=row.reports, total=row.total, average=row.average, last=row.last, unit=row.unit)


def answer(events: Snapshot, asked: Params) -> BusinessStatus:
    project = asked.project
    now, then = _numbers(events, asked.question), _numbers(events, before(asked.question))
    shown = metrics.of_metrics(events, metrics.Params(question=asked.question, project=project))
    return BusinessStatus(
        **events.measures(),
        business_id=project.slug,
        name=project.name,
        timezone=project.timezone,
        created_at=clock.iso(project.created_at),
        revenue=ReportedBeside(**structs.asdict(now.revenue), previous=then.revenue),
        conversion=ReportedBeside(**structs.asdict(now.conversion), previous=then.conversion),
        acquisition=AcquiredBeside(**structs.asdict(now.acquisition), previous=then.acquisition),
        users=UserNumbersBeside(**structs.asdict(now.users), previous=then.users),
        metrics=shown,
    )


LENS = Lens(
    path="business/status",
    prefixes=("/api",),
    project_as="business_id",
    title="How a business does",
    says="A business is a project. Revenue, conversion and acquisition are metrics of that category (or name), each beside "
    "the range before.",
    group=BUSINESS,
    Params=Params,
    Answer=BusinessStatus,
    range=lambda asked: Range(None, asked.question.end_us),
    statements=lambda asked: [reported(asked.question), counted_people(asked.question)],
    answer=answer,
)
