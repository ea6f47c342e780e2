"""How quick and how sound an interface is: requests by endpoint, their times and errors, and when they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, field, fitting
from quadra.core.given import Given
from quadra.core.runtime import Runtime

DAYS = 7
LIMIT, LIMIT_MOST = 100, 1_000
SLOWEST = 10
HOURS = 24

STATUS = f"TRY_CAST({field('status_code')} AS INTEGER)"
FAILED = f"coalesce({STATUS} >= 400, NOT success, false)"
"""By its status, and where it has none by what the sender says."""
MEASURES = f"""count(*) AS requests, favg(duration_ms) AS avg_ms, quantile_cont(duration_ms, 0.5) AS p50_ms,
    quantile_cont(duration_ms, 0.95) AS p95_ms, quantile_cont(duration_ms, 0.99) AS p99_ms,
    count(*) FILTER ({FAILED}) * 100 / count(*) AS error_rate,
    count(*) FILTER ({STATUS} BETWEEN 400 AND 499) AS errors_4xx,
    count(*) FILTER ({STATUS} BETWEEN 500 AND 599) AS errors_5xx"""
NOTHING: dict[str, Any] = {
    "requests": 0,
    "avg_ms": None,
    "p50_ms": None,
    "p95_ms": None,
    "p99_ms": None,
    "error_rate": 0.0,
    "errors_4xx": 0,
    "errors_5xx": 0,
}


@dataclass(frozen=True)
class Performance:
    question: Question
    limit: int


def read(given: Given, project: Project) -> Performance:
    performance = Performance(read_question(given, project, days=DAYS), given.number("limit", LIMIT, 1, LIMIT_MOST))
    given.check()
    return performance


def answer(runtime: Runtime, performance: Performance) -> dict[str, Any]:
    periods = performance.question.periods()
    with asking(runtime, performance.question) as ask:
        by_hour = _by_hour(ask, performance)
        return ask.told(
            totals=_totals(ask, performance),
            endpoints=_endpoints(ask, performance, "requests DESC", performance.limit),
            slowest=_endpoints(ask, performance, "p95_ms DESC NULLS LAST, requests DESC", SLOWEST),
            by_hour=by_hour,
            peak=_peak(by_hour),
            by_day=_by_period(ask, performance, periods),
        )


def _totals(ask: Asking, performance: Performance) -> dict[str, Any]:
    params = Parameters()
    where = fitting(performance.question, params, kind="request")
    found = ask.rows(f"SELECT {MEASURES} FROM events WHERE {where} HAVING count(*) > 0", params)
    return found[0] if found else NOTHING


def _endpoints(ask: Asking, performance: Performance, order: str, limit: int) -> list[dict[str, Any]]:
    params = Parameters()
    where = fitting(performance.question, params, kind="request")
    return ask.rows(
        f"""
        SELECT {field("endpoint")} AS endpoint, {field("method")} AS method, {MEASURES}
        FROM events WHERE {where} GROUP BY ALL
        ORDER BY {order}, endpoint NULLS LAST, method NULLS LAST LIMIT {params.add(limit)}""",
        params,
    )


def _by_hour(ask: Asking, performance: Performance) -> list[dict[str, Any]]:
    """The 24 hours of the day as the zone's clocks show them, all days of the range together."""
    question, params = performance.question, Parameters()
    hour, where = (
        question.calendar.hour_sql(question.start_us, question.end_us),
        fitting(question, params, kind="request"),
    )
    found = ask.rows(f"SELECT {hour} AS hour, {MEASURES} FROM events WHERE {where} GROUP BY ALL", params)
    by_hour = {row["hour"]: row for row in found}
    return [by_hour.get(hour, {"hour": hour, **NOTHING}) for hour in range(HOURS)]


def _peak(by_hour: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The hour of the day with the most requests; None without any."""
    busiest = max(by_hour, key=lambda row: (row["requests"], -row["hour"]))
    return {"hour": busiest["hour"], "requests": busiest["requests"]} if busiest["requests"] else None


def _by_period(ask: Asking, performance: Performance, periods: Periods) -> list[dict[str, Any]]:
    params = Parameters()
    where = fitting(performance.question, params, kind="request")
    found = ask.rows(
        f"SELECT {periods.index_sql()} AS period, {MEASURES} FROM events WHERE {where} GROUP BY ALL", params
    )
    rows = {row.pop("period"): row for row in found}
    return [{"at": periods.at(at), **rows.get(at, NOTHING)} for at in range(len(periods))]
