"""Trends: how often, how many people, how much, for each period of the calendar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.lenses import trend_parts
from quadra.analytics.lenses.trend_params import AGGREGATES, COUNT_PEOPLE, OF_PEOPLE, OF_SUMS, OTHER, Params
from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Lens, Together
from quadra.analytics.questions.matching import Match, Parameters, number_sql, people_only, value_sql
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement
from quadra.analytics.questions.taken import Taken
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.core.errors import Invalid
from quadra.field.series import Series as Judge
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Tally

EVERYTHING = "All events"
TOGETHER_MOST = 100
"""Questions in one statement: planning it takes longer for each."""
POINTS_MOST = 200_000


class Point(Struct):
    at: Time
    value: float
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET
    """With `band`; null where too little came before."""


class Series(Struct):
    label: str
    points: list[Point]


class Trends(Measured, kw_only=True):
    series: list[Series]


def reach(asked: Params) -> Range:
    start_us = asked.question.start_us if asked.before == 0 else asked.periods.starts[0]
    return Range(start_us, asked.question.end_us)


def counted(asked: Params) -> Statement:
    periods, params = asked.periods, Parameters()
    if asked.breakdown is not None and len(periods) * asked.breakdown_limit > POINTS_MOST:
        most = f"at most {POINTS_MOST // len(periods)} for so many periods"
        raise Invalid("The question cannot be answered as it is.", fields={"breakdown_limit": most})
    return Statement(_sql(asked, periods, asked.width, params), params)


def answer(events: Snapshot, asked: Params) -> Trends:
    rows = events.put_together(counted(asked), lambda: [_tally(asked)], partial(trend_parts.rows, asked))
    series = _series(asked, asked.periods, asked.width, rows)
    return Trends(**events.measures(), series=series)


def _tally(asked: Params) -> Tally:
    people, params = asked.aggregate in OF_PEOPLE, Parameters()
    return trend_parts.tally(asked, _condition(asked, people, params, "user_id"), params, people)


def _sql(asked: Params, periods: Periods, width: int, params: Parameters) -> str:
    """Rows (place, label, period, value); the place is NULL for what a limit put together."""
    people = asked.aggregate in OF_PEOPLE
    columns = [f"{periods.index_sql()} AS period"]
    if people:
        columns.append("person")
    if asked.aggregate in OF_SUMS or (asked.aggregate == "max_per_user" and asked.number):
        columns.append(f"{number_sql(asked.number or '', params)} AS number")
    if asked.breakdown is not None:
        columns.append(f"coalesce({value_sql(asked.breakdown, params)}, '') AS label")
    found = f"FROM events WHERE {_condition(asked, people, params)}"
    if (
        asked.breakdown is not None and asked.aggregate == "total"
    ):  # counted before the labels are ranked: few rows are left
        found = f"SELECT {', '.join(columns)}, count(*) AS events {found} GROUP BY ALL"
    else:
        distinct = "DISTINCT " if asked.breakdown is not None and asked.aggregate in COUNT_PEOPLE else ""
        found = f"SELECT {distinct}{', '.join(columns)} {found}"
    labelled = (
        _labelled(asked, params) if asked.breakdown is not None else "SELECT 1 AS place, '' AS label, * FROM found"
    )
    return f"WITH found AS ({found}), labelled AS ({labelled}) {_counted(asked, width)}"


def _condition(asked: Params, people: bool, params: Parameters, person: str = "person") -> str:
    conditions = [asked.match.sql(params), Match(where=asked.question.where).sql(params), *_who(asked, people, person)]
    return " AND ".join(conditions)


def _who(asked: Params, people: bool, person: str = "person") -> list[str]:
    """Conditions of whose events count."""
    bots = asked.question.include_bots
    if people:
        return [people_only(bots, person)]
    if bots is False:
        return ["NOT bot"]
    if bots is None and asked.match.event is not None:
        return ["NOT (bot AND kind = 'page')"]  # page views are of people; anything else counts as it came
    return []


def _labelled(asked: Params, params: Parameters) -> str:
    """The largest values keep their names, the rest become one; a value that is itself called Other joins the rest."""
    size = "count(*)" if asked.aggregate == "max_per_user" else _value(asked)
    limit, other = params.add(asked.breakdown_limit), params.add(OTHER)
    return f"""
        SELECT ranked.place, CASE WHEN ranked.place IS NULL THEN {other} ELSE found.label END AS label,
            found.* EXCLUDE (label)
        FROM found LEFT JOIN (
            SELECT label, place FROM (
                SELECT label, row_number() OVER (ORDER BY {size} DESC, label) AS place, count(*) OVER () AS labels
                FROM found GROUP BY label
            ) WHERE labels <= {limit} OR (place <= {limit} AND label <> {other})
        ) AS ranked ON ranked.label = found.label"""


def _counted(asked: Params, width: int) -> str:
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
    if asked.aggregate == "max_per_user":
        each = "coalesce(fsum(number), 0)" if asked.number else "count(*)"
        return f"""
            SELECT place, label, period, max(number) AS value
            FROM (SELECT place, label, period, {each} AS number FROM labelled GROUP BY place, label, period, person)
            GROUP BY place, label, period"""
    return f"SELECT place, label, period, {_value(asked)} AS value FROM labelled GROUP BY place, label, period"


def _value(asked: Params) -> str:
    if asked.breakdown is not None and asked.aggregate == "total":
        return "CAST(sum(events) AS BIGINT)"
    return AGGREGATES[asked.aggregate].format(person="person", number="number", only="")


def _is_one_number(asked: Params) -> bool:
    question = asked.question
    plain = question.segment is None and asked.breakdown is None
    return plain and question.interval == "whole" and asked.aggregate != "max_per_user"


def _value_of(taken: Taken, asked: Params) -> str:
    people = asked.aggregate in COUNT_PEOPLE
    conditions = [taken.condition(Match(asked.event, asked.question.where))]
    if who := " AND ".join(_who(asked, people)):
        conditions.append(taken.of(who, lambda _params: who))
    person = taken.of("person", lambda _params: "person") if people else ""
    number = taken.number(asked.number or "") if asked.aggregate in OF_SUMS else ""
    only = f" FILTER (WHERE {' AND '.join(conditions)})"
    return AGGREGATES[asked.aggregate].format(person=person, number=number, only=only)


def _together(events: Snapshot, asked: Sequence[Params]) -> list[Trends]:
    """Those of one event side by side, so that a statement reads little of what it does not count."""
    order = sorted(range(len(asked)), key=lambda at: asked[at].event or "")
    found: dict[int, Trends] = {}
    for begin in range(0, len(order), TOGETHER_MOST):
        some, taken = order[begin : begin + TOGETHER_MOST], Taken()
        values = ", ".join(_value_of(taken, asked[at]) for at in some)
        sql = f"SELECT {values} FROM {taken.relation({asked[at].event for at in some})}"
        (row,) = events.ask_anew(Statement(sql, taken.params)).rows
        for at, value in zip(some, row, strict=True):
            series = _series(asked[at], asked[at].periods, asked[at].width, [(1, "", 0, value)])
            found[at] = Trends(**events.measures(), series=series)
    return [found[at] for at in range(len(asked))]


def _series(asked: Params, periods: Periods, width: int, rows: list[tuple[Any, ...]]) -> list[Series]:
    plain = asked.breakdown is None
    name = asked.match.event or EVERYTHING
    values: dict[tuple[bool, int, str], list[float]] = {}
    if plain:
        values[False, 1, name] = [0] * len(periods)
    for place, label, period, value in rows:
        key = (place is None, place or 0, name if plain else label)
        if period < len(periods):
            values.setdefault(key, [0] * len(periods))[period] = value
    series = []
    for (_rest, _place, label), points in sorted(values.items()):
        shown = (list(accumulate(points)) if width > 1 else points)[asked.before :]
        if asked.cumulative:
            shown = list(accumulate(shown))
        points_shown = [Point(periods.at(at), value) for at, value in enumerate(shown, start=asked.before)]
        if asked.band:
            _add_band(points_shown, periods, points)
        series.append(Series(label, points_shown))
    return series


def _add_band(shown: list[Point], periods: Periods, values: list[float]) -> None:
    """What was expected of each point by the values before it. The empty time before history begins and after now is
    not learned."""
    judge, begun, bands, now_us = Judge(), False, [], clock.now_us()
    for start_us, value in zip(periods.starts, values, strict=True):
        begun = begun or value != 0
        judged = judge.judge(value, start_us / 1e6) if begun and start_us <= now_us else None
        bands.append((judged.low, judged.high) if judged else (None, None))
    for point, (low, high) in zip(shown, bands[-len(shown) :], strict=True):
        point.low, point.high = (None if edge is None else max(edge, 0.0) for edge in (low, high))


LENS = Lens(
    path="trends",
    title="Trends",
    says="How often, how many people, how much, for each period.",
    group=QUESTIONS,
    asks=Asks(intervals=(*INTERVALS, "whole")),
    Params=Params,
    Answer=Trends,
    range=reach,
    statements=lambda asked: [counted(asked)],
    answer=answer,
    together=Together(_is_one_number, _together),
)
