"""When a report is due, and what time it is about: calendar days of its time zone, whatever its clocks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from quadra.analytics.questions.periods import Calendar
from quadra.core import clock

DAY = timedelta(days=1)


def next_after(every: str, at: str, zone: str, week_start: str, after: datetime) -> datetime:
    """The first moment after `after` at which it is due: at `at` each day, on the first day of each week or month.

    A time that the clocks skip is as long after midnight as it usually is; of one that they show twice the first counts.
    """
    for first in _firsts(every, Calendar(ZoneInfo(zone), week_start), after):
        due = datetime.combine(first, time.fromisoformat(at), ZoneInfo(zone))
        moment = clock.from_us(clock.to_us(due))
        if moment > after:
            return moment
    raise AssertionError("the calendar has no end")


def last_until(every: str, at: str, zone: str, week_start: str, due: datetime, now: datetime) -> datetime:
    """The newest moment until `now` at which it was due; `due` is one of them. Those in between were missed."""
    while (later := next_after(every, at, zone, week_start, due)) <= now:
        due = later
    return due


def period_before(every: str, zone: str, week_start: str, due: datetime) -> tuple[date, date]:
    """The first and the last day of the whole day, week or month before."""
    calendar = Calendar(ZoneInfo(zone), week_start)
    this = calendar.first_day(every, calendar.day_of(clock.to_us(due)))
    return calendar.moved(every, this, -1), this - DAY


def _firsts(every: str, calendar: Calendar, after: datetime) -> Iterator[date]:
    first = calendar.first_day(every, calendar.day_of(clock.to_us(after)))
    while True:
        yield first
        first = calendar.moved(every, first, 1)
