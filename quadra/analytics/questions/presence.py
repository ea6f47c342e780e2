"""Who was there when, before a range, in the one before it and in it: one pass over the events for the lenses that need it.

How many people there are and how long their sessions take follow from it. `sessions` says where a session begins; its length
is the sum of its stretches and of the pauses between them, so none need be put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import UserNumbers
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import where_clause
from quadra.analytics.questions.visits import GAP_US

EARLIER, THEN, NOW = 0, 1, 2
"""The span of a row: before both ranges, in the one before, in the one that is asked about."""


@dataclass(frozen=True)
class Presence:
    """Of a look at all that is before the end of `now`; `then` ends where `now` begins."""

    now: Question
    then: Question
    now_periods: Periods
    then_periods: Periods | None = None

    def sql(self, params: Parameters) -> str:
        """The relations `presence`, `people` and `visits` of a statement, without its WITH."""
        period = f"WHEN occurred_us >= {self.now.start_us} THEN {self.now_periods.index_sql()}"
        if self.then_periods is not None:
            period += f" WHEN occurred_us >= {self.then.start_us} THEN {self.then_periods.index_sql()}"
        length = "sum(last_us - first_us) + coalesce(sum(pause) FILTER (NOT begins), 0)"
        return f"""
        presence AS MATERIALIZED (
            SELECT person,
                CASE WHEN occurred_us >= {self.now.start_us} THEN {NOW}
                    WHEN occurred_us >= {self.then.start_us} THEN {THEN} ELSE {EARLIER} END AS span,
                CASE {period} ELSE -1 END AS period,
                CASE WHEN occurred_us >= {self.then.start_us} THEN occurred_us // {GAP_US} ELSE -1 END AS stretch,
                count(*) AS events, min(occurred_us) AS first_us, max(occurred_us) AS last_us
            FROM events WHERE {where_clause(self.now, params, people=True)} GROUP BY ALL
        ), people AS MATERIALIZED (
            SELECT person, min(first_us) AS first_us, max(last_us) AS last_us, bool_or(span = {THEN}) AS was_there,
                CAST(coalesce(sum(events) FILTER (span = {NOW}), 0) AS BIGINT) AS events
            FROM presence GROUP BY person
        ), visits AS MATERIALIZED (
            SELECT span, count(*) FILTER (begins) AS visits, CAST({length} AS BIGINT) AS us FROM (
                SELECT *, coalesce(pause > {GAP_US}, true) AS begins FROM (
                    SELECT *, first_us - lag(last_us) OVER (PARTITION BY person, span ORDER BY first_us) AS pause
                    FROM presence WHERE span > {EARLIER}
                )
            ) GROUP BY span
        )"""

    def counted_sql(self) -> str:
        """Rows (part, place, a, b, c), the place being the span: `people` ever, active and new; `visits`, their microseconds."""
        then_new = f"first_us >= {self.then.start_us} AND first_us < {self.now.start_us}"
        return f"""
        SELECT 'people' AS part, {NOW} AS place, count(*) AS a, count(*) FILTER (events > 0) AS b,
            count(*) FILTER (first_us >= {self.now.start_us}) AS c FROM people
        UNION ALL SELECT 'people', {THEN}, count(*) FILTER (first_us < {self.now.start_us}),
            count(*) FILTER (was_there), count(*) FILTER ({then_new}) FROM people
        UNION ALL SELECT 'visits', span, visits, us, 0 FROM visits"""


@dataclass(frozen=True)
class Counted:
    """What `counted_sql` found, of one span."""

    people: UserNumbers
    visits: int
    average_seconds: float


def counted(rows: list[dict[str, Any]], span: int) -> Counted:
    """`rows` may hold others."""
    (ever, active, new), (visits, us) = (0, 0, 0), (0, 0)
    for row in rows:
        if row["place"] == span and row["part"] == "people":
            ever, active, new = row["a"], row["b"], row["c"]
        elif row["place"] == span and row["part"] == "visits":
            visits, us = row["a"], row["b"]
    people = UserNumbers(total=ever, active=active, new=new, returning=active - new)
    return Counted(people, visits, us / visits / 1e6 if visits else 0.0)
