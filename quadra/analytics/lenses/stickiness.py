"""Stickiness: in how many periods of the range people did something."""

from __future__ import annotations

import operator
import re
from functools import partial
from itertools import accumulate
from typing import Annotated

import numpy as np

from quadra.analytics.questions.groups import QUESTIONS
from quadra.analytics.questions.lens import Asked, Lens
from quadra.analytics.questions.matching import Match, Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.snapshot import Measured, Row, Snapshot, Statement, where_clause
from quadra.analytics.questions.tallies import are, each_period, people_tally, sums
from quadra.core.api.params import says, within
from quadra.core.api.raw_params import RawParams
from quadra.warehouse.query.tally import Tallied, Tally

SIGNS = {"gte": ">=", "lte": "<=", "exact": "="}
COMPARES = {"gte": operator.ge, "lte": operator.le, "exact": operator.eq}
CRITERION = re.compile(r"(gte|lte|exact):([1-9]\d{0,8})")
BUCKETS_MOST = 2_000


class Params(Asked, kw_only=True, frozen=True):
    event: Annotated[str | None, says("Its name. Left out: any event.", "page_view")] = None
    interval_count: Annotated[int, within(1, 366, "So many make a period.")] = 1
    per_interval: Annotated[str, says("How often in a period: `gte:2`, `lte:1`, `exact:2`.", "gte:2")] = "gte:1"
    cumulative: Annotated[bool, says("In so many or more.")] = False

    def check(self, raw: RawParams) -> None:
        if CRITERION.fullmatch(self.per_interval) is None:
            raw.wrong["per_interval"] = "gte:2, lte:2 or exact:2, of any number from 1"

    @property
    def periods(self) -> Periods:
        return self.question.periods(group=self.interval_count, most=BUCKETS_MOST)


class Stickiness(Measured, kw_only=True):
    buckets: list[int]


def counted(asked: Params) -> Statement:
    params = Parameters()
    return Statement(_sql(asked, asked.periods, params), params)


def answer(events: Snapshot, asked: Params) -> Stickiness:
    people: dict[int, int] = dict(events.put_together(counted(asked), partial(_tallies, asked), partial(_rows, asked)))
    buckets = [people.get(active, 0) for active in range(1, len(asked.periods) + 1)]
    if asked.cumulative:
        buckets = list(accumulate(reversed(buckets)))[::-1]
    return Stickiness(**events.measures(), buckets=buckets)


def _tallies(asked: Params) -> list[Tally]:
    return [people_tally(asked.question, Match(asked.event), asked.periods)]


def _rows(asked: Params, found: Tallied) -> list[Row]:
    sign, _, least = asked.per_interval.partition(":")
    active = np.zeros(len(found.persons), np.int16)
    for _period, who, events in each_period(found, len(asked.periods)):
        often = are(found, who) if (sign, least) == ("gte", "1") else sums(found, who, events)
        active += (often > 0) & COMPARES[sign](often, int(least))
    people: list[int] = np.bincount(active).tolist()
    return list(enumerate(people))[1:]


def _sql(asked: Params, periods: Periods, params: Parameters) -> str:
    """Rows (periods, people)."""
    where = [where_clause(asked.question, params, people=True), Match(asked.event).sql(params)]
    sign, _, times = asked.per_interval.partition(":")
    return f"""
        SELECT active, count(*) AS people FROM (
            SELECT person, count(*) AS active FROM (
                SELECT person, {periods.index_sql()} AS period FROM events WHERE {" AND ".join(where)}
                GROUP BY ALL HAVING count(*) {SIGNS[sign]} {params.add(int(times))}
            ) GROUP BY person
        ) GROUP BY active"""


LENS = Lens(
    path="stickiness",
    title="Stickiness",
    says="How many people were active in exactly 1, 2, 3, … periods of the range.",
    group=QUESTIONS,
    Params=Params,
    Answer=Stickiness,
    statements=lambda asked: [counted(asked)],
    answer=answer,
)
