"""Visits: who came, from where, which pages they saw, and who did what a goal asks for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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
from quadra.analytics.visits.counted import COUNTED, Counted, Counts, OfPeriod, Row, Rows, by_statement, statement
from quadra.analytics.visits.counting import count
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
    found: Counted


def visits_of(asked: Params, question: Question, by: str | None) -> tuple[Visits, Rows]:
    return Visits(question, question.periods(), by, asked.goals), Rows(asked.sort, asked.limit, asked.after)


def hidden(asked: Params) -> Statement:
    params = Parameters()
    question = replace(asked.question, where=dimensions.split(asked.question.where)[2])
    where = f"{question.range.sql} AND {where_clause(question, params)}"
    return Statement(f"SELECT count(*) AS bots FROM events WHERE bot AND {where}", params)


def answer(events: Snapshot, asked: Params) -> VisitsAnswer:
    now = _part(events, asked, asked.question, asked.by)
    then = None if asked.question.alone else _part(events, asked, before(asked.question), None)
    shown, more = now.found.rows[: asked.limit], now.found.rows[asked.limit :]
    (left_out,) = events.rows(hidden(asked)) if asked.question.include_bots is None else ({"bots": 0},)
    in_places = asked.by in dimensions.PLACES
    return VisitsAnswer(
        by=asked.by,
        totals=VisitTotals(**structs.asdict(now.totals), previous=then.totals if then else None),
        rows=[_row(row, asked) for row in shown],
        total_rows=now.found.total if shown else 0,
        cursor=_cursor(shown[-1]) if more else None,
        series=_series(now.series, then.series if then else []),
        hidden=Hidden(bots=left_out["bots"]),
        places=events.runtime.the(Places).sources if in_places else [],
        **events.measures(),
    )


def _part(events: Snapshot, asked: Params, question: Question, by: str | None) -> _Part:
    visits, rows = visits_of(asked, question, by)
    (found,) = _kept(events, [(visits, rows)])
    by_place = {period.place: period for period in found.periods}
    series = []
    for place in range(len(visits.periods)):
        period = by_place.get(place) or OfPeriod(place, 0, 0, 0)
        at = visits.periods.at(place)
        series.append(
            PreviousVisits(at=at, visitors=period.visitors, visits=period.visits, page_views=period.page_views)
        )
    whole = found.whole
    views_per_visit = whole.page_views / whole.visits if whole.visits else 0.0
    return _Part(VisitNumbers(views_per_visit=views_per_visit, **_numbers(whole, asked)), series, found)


def _kept(events: Snapshot, asked: Sequence[tuple[Visits, Rows]]) -> list[Counted]:
    """In columns where DuckDB answers, all at once: ClickHouse counts where its rows are. Of one range and the same events."""
    inner = events.within(asked[0][0].question.range)

    @cache
    def in_columns() -> list[Counted] | None:
        return None if inner.look.elsewhere else count(inner, asked)

    def make(place: int) -> Counted:
        found = in_columns()
        return by_statement(inner, *asked[place]) if found is None else found[place]

    keys = (statement(*each) for each in asked)
    return [
        inner.kept(COUNTED, ("visits", key.sql, key.params), partial(make, place)) for place, key in enumerate(keys)
    ]


def ahead(events: Snapshot, asked: Sequence[Params]) -> None:
    """One reading for all that is asked about the same events."""
    same: dict[str, list[tuple[Visits, Rows]]] = {}
    for each in asked:
        parts = [(each.question, each.by), *([] if each.question.alone else [(before(each.question), None)])]
        for visits, rows in (visits_of(each, *part) for part in parts):
            question = visits.question
            key = repr((question.range, question.include_bots, visits.filters[2], visits.goals))
            same.setdefault(key, []).append((visits, rows))
    for group in same.values():
        if len(group) > 1:
            _kept(events, group)


def _numbers(row: Counts, asked: Params) -> dict[str, Any]:
    found: dict[str, Any] = {
        "visitors": row.visitors,
        "visits": row.visits,
        "page_views": row.page_views,
        "bounce_rate": share(row.bounces, row.visits),
        "avg_duration_seconds": row.us / row.visits / 1e6 if row.visits else 0.0,
    }
    for goal in asked.goals:
        found |= {
            "conversions": row.conversions or 0,
            "conversion_rate": share(row.converted, row.visitors),
            "revenue": None if goal.value_property is None else row.revenue or 0.0,
        }
    return found


def _row(row: Row, asked: Params) -> VisitRow:
    name = name_of(row.value) if asked.by == "country" else None
    return VisitRow(value=row.value, label=name or UNSET, **_numbers(row, asked))


def _series(points: list[PreviousVisits], beside: list[PreviousVisits]) -> list[VisitPoint]:
    """Period by period, beside the one that stands at the same place in what it is compared with."""
    return [
        VisitPoint(**structs.asdict(point), previous=beside[place] if place < len(beside) else None)
        for place, point in enumerate(points)
    ]


def _cursor(row: Row) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row.number, row.value])).decode()


def _statements(asked: Params) -> list[Statement]:
    beside = [] if asked.question.alone else [statement(*visits_of(asked, before(asked.question), None))]
    return [statement(*visits_of(asked, asked.question, asked.by)), *beside, hidden(asked)]


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
    ahead=ahead,
)
