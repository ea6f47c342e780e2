"""The doors of businesses, of metrics, and of the SQL of the reports, described."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from quadra.accounts import openapi_shapes as accounts
from quadra.analytics.asking import lenses
from quadra.analytics.lenses import metrics
from quadra.analytics.openapi_common import MEASURED, common, limit, question
from quadra.analytics.openapi_overview_shapes import UserNumbers
from quadra.analytics.openapi_shapes import Told
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.routes import PREFIXES
from quadra.core.openapi import Answer, Body, Door, Group, Param, Time

DAY = "2026-01-31T00:00:00.000Z"


class MetricNumbers(Struct, kw_only=True):
    count: int
    avg: float
    min: float
    max: float
    sum: float


class MetricPoint(MetricNumbers, kw_only=True):
    at: Time


class Metric(MetricNumbers, kw_only=True):
    metric_name: str
    component: str | None
    business_id: str | None
    unit: str | None
    category: str | None
    last: float
    last_at: Time
    points: list[MetricPoint]


class MetricsAnswer(Told, kw_only=True):
    metrics: list[Metric]


class Reported(Struct, kw_only=True):
    reports: int
    total: float
    average: float | None
    last: float | None
    unit: str | None


class ReportedBeside(Reported, kw_only=True):
    previous: Reported


class Acquired(Reported, kw_only=True):
    new_users: int


class AcquiredBeside(Acquired, kw_only=True):
    previous: Acquired


class BusinessUsers(UserNumbers, kw_only=True):
    previous: UserNumbers


class BusinessStatus(MetricsAnswer, kw_only=True):
    business_id: str
    name: str
    timezone: str
    created_at: Time
    revenue: ReportedBeside
    conversion: ReportedBeside
    acquisition: AcquiredBeside
    users: BusinessUsers


class MadeBusiness(accounts.MadeProject, kw_only=True):
    success: bool
    business_id: str


class Statement(Struct, kw_only=True):
    sql: str
    parameters: dict[str, Any]


class LensSql(Struct, kw_only=True):
    lens: str
    statements: list[Statement]


class ReadyReport(Statement, kw_only=True):
    name: str
    says: str


class ReportQueries(Struct, kw_only=True):
    setup: str
    queries: list[LensSql]
    reports: list[ReadyReport]


NUMBERS = {"count": 30, "avg": 120.0, "min": 80.0, "max": 200.0, "sum": 3_600.0}
METRIC = {
    "metric_name": "revenue",
    "component": None,
    "business_id": "shop",
    "unit": "EUR",
    "category": "revenue",
    **NUMBERS,
    "last": 140.0,
    "last_at": DAY,
    "points": [{"at": DAY, **NUMBERS}],
}
METRICS = question(
    "metrics",
    "Metrics",
    "Metrics that senders report, by name, component and business, with the periods in which they were reported.",
    (
        Param(name="of", shape={"enum": list(metrics.OF)}, says="Those with a business id, or those without."),
        Param(name="metric_name", shape=str),
        Param(name="component", shape=str),
        Param(name="business_id", shape=str),
        Param(name="category", shape=str),
        limit(metrics.LIMIT, metrics.LIMIT_MOST, "How many metrics to name."),
        *common(intervals=(*INTERVALS, "whole")),
    ),
    MetricsAnswer,
    {"metrics": [METRIC], **MEASURED},
)

REPORTED = {"reports": 30, "total": 3_600.0, "average": 120.0, "last": 140.0, "unit": "EUR"}
ACQUIRED = {**REPORTED, "new_users": 40}
PEOPLE = {"total": 980, "active": 312, "new": 40, "returning": 272}
BUSINESS_ID = Param(name="business_id", shape=str, says="The same as `project`.")
STATUS = Door(
    method="GET",
    path="/api/business/status",
    title="How a business does",
    says="A business is a project. Revenue, conversion and acquisition are metrics of that category (or name), each beside "
    "the range before.",
    needs="viewer",
    params=(BUSINESS_ID, *common()),
    answers={
        200: Answer(
            says="Its numbers and all metrics.",
            shape=BusinessStatus,
            example={
                "business_id": "shop",
                "name": "Shop",
                "timezone": "Europe/Berlin",
                "created_at": DAY,
                "revenue": {**REPORTED, "previous": REPORTED},
                "conversion": {**REPORTED, "previous": REPORTED},
                "acquisition": {**ACQUIRED, "previous": ACQUIRED},
                "users": {**PEOPLE, "previous": PEOPLE},
                "metrics": [METRIC],
                **MEASURED,
            },
        )
    },
    refuses=(404, 503),
)
CREATE = Door(
    method="POST",
    path="/api/business/create",
    title="Make a business",
    says="The same as making a project.",
    needs="admin",
    body=Body(shape=accounts.NewProject, example={"name": "Shop", "timezone": "Europe/Berlin"}),
    answers={
        201: Answer(
            says="It is made. The key is shown only now.",
            shape=MadeBusiness,
            example={
                "success": True,
                "business_id": "shop",
                "project": "shop",
                "slug": "shop",
                "name": "Shop",
                "timezone": "Europe/Berlin",
                "week_start": "monday",
                "created_at": DAY,
                "write_key": "qk_…",
            },
        )
    },
    refuses=(409,),
)
QUERIES = Door(
    method="GET",
    path=f"{PREFIXES[0]}/queries",
    title="The SQL of the reports",
    says="To run elsewhere: what each lens asks with these parameters, for DuckDB, over the relation that `setup` makes; and "
    "three reports over the views of the database. A funnel's statement finds each person's events; who counts is decided "
    "after it.",
    needs="viewer",
    params=(
        Param(name="lens", shape={"enum": list(lenses())}, says="Only this one, with its own parameters."),
        *common(),
    ),
    answers={
        200: Answer(
            says="Statements with their parameters.",
            shape=ReportQueries,
            example={
                "setup": "CREATE VIEW all_events AS SELECT … FROM read_parquet('segments/1/*/*.parquet')",
                "queries": [
                    {
                        "lens": "trends",
                        "statements": [{"sql": "WITH events AS (…) SELECT …", "parameters": {"p0": "page_view"}}],
                    }
                ],
                "reports": [
                    {
                        "name": "requests_by_day",
                        "says": "Requests by day, path, method and status.",
                        "sql": "SELECT day, … FROM api_performance WHERE …",
                        "parameters": {"project": "shop", "from": "2026-01-24 12:00:00"},
                    }
                ],
            },
        )
    },
    refuses=(404, 503),
    also=tuple(f"{prefix}/queries" for prefix in PREFIXES[1:]),
)

BUSINESS = Group(
    title="Businesses and metrics",
    says="Numbers that senders report, and the SQL of every report.",
    doors=(STATUS, CREATE, METRICS, QUERIES),
)
