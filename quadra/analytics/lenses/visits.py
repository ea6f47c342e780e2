"""Visits: who came, from where, which pages they saw, and who did what a goal asks for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from msgspec import UNSET, Struct, UnsetType, structs

from quadra.analytics.kept.goals import goal_of
from quadra.analytics.questions.groups import VISITS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, before, compared, share, where_clause
from quadra.analytics.visits import dimensions
from quadra.analytics.visits.countries import name_of
from quadra.analytics.visits.relation import Visits
from quadra.core.api.openapi import Time
from quadra.core.api.params import choice, says, within
from quadra.core.api.raw_params import RawParams
from quadra.core.runtime import Runtime
from quadra.ingest.places import Places, PlacesFrom

SORTS = (
    *("visitors", "visits", "page_views", "bounce_rate", "avg_duration_seconds"),
    *("conversions", "conversion_rate", "revenue"),
)
OF_GOALS = SORTS[5:]
NUMBER = {
    "bounce_rate": "bounces * 100 / visits",
    "avg_duration_seconds": "us / visits / 1e6",
    "conversion_rate": "converted * 100 / visitors",
    "revenue": "coalesce(revenue, 0)",
}
"""Of a row, where it is no column."""


class Params(Asked, kw_only=True, frozen=True):
    by: Annotated[str | None, choice(dimensions.DIMENSIONS, "One row for each value. Left out: no rows.")] = None
    sort: Annotated[str, choice(SORTS, "The greatest first.")] = "visitors"
    limit: Annotated[int, within(1, 1_000, "How many rows to a page.")] = 50
    cursor: Annotated[str | None, says("What the page before said.")] = None
    goal: Annotated[
        str | None, says("The id of a goal: who reached it, and what it was worth, in each row and in all.")
    ] = None

    def check(self, raw: RawParams) -> None:
        if self.cursor is not None and self.after is None:
            raw.wrong["cursor"] = "a cursor that an answer gave"
        if self.sort in OF_GOALS and self.goal is None:
            raw.wrong["sort"] = "with a goal"

    @property
    def after(self) -> tuple[float, str] | None:
        """The number and the value of the last row of the page before."""
        try:
            number, value = orjson.loads(base64.urlsafe_b64decode(self.cursor or ""))
            if isinstance(number, int | float) and isinstance(value, str):
                return number, value
        except (binascii.Error, TypeError, ValueError):
            pass
        return None


class VisitNumbers(Struct, kw_only=True):
    visitors: int
    visits: int
    page_views: int
    views_per_visit: float
    bounce_rate: float
    avg_duration_seconds: float
    conversions: int | UnsetType = UNSET
    conversion_rate: float | UnsetType = UNSET
    revenue: float | UnsetType | None = UNSET


class VisitTotals(VisitNumbers, kw_only=True):
    previous: VisitNumbers | None


class VisitRow(Struct, kw_only=True):
    value: str
    label: str | UnsetType = UNSET
    """The name of a country."""
    visitors: int
    visits: int
    page_views: int
    bounce_rate: float
    avg_duration_seconds: float
    conversions: int | UnsetType = UNSET
    conversion_rate: float | UnsetType = UNSET
    revenue: float | UnsetType | None = UNSET


class PreviousVisits(Struct, kw_only=True):
    at: Time
    visitors: int
    visits: int
    page_views: int


class VisitPoint(PreviousVisits, kw_only=True):
    previous: PreviousVisits | None


class Hidden(Struct, kw_only=True):
    """What is in the range and was left out."""

    bots: int
    """Events by bots that fit the filters."""


class VisitsAnswer(Measured, kw_only=True):
    by: str | None
    totals: VisitTotals
    rows: list[VisitRow]
    total_rows: int
    cursor: str | None
    """Of the next page; null on the last one."""
    series: list[VisitPoint]
    hidden: Hidden
    places: list[PlacesFrom]
    """Where countries and regions come from; of an answer by these."""


@dataclass(frozen=True)
class _Part:
    """Of one range."""

    totals: VisitNumbers
    series: list[PreviousVisits]
    rows: list[Mapping[str, Any]]


def counted(asked: Params, question: Question, by: str | None) -> Statement:
    """Rows (part, place, value, the measures): `whole`, one for each `period`, and those of a page of rows."""
    params = Parameters()
    visits = Visits(question, question.periods(), by, asked.goals)
    reached = "sum(c0)::BIGINT AS conversions, count(DISTINCT person) FILTER (c0 > 0) AS converted, fsum(r0) AS revenue"
    none = "0::BIGINT AS conversions, 0::BIGINT AS converted, NULL::DOUBLE AS revenue"
    goal = reached if asked.goals else none
    people = "count(*) FILTER (session = 1)" if visits.is_whole else "count(DISTINCT person)"
    arrived = "count(*) FILTER (arrives)" if visits.is_whole else "count(DISTINCT person)"
    measures = f"""count(*) AS visits, coalesce(sum(views), 0)::BIGINT AS page_views,
        count(*) FILTER (bounced) AS bounces, coalesce(sum(us), 0)::BIGINT AS us, {goal}"""
    begun = visits.periods.index_sql("first_us")
    sql = f"""
        WITH {visits.sql(params)}
        SELECT 'whole' AS part, 0 AS place, '' AS value, {people} AS visitors, {measures}, 0.0 AS number, 1 AS total FROM visits
        UNION ALL BY NAME
        SELECT 'period' AS part, * FROM (
            SELECT period AS place, {arrived} AS visitors, coalesce(sum(views), 0)::BIGINT AS page_views
            FROM parts GROUP BY period
        ) LEFT JOIN (SELECT {begun} AS place, count(*) AS visits FROM visits GROUP BY ALL) USING (place)"""
    if by is not None:
        source, some = "visits", "WHERE pages > 0" if by in dimensions.ENDS else ""
        if by in dimensions.OF_VIEWS:
            source = "seen JOIN (SELECT * EXCLUDE (views) FROM visits) AS visits USING (person, session)"
        number = NUMBER.get(asked.sort, asked.sort)
        after = ""
        if asked.after is not None:
            least, value = params.add(float(asked.after[0])), params.add(asked.after[1])
            after = f"WHERE number < {least} OR (number = {least} AND value > {value})"
        sql += f"""
        UNION ALL BY NAME (
            SELECT * FROM (
                SELECT 'row' AS part, 0 AS place, *, ({number})::DOUBLE AS number, count(*) OVER () AS total
                FROM (SELECT value, count(DISTINCT person) AS visitors, {measures} FROM {source} {some} GROUP BY value)
            ) {after} ORDER BY number DESC, value LIMIT {asked.limit + 1}
        )"""
    return Statement(sql, params)


def hidden(asked: Params) -> Statement:
    params = Parameters()
    question = replace(asked.question, where=dimensions.split(asked.question.where)[2])
    where = f"{question.range.sql} AND {where_clause(question, params)}"
    return Statement(f"SELECT count(*) AS bots FROM events WHERE bot AND {where}", params)


def answer(events: Snapshot, asked: Params) -> VisitsAnswer:
    now = _part(events, asked, asked.question, asked.by)
    then = None if asked.question.alone else _part(events, asked, before(asked.question), None)
    shown, more = now.rows[: asked.limit], now.rows[asked.limit :]
    (left_out,) = events.rows(hidden(asked)) if asked.question.include_bots is None else ({"bots": 0},)
    in_places = asked.by in dimensions.PLACES
    return VisitsAnswer(
        by=asked.by,
        totals=VisitTotals(**structs.asdict(now.totals), previous=then.totals if then else None),
        rows=[_row(row, asked) for row in shown],
        total_rows=shown[0]["total"] if shown else 0,
        cursor=_cursor(shown[-1]) if more else None,
        series=_series(now.series, then.series if then else []),
        hidden=Hidden(bots=left_out["bots"]),
        places=events.runtime.the(Places).sources if in_places else [],
        **events.measures(),
    )


def _part(events: Snapshot, asked: Params, question: Question, by: str | None) -> _Part:
    rows: dict[str, list[dict[str, Any]]] = {"whole": [], "period": [], "row": []}
    for row in events.rows(counted(asked, question, by)):
        rows[row["part"]].append(row)
    (whole,), by_period = rows["whole"], {row["place"]: row for row in rows["period"]}
    periods = question.periods()
    series = []
    for place in range(len(periods)):
        found = by_period.get(place, {})
        counts = {name: found.get(name) or 0 for name in ("visitors", "visits", "page_views")}
        series.append(PreviousVisits(at=periods.at(place), **counts))
    views_per_visit = whole["page_views"] / whole["visits"] if whole["visits"] else 0.0
    totals = VisitNumbers(views_per_visit=views_per_visit, **_numbers(whole, asked))
    return _Part(totals, series, sorted(rows["row"], key=lambda row: (-row["number"], row["value"])))


def _numbers(row: Mapping[str, Any], asked: Params) -> dict[str, Any]:
    visits = row["visits"]
    found = {
        **{name: row[name] for name in ("visitors", "visits", "page_views")},
        "bounce_rate": share(row["bounces"], visits),
        "avg_duration_seconds": row["us"] / visits / 1e6 if visits else 0.0,
    }
    for goal in asked.goals:
        found |= {
            "conversions": row["conversions"] or 0,
            "conversion_rate": share(row["converted"], row["visitors"]),
            "revenue": None if goal.value_property is None else row["revenue"] or 0.0,
        }
    return found


def _row(row: Mapping[str, Any], asked: Params) -> VisitRow:
    name = name_of(row["value"]) if asked.by == "country" else None
    return VisitRow(value=row["value"], label=name or UNSET, **_numbers(row, asked))


def _series(points: list[PreviousVisits], beside: list[PreviousVisits]) -> list[VisitPoint]:
    """Period by period, beside the one that stands at the same place in what it is compared with."""
    return [
        VisitPoint(**structs.asdict(point), previous=beside[place] if place < len(beside) else None)
        for place, point in enumerate(points)
    ]


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["number"], row["value"]])).decode()


def _statements(asked: Params) -> list[Statement]:
    beside = [] if asked.question.alone else [counted(asked, before(asked.question), None)]
    return [counted(asked, asked.question, asked.by), *beside, hidden(asked)]


def load(runtime: Runtime, asked: Params) -> Params:
    """With the goal. Raises `NotFound`."""
    if asked.goal is None:
        return asked
    return structs.replace(asked, goals=(goal_of(runtime, asked.project.id, asked.goal),))


LENS = Lens(
    path="visits",
    title="Visits",
    says="Sessions of people: how many, from where, which pages. Each total has the same of the period before beside it. A "
    "filter by one of the dimensions of `by` chooses visits, any other one chooses events. Rates are in per cent.",
    group=VISITS,
    asks=Asks(intervals=(*INTERVALS, "whole"), compares=True),
    Params=Params,
    Answer=VisitsAnswer,
    range=lambda asked: compared(asked.question),
    load=load,
    statements=_statements,
    answer=answer,
)
