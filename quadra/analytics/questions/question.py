"""What every question takes: whose events, which time, which periods, which filters."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Struct

from quadra.accounts.params import OF_KEY
from quadra.accounts.tables import Project
from quadra.analytics.questions.periods import DAY, INTERVALS, Calendar, Periods, TooMany, periods
from quadra.analytics.questions.segment import Segment
from quadra.core import clock
from quadra.core.api.openapi import Param
from quadra.core.api.params import Params, says, within
from quadra.core.api.raw_params import OPS, RawParams, Where
from quadra.core.errors import Invalid
from quadra.warehouse.query.span import Range

DAYS, DAYS_MOST = 30, 3_660
START, END = ("from", "start_date"), ("to", "end_date")
"""The names of the ends of the range; the second ones are those of earlier systems."""
PERIODS_MOST = 10_000
BARE_DATE = re.compile(r"\d{4}-\d\d-\d\d")
OFFSET_AS_SPACE = re.compile(r"(T\S+) (\d\d:?\d\d)")
"""`+02:00` in an address that was not quoted."""
EARLIEST_US = clock.to_us(datetime.fromisoformat("1970-01-01T00:00:00Z"))
LATEST_US = clock.to_us(datetime.fromisoformat("2200-01-01T00:00:00Z"))
A_TIME = "A bare date, ISO 8601, or milliseconds since 1970; without an offset it is the time zone's."


class Common(Struct, kw_only=True, rename={"from_": "from"}):
    """The parameters of every question."""

    project: Annotated[str | None, OF_KEY] = None
    from_: Annotated[str | None, says(f"The first moment that counts. {A_TIME}", "2026-01-01")] = None
    to: Annotated[
        str | None,
        says("The first moment that does not; a bare date means through the end of that day.", "2026-01-31"),
    ] = None
    start_date: Annotated[str | None, says("The same as `from`.")] = None
    end_date: Annotated[str | None, says("The same as `to`.")] = None
    days: (
        Annotated[
            int,
            within(
                1, DAYS_MOST, "Where `from` or `to` is left out: how many days there are. Without both they end today."
            ),
        ]
        | None
    ) = None
    timezone: Annotated[str | None, says("Left out: the project's.", "Europe/Berlin")] = None
    week_start: Annotated[Literal["monday", "sunday"] | None, says("Left out: the project's.")] = None
    where: Annotated[
        Where,
        says(
            "Only events with this value of a field or property; empty is no value. Several properties must all fit, "
            "several values of one are alternatives. `where[property][operator]=value` compares otherwise: "
            f"{', '.join(OPS)}."
        ),
    ] = ()
    include_bots: Annotated[bool | None, says("Left out: questions about people leave bots out.")] = None
    segment: Annotated[str | None, says("The id of a segment: only the events of its people.")] = None


class Comparison(Struct, kw_only=True):
    """The parameters of a question whose answer has other numbers beside its own."""

    compare: Annotated[
        Literal["before", "year", "none"] | None,
        says(
            "What `previous` is of: the period of the same length `before`, the same dates of the `year` before, or nothing. "
            "Left out: `before`."
        ),
    ] = None
    compare_from: Annotated[str | None, says("With `compare_to`: dates of one's own to compare with.")] = None
    compare_to: Annotated[str | None, says("As `to` is to `from`.")] = None


COMMON = Params(Common)
COMPARISON = Params(Comparison)
OTHER_NAMES = ("interval", "period")
"""What lenses call the length of a period; each takes both, and describes one."""


@dataclass(frozen=True)
class Asks:
    """How the common parameters of one lens differ from those of others."""

    intervals: tuple[str, ...] = INTERVALS
    interval: str = "interval"
    """What the lens calls it."""
    days: int = DAYS
    compares: bool = False
    """Whether the answer has the numbers of another time beside its own."""

    @property
    def names(self) -> tuple[str, ...]:
        return (*COMMON.names, *OTHER_NAMES, *(COMPARISON.names if self.compares else ()))

    def params(self) -> tuple[Param, ...]:
        """Described, those of time first."""
        found = {param.name: param for param in COMMON.params()}
        found["days"] = replace(found["days"], shape={**found["days"].shape, "default": self.days})
        interval = Param(name=self.interval, shape={"enum": list(self.intervals), "default": "day"})
        beside = COMPARISON.params() if self.compares else ()
        return (*list(found.values())[:6], interval, *list(found.values())[6:], *beside)

    def read(self, raw: RawParams, project: Project, span: int | None = None) -> Question:
        question = read_question(raw, project, intervals=self.intervals, name=self.interval, span=span, days=self.days)
        return read_comparison(raw, question) if self.compares else question


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
    begins: bool = True
    """Whether `from` or `days` was given."""
    ends: bool = True
    """Whether `to` was given."""
    then: Range | None = None
    """What to compare with, where that is not the time before."""
    alone: bool = False
    """Whether nothing is to be compared with it."""
    segment: str | None = None
    """Its id."""
    people: Segment | None = None
    """What the segment says, once it is loaded."""

    @property
    def range(self) -> Range:
        return Range(self.start_us, self.end_us)

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
    raw: RawParams,
    project: Project,
    *,
    intervals: Sequence[str] = INTERVALS,
    name: str = "interval",
    span: int | None = None,
    days: int = DAYS,
) -> Question:
    """What was asked. `name` is what the lens calls its interval; `span` is how many periods the range has where `from` or
    `to` is left out. What is wrong is noted in `given`; `given.check()` comes next.
    """
    common = Common(**COMMON.read(raw))
    week_start = common.week_start or project.week_start
    calendar = _calendar(raw, common.timezone or project.timezone, week_start)
    if raw.value_of(name) is None:  # the length of a period has two names; each lens prefers one
        name = next((other for other in ("interval", "period") if raw.value_of(other) is not None), name)
    chosen = raw.choice(name, intervals, "day")
    start_us, end_us = _range(raw, calendar, chosen, span, common.days or days)
    return Question(
        project_id=project.id,
        calendar=calendar,
        start_us=start_us,
        end_us=end_us,
        interval=chosen,
        where=common.where,
        include_bots=common.include_bots,
        segment=common.segment,
        begins=any(raw.value_of(each) is not None for each in (*START, "days")),
        ends=any(raw.value_of(each) is not None for each in END),
    )


def _calendar(raw: RawParams, zone: str, week_start: str) -> Calendar:
    try:
        return Calendar(zoneinfo.ZoneInfo(zone), week_start)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raw.wrong["timezone"] = "a name such as Europe/Berlin"
        return Calendar(zoneinfo.ZoneInfo("UTC"), week_start)


def read_comparison(raw: RawParams, question: Question) -> Question:
    """The question with what to compare it with; what is wrong is noted in `given`."""
    asked = Comparison(**COMPARISON.read(raw))
    if asked.compare_from is None and asked.compare_to is None:
        if asked.compare == "year" and not raw.wrong:
            return replace(question, then=_year_before(question))
        return replace(question, alone=asked.compare == "none")
    if asked.compare is not None:
        raw.wrong["compare"] = "left out where compare_from and compare_to are given"
    start = _instant(raw, question.calendar, ("compare_from",), 0)
    end = _instant(raw, question.calendar, ("compare_to",), 1)
    if start is None or end is None:
        raw.wrong.setdefault("compare_from" if start is None else "compare_to", "is needed with the other one")
    elif not EARLIEST_US <= start < end < LATEST_US:
        raw.wrong["compare_to"] = "later than compare_from, both between 1970 and 2200"
    else:
        return replace(question, then=Range(start, end))
    return question


def _year_before(question: Question) -> Range:
    """The same dates and times of day; 29 February is 28 February."""
    zone = question.calendar.zone

    def moved(us: int) -> int:
        local = clock.from_us(us).astimezone(zone)
        day = min(local.day, 28) if local.month == 2 else local.day
        return max(clock.to_us(local.replace(year=local.year - 1, day=day)), 0)

    return Range(moved(question.start_us), moved(question.end_us))


def read_bounds(raw: RawParams, project: Project) -> tuple[int | None, int | None]:
    """`from` and `to` alone, None where they are left out; what is wrong is noted in `given`."""
    calendar = _calendar(raw, raw.text("timezone") or project.timezone, project.week_start)
    return _instant(raw, calendar, START, 0), _instant(raw, calendar, END, 1)


def _range(raw: RawParams, calendar: Calendar, interval: str, span: int | None, days: int) -> tuple[int, int]:
    start, end = _instant(raw, calendar, START, 0), _instant(raw, calendar, END, 1)
    if start is not None and end is not None and raw.value_of("days") is not None:
        raw.wrong["days"] = "left out where from and to are given"
    try:
        if end is None and start is not None and (span or raw.value_of("days") is not None):
            end = _moved(calendar, interval, start, span) if span else _moved(calendar, "day", start, days)
        if end is None:
            end = calendar.midnight(calendar.day_of(clock.now_us()) + DAY)
        if start is None:
            last = end - 1
            unit, back = (interval, span) if span else ("day", days)
            start = next(calendar.starts(unit, last, back - 1))
    except (OverflowError, ValueError):
        raw.wrong.setdefault("from", "a date between 1970 and 2200")
        return 0, 1
    if not EARLIEST_US <= start < LATEST_US or not EARLIEST_US <= end < LATEST_US:
        raw.wrong.setdefault("from" if start < EARLIEST_US else "to", "a date between 1970 and 2200")
    elif end <= start and not raw.wrong:
        raw.wrong["to"] = "later than from"
    return start, end


def _moved(calendar: Calendar, interval: str, start: int, by: int) -> int:
    """The start of the period that many after the one that holds `start`."""
    found = calendar.starts(interval, start)
    for _ in range(by):
        next(found)
    return next(found)


def _instant(raw: RawParams, calendar: Calendar, names: tuple[str, ...], days: int) -> int | None:
    """A bare date is its midnight, `days` later; integers are milliseconds; without an offset it is the zone's time."""
    name = next((name for name in names if raw.value_of(name) is not None), names[0])
    text = raw.text(name)
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
        raw.wrong[name] = "not a date (ISO 8601, or milliseconds since 1970)"
        return None
