"""Retention: of the people who did something in a period, how many did something in the periods after it."""

from __future__ import annotations

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

KINDS = ("first_time", "recurring")
PERIODS_MOST = 400


@dataclass(frozen=True)
class Retention:
    question: Question
    first: Match
    returning: Match
    kind: str
    columns: int
    minimum_occurrences: int
    cumulative: bool


def read(given: Given, project: Project) -> Retention:
    wanted = given.number("periods", 0, 1, PERIODS_MOST)
    retention = Retention(
        question=read_question(given, project, name="period", span=wanted or None),
        first=read_match(given, "first_event", "first_where"),
        returning=read_match(given, "return_event", "return_where"),
        kind=given.choice("kind", KINDS, "first_time"),
        columns=wanted or PERIODS_MOST,
        minimum_occurrences=given.number("minimum_occurrences", 1, 1, 1_000_000),
        cumulative=bool(given.flag("cumulative")),
    )
    given.check()
    return retention


def answer(runtime: Runtime, retention: Retention) -> dict[str, Any]:
    question = retention.question
    periods = question.periods(most=PERIODS_MOST, name="period")
    ever = retention.kind == "first_time"  # whose first time it is, only all of history can tell
    params = Parameters()
    found = query(
        runtime,
        question.project_id,
        _sql(retention, periods, params),
        params,
        start_us=None if ever else periods.starts[0],
        end_us=periods.end,
    )
    return told(found, cohorts=_cohorts(retention, periods, found.rows))


def _sql(retention: Retention, periods: Periods, params: Parameters) -> str:
    """Rows (cohort, periods later, people); 0 later is the size of the cohort."""
    question = retention.question
    whole = f"{people_only(question.include_bots)} AND {Match(where=question.where).sql(params)}"
    first = f"FROM events WHERE {whole} AND {retention.first.sql(params)}"
    if retention.kind == "first_time":
        # an event before the range may be its period's number only after those were left out
        begun = f"""
            SELECT person, {periods.index_sql("first_us")} AS period
            FROM (SELECT person, min(occurred_us) AS first_us {first} GROUP BY person)
            WHERE first_us >= {periods.starts[0]}"""
    else:
        begun = f"SELECT DISTINCT person, {periods.index_sql()} AS period {first}"
    returned = f"""
        SELECT person, {periods.index_sql()} AS period
        FROM events
        WHERE {whole} AND {retention.returning.sql(params)} AND occurred_us >= {periods.starts[0]}
        GROUP BY ALL HAVING count(*) >= {params.add(retention.minimum_occurrences)}"""
    if retention.cumulative:  # only the last return matters: whoever was seen then had not left before
        returned = f"SELECT person, max(period) AS period FROM ({returned}) GROUP BY person"
    return f"""
        WITH begun AS MATERIALIZED ({begun}), returned AS ({returned})
        SELECT period AS cohort, 0 AS later, count(*) AS people FROM begun GROUP BY period
        UNION ALL
        SELECT begun.period, returned.period - begun.period, count(*)
        FROM begun JOIN returned ON returned.person = begun.person AND returned.period > begun.period
        GROUP BY ALL"""


def _cohorts(retention: Retention, periods: Periods, rows: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    cells = {(cohort, later): people for cohort, later, people in rows}
    cohorts = []
    for cohort in range(len(periods)):
        later = [cells.get((cohort, at), 0) for at in range(1, len(periods) - cohort)]
        if retention.cumulative:
            later = list(accumulate(reversed(later)))[::-1]
        size = cells.get((cohort, 0), 0)
        cohorts.append({"at": periods.at(cohort), "size": size, "returned": [size, *later][: retention.columns]})
    return cohorts
