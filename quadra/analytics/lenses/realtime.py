"""What happens right now: the last 1, 5 and 30 minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters, no_bots, people_only
from quadra.analytics.questions.snapshot import Measured, Snapshot, Statement, where_clause
from quadra.analytics.questions.visits import PAGE
from quadra.core import clock
from quadra.core.api.openapi import Time
from quadra.warehouse.query.span import Range

MINUTES = (1, 5, 30)
MINUTE_US = 60_000_000
AHEAD_US = 30_000_000
"""Clocks of senders that are ahead by less are left alone, so their events are of now."""
NAMED = 20


class Params(Asked, kw_only=True, frozen=True):
    """The range of the question is of no account: it is always now."""


class Minutes(Struct, kw_only=True):
    events: int
    users: int
    sessions: int
    errors: int
    events_per_second: float
    by_type: dict[str, int]
    by_page: dict[str, int]


class Realtime(Measured, kw_only=True):
    last_1_minute: Minutes
    last_5_minutes: Minutes
    last_30_minutes: Minutes
    at: Time


def lately(now_us: int, minutes: int) -> Range:
    return Range(now_us - minutes * MINUTE_US, now_us + AHEAD_US)


def counted(asked: Params, now_us: int) -> Statement:
    """Rows (part, minutes, value, count) of events that are counted once, each at the least of `MINUTES` that it lies in, and
    the most frequent types and pages of each of them.
    """
    params, question = Parameters(), asked.question
    span = lately(now_us, max(MINUTES))
    least = " ".join(f"WHEN occurred_us >= {now_us - minutes * MINUTE_US} THEN {minutes}" for minutes in MINUTES)
    people = people_only(question.include_bots)
    of_page = f"kind = 'page' AND page_url <> '' AND {no_bots(question.include_bots)}"
    parts = [
        "SELECT 'events' AS part, ago AS minutes, '' AS value, count(*) AS count FROM late GROUP BY ago",
        "SELECT 'errors' AS part, ago AS minutes, '' AS value, count(*) AS count FROM late WHERE kind = 'error' GROUP BY ago",
    ]
    for part, who in (("users", "person"), ("sessions", "coalesce(session_id, person)")):
        parts.append(f"""
            SELECT '{part}' AS part, ago AS minutes, '' AS value, count(*) AS count
            FROM (SELECT min(ago) AS ago FROM late WHERE {people} GROUP BY {who}) GROUP BY ago""")
    for part, relation in (("by_type", "types"), ("by_page", "pages")):
        parts += [
            f"""(SELECT '{part}' AS part, {minutes} AS minutes, value, in_{minutes} AS count FROM {relation}
            WHERE in_{minutes} > 0 ORDER BY count DESC, value LIMIT {NAMED})"""
            for minutes in MINUTES
        ]
    inside = ", ".join(f"count(*) FILTER (ago <= {minutes}) AS in_{minutes}" for minutes in MINUTES)
    summed = ", ".join(f"CAST(sum(in_{minutes}) AS BIGINT) AS in_{minutes}" for minutes in MINUTES)
    sql = f"""
        WITH late AS MATERIALIZED (
            SELECT kind, event_type, page_url, page_query, bot, person, session_id, CASE {least} END AS ago
            FROM events WHERE {span.sql} AND {where_clause(question, params)}
        ), types AS MATERIALIZED (
            SELECT event_type AS value, {inside} FROM late GROUP BY event_type
        ), pages AS MATERIALIZED (
            SELECT {PAGE} AS value, {summed}
            FROM (SELECT page_url, page_query, {inside} FROM late WHERE {of_page} GROUP BY page_url, page_query)
            GROUP BY value
        )
        {" UNION ALL ".join(parts)}"""
    return Statement(sql, params)


def answer(events: Snapshot, asked: Params) -> Realtime:
    now_us = clock.now_us()
    rows = events.ask_anew(counted(asked, now_us)).rows  # a moment is asked about once
    last_1, last_5, last_30 = (_minutes(rows, minutes) for minutes in MINUTES)
    return Realtime(
        **events.measures(),
        last_1_minute=last_1,
        last_5_minutes=last_5,
        last_30_minutes=last_30,
        at=clock.iso(clock.from_us(now_us)),
    )


def _minutes(rows: Sequence[tuple[Any, ...]], minutes: int) -> Minutes:
    total: Counter[str] = Counter()
    named: dict[str, dict[str, int]] = {"by_type": {}, "by_page": {}}
    for part, ago, value, count in sorted(rows, key=lambda row: (-row[3], row[2])):
        if part not in named:
            total[part] += count if ago <= minutes else 0
        elif ago == minutes:
            named[part][value] = count
    return Minutes(
        events=total["events"],
        users=total["users"],
        sessions=total["sessions"],
        errors=total["errors"],
        events_per_second=total["events"] / (minutes * 60),
        by_type=named["by_type"],
        by_page=named["by_page"],
    )


LENS = Lens(
    path="realtime/stats",
    title="Right now",
    says="The last 1, 5 and 30 minutes. A range is of no account.",
    group=OVERVIEW,
    Params=Params,
    Answer=Realtime,
    range=lambda asked: lately(clock.now_us(), max(MINUTES)),
    statements=lambda asked: [counted(asked, clock.now_us())],
    answer=answer,
)
