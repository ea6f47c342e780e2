"""Sessions: what a person does without a pause of more than 30 minutes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, TypedDict

import numpy as np
import pyarrow as pa
from msgspec import Struct

from quadra.analytics.lenses.session_columns import DOES, ENDS, NOTHING, Measured, fits
from quadra.analytics.lenses.session_columns import Sessions as Counted
from quadra.analytics.lenses.session_columns import counted as counted_in
from quadra.analytics.lenses.settling import TooManyTied, names_of, settle
from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.pages import ADDRESS, TooManyAddresses, pages_of
from quadra.analytics.questions.periods import INTERVALS, Periods
from quadra.analytics.questions.question import Asks, Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, where_clause
from quadra.analytics.questions.stretches import Reading, stretched
from quadra.analytics.questions.timeline import Column, Places, Timeline, timelines
from quadra.analytics.questions.visits import GAP_US, IS_OF, PAGES, WITH_PAGES
from quadra.core.api.openapi import Time
from quadra.core.api.params import within
from quadra.core.typed import Typed
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.texts import Texts

CODES = 1 << 32
"""More than there are pages; a time within half an hour, times this, is an integer still."""
FIRST = (("entry", "min"), ("exit", "max"))
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


class _Found(Struct):
    whole: Measured
    periods: list[Measured]
    entries: list[tuple[str, int]]
    exits: list[tuple[str, int]]


FOUND = Typed(_Found)


def answer(events: Snapshot, asked: Params) -> Sessions:
    periods = asked.question.periods()
    depends = ("sessions", where_clause(asked.question, Parameters(), people=True), asked.question, asked.limit)
    found = events.kept(FOUND, depends, lambda: _found(events, asked, periods))
    return Sessions(
        **events.measures(),
        **_measures(found.whole),
        entries=[PageCount(page, count) for page, count in found.entries],
        exits=[PageCount(page, count) for page, count in found.exits],
        periods=[SessionPeriod(at=periods.at(at), **_measures(row)) for at, row in enumerate(found.periods)],
    )


def _found(events: Snapshot, asked: Params, periods: Periods) -> _Found:
    found = _of_columns(events, asked, periods)
    if found is not None:
        return found
    rows: dict[str, list[tuple[Any, ...]]] = {"entry": [], "exit": [], "period": [], "whole": []}
    for part, *row in events.ask(counted(asked)).rows:
        rows[part].append(tuple(row))
    by_period = {number: tuple(row) for number, _page, *row in rows["period"]}
    return _Found(
        whole=rows["whole"][0][2:],
        periods=[by_period.get(number, NOTHING) for number in range(len(periods))],
        entries=[(page, row[0]) for _number, page, *row in rows["entry"]],
        exits=[(page, row[0]) for _number, page, *row in rows["exit"]],
    )


def _of_columns(events: Snapshot, asked: Params, periods: Periods) -> _Found | None:
    """None where the statement has to say it all: numbers get too large, or too much happens at one instant."""
    question, params = asked.question, Parameters()
    if not fits(question.end_us - question.start_us, len(periods)):
        return None
    found = Counted(periods)
    with suppress(TooManyAddresses, TooManyTied):
        kept = stretched(events, events.look, _reading(events, question, found.places, periods))
        if kept is not None:
            for stretch in kept.stretches:
                found.add(stretch.base, stretch.columns)
            if kept.stretches:
                everything = np.ones(len(kept.opened.us), np.bool_)
                found.add(0, counted_in(kept.opened, everything, found.places, 0, len(periods)))
            return _shown(found, asked.limit, kept.texts.text)
        known, people = dict[str, int](), 0
        where = where_clause(question, params, people=True)
        for timeline in timelines(events.look, [DOES, *ADDRESS], where, params):
            if not len(timeline.us):
                continue
            pages, names = pages_of(events, timeline)
            codes = np.array([*(known.setdefault(name, len(known)) for name in names), -1], np.int32)
            whole = replace(timeline, others={"does": timeline.others["does"], "page": codes[pages]})
            _settle(events, question, whole, names_of(timeline.people), known.__getitem__)
            for piece, does, page in timeline.pieces(*whole.others.values()):
                each = replace(piece, who=piece.who + np.int32(people), others={"does": does, "page": page})
                found.add(0, counted_in(each, np.ones(len(page), np.bool_), found.places, 0, len(periods)))
            people += len(timeline.people)
        return _shown(found, asked.limit, list(known).__getitem__)
    return None


def _reading(events: Snapshot, question: Question, places: Places, periods: Periods) -> Reading:
    params = Parameters()

    def prepare(timeline: Timeline, texts: Texts) -> dict[str, Column]:
        pages, names = pages_of(events, timeline)
        codes = np.append(texts.encoded(pa.chunked_array([names], pa.string())), -1).astype(np.int32)
        return {"does": timeline.others["does"].astype(np.int8), "page": codes[pages]}

    def settled(timeline: Timeline, texts: Texts, span: Range) -> None:
        _settle(events.within(span), question, timeline, texts.named, texts.coded)

    return Reading(
        name="sessions",
        columns=[DOES, *ADDRESS],
        where=where_clause(question, params, people=True, person="user_id"),
        params=params,
        starts=periods.starts,
        prepare=prepare,
        settle=settled,
        count=lambda timeline, closed, base, many: counted_in(timeline, closed.events, places, base, many),
    )


def _settle(
    events: Snapshot,
    question: Question,
    timeline: Timeline,
    named: Callable[[pa.Array], list[Any]],
    coded: Callable[[str], int],
) -> None:
    """Pages of one instant come in the order of their event ids. Raises `TooManyTied`."""

    def told(params: Parameters) -> str:
        where = where_clause(question, params, people=True)
        return f"""
            SELECT person, occurred_us AS us, event_id, page AS value
            FROM {WITH_PAGES} WHERE page IS NOT NULL AND {where}"""

    pages = timeline.others["page"]
    paged = np.flatnonzero(pages >= 0)
    of_paged = pages[paged]
    settle(events, timeline.who[paged], timeline.us[paged], of_paged, named, coded, told)
    pages[paged] = of_paged


def _shown(found: Counted, limit: int, name: Callable[[int], str | None]) -> _Found:
    most = []
    for end in ENDS:
        pages = found.ends(end)
        named = ((name(code) or "", int(pages[code])) for code in np.flatnonzero(pages).tolist())
        most.append(sorted(named, key=lambda each: (-each[1], each[0]))[:limit])
    return _Found(*found.measures(), *most)


class _Measures(TypedDict):
    count: int
    people: int
    bounces: int
    bounce_rate: float
    average_seconds: float
    median_seconds: float
    events_per_session: float


def _measures(row: Measured) -> _Measures:
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
    for part, first in FIRST:
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
        for part, first in FIRST
    )
    return f"""
        WITH pages AS MATERIALIZED ({PAGES}), stretches AS (
            SELECT person, occurred_us // {GAP_US} AS stretch, min(occurred_us) AS first_us, max(occurred_us) AS last_us,
                count(*) AS events, count(*) FILTER (kind = 'page') AS pages,
                count(*) FILTER (kind <> 'page' AND kind <> 'identify') AS others, {", ".join(seen)}
            FROM events LEFT JOIN pages ON {IS_OF} WHERE {where} GROUP BY person, stretch
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
                SELECT person, occurred_us AS us, event_id, code FROM events JOIN pages ON {IS_OF} WHERE {where}
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
