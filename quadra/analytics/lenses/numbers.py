"""Numbers: what came in, day by day and source by source, so that figures can be reconciled with other ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, where_clause
from quadra.core.api.openapi import Time
from quadra.ingest.counts import DUPLICATE, HOUR_US
from quadra.ingest.tables import IngestCount

LATE_US = 24 * HOUR_US
UNKNOWN = "(unknown)"
"""The door of events from before doors were kept."""


class Params(Asked, kw_only=True, frozen=True):
    """Nothing beside what every question takes."""


class RefusedFor(Struct):
    reason: str
    count: int


class SourceNumbers(Struct, kw_only=True):
    source: str
    """The door: `http`, `socket`, `segment`, `posthog`, `import`, `demo`, `quadra`, …"""
    accepted: int
    """Events that were stored, by when they happened."""
    page_views: int
    """Of people, as visits count them."""
    visitors: int
    bots: int
    """Events by bots, which questions about people leave out."""
    late: int
    """Events that came more than a day after they happened."""
    duplicates: int
    """Events that came again and were not stored again, by when they came."""
    refused: int
    refused_for: list[RefusedFor]


class NumbersPeriod(Struct, kw_only=True):
    at: Time
    sources: list[SourceNumbers]


class NumbersAnswer(Measured, kw_only=True):
    totals: list[SourceNumbers]
    periods: list[NumbersPeriod]


Place = tuple[int, str]
"""Of a period, -1 is the whole range; and the door."""


def counted(asked: Params) -> Statement:
    """Rows (period, door, the numbers); a period of NULL is the whole range."""
    params = Parameters()
    where = where_clause(asked.question, params)
    unknown = params.add(UNKNOWN)
    sql = f"""
        SELECT period, door, count(*) AS accepted,
            count(*) FILTER (kind = 'page' AND NOT bot AND person IS NOT NULL) AS page_views,
            count(DISTINCT person) FILTER (NOT bot) AS visitors, count(*) FILTER (bot) AS bots,
            count(*) FILTER (received_us - occurred_us > {LATE_US}) AS late
        FROM (
            SELECT {asked.question.periods().index_sql()} AS period, coalesce(door, {unknown}) AS door, kind, bot, person,
                received_us, occurred_us
            FROM events WHERE {where}
        ) GROUP BY GROUPING SETS ((period, door), (door))"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> NumbersAnswer:
    periods = asked.question.periods()
    stored: dict[Place, dict[str, Any]] = {}
    for row in events.rows(counted(asked)):
        stored[-1 if row["period"] is None else row["period"], row["door"]] = row
    others = _not_stored(events, asked.question, periods)
    places = sorted({*stored, *others})
    shown: dict[int, list[SourceNumbers]] = defaultdict(list)
    for place in places:
        shown[place[0]].append(_numbers(place[1], stored.get(place, {}), others.get(place, Counter())))
    return NumbersAnswer(
        **events.measures(),
        totals=shown[-1],
        periods=[NumbersPeriod(at=periods.at(place), sources=shown[place]) for place in range(len(periods))],
    )


def _not_stored(events: Snapshot, question: Question, periods: Periods) -> dict[Place, Counter[tuple[str, str]]]:
    """(period, door) -> (outcome, reason) -> how many."""
    found: dict[Place, Counter[tuple[str, str]]] = defaultdict(Counter)
    hours = (IngestCount.hour >= question.start_us // HOUR_US, IngestCount.hour < -(-question.end_us // HOUR_US))
    query = sa.select(IngestCount).where(IngestCount.project_id == question.project_id, *hours)
    with events.runtime.database.read() as session:
        for row in session.scalars(query):
            period = max(periods.index(row.hour * HOUR_US), 0)
            for place in ((period, row.door), (-1, row.door)):
                found[place][row.outcome, row.reason] += row.number
    return found


def _numbers(source: str, row: dict[str, Any], others: Counter[tuple[str, str]]) -> SourceNumbers:
    refused = [RefusedFor(reason, number) for (outcome, reason), number in others.most_common() if outcome != DUPLICATE]
    return SourceNumbers(
        source=source,
        **{name: row.get(name, 0) for name in ("accepted", "page_views", "visitors", "bots", "late")},
        duplicates=sum(number for (outcome, _reason), number in others.items() if outcome == DUPLICATE),
        refused=sum(each.count for each in refused),
        refused_for=refused,
    )


LENS = Lens(
    path="numbers",
    title="Numbers",
    says="What came in, period by period and source by source: accepted, page views, bots, late, duplicates, refused. An "
    "imported access log of the same days stands beside what a tracker sent. Filters choose among events that were stored.",
    group=OVERVIEW,
    asks=Asks(intervals=(*INTERVALS, "whole")),
    Params=Params,
    Answer=NumbersAnswer,
    statements=lambda asked: [counted(asked)],
    answer=answer,
)
