"""What happens right now: the last 1, 5 and 30 minutes."""

from __future__ import annotations

from dataclasses import replace

from msgspec import Struct

from quadra.analytics.questions.groups import OVERVIEW
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Parameters, no_bots, people_only
from quadra.analytics.questions.question import Question
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


def numbers(question: Question) -> Statement:
    params, people = Parameters(), people_only(question.include_bots)
    sql = f"""
        SELECT count(*) AS events, count(DISTINCT person) FILTER ({people}) AS users,
            count(DISTINCT coalesce(session_id, person)) FILTER ({people}) AS sessions,
            count(*) FILTER (kind = 'error') AS errors
        FROM events WHERE {question.range.sql} AND {where_clause(question, params)}"""
    return Statement(sql, params)


def counts(question: Question, value: str, condition: str) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT {value} AS value, count(*) AS count FROM events
        WHERE {question.range.sql} AND {where_clause(question, params)} AND {condition}
        GROUP BY ALL ORDER BY count DESC, value LIMIT {NAMED}"""
    return Statement(sql, params)


def by_type(question: Question) -> Statement:
    return counts(question, "event_type", "true")


def by_page(question: Question) -> Statement:
    return counts(question, PAGE, f"kind = 'page' AND page_url IS NOT NULL AND {no_bots(question.include_bots)}")


def of_minutes(asked: Params, now_us: int, minutes: int) -> Question:
    span = lately(now_us, minutes)
    return replace(asked.question, start_us=span.start_us or 0, end_us=span.end_us or now_us)


def answer(events: Snapshot, asked: Params) -> Realtime:
    now_us = clock.now_us()
    last_1, last_5, last_30 = (_minutes(events, of_minutes(asked, now_us, minutes), minutes) for minutes in MINUTES)
    return Realtime(
        **events.measures(),
        last_1_minute=last_1,
        last_5_minutes=last_5,
        last_30_minutes=last_30,
        at=clock.iso(clock.from_us(now_us)),
    )


def _minutes(events: Snapshot, question: Question, minutes: int) -> Minutes:
    (row,) = events.rows(numbers(question))
    return Minutes(
        **row,
        events_per_second=row["events"] / (minutes * 60),
        by_type=dict(events.ask(by_type(question)).rows),
        by_page=dict(events.ask(by_page(question)).rows),
    )


def _statements(asked: Params) -> list[Statement]:
    questions = [of_minutes(asked, clock.now_us(), minutes) for minutes in MINUTES]
    return [make(question) for question in questions for make in (numbers, by_type, by_page)]


LENS = Lens(
    path="realtime/stats",
    title="Right now",
    says="The last 1, 5 and 30 minutes. A range is of no account.",
    group=OVERVIEW,
    Params=Params,
    Answer=Realtime,
    range=lambda asked: lately(clock.now_us(), max(MINUTES)),
    statements=_statements,
    answer=answer,
)
