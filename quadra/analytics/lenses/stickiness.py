"""Stickiness: in how many periods of the range people did something."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from quadra.accounts.tables import Project
from quadra.analytics.questions.matching import Match, Parameters, people_only, read_match
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question, read_question, told
from quadra.core.given import Given
from quadra.core.runtime import Runtime
from quadra.warehouse.engine import query

SIGNS = {"gte": ">=", "lte": "<=", "exact": "="}
CRITERION = re.compile(r"(gte|lte|exact):([1-9]\d{0,8})")
COUNT_MOST = 366
BUCKETS_MOST = 2_000


@dataclass(frozen=True)
class Stickiness:
    question: Question
    match: Match
    interval_count: int
    sign: str
    times: int
    cumulative: bool


def read(given: Given, project: Project) -> Stickiness:
    criterion = CRITERION.fullmatch(given.text("per_interval") or "gte:1")
    if criterion is None:
        given.wrong["per_interval"] = "gte:2, lte:2 or exact:2, of any number from 1"
    stickiness = Stickiness(
        question=read_question(given, project),
        match=read_match(given, "event", "where"),
        interval_count=given.number("interval_count", 1, 1, COUNT_MOST),
        sign=SIGNS[criterion[1]] if criterion else "",
        times=int(criterion[2]) if criterion else 1,
        cumulative=bool(given.flag("cumulative")),
    )
    given.check()
    return stickiness


def answer(runtime: Runtime, stickiness: Stickiness) -> dict[str, Any]:
    question = stickiness.question
    periods = question.periods(group=stickiness.interval_count, most=BUCKETS_MOST)
    params = Parameters()
    sql = _sql(stickiness, periods, params)
    found = query(runtime, question.project_id, sql, params, start_us=question.start_us, end_us=question.end_us)
    counted = dict(found.rows)
    buckets = [counted.get(active, 0) for active in range(1, len(periods) + 1)]
    if stickiness.cumulative:
        buckets = list(accumulate(reversed(buckets)))[::-1]
    return told(found, buckets=buckets)


def _sql(stickiness: Stickiness, periods: Periods, params: Parameters) -> str:
    """Rows (periods, people)."""
    where = [people_only(stickiness.question.include_bots), stickiness.match.sql(params)]
    where.append(Match(where=stickiness.question.where).sql(params))
    return f"""
        SELECT active, count(*) AS people FROM (
            SELECT person, count(*) AS active FROM (
                SELECT person, {periods.index_sql()} AS period FROM events WHERE {" AND ".join(where)}
                GROUP BY ALL HAVING count(*) {stickiness.sign} {params.add(stickiness.times)}
            ) GROUP BY person
        ) GROUP BY active"""
