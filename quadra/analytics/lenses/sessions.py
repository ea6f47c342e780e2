"""Sessions: what a person does without a pause of more than 30 minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Match, Parameters, people_only
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Question, read_question, told
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

GAP_US = 30 * 60 * 1_000_000
"""A pause of exactly this does not end a session."""
PAGE = "CASE WHEN page_url LIKE '%/' THEN regexp_replace(page_url, '([^/])/+$', '\\1') ELSE page_url END"
"""A page is its address as it came; a slash at its end makes no difference."""
PAGES, PAGES_MOST = 20, 1_000
CODES = 1 << 32
"""More than there are pages; a time within half an hour, times this, is an integer still."""
ENDS = (("entry", "min"), ("exit", "max"))
MEASURES = ("count", "people", "bounces", "average_seconds", "median_seconds", "events_per_session")


@dataclass(frozen=True)
class Sessions:
    question: Question
    limit: int


def read(given: Given, project: Project) -> Sessions:
    sessions = Sessions(
        question=read_question(given, project, intervals=(*INTERVALS, "whole")),
        limit=given.number("limit", PAGES, 1, PAGES_MOST),
    )
    given.check()
    return sessions


def answer(runtime: Runtime, sessions: Sessions) -> dict[str, Any]:
    question = sessions.question
    periods = question.periods()
    params = Parameters()
    sql = _sql(sessions, periods, params)
    found = query(runtime, question.project_id, sql, params, start_us=question.start_us, end_us=question.end_us)
    rows: dict[str, list[tuple[Any, ...]]] = {"entry": [], "exit": [], "period": [], "whole": []}
    for part, *row in found.rows:
        rows[part].append(tuple(row))
    by_period = {number: row for number, _page, *row in rows["period"]}
    whole = rows["whole"][0][2:]
    return told(
        found,
        **_measures(whole),
        entries=[{"page": page, "count": row[0]} for _number, page, *row in rows["entry"]],
        exits=[{"page": page, "count": row[0]} for _number, page, *row in rows["exit"]],
        periods=[
            {"at": periods.at(number), **_measures(by_period.get(number, (0,) * len(MEASURES)))}
            for number in range(len(periods))
        ],
    )


def _measures(row: Any) -> dict[str, Any]:
    said = dict(zip(MEASURES, row, strict=True))
    said["bounce_rate"] = said["bounces"] / said["count"] * 100 if said["count"] else 0.0
    return said


def _sql(sessions: Sessions, periods: Periods, params: Parameters) -> str:
    """Rows (part, period, page, the measures): one for each period, one for all, and the first and last pages of sessions.

    Pages are numbers until they are shown, and stand behind their time in one integer, so that the first is the least. Where
    a session's first page has several of one instant, the least and the least with numbers turned round differ; `settled`
    looks those few up, and takes the first by its event id.
    """
    where = f"{people_only(sessions.question.include_bots)} AND {Match(where=sessions.question.where).sql(params)}"
    # no pause within half an hour of the clock ends a session: so much is put together first, and few rows are sorted
    ordered = "PARTITION BY person ORDER BY stretch"
    measures = """count(*) AS count, count(DISTINCT person) AS people, count(*) FILTER (bounced) AS bounces,
            coalesce(favg(us), 0) / 1e6 AS average_seconds, coalesce(median(us), 0) / 1e6 AS median_seconds,
            coalesce(favg(events), 0) AS events_per_session"""
    limit = params.add(sessions.limit)
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
