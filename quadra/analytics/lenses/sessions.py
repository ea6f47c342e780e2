"""Sessions: what a person does without a pause of more than 30 minutes."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from msgspec import Struct

from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Snapshot, Statement, where_clause
from quadra.analytics.questions.visits import GAP_US, PAGE
from quadra.core.api.openapi import Time
from quadra.core.api.params import within

CODES = 1 << 32
"""More than there are pages; a time within half an hour, times this, is an integer still."""
ENDS = (("entry", "min"), ("exit", "max"))
MEASURES = ("count", "people", "bounces", "average_seconds", "median_seconds", "events_per_session")


class Params(Asked, kw_only=True, frozen=True):
    limit: Annotated[int, within(1, 1_000, "How many entry and exit pages to name.")] = 20


class SessionMeasures(Struct, kw_only=True):
    count: int
    people: int
    bounces: int
    bounce_rate: float
    average_seconds: float
    median_seconds: float
    events_per_session: float


class SessionPeriod(SessionMeasures, kw_only=True):
    at: Time


class PageCount(Struct):
    page: str
    count: int


class Sessions(SessionMeasures, kw_only=True):
    computed_at: Time
    rows_read: int
    elapsed_ms: float
    entries: list[PageCount]
    exits: list[PageCount]
    periods: list[SessionPeriod]


def counted(asked: Params) -> Statement:
    params = Parameters()
    return Statement(_sql(asked, asked.question.periods(), params), params)


def answer(events: Snapshot, asked: Params) -> Sessions:
    periods = asked.question.periods()
    rows: dict[str, list[tuple[Any, ...]]] = {"entry": [], "exit": [], "period": [], "whole": []}
    for part, *row in events.ask(counted(asked)).rows:
        rows[part].append(tuple(row))
    by_period = {number: row for number, _page, *row in rows["period"]}
    nothing = (0,) * len(MEASURES)
    return Sessions(
        **events.measures(),
        **_measures(rows["whole"][0][2:]),
        entries=[PageCount(page, row[0]) for _number, page, *row in rows["entry"]],
        exits=[PageCount(page, row[0]) for _number, page, *row in rows["exit"]],
        periods=[
            SessionPeriod(at=periods.at(number), **_measures(by_period.get(number, nothing)))
            for number in range(len(periods))
        ],
    )


class _Measures(TypedDict):
    count: int
    people: int
    bounces: int
    bounce_rate: float
    average_seconds: float
    median_seconds: float
    events_per_session: float


def _measures(row: Any) -> _Measures:
    count, people, bounces, average, median, events = row
    return {
        "count": count,
        "people": people,
        "bounces": bounces,
        "bounce_rate": bounces / count * 100 if count else 0.0,
        "average_seconds": average,
        "median_seconds": median,
        "events_per_session": events,
    }


def _sql(asked: Params, periods: Periods, params: Parameters) -> str:
    """Rows (part, period, page, the measures): one for each period, one for all, and the first and last pages of sessions.

    Pages are numbers until they are shown, and stand behind their time in one integer, so that the first is the least. Where
    a session's first page has several of one instant, the least and the least with numbers turned round differ; `settled`
    looks those few up, and takes the first by its event id.
    """
    where = where_clause(asked.question, params, people=True)
    # no pause within half an hour of the clock ends a session: so much is put together first, and few rows are sorted
    ordered = "PARTITION BY person ORDER BY stretch"
    measures = """count(*) AS count, count(DISTINCT person) AS people, count(*) FILTER (bounced) AS bounces,
            coalesce(favg(us), 0) / 1e6 AS average_seconds, coalesce(median(us), 0) / 1e6 AS median_seconds,
            coalesce(favg(events), 0) AS events_per_session"""
    limit = params.add(asked.limit)
    nothing = ", ".join(f"0 AS {name}" for name in MEASURES[1:])
    at, number, turned = f"(occurred_us % {GAP_US}) * {CODES}", f"& {CODES - 1}", f"{CODES - 1} - code"
    seen, tied, shown = [], [], []
    for part, first in ENDS:
        seen.append(f"{first}({at} + code) AS {part}, {first}({at} + {turned}) AS {part}_turned")
        tied.append(
            f"""SELECT person, {part}_us AS us FROM visits
                WHERE {part} {number} <> {CODES - 1} - ({part}_turned {number})"""
        )
        shown.append(
            f"""(SELECT '{part}' AS part, 0 AS period, page, count(*) AS count, {nothing}
            FROM visits LEFT JOIN settled ON settled.person = visits.person AND settled.us = {part}_us
            JOIN pages ON pages.code = coalesce(settled.{part}, visits.{part} {number})
            GROUP BY page ORDER BY count DESC, page LIMIT {limit})"""
        )
    whole = ", ".join(
        f"""arg_{first}({part}, stretch) FILTER (entry IS NOT NULL) AS {part},
                arg_{first}({part}_turned, stretch) FILTER (entry IS NOT NULL) AS {part}_turned,
                {first}(stretch * {GAP_US} + {part} // {CODES}) AS {part}_us"""
        for part, first in ENDS
    )
    return f"""
        WITH pages AS MATERIALIZED (
            SELECT page_url, {PAGE} AS page, row_number() OVER () AS code
            FROM (SELECT DISTINCT page_url FROM events WHERE page_url IS NOT NULL)
        ), stretches AS (
            SELECT person, occurred_us // {GAP_US} AS stretch, min(occurred_us) AS first_us, max(occurred_us) AS last_us,
                count(*) AS events, count(*) FILTER (kind = 'page') AS pages,
                count(*) FILTER (kind <> 'page' AND kind <> 'identify') AS others, {", ".join(seen)}
            FROM events LEFT JOIN pages USING (page_url) WHERE {where} GROUP BY person, stretch
        ), cut AS (
            SELECT *, coalesce(first_us - lag(last_us) OVER ({ordered}) > {GAP_US}, true) AS begins FROM stretches
        ), numbered AS (
            SELECT *, sum(begins::INTEGER) OVER ({ordered} ROWS UNBOUNDED PRECEDING) AS session FROM cut
        ), visits AS MATERIALIZED (
            SELECT person, min(first_us) AS occurred_us, max(last_us) - min(first_us) AS us, sum(events)::BIGINT AS events,
                sum(pages) <= 1 AND sum(others) = 0 AS bounced, {whole}
            FROM numbered GROUP BY person, session
        ), tied AS MATERIALIZED (
            SELECT DISTINCT person, us FROM ({" UNION ALL ".join(tied)})
        ), settled AS MATERIALIZED (
            SELECT person, us, arg_min(code, event_id) AS entry, arg_max(code, event_id) AS exit FROM (
                SELECT person, occurred_us AS us, event_id, code FROM events JOIN pages USING (page_url) WHERE {where}
            ) JOIN tied USING (person, us) GROUP BY person, us
        )
        SELECT 'whole' AS part, 0 AS period, '' AS page, {measures} FROM visits
        UNION ALL SELECT 'period', {periods.index_sql()} AS period, '', {measures} FROM visits GROUP BY ALL
        UNION ALL {shown[0]} UNION ALL {shown[1]}"""


LENS = Lens(
    path="sessions",
    title="Sessions",
    says="What people do without a pause of more than 30 minutes: how many, how long, where they begin and end.",
    group=QUESTIONS,
    asks=Asks(intervals=(*INTERVALS, "whole")),
    Params=Params,
    Answer=Sessions,
    statements=lambda asked: [counted(asked)],
    answer=answer,
)
