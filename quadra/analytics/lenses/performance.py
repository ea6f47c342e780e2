"""How quick and how sound an interface is: requests by endpoint, their times and errors, and when they come."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from msgspec import Struct

from quadra.analytics.lenses.request_columns import Requests as RequestColumns
from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Measured, Row, Snapshot, Statement, field, where_clause
from quadra.analytics.questions.tallies import counted_by
from quadra.core.api.openapi import Time
from quadra.core.api.params import within
from quadra.core.typed import Typed
from quadra.warehouse.query.tally import Tallied, Tally

SLOWEST = 10
MEASURED = ("requests", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "error_rate", "errors_4xx", "errors_5xx")
NAMES: tuple[tuple[str, ...], ...] = ((), ("endpoint", "method"), ("endpoint", "method"), ("hour",), ("period",))
"""The columns before those, of each statement."""
HOURS = 24

STATUS = f"TRY_CAST({field('status_code')} AS INTEGER)"
FAILED = f"coalesce({STATUS} >= 400, NOT success, false)"
"""By its status, and where it has none by what the sender says."""
MEASURES = f"""count(*) AS requests, favg(duration_ms) AS avg_ms, quantile_cont(duration_ms, 0.5) AS p50_ms,
    quantile_cont(duration_ms, 0.95) AS p95_ms, quantile_cont(duration_ms, 0.99) AS p99_ms,
    count(*) FILTER ({FAILED}) * 100 / count(*) AS error_rate,
    count(*) FILTER ({STATUS} BETWEEN 400 AND 499) AS errors_4xx,
    count(*) FILTER ({STATUS} BETWEEN 500 AND 599) AS errors_5xx"""


class Params(Asked, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many endpoints to name.")] = 100


class Requests(Struct, kw_only=True):
    requests: int
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    errors_4xx: int
    errors_5xx: int


class Endpoint(Requests, kw_only=True):
    endpoint: str | None
    method: str | None


class HourOfDay(Requests, kw_only=True):
    hour: int


class RequestsPeriod(Requests, kw_only=True):
    at: Time


class Peak(Struct, kw_only=True):
    hour: int
    requests: int


class PerformanceAnswer(Measured, kw_only=True):
    totals: Requests
    endpoints: list[Endpoint]
    slowest: list[Endpoint]
    by_hour: list[HourOfDay]
    peak: Peak | None
    by_day: list[RequestsPeriod]


TOTALS, ENDPOINTS = Typed(list[Requests]), Typed(list[Endpoint])
BY_HOUR, BY_PERIOD = Typed(list[HourOfDay]), Typed(list[RequestsPeriod])
NOTHING: dict[str, Any] = {"requests": 0, "error_rate": 0.0, "errors_4xx": 0, "errors_5xx": 0}
NOTHING |= dict.fromkeys(("avg_ms", "p50_ms", "p95_ms", "p99_ms"))


def totals(asked: Params) -> Statement:
    params = Parameters()
    return Statement(f"SELECT {MEASURES} FROM events WHERE {_where(asked, params)}", params)


def endpoints(asked: Params, order: str, limit: int) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {field("endpoint")} AS endpoint, {field("method")} AS method, {MEASURES}
        FROM events WHERE {_where(asked, params)} GROUP BY ALL
        ORDER BY {order}, endpoint NULLS LAST, method NULLS LAST LIMIT {params.add(limit)}"""
    return Statement(sql, params)


def most_asked(asked: Params) -> Statement:
    return endpoints(asked, "requests DESC", asked.limit)


def slowest(asked: Params) -> Statement:
    return endpoints(asked, "p95_ms DESC NULLS LAST, requests DESC", SLOWEST)


def of_hours(asked: Params) -> Statement:
    """The hours of the day as the zone's clocks show them, all days of the range together."""
    question, params = asked.question, Parameters()
    hour = question.calendar.hour_sql(question.start_us, question.end_us)
    return Statement(
        f"SELECT {hour} AS hour, {MEASURES} FROM events WHERE {_where(asked, params)} GROUP BY ALL", params
    )


def of_periods(asked: Params) -> Statement:
    period, params = asked.question.periods().index_sql(), Parameters()
    sql = f"SELECT {period} AS period, {MEASURES} FROM events WHERE {_where(asked, params)} GROUP BY ALL"
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> PerformanceAnswer:
    periods = asked.question.periods()
    statements = [totals(asked), most_asked(asked), slowest(asked), of_hours(asked), of_periods(asked)]
    found = events.all_put_together(statements, partial(_tallies, asked), partial(_rows, asked))
    whole, most, slow, by_hours, by_periods = (
        [dict(zip((*names, *MEASURED), row, strict=True)) for row in rows]
        for names, rows in zip(NAMES, found, strict=True)
    )
    hours = {row["hour"]: row for row in by_hours}
    by_hour = BY_HOUR.convert([hours.get(hour, {"hour": hour, **NOTHING}) for hour in range(HOURS)])
    days = {row.pop("period"): row for row in by_periods}
    by_day = BY_PERIOD.convert([{"at": periods.at(at), **days.get(at, NOTHING)} for at in range(len(periods))])
    return PerformanceAnswer(
        totals=TOTALS.convert([row if row["requests"] else NOTHING for row in whole])[0],
        endpoints=ENDPOINTS.convert(most),
        slowest=ENDPOINTS.convert(slow),
        by_hour=by_hour,
        peak=_peak(by_hour),
        by_day=by_day,
        **events.measures(),
    )


def _tallies(asked: Params) -> list[Tally]:
    question, params = asked.question, Parameters()
    keys = {
        "hour": question.calendar.hour_sql(question.start_us, question.end_us),
        "endpoint": field("endpoint"),
        "method": field("method"),
        "status": f"coalesce({STATUS}, 0)",
        "failed": f"CAST({FAILED} AS TINYINT)",
        "duration_ms": "duration_ms",
    }
    return [counted_by(keys, {"requests": "count(*)"}, _where(asked, params), params, question.periods())]


def _rows(asked: Params, found: Tallied) -> list[list[Row]]:
    """Of each statement."""
    requests = RequestColumns.of(found)
    endpoints = requests.endpoints(found)
    return [
        [requests.measured()],
        sorted(endpoints, key=lambda row: (-row[2], *_named(row)))[: asked.limit],
        sorted(endpoints, key=lambda row: (row[5] is None, -(row[5] or 0), -row[2], *_named(row)))[:SLOWEST],
        requests.each("hour"),
        requests.each("period"),
    ]


def _named(row: Row) -> tuple[bool, str, bool, str]:
    """In the order of endpoint and method, none last."""
    endpoint, method = row[:2]
    return endpoint is None, endpoint or "", method is None, method or ""


def _where(asked: Params, params: Parameters) -> str:
    return where_clause(asked.question, params, kind="request")


def _peak(by_hour: list[HourOfDay]) -> Peak | None:
    """The hour of the day with the most requests; None without any."""
    busiest = max(by_hour, key=lambda each: (each.requests, -each.hour))
    return Peak(hour=busiest.hour, requests=busiest.requests) if busiest.requests else None


LENS = Lens(
    path="performance",
    title="API performance",
    says="Requests by endpoint: times, errors (a status from 400 on, in per cent), the slowest by p95, and by hour of the day.",
    group=OVERVIEW,
    asks=Asks(days=7),
    Params=Params,
    Answer=PerformanceAnswer,
    statements=lambda asked: [totals(asked), most_asked(asked), slowest(asked), of_hours(asked), of_periods(asked)],
    answer=answer,
)
