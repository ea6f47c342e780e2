"""Trends: how often, how many people, how much, for each period of the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Match, Parameters, number_sql, people_only, read_match, value_sql
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Question, read_question, told
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

AGGREGATES = {
    "total": "count(*)",
    "unique": "count(DISTINCT person)",
    "weekly_active": "count(DISTINCT person)",
    "monthly_active": "count(DISTINCT person)",
    "sum": "coalesce(fsum(number), 0)",
    "avg": "coalesce(favg(number), 0)",
    "max_per_user": "max(number)",
}
COUNT_PEOPLE = ("unique", "weekly_active", "monthly_active")
OF_PEOPLE = (*COUNT_PEOPLE, "max_per_user")
OF_NUMBERS = ("sum", "avg")
WINDOWS = {
    ("weekly_active", "day"): 7,
    ("monthly_active", "day"): 30,
    ("weekly_active", "hour"): 7 * 24,
    ("monthly_active", "hour"): 30 * 24,
}
"""Periods of which somebody counts as active at the end of the last; on other axes it is the period itself."""

OTHER = "Other"
EVERYTHING = "All events"
LABELS, LABELS_MOST = 25, 200
POINTS_MOST = 200_000


@dataclass(frozen=True)
class Trend:
    question: Question
    match: Match
    aggregate: str = "total"
    property: str | None = None
    breakdown: str | None = None
    limit: int = LABELS
    cumulative: bool = False


def read(given: Given, project: Project) -> Trend:
    question = read_question(given, project, intervals=(*INTERVALS, "whole"))
    trend = Trend(
        question=question,
        match=read_match(given, "event", "where"),
        aggregate=given.choice("aggregate", tuple(AGGREGATES), "total"),
        property=given.text("property"),
        breakdown=given.text("breakdown"),
        limit=given.number("breakdown_limit", LABELS, 1, LABELS_MOST),
        cumulative=bool(given.flag("cumulative")),
    )
    if trend.aggregate in OF_NUMBERS and trend.property is None:
        given.wrong["property"] = f"needed for the {trend.aggregate}"
    given.check()
    return trend


def answer(runtime: Runtime, trend: Trend) -> dict[str, Any]:
    question = trend.question
    width = WINDOWS.get((trend.aggregate, question.interval), 1)
    periods = question.periods(before=width - 1)
    if trend.breakdown is not None and len(periods) * trend.limit > POINTS_MOST:
        given = Given({})
        given.wrong["breakdown_limit"] = f"at most {POINTS_MOST // len(periods)} for so many periods"
        given.check()
    start_us = question.start_us if width == 1 else periods.starts[0]
    params = Parameters()
    sql = _sql(trend, periods, width, params)
    found = query(runtime, question.project_id, sql, params, start_us=start_us, end_us=question.end_us)
    series = _series(trend, periods, width, found.rows)
    return told(found, series=series)


def _sql(trend: Trend, periods: Periods, width: int, params: Parameters) -> str:
    """Rows (place, label, period, value); the place is NULL for what a limit put together."""
    people = trend.aggregate in OF_PEOPLE
    columns = [f"{periods.index_sql()} AS period"]
    if people:
        columns.append("person")
    if trend.aggregate in OF_NUMBERS or (trend.aggregate == "max_per_user" and trend.property):
        columns.append(f"{number_sql(trend.property or '', params)} AS number")
    if trend.breakdown is not None:
        columns.append(f"coalesce({value_sql(trend.breakdown, params)}, '') AS label")
    found = f"FROM events WHERE {_condition(trend, people, params)}"
    if (
        trend.breakdown is not None and trend.aggregate == "total"
    ):  # counted before the labels are ranked: few rows are left
        found = f"SELECT {', '.join(columns)}, count(*) AS events {found} GROUP BY ALL"
    else:
        distinct = "DISTINCT " if trend.breakdown is not None and trend.aggregate in COUNT_PEOPLE else ""
        found = f"SELECT {distinct}{', '.join(columns)} {found}"
    labelled = (
        _labelled(trend, params) if trend.breakdown is not None else "SELECT 1 AS place, '' AS label, * FROM found"
    )
    return f"WITH found AS ({found}), labelled AS ({labelled}) {_counted(trend, width)}"


def _condition(trend: Trend, people: bool, params: Parameters) -> str:
    said = [trend.match.sql(params), Match(where=trend.question.where).sql(params)]
    bots = trend.question.include_bots
    if people:
        said.append(people_only(bots))
    elif bots is False:
        said.append("NOT bot")
    elif bots is None and trend.match.event is not None:
        said.append("NOT (bot AND kind = 'page')")  # page views are of people; anything else counts as it came
    return " AND ".join(said)


def _labelled(trend: Trend, params: Parameters) -> str:
    """The largest values keep their names, the rest become one; a value that is itself called Other joins the rest."""
    size = "count(*)" if trend.aggregate == "max_per_user" else _value(trend)
    limit, other = params.add(trend.limit), params.add(OTHER)
    return f"""
        SELECT ranked.place, CASE WHEN ranked.place IS NULL THEN {other} ELSE found.label END AS label,
            found.* EXCLUDE (label)
        FROM found LEFT JOIN (
            SELECT label, place FROM (
                SELECT label, row_number() OVER (ORDER BY {size} DESC, label) AS place, count(*) OVER () AS labels
                FROM found GROUP BY label
            ) WHERE labels <= {limit} OR (place <= {limit} AND label <> {other})
        ) AS ranked ON ranked.label = found.label"""


def _counted(trend: Trend, width: int) -> str:
    if width > 1:  # each time somebody was active covers the periods until their next, at most `width`: nobody twice
        return f"""
            , active AS (SELECT DISTINCT place, label, person, period FROM labelled),
            spans AS (
                SELECT place, label, period AS begins, least(period + {width}, coalesce(lead(period) OVER (
                    PARTITION BY place, label, person ORDER BY period), period + {width})) AS ends
                FROM active
            )
            SELECT place, label, period, CAST(sum(change) AS BIGINT) AS value FROM (
                SELECT place, label, begins AS period, 1 AS change FROM spans
                UNION ALL SELECT place, label, ends, -1 FROM spans
            ) GROUP BY ALL"""
    if trend.aggregate == "max_per_user":
        each = "coalesce(fsum(number), 0)" if trend.property else "count(*)"
        return f"""
            SELECT place, label, period, max(number) AS value
            FROM (SELECT place, label, period, {each} AS number FROM labelled GROUP BY place, label, period, person)
            GROUP BY place, label, period"""
    return f"SELECT place, label, period, {_value(trend)} AS value FROM labelled GROUP BY place, label, period"


def _value(trend: Trend) -> str:
    if trend.breakdown is not None and trend.aggregate == "total":
        return "CAST(sum(events) AS BIGINT)"
    return AGGREGATES[trend.aggregate]


def _series(trend: Trend, periods: Periods, width: int, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    plain = trend.breakdown is None
    name = trend.match.event or EVERYTHING
    values: dict[tuple[bool, int, str], list[float]] = {}
    if plain:
        values[False, 1, name] = [0] * len(periods)
    for place, label, period, value in rows:
        key = (place is None, place or 0, name if plain else label)
        if period < len(periods):
            values.setdefault(key, [0] * len(periods))[period] = value
    series = []
    for (_rest, _place, label), points in sorted(values.items()):
        shown = list(accumulate(points)) if width > 1 else points
        shown = shown[width - 1 :]
        if trend.cumulative:
            shown = list(accumulate(shown))
        series.append(
            {
                "label": label,
                "points": [{"at": periods.at(at), "value": value} for at, value in enumerate(shown, start=width - 1)],
            }
        )
    return series
