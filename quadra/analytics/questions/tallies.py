"""Which people did something in which periods, counted file by file: what trends, stickiness, retention and lifecycle share, so
that whichever is asked first reads for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from quadra.analytics.questions.matching import Match, Parameters, people_only
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.timeline import Flags, Numbers, begins
from quadra.warehouse.query.tally import Tallied, Tally

FAR = 2**31
"""More periods than there are."""
FLAGS_MOST = 16_000_000
"""Cells of people and periods that are marked side by side, a byte each; more are sorted, which takes longer and no more memory
than there is to count."""


class Active(Struct, frozen=True):
    """Each person with each period in which they did something, in this order."""

    who: Numbers
    periods: Numbers

    def only(self, wanted: Flags) -> Active:
        return Active(self.who[wanted], self.periods[wanted])

    @property
    def another(self) -> Flags:
        """Where another person begins."""
        return begins(self.who)

    def flags(self, start: int, end: int, width: int) -> npt.NDArray[np.float32]:
        """Of the people from a code on to another, one row a person, who was there in which period: numbers to multiply."""
        low, high = np.searchsorted(self.who, (start, end))
        found = np.zeros((end - start, width), np.float32)
        found[self.who[low:high] - start, self.periods[low:high]] = 1
        return found

    @property
    def next(self) -> Numbers:
        """The next period of the same person; far away where there is none."""
        found = np.full(len(self.who), FAR, np.int64)
        same = ~self.another[1:]
        found[:-1][same] = self.periods[1:][same]
        return found

    @property
    def previous(self) -> Numbers:
        """Likewise, far before."""
        found = np.full(len(self.who), -FAR, np.int64)
        same = ~self.another[1:]
        found[1:][same] = self.periods[:-1][same]
        return found


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


def active(found: Tallied) -> Active:
    """-1 is what lies before the periods."""
    width, cells = _cells(found)
    if len(found.persons) * width <= FLAGS_MOST:
        flags = np.zeros(len(found.persons) * width, np.bool_)
        flags[cells] = True
        cells = np.flatnonzero(flags)
    else:
        cells = np.unique(cells)
    who = cells // width
    return Active(who, cells - who * width - 1)


def counts(found: Tallied) -> Numbers:
    """How many people did something in each period."""
    width, cells = _cells(found)
    if len(found.persons) * width > FLAGS_MOST:
        return np.bincount(active(found).periods)
    flags = np.zeros((len(found.persons), width), np.bool_)
    flags.reshape(-1)[cells] = True
    people: Numbers = np.count_nonzero(flags, axis=0)[1:]
    return people


def sums(found: Tallied, values: npt.NDArray[Any]) -> tuple[Numbers, Numbers, npt.NDArray[Any]]:
    """(person, period, the sum of their values), in this order."""
    width, cells = _cells(found)
    unique, place = np.unique(cells, return_inverse=True)
    return unique // width, unique % width - 1, np.bincount(place, weights=values)


def _cells(found: Tallied) -> tuple[int, npt.NDArray[Any]]:
    """How many periods there are, with the one before them, and a number for each person with each of them."""
    width = int(found.periods.max(initial=-1)) + 2
    narrow = np.int32 if len(found.persons) * width < 2**31 else np.int64
    cells: npt.NDArray[Any] = found.persons[found.columns["id"]].astype(narrow)
    cells *= width
    cells += found.periods.astype(narrow, copy=False)
    cells += 1
    return width, cells
