"""Who was there when, put together out of what each day says: the same as `presence.py` finds in all events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quadra.analytics.questions.matching import Parameters
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.question import Question
from quadra.analytics.questions.snapshot import Snapshot, Statement, where_clause
from quadra.analytics.questions.stretches import Closed, Reading, Stretched, sessions, stretched
from quadra.analytics.questions.timeline import Codes, Column, Numbers, Places, Timeline, begins
from quadra.warehouse.query.span import Range
from quadra.warehouse.query.tally import Columns, Tally
from quadra.warehouse.query.texts import Texts, TooMany

LATEST = 2**63 - 1
NEVER = -1


@dataclass(frozen=True)
class Daily:
    """All people, and what each day says of them."""

    people: pa.Array
    first_us: Numbers
    """Of all time before the end of the range."""
    last_us: Numbers
    numbers: Codes
    """The code of a person -> the place among these people."""
    kept: Stretched
    starts: Sequence[int]

    def _inside(self, question: Question) -> Iterator[tuple[int, int, Columns]]:
        """Start, first period and columns of the stretches of a range."""
        for stretch in self.kept.stretches:
            if question.start_us <= stretch.start_us < question.end_us:
                yield stretch.start_us, stretch.base, stretch.columns

    def _who(self, question: Question) -> Codes:
        return self.numbers[_together(columns["who"] for _start, _base, columns in self._inside(question))]

    def active(self, question: Question) -> int:
        flags = np.zeros(len(self.people), np.bool_)
        flags[self._who(question)] = True
        return int(np.count_nonzero(flags))

    def visits(self, question: Question) -> tuple[int, int]:
        closed = [columns["visits"] for _start, _base, columns in self._inside(question)]
        opened = self.kept.opened
        inside = (opened.us >= question.start_us) & (opened.us < question.end_us)
        count, us = visits_of(opened.who[inside], opened.us[inside])
        return count + sum(int(pair[0]) for pair in closed), us + sum(int(pair[1]) for pair in closed)

    def each(self, question: Question) -> Numbers:
        events = _together(columns["events"] for _start, _base, columns in self._inside(question))
        return np.bincount(self._who(question), events, minlength=len(self.people)).astype(np.int64)

    def in_periods(self, question: Question, places: Places) -> tuple[Codes, Codes]:
        begin = np.array([NEVER, *self.starts], np.int64)
        us = _together(
            np.maximum(begin[columns["at"].astype(np.int64) + base + 1], start)
            for start, base, columns in self._inside(question)
        )
        packed = np.sort((places.of(us).astype(np.int64) << 32) | self._who(question))
        packed = packed[begins(packed)]  # several stretches may lie in one period
        return (packed & (2**32 - 1)).astype(np.int32), (packed >> 32).astype(np.int32)


def visits_of(who: Codes, us: Numbers) -> tuple[int, int]:
    """How many sessions there are of events in order, and their microseconds."""
    starts = sessions(who, us)
    return int(np.count_nonzero(starts)), int(np.diff(us, prepend=0)[~starts].sum())


def daily(
    events: Snapshot, question: Question, then: Question, since_us: int, periods: Sequence[Periods]
) -> Daily | None:
    """None where days do not say it all."""
    starts = sorted({us for each in periods for us in each.starts})
    kept = stretched(events, events.look.of(Range(since_us, None)), _reading(question, then, starts))
    if kept is None:
        return None
    try:
        codes, first, last = _earlier(events, question, since_us, kept.texts)
    except TooMany:
        return None
    first_us, last_us = (np.full(len(kept.texts), end, np.int64) for end in (LATEST, NEVER))
    np.minimum.at(first_us, codes, first)
    np.maximum.at(last_us, codes, last)
    for stretch in kept.stretches:  # each names a person once, and they follow one another
        last_us[stretch.columns["person"]] = stretch.columns["last_us"]
    for stretch in reversed(kept.stretches):
        person = stretch.columns["person"]
        first_us[person] = np.minimum(first_us[person], stretch.columns["first_us"].astype(np.int64))
    seen = np.flatnonzero(last_us > NEVER)
    numbers = np.zeros(len(last_us), np.int32)
    numbers[seen] = np.arange(len(seen), dtype=np.int32)
    return Daily(kept.texts.all().take(pa.array(seen)), first_us[seen], last_us[seen], numbers, kept, starts)


def _reading(question: Question, then: Question, starts: Sequence[int]) -> Reading:
    params, places = Parameters(), Places(starts)
    return Reading(
        name="presence",
        columns=[],
        where=where_clause(question, params, people=True, person="user_id"),
        params=params,
        starts=starts,
        edges=(question.start_us, question.end_us, then.start_us, then.end_us),
        prepare=lambda _timeline, _texts: {},
        count=lambda timeline, closed, base, _periods: _counted(timeline, closed, places, base),
    )


def _counted(timeline: Timeline, closed: Closed, places: Places, base: int) -> dict[str, Column]:
    who, us = timeline.who, timeline.us
    first = np.flatnonzero(begins(who))
    period = places.of(us) - base
    pair = np.flatnonzero(begins(who) | begins(period))
    return {
        "person": who[first],
        "first_us": us[first],
        "last_us": us[np.append(first[1:], len(us)) - 1],
        "who": who[pair],
        "at": period[pair],
        "events": np.diff(pair, append=len(us)),
        "visits": np.array([len(closed.first), (us[closed.last] - us[closed.first]).sum()], np.int64),
    }


def _earlier(events: Snapshot, question: Question, since_us: int, texts: Texts) -> tuple[Codes, Numbers, Numbers]:
    """Who was there before, and when first and last: in some order, and perhaps several times. Raises `TooMany`."""
    look = events.look.of(Range(None, since_us))
    params = Parameters()
    tally = Tally(
        keys={"id": "user_id"},
        values={"first_us": "min(occurred_us)", "last_us": "max(occurred_us)"},
        where=where_clause(question, params, people=True, person="user_id"),
        params=params,
        starts=(since_us,),
        period_sql="0",
        taken={"occurred_us": "occurred_us"},
    )
    found = events.partials.of(look, tally)
    if found is not None and found.texts is texts:
        first, last = (found.columns[name].astype(np.int64) for name in tally.values)
        return found.persons[found.columns["id"]], first, last
    params = Parameters()
    sql = f"""
        SELECT person, min(occurred_us) AS first_us, max(occurred_us) AS last_us
        FROM events WHERE {where_clause(question, params, people=True)} GROUP BY person"""
    table = events.within(look.span).ask(Statement(sql, params)).table
    return texts.encoded(table["person"]), table["first_us"].to_numpy(), table["last_us"].to_numpy()


def _together(columns: Iterator[Column]) -> Numbers:
    return np.concatenate([np.zeros(0, np.int64), *columns]).astype(np.int64)
