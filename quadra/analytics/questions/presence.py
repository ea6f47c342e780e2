"""Who was there when, before a range, in the one before it and in it: one pass over the events for the lenses that need it.

Of what is before both ranges SQL tells when each person was first and last there; what is in them is read as it stands, and put
in order and counted here, in columns: a third of what it costs to sort the events of all people in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from quadra.analytics.questions.columns import BLOCK
from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.people import UserNumbers
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.presence_days import Daily, daily, visits_of
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, where_clause
from quadra.analytics.questions.timeline import (
    Codes,
    Flags,
    Numbers,
    Places,
    Timeline,
    begins,
    listed,
    of_part,
    parts_of,
    timelines,
)
from quadra.warehouse.query.span import Range

ROWS_AT_ONCE = 5_000_000
"""Of events in memory, at some 20 bytes. More are asked for in parts, by person."""


class Counted(Struct, kw_only=True):
    """How many people there were until the end of a range, and in it."""

    people: UserNumbers
    visits: int
    average_seconds: float


@dataclass(frozen=True)
class Block:
    """People by all of their times since a moment: each time with the number of its person, in order."""

    people: pa.Array
    first_us: Numbers
    """Of all time before the end of the range."""
    last_us: Numbers
    who: Codes
    us: Numbers

    def _inside(self, question: Question) -> Flags:
        """Which of those times lie in the range."""
        return (self.us >= question.start_us) & (self.us < question.end_us)

    def active(self, question: Question) -> int:
        return int(np.count_nonzero(self.each(question)))

    def visits(self, question: Question) -> tuple[int, int]:
        inside = self._inside(question)
        return visits_of(self.who[inside], self.us[inside])

    def each(self, question: Question) -> Numbers:
        return np.bincount(self.who[self._inside(question)], minlength=len(self.people))

    def in_periods(self, question: Question, places: Places) -> tuple[Codes, Codes]:
        inside = self._inside(question)
        who, periods = self.who[inside], places.of(self.us[inside])
        first = begins(who) | begins(periods)
        return who[first], periods[first]


There: TypeAlias = Block | Daily


def statements(question: Question, since_us: int) -> list[Statement]:
    """What is asked about all that is before the end of the question."""
    params = Parameters()
    times = listed([], f"{where_clause(question, params, people=True)} AND {Range(since_us, None).sql}")
    return [_earlier(question, Range(None, since_us).sql), Statement(times, params)]


def _earlier(question: Question, more: str) -> Statement:
    params = Parameters()
    sql = f"""
        SELECT person, min(occurred_us) AS first_us, max(occurred_us) AS last_us
        FROM events WHERE {where_clause(question, params, people=True)} AND {more} GROUP BY person"""
    return Statement(sql, params)


def blocks(events: Snapshot, question: Question, then: Question, periods: Sequence[Periods]) -> Iterator[There]:
    """All people of a look at all that is before the end of the question, or of the other one; `periods` are those of both."""
    since_us = min(then.start_us, question.start_us)
    by_day = daily(events, question, then, since_us, periods)
    if by_day is not None:
        yield by_day
        return
    params = Parameters()
    where = where_clause(question, params, people=True)
    before, since = events.look.of(Range(None, since_us)), events.look.of(Range(since_us, None))
    parts = parts_of(since, ROWS_AT_ONCE)
    for part, timeline in enumerate(timelines(since, [], where, params, rows=ROWS_AT_ONCE)):
        earlier = _earlier(question, "true" + of_part(part, parts))
        yield from _blocks(timeline, before.query(earlier.sql, earlier.params).table)


def _blocks(timeline: Timeline, earlier: pa.Table) -> Iterator[Block]:
    people, who, us = timeline.people, timeline.who, timeline.us
    starts = np.flatnonzero(begins(who))
    first_us, last_us = us[starts], us[np.append(starts[1:], len(us)) - 1] if len(us) else us
    seen, seen_first_us, seen_last_us = (earlier[name] for name in ("person", "first_us", "last_us"))
    known = pc.index_in(people, value_set=seen).fill_null(-1).to_numpy()
    first_us = np.where(known < 0, first_us, seen_first_us.to_numpy()[known]) if len(earlier) else first_us
    for start in range(0, len(people), BLOCK):
        end = min(start + BLOCK, len(people))
        rows = slice(starts[start], starts[end] if end < len(starts) else len(us))
        yield Block(people[start:end], first_us[start:end], last_us[start:end], who[rows] - np.int32(start), us[rows])
    gone = np.ones(len(earlier), np.bool_)
    gone[known[known >= 0]] = False
    nothing = np.zeros(0, np.int64)
    left = (column.filter(pa.array(gone)) for column in (seen, seen_first_us, seen_last_us))
    others, first_us, last_us = next(left).combine_chunks(), *(column.to_numpy() for column in left)
    yield Block(others, first_us, last_us, nothing.astype(np.int32), nothing)


class Presence:
    """People and sessions of two ranges, counted block by block."""

    def __init__(self, then: Question, now: Question):
        self._both = (then, now)
        self._found = np.zeros((2, 5), np.int64)
        """Of both: people ever, active, new, sessions, microseconds of them."""

    def add(self, there: There) -> None:
        for row, question in enumerate(self._both):
            ever = there.first_us < question.end_us
            new = np.count_nonzero(ever & (there.first_us >= question.start_us))
            self._found[row] += (np.count_nonzero(ever), there.active(question), new, *there.visits(question))

    def counted(self) -> tuple[Counted, Counted]:
        """Of the first range and of the second."""
        one, other = (_counted(*row) for row in self._found.tolist())
        return one, other


class Days:
    """How many people were there in each period of a range."""

    def __init__(self, question: Question, periods: Periods):
        self._question = question
        self.places = Places(periods.starts)
        self.people = np.zeros(len(periods), np.int64)

    def add(self, there: There) -> tuple[Codes, Codes]:
        """Gives each (person, period) once."""
        who, periods = there.in_periods(self._question, self.places)
        self.people += np.bincount(periods, minlength=len(self.people))
        return who, periods


def _counted(ever: int, active: int, new: int, visits: int, us: int) -> Counted:
    people = UserNumbers(total=ever, active=active, new=new, returning=active - new)
    return Counted(people=people, visits=visits, average_seconds=us / visits / 1e6 if visits else 0.0)
