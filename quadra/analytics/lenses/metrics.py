"""Metrics that senders report: of a business (`business_id`) or of a system (`component`), by name, over time."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from quadra.analytics.questions.groups import BUSINESS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, field, iso, where_clause
from quadra.core.api.openapi import Time
from quadra.core.api.params import choice, says, within
from quadra.core.errors import Invalid
from quadra.core.typed import Typed

POINTS_MOST = 200_000
FIELDS = {"metric_name": field("metric_name"), "component": field("component"), "business_id": field("business_id")}
WHICH = {"business": f"{FIELDS['business_id']} IS NOT NULL", "system": f"{FIELDS['business_id']} IS NULL"}
KEYS = ", ".join(f"{sql} AS {name}" for name, sql in FIELDS.items())
NUMBERS = """count(*) AS count, favg(value) AS avg, min(value) AS min, max(value) AS max, fsum(value) AS sum"""
LATEST = "(occurred_us, event_id)"


class Params(Asked, kw_only=True, frozen=True):
    of: Annotated[str | None, choice(WHICH, "Those with a business id, or those without.")] = None
    metric_name: Annotated[str | None, says("Only of this name.")] = None
    component: Annotated[str | None, says("Only of this component.")] = None
    business_id: Annotated[str | None, says("Only of this business.")] = None
    category: Annotated[str | None, says("Only of this category.")] = None
    limit: Annotated[int, within(1, 500, "How many metrics to name.")] = 100


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


class MetricsAnswer(Measured, kw_only=True):
    metrics: list[Metric]


METRICS = Typed(list[Metric])


def totals(asked: Params) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {KEYS}, arg_max({field("unit")}, {LATEST}) AS unit, arg_max(category, {LATEST}) AS category, {NUMBERS},
            arg_max(value, {LATEST}) AS last, max(occurred_us) AS last_us
        FROM events WHERE {_where(asked, params)} GROUP BY {", ".join(FIELDS)}
        ORDER BY metric_name, component NULLS FIRST, business_id NULLS FIRST LIMIT {params.add(asked.limit)}"""
    return Statement(sql, params)


def of_periods(asked: Params) -> Statement:
    periods, params = asked.question.periods(), Parameters()
    if len(periods) * asked.limit > POINTS_MOST:
        most = f"at most {POINTS_MOST // len(periods)} for so many periods"
        raise Invalid("The answer has too many points.", fields={"limit": most})
    sql = f"""
        SELECT {KEYS}, {periods.index_sql()} AS period, {NUMBERS} FROM events WHERE {_where(asked, params)}
        GROUP BY {", ".join(FIELDS)}, period
        QUALIFY dense_rank() OVER (ORDER BY metric_name, component NULLS FIRST, business_id NULLS FIRST)
            <= {params.add(asked.limit)}
        ORDER BY period"""
    return Statement(sql, params)


def of_metrics(events: Snapshot, asked: Params) -> list[Metric]:
    """By name, each with its numbers over the whole range and the points of the periods in which it was reported."""
    periods, by_period = asked.question.periods(), of_periods(asked)
    found = events.rows(totals(asked))
    points: dict[tuple[str | None, ...], list[dict[str, Any]]] = {}
    for row in events.rows(by_period):
        points.setdefault(_key(row), []).append({**row, "at": periods.at(row["period"])})
    return METRICS.convert(
        [{**row, "last_at": iso(row["last_us"]), "points": points.get(_key(row), [])} for row in found]
    )


def answer(events: Snapshot, asked: Params) -> MetricsAnswer:
    metrics = of_metrics(events, asked)
    return MetricsAnswer(**events.measures(), metrics=metrics)


def _key(row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(row[name] for name in FIELDS)


def _where(asked: Params, params: Parameters) -> str:
    conditions = [asked.question.range.sql, where_clause(asked.question, params, kind="metric")]
    if asked.of is not None:
        conditions.append(WHICH[asked.of])
    equal = {sql: getattr(asked, name) for name, sql in FIELDS.items()} | {"category": asked.category}
    conditions += [f"{sql} = {params.add(value)}" for sql, value in equal.items() if value is not None]
    return " AND ".join(conditions)


LENS = Lens(
    path="metrics",
    title="Metrics",
    says="Metrics that senders report, by name, component and business, with the periods in which they were reported.",
    group=BUSINESS,
    asks=Asks(intervals=(*INTERVALS, "whole")),
    Params=Params,
    Answer=MetricsAnswer,
    statements=lambda asked: [totals(asked), of_periods(asked)],
    answer=answer,
)
