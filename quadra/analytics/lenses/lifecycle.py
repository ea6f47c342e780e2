"""Lifecycle: who is new, who came back, who stayed, who went silent, period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Match, Parameters, people_only, read_match
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question, read_question, told
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

STATES = ("new", "returning", "resurrecting", "dormant")


@dataclass(frozen=True)
class Lifecycle:
    question: Question
    match: Match


def read(given: Given, project: Project) -> Lifecycle:
    lifecycle = Lifecycle(question=read_question(given, project), match=read_match(given, "event", "where"))
    given.check()
    return lifecycle


def answer(runtime: Runtime, lifecycle: Lifecycle) -> dict[str, Any]:
    question = lifecycle.question
    periods = question.periods(before=1)
    params = Parameters()
    found = query(
        runtime, question.project_id, _sql(lifecycle, periods, params), params, start_us=None, end_us=periods.end
    )
    counted = {(period, state): people for period, state, people in found.rows}
    return told(
        found,
        periods=[
            {
                "at": periods.at(number),
                **{state: counted.get((number, state), 0) * (-1 if state == "dormant" else 1) for state in STATES},
            }
            for number in range(1, len(periods))
        ],
    )


def _sql(lifecycle: Lifecycle, periods: Periods, params: Parameters) -> str:
    """Rows (period, state, people). Period 0 is the one before the range, -1 all of history before that."""
    where = [people_only(lifecycle.question.include_bots), lifecycle.match.sql(params)]
    where.append(Match(where=lifecycle.question.where).sql(params))
    period = f"CASE WHEN occurred_us < {periods.starts[0]} THEN -1 ELSE {periods.index_sql()} END"
    return f"""
        WITH active AS (
            SELECT person, period,
                min(period) OVER (PARTITION BY person) AS first,
                lag(period) OVER (PARTITION BY person ORDER BY period) AS previous,
                lead(period) OVER (PARTITION BY person ORDER BY period) AS next
            FROM (SELECT DISTINCT person, {period} AS period FROM events WHERE {" AND ".join(where)})
        )
        SELECT period, state, count(*) AS people FROM (
            SELECT period, CASE WHEN period = first THEN 'new' WHEN previous = period - 1 THEN 'returning'
                ELSE 'resurrecting' END AS state
            FROM active WHERE period >= 1
            UNION ALL
            SELECT period + 1, 'dormant' FROM active
            WHERE period >= 0 AND (next IS NULL OR next > period + 1)
        ) WHERE period < {len(periods)} GROUP BY ALL"""
