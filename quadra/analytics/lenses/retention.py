"""Retention: of the people who did something in a period, how many did something in the periods after it."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Struct, UnsetType

from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Match, Parameters
from quadra.analytics.questions.people import PEOPLE_MOST
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Asks
from quadra.analytics.questions.snapshot import Measured, Row, Snapshot, Statement, where_clause
from quadra.analytics.questions.tallies import are, each_period, many, people_tally, sums
from quadra.analytics.questions.timeline import Codes, Flags
from quadra.core.api.openapi import Time
from quadra.core.api.params import choice, says, within
from quadra.core.api.raw_params import Where
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Tallied, Tally

KINDS = ("first_time", "recurring")
PERIODS_MOST = 400


class Params(Asked, kw_only=True, frozen=True, rename={"columns": "periods"}):
    first_event: Annotated[str | None, says("What puts people into a cohort. Left out: any event.")] = None
    return_event: Annotated[str | None, says("What counts as coming back. Left out: any event.")] = None
    first_where: Annotated[Where, says("A filter of the first event alone.")] = ()
    return_where: Annotated[Where, says("A filter of the return event alone.")] = ()
    columns: (
        Annotated[
            int,
            within(1, PERIODS_MOST, "How many periods to look at; with `from` and `to` how many columns to show."),
        ]
        | None
    ) = None
    kind: Annotated[str, choice(KINDS)] = KINDS[0]
    minimum_occurrences: Annotated[int, within(1, 1_000_000, "So often in a period.")] = 1
    people_of: (
        Annotated[int, within(0, PERIODS_MOST, "Name the people of this cohort, too, counted from 0.")] | None
    ) = None
    people_later: Annotated[
        int, within(0, PERIODS_MOST, "With `people_of`: those seen so many periods later; 0 is all.")
    ] = 0
    cumulative: Annotated[bool, says("Seen in that period or any later one.")] = False

    @property
    def periods(self) -> Periods:
        return self.question.periods(most=PERIODS_MOST, name="period")


class Cohort(Struct):
    at: Time
    size: int
    returned: list[int]


class Retention(Measured, kw_only=True):
    cohorts: list[Cohort]
    people: list[str] | UnsetType = UNSET
    """Where `people_of` asks for them, at most 1,000."""


def reach(asked: Params) -> Range:
    """Whose first time it is, only all of history can tell."""
    periods = asked.periods
    return Range(None if asked.kind == "first_time" else periods.starts[0], periods.end)


def counted(asked: Params) -> Statement:
    params = Parameters()
    return Statement(_sql(asked, asked.periods, params), params)


def answer(events: Snapshot, asked: Params) -> Retention:
    cohorts = _cohorts(
        asked, asked.periods, events.put_together(counted(asked), partial(_tallies, asked), partial(_rows, asked))
    )
    people = UNSET if asked.people_of is None else [row["person"] for row in events.rows(named(asked))]
    return Retention(**events.measures(), cohorts=cohorts, people=people)


def named(asked: Params) -> Statement:
    """The people of one cell."""
    params = Parameters()
    cohort, came = params.add(asked.people_of), "true"
    if asked.people_later:
        period = f"period {'>=' if asked.cumulative else '='} {cohort} + {params.add(asked.people_later)}"
        came = f"person IN (SELECT person FROM returned WHERE {period})"
    sql = f"""{_parts(asked, asked.periods, params)}
        SELECT person FROM begun WHERE period = {cohort} AND {came} ORDER BY person LIMIT {PEOPLE_MOST}"""
    return Statement(sql, params)


def _parts(asked: Params, periods: Periods, params: Parameters) -> str:
    """The relations `begun` and `returned`: people and the periods in which they did."""
    whole = where_clause(asked.question, params, people=True)
    first = f"FROM events WHERE {whole} AND {Match(asked.first_event, asked.first_where).sql(params)}"
    if asked.kind == "first_time":
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
        WHERE {whole} AND {Match(asked.return_event, asked.return_where).sql(params)} AND occurred_us >= {periods.starts[0]}
        GROUP BY ALL HAVING count(*) >= {params.add(asked.minimum_occurrences)}"""
    if asked.cumulative:  # only the last return matters: whoever was seen then had not left before
        returned = f"SELECT person, max(period) AS period FROM ({returned}) GROUP BY person"
    return f"WITH begun AS MATERIALIZED ({begun}), returned AS ({returned})"


def _sql(asked: Params, periods: Periods, params: Parameters) -> str:
    """Rows (cohort, periods later, people); 0 later is the size of the cohort."""
    return f"""
        {_parts(asked, periods, params)}
        SELECT period AS cohort, 0 AS later, count(*) AS people FROM begun GROUP BY period
        UNION ALL
        SELECT begun.period, returned.period - begun.period, count(*)
        FROM begun JOIN returned ON returned.person = begun.person AND returned.period > begun.period
        GROUP BY ALL"""


def _tallies(asked: Params) -> list[Tally]:
    matches = (Match(asked.first_event, asked.first_where), Match(asked.return_event, asked.return_where))
    return [people_tally(asked.question, match, asked.periods) for match in dict.fromkeys(matches)]


def _rows(asked: Params, *found: Tallied) -> list[Row]:
    """The same, out of what each file says of both events, or of the one that is both."""
    width = len(asked.periods)
    cohorts = _begun(asked, found[0])
    rows: list[Row] = [(period, 0, len(who)) for period, who in enumerate(cohorts) if len(who)]
    last = np.full(len(found[-1].persons), -1)
    for period, who, events in each_period(found[-1], width):
        if period < 0:
            continue
        returned = are(found[-1], who)
        if asked.minimum_occurrences > 1:
            returned = sums(found[-1], who, events) >= asked.minimum_occurrences
        last[returned] = period
        if not asked.cumulative:
            rows += _came(cohorts[:period], period, returned)
    if asked.cumulative:  # only the last return matters: whoever was seen then had not left before
        rows += [row for period in range(width) for row in _came(cohorts[:period], period, last == period)]
    return rows


def _begun(asked: Params, found: Tallied) -> list[Codes]:
    """The people of each cohort."""
    cohorts = []
    seen = np.zeros(len(found.persons), np.bool_)
    for period, who, _events in each_period(found, len(asked.periods)):
        now = are(found, who)
        if period >= 0:
            cohorts.append(np.flatnonzero(now & ~seen if asked.kind == "first_time" else now).astype(np.int32))
        seen |= now
    return cohorts


def _came(cohorts: list[Codes], period: int, returned: Flags) -> list[Row]:
    """How many of the cohorts before a period returned in it."""
    counts = (many(returned[who]) for who in cohorts)
    return [(cohort, period - cohort, count) for cohort, count in enumerate(counts) if count]


def _cohorts(asked: Params, periods: Periods, rows: list[tuple[Any, ...]]) -> list[Cohort]:
    cells = {(cohort, later): people for cohort, later, people in rows}
    cohorts = []
    for cohort in range(len(periods)):
        later = [cells.get((cohort, at), 0) for at in range(1, len(periods) - cohort)]
        if asked.cumulative:
            later = list(accumulate(reversed(later)))[::-1]
        size = cells.get((cohort, 0), 0)
        cohorts.append(Cohort(periods.at(cohort), size, [size, *later][: asked.columns]))
    return cohorts


LENS = Lens(
    path="retention",
    title="Retention",
    says="Of the people who did something in a period, how many did something in each period after it.",
    group=QUESTIONS,
    asks=Asks(interval="period"),
    span="columns",
    Params=Params,
    Answer=Retention,
    range=reach,
    statements=lambda asked: [counted(asked)],
    answer=answer,
)
