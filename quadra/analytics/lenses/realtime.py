"""What happens right now: the last 1, 5 and 30 minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.lenses.sessions import PAGE
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.question import Question, read_question
from quadra.analytics.questions.snapshot import Asking, asking, fitting, iso, within
from quadra.core import clock
from quadra.core.given import Given
from quadra.core.runtime import Runtime

MINUTES = (1, 5, 30)
MINUTE_US = 60_000_000
AHEAD_US = 30_000_000
"""Clocks of senders that are ahead by less are left alone, so their events are of now."""
NAMED = 20


@dataclass(frozen=True)
class Realtime:
    question: Question


def read(given: Given, project: Project) -> Realtime:
    realtime = Realtime(read_question(given, project))
    given.check()
    return realtime


def answer(runtime: Runtime, realtime: Realtime) -> dict[str, Any]:
    """The range of the question is of no account: it is always now."""
    now = clock.now_us()
    question = replace(realtime.question, start_us=now - max(MINUTES) * MINUTE_US, end_us=now + AHEAD_US)
    with asking(runtime, question) as ask:
        body = {
            f"last_{minutes}_minute{'s' if minutes > 1 else ''}": _numbers(
                ask, replace(question, start_us=now - minutes * MINUTE_US), minutes
            )
            for minutes in MINUTES
        }
        return ask.told(**body, at=iso(now))


def _numbers(ask: Asking, question: Question, minutes: int) -> dict[str, Any]:
    where, params = _where(question)
    people = "person IS NOT NULL" if question.include_bots else "person IS NOT NULL AND NOT bot"
    (row,) = ask.rows(
        f"""
        SELECT count(*) AS events, count(DISTINCT person) FILTER ({people}) AS users,
            count(DISTINCT coalesce(session_id, person)) FILTER ({people}) AS sessions,
            count(*) FILTER (kind = 'error') AS errors
        FROM events WHERE {where}""",
        params,
    )
    seen = "true" if question.include_bots else "NOT bot"
    return {
        **row,
        "events_per_second": row["events"] / (minutes * 60),
        "by_type": _counts(ask, question, "event_type", "true"),
        "by_page": _counts(ask, question, PAGE, f"kind = 'page' AND page_url IS NOT NULL AND {seen}"),
    }


def _counts(ask: Asking, question: Question, value: str, condition: str) -> dict[str, int]:
    where, params = _where(question)
    found = ask.rows(
        f"""
        SELECT {value} AS value, count(*) AS count FROM events WHERE {where} AND {condition}
        GROUP BY ALL ORDER BY count DESC, value LIMIT {NAMED}""",
        params,
    )
    return {row["value"]: row["count"] for row in found}


def _where(question: Question) -> tuple[str, Parameters]:
    params = Parameters()
    return f"{within(question.start_us, question.end_us)} AND {fitting(question, params)}", params
