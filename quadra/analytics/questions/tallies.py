"""Which people did something in which periods, counted file by file: what trends, stickiness, retention and lifecycle share, so
that whichever is asked first reads for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quadra.analytics.questions.matching import Match, Parameters, people_only
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.timeline import Codes, Flags
from quadra.warehouse.query.tally import Tallied, Tally


def people_tally(question: Question, match: Match, periods: Periods) -> Tally:
    """How many events of a match each id has in each period."""
    params = Parameters()
    where = [people_only(question.include_bots, "user_id"), Match(where=question.where).sql(params), match.sql(params)]
    return counted_by({"id": "user_id"}, {"events": "count(*)"}, " AND ".join(where), params, periods)


def counted_by(
    keys: Mapping[str, str],
    values: Mapping[str, str],
    where: str,
    params: Mapping[str, Any],
    periods: Periods,
    taken: Mapping[str, str] | None = None,
) -> Tally:
    return Tally(
        keys=keys,
        values=values,
        where=where,
        params=params,
        starts=periods.starts,
        period_sql=periods.index_sql(),
        taken=taken or {},
    )


def each_period(found: Tallied, periods: int, value: str = "events") -> Iterator[tuple[int, Codes, npt.NDArray[Any]]]:
    """(period, people, their values) for each period in turn, people as often as sources say something of them. The first is -1,
    all that was before the periods.
    """
    numbers, who, values = found.periods, found.persons[found.columns["id"]], found.columns[value]
    if (numbers[1:] < numbers[:-1]).any():  # files are mostly listed as the days come
        order = np.argsort(numbers.astype(np.int16) if periods < 2**15 else numbers, kind="stable")
        numbers, who, values = numbers[order], who[order], values[order]
    edges = np.searchsorted(numbers, np.arange(-1, periods + 1)).tolist()
    for period, (low, high) in enumerate(pairwise(edges), start=-1):
        yield period, who[low:high], values[low:high]


def are(found: Tallied, who: Codes) -> Flags:
    """Who of all people is one of these."""
    flags = np.zeros(len(found.persons), np.bool_)
    flags[who] = True
    return flags


def many(flags: Flags) -> int:
    return int(np.count_nonzero(flags))


def sums(found: Tallied, who: Codes, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of all people; 0 of whom nothing is said."""
    return np.bincount(who, weights=values, minlength=len(found.persons))
