"""Calendar periods of a time zone, as exact instants.

Boundaries are computed here, with the zone's rules, and not in SQL: an hour is an elapsed hour, a day is 23 or 25 of them
where the clock changes, and a period begins the first time that the zone's clocks show its beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from quadra.core import clock

INTERVALS = ("hour", "day", "week", "month")
HOUR_US = 3_600_000_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    zone: ZoneInfo
    week_start: str

    def midnight(self, day: date) -> int:
        """The instant at which the day begins. Raises OverflowError or ValueError at the ends of the calendar."""
        return clock.to_us(datetime(day.year, day.month, day.day, tzinfo=self.zone))

    def day_of(self, us: int) -> date:
        return clock.from_us(us).astimezone(self.zone).date()

    def first_day(self, interval: str, day: date) -> date:
        """Of the week or month that `day` is in."""
        if interval == "month":
            return day.replace(day=1)
        if interval == "week":
            return day - timedelta(days=(day.weekday() + (self.week_start == "sunday")) % 7)
        return day

    def moved(self, interval: str, first: date, by: int) -> date:
        """The first day of the period that many periods later."""
        if interval == "month":
            months = first.year * 12 + first.month - 1 + by
            return date(months // 12, months % 12 + 1, 1)
        return first + by * (7 * DAY if interval == "week" else DAY)

    def past_the_hour(self, us: int) -> int:
        local = clock.from_us(us).astimezone(self.zone)
        return (local.minute * 60 + local.second) * 1_000_000 + local.microsecond

    def hour_sql(self, start_us: int, end_us: int) -> str:
        """An expression for the hour (0 to 23) that the zone's clocks show at a time in [start, end)."""
        sections, at = [(start_us, self._ahead(start_us))], start_us
        while at < end_us:
            later = min(at + 24 * HOUR_US, end_us)
            if self._ahead(later) != sections[-1][1]:
                low, high = at, later
                while high - low > 1:  # the very instant at which the clock was set
                    middle = (low + high) // 2
                    low, high = (middle, high) if self._ahead(middle) == sections[-1][1] else (low, middle)
                sections.append((high, self._ahead(high)))
                at = high
            else:
                at = later
        ahead = "".join(f"WHEN occurred_us >= {begins} THEN {by} " for begins, by in reversed(sections[1:]))
        ahead = f"CASE {ahead}ELSE {sections[0][1]} END" if ahead else str(sections[0][1])
        return f"CAST((occurred_us + {ahead}) // {HOUR_US} % 24 AS INTEGER)"

    def _ahead(self, us: int) -> int:
        """Of UTC, in microseconds."""
        offset = clock.from_us(us).astimezone(self.zone).utcoffset()
        return 0 if offset is None else offset // clock.MICROSECOND

    def starts(self, interval: str, us: int, before: int = 0) -> Iterator[int]:
        """The start of the period that holds an instant, or of one that many periods before; then all that follow."""
        if interval == "hour":
            at = us - self.past_the_hour(us) - before * HOUR_US
            while True:
                yield at
                at += HOUR_US - self.past_the_hour(at)
        first = self.first_day(interval, self.day_of(us))
        while self.midnight(first) > us:  # the day's first moments were skipped by the clock
            first = self.moved(interval, first, -1)
        first = self.moved(interval, first, -before)
        last: int | None = None
        while True:
            at = self.midnight(first)
            if last is None or at > last:  # a zone may skip a whole day
                yield at
                last = at
            first = self.moved(interval, first, 1)


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods that follow one another, as microseconds since 1970."""

    starts: Sequence[int]
    end: int
    """Of the last one; not in it."""

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, index: int) -> str:
        return clock.iso(clock.from_us(self.starts[index]))

    def index(self, us: int) -> int:
        return bisect_right(self.starts, us) - 1

    def index_sql(self, column: str = "occurred_us") -> str:
        """An expression for the number of the period that a time in [first start, end) is in. It holds our integers only."""
        sections: list[tuple[int, int, int]] = []
        for number, (start, end) in enumerate(pairwise([*self.starts, self.end])):
            if not sections or sections[-1][1] != end - start:
                sections.append((start, end - start, number))
        if not sections:  # nothing is in a range of no time, such as the one before 1970
            return "CAST(-1 AS INTEGER)"
        return _choose(sections, column)


def _choose(sections: Sequence[tuple[int, int, int]], column: str) -> str:
    """Runs of periods of one length each (first start, length, first number), chosen by halving."""
    if len(sections) == 1:
        start, length, number = sections[0]
        return f"CAST(({column} - {start}) // {length} + {number} AS INTEGER)"
    half = len(sections) // 2
    earlier, later = _choose(sections[:half], column), _choose(sections[half:], column)
    return f"CASE WHEN {column} < {sections[half][0]} THEN {earlier} ELSE {later} END"


class TooMany(Exception):
    """More periods than a question may have."""


@lru_cache(maxsize=16)  # a lens asks for its periods several times: for the range, the statement and the answer
def periods(
    calendar: Calendar,
    interval: str,
    start_us: int,
    end_us: int,
    *,
    most: int,
    before: int = 0,
    group: int = 1,
) -> Periods:
    """The periods that hold [start_us, end_us), `before` more in front of them; `group` of them make one.

    Raises `TooMany` beyond `most`.
    """
    if interval == "whole":
        return Periods((start_us,), end_us)
    starts: list[int] = []
    for at in calendar.starts(interval, start_us, before):
        if at >= end_us:
            if len(starts) % group == 0:
                return Periods(tuple(starts[::group]), at)
        elif len(starts) > (most + before) * group:
            raise TooMany
        if not before and len(starts) == 1 and at <= start_us:  # the clock was set back over midnight
            starts.clear()
        starts.append(at)
    raise TooMany
