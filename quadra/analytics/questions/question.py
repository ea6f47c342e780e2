"""What every question takes: whose events, which time, which periods, which filters; and what every answer carries."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from quadra.accounts.tables import WEEK_STARTS, Project
from quadra.analytics.questions.periods import DAY, INTERVALS, Calendar, Periods, TooMany, periods
from quadra.core import clock
from quadra.core.errors import Invalid
from quadra.core.given import Given, Where
from quadra.warehouse.look import Answer

DAYS, DAYS_MOST = 30, 3_660
START, END = ("from", "start_date"), ("to", "end_date")
"""The names of the ends of the range; the second ones are those of earlier systems."""
PERIODS_MOST = 10_000
BARE_DATE = re.compile(r"\d{4}-\d\d-\d\d")
OFFSET_AS_SPACE = re.compile(r"(T\S+) (\d\d:?\d\d)")
"""`+02:00` in an address that was not quoted."""
EARLIEST_US = clock.to_us(datetime.fromisoformat("1970-01-01T00:00:00Z"))
LATEST_US = clock.to_us(datetime.fromisoformat("2200-01-01T00:00:00Z"))


@dataclass(frozen=True)
class Question:
    project_id: int
    calendar: Calendar
    start_us: int
    end_us: int
    """Not in the range."""
    interval: str
    where: Where = ()
    include_bots: bool | None = None
    """None leaves it to the lens: questions about people leave bots out."""

    def periods(self, *, before: int = 0, group: int = 1, most: int = PERIODS_MOST, name: str = "interval") -> Periods:
        """Raises `Invalid` where there would be too many; `name` is the parameter to blame."""
        try:
            return periods(
                self.calendar, self.interval, self.start_us, self.end_us, most=most, before=before, group=group
            )
        except TooMany:
            text = f"more than {most} periods; ask for longer ones or for a shorter time"
            raise Invalid("The question has too many periods.", fields={name: text}) from None


def read_question(
    given: Given,
    project: Project,
    *,
    intervals: Sequence[str] = INTERVALS,
    interval: str = "day",
    name: str = "interval",
    span: int | None = None,
    days: int = DAYS,
) -> Question:
    """What was asked. `name` is what the lens calls its interval; `span` is how many periods the range has where `from` or
    `to` is left out. What is wrong is noted in `given`; `given.check()` comes next.
    """
    zone = given.text("timezone") or project.timezone
    try:
        calendar = Calendar(zoneinfo.ZoneInfo(zone), given.choice("week_start", WEEK_STARTS, project.week_start))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        given.wrong["timezone"] = "a name such as Europe/Berlin"
        calendar = Calendar(zoneinfo.ZoneInfo("UTC"), project.week_start)
    if given.raw(name) is None:  # the length of a period has two names; each lens prefers one
        name = next((other for other in ("interval", "period") if given.raw(other) is not None), name)
    chosen = given.choice(name, intervals, interval)
    start_us, end_us = _range(given, calendar, chosen, span, days)
    return Question(
        project_id=project.id,
        calendar=calendar,
        start_us=start_us,
        end_us=end_us,
        interval=chosen,
        where=given.where(),
        include_bots=given.flag("include_bots"),
    )


def told(answer: Answer, **body: Any) -> dict[str, Any]:
    """The answer as it is sent."""
    return {
        **body,
        "computed_at": clock.iso(answer.computed_at),
        "rows_read": answer.rows_read,
        "elapsed_ms": answer.elapsed_ms,
    }


def _range(given: Given, calendar: Calendar, interval: str, span: int | None, usual: int) -> tuple[int, int]:
    start, end = _instant(given, calendar, START, 0), _instant(given, calendar, END, 1)
    days = given.number("days", usual, 1, DAYS_MOST)
    if start is not None and end is not None and given.raw("days") is not None:
        given.wrong["days"] = "left out where from and to are given"
    try:
        if end is None and start is not None and (span or given.raw("days") is not None):
            end = _moved(calendar, interval, start, span) if span else _moved(calendar, "day", start, days)
        if end is None:
            end = calendar.midnight(calendar.day_of(clock.now_us()) + DAY)
        if start is None:
            last = end - 1
            unit, back = (interval, span) if span else ("day", days)
            start = next(calendar.starts(unit, last, back - 1))
    except (OverflowError, ValueError):
        given.wrong.setdefault("from", "a date between 1970 and 2200")
        return 0, 1
    if not EARLIEST_US <= start < LATEST_US or not EARLIEST_US <= end < LATEST_US:
        given.wrong.setdefault("from" if start < EARLIEST_US else "to", "a date between 1970 and 2200")
    elif end <= start and not given.wrong:
        given.wrong["to"] = "later than from"
    return start, end


def _moved(calendar: Calendar, interval: str, start: int, by: int) -> int:
    """The start of the period that many after the one that holds `start`."""
    found = calendar.starts(interval, start)
    for _ in range(by):
        next(found)
    return next(found)


def _instant(given: Given, calendar: Calendar, names: tuple[str, ...], days: int) -> int | None:
    """A bare date is its midnight, `days` later; integers are milliseconds; without an offset it is the zone's time."""
    name = next((name for name in names if given.raw(name) is not None), names[0])
    text = given.text(name)
    if text is None:
        return None
    try:
        if BARE_DATE.fullmatch(text):
            return calendar.midnight(date.fromisoformat(text) + timedelta(days=days))
        if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 16:
            return int(text) * 1000
        at = datetime.fromisoformat(OFFSET_AS_SPACE.sub(r"\1+\2", text))
        return clock.to_us(at if at.tzinfo else at.replace(tzinfo=calendar.zone))
    except (OverflowError, ValueError):
        given.wrong[name] = "not a date (ISO 8601, or milliseconds since 1970)"
        return None
