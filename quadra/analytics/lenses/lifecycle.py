"""Lifecycle: who is new, who came back, who stayed, who went silent, period by period."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Struct

from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Match, Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.snapshot import Measured, Row, Snapshot, Statement, where_clause
from quadra.analytics.questions.tallies import are, each_period, many, people_tally
from quadra.core.api.openapi import Time
from quadra.core.api.params import says
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Tallied, Tally

STATES = ("new", "returning", "resurrecting", "dormant")


class Params(Asked, kw_only=True, frozen=True):
    event: Annotated[str | None, says("Its name. Left out: any event.", "page_view")] = None

    @property
    def periods(self) -> Periods:
        """The one before the range and those of it."""
        return self.question.periods(before=1)


class LifecyclePeriod(Struct):
    at: Time
    new: int
    returning: int
    resurrecting: int
    dormant: int


class Lifecycle(Measured, kw_only=True):
    periods: list[LifecyclePeriod]


def counted(asked: Params) -> Statement:
    params = Parameters()
    return Statement(_sql(asked, asked.periods, params), params)


def answer(events: Snapshot, asked: Params) -> Lifecycle:
    periods = asked.periods
    rows = events.put_together(counted(asked), partial(_tallies, asked), partial(_rows, asked))
    people = {(period, state): count for period, state, count in rows}
    shown = []
    for number in range(1, len(periods)):
        new, returning, resurrecting, dormant = (people.get((number, state), 0) for state in STATES)
        shown.append(LifecyclePeriod(periods.at(number), new, returning, resurrecting, -dormant))
    return Lifecycle(**events.measures(), periods=shown)


def _tallies(asked: Params) -> list[Tally]:
    return [people_tally(asked.question, Match(asked.event), asked.periods)]


def _rows(asked: Params, found: Tallied) -> list[Row]:
    rows: list[Row] = []
    seen = before = np.zeros(len(found.persons), np.bool_)
    for period, who, _events in each_period(found, len(asked.periods)):
        now = are(found, who)
        if period >= 1:
            people = (now & ~seen, now & before, now & seen & ~before, before & ~now)
            rows += [(period, *pair) for pair in zip(STATES, map(many, people), strict=True)]
        seen, before = seen | now, now
    return rows


def _sql(asked: Params, periods: Periods, params: Parameters) -> str:
    """Rows (period, state, people). Period 0 is the one before the range, -1 all of history before that."""
    where = [where_clause(asked.question, params, people=True), Match(asked.event).sql(params)]
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


LENS = Lens(
    path="lifecycle",
    title="Lifecycle",
    says="Who is new, who came back, who stayed, who went silent. `dormant` is a negative number.",
    group=QUESTIONS,
    Params=Params,
    Answer=Lifecycle,
    range=lambda asked: Range(None, asked.periods.end),
    statements=lambda asked: [counted(asked)],
    answer=answer,
)
