"""The rules once more, in plain Python and by brute force: what the lenses must agree with. It knows nothing of the SQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

US = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us_of(text: str) -> int:
    """Of a UTC time such as `2026-03-02 10:00` or `2026-03-02`."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // US


@dataclass(frozen=True)
class Event:
    id: str | None
    """What the row says; `people` says whom it belongs to."""
    us: int
    name: str
    props: dict[str, Any] = field(default_factory=dict, hash=False)
    anonymous_id: str | None = None
    bot: bool = False
    kind: str | None = None
    event_type: str | None = None
    fields: dict[str, Any] = field(default_factory=dict, hash=False)
    country: str | None = None

    def has(self, prop: str) -> bool:
        return self.text(prop) is not None

    def text(self, prop: str) -> str | None:
        value = self.props.get(prop)
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None else str(value)


def ev(who: str | None, at: str, name: str = "a", /, **props: Any) -> Event:
    """`ev("u1", "2026-03-02 10:00", "bought", price=3)`"""
    return Event(who, us_of(at), name, props)


@dataclass(frozen=True)
class Span:
    """The range and the axis of a question."""

    start: int
    end: int
    interval: str
    zone: str = "UTC"
    week_start: str = "monday"

    def holds(self, event: Event) -> bool:
        return self.start <= event.us < self.end

    def period(self, us: int) -> datetime:
        """The first moment of the period that a time is in, as an instant."""
        zone = ZoneInfo(self.zone)
        local = (EPOCH + us * US).astimezone(zone)
        if self.interval == "hour":
            # an elapsed hour: both 1 o'clocks of the night in which the clock is set back are periods
            return (EPOCH + us * US) - timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
        day = local.date()
        if self.interval == "week":
            while day.strftime("%A").lower() != self.week_start:
                day -= timedelta(days=1)
        elif self.interval == "month":
            day = day.replace(day=1)
        return self.midnight(day)

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def axis(self, before: int = 0) -> list[datetime]:
        """All periods that the range touches, found by walking through it in small steps."""
        found: list[datetime] = []
        at = self.start
        while at < self.end:
            period = self.period(at)
            if not found or found[-1] != period:
                found.append(period)
            at += 15 * 60 * 1_000_000
        last = self.period(self.end - 1)
        if found[-1] != last:
            found.append(last)
        for _ in range(before):
            found.insert(0, self.period((found[0] - EPOCH) // US - 1))
        return found


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Wanted:
    name: str | None = None
    where: tuple[tuple[str, str], ...] = ()

    def fits(self, event: Event) -> bool:
        if self.name is not None and event.name != self.name:
            return False
        return all((event.text(prop) or "") == value for prop, value in self.where)


People = dict[str, str]


def person(event: Event, people: People) -> str | None:
    return None if event.id is None else people.get(event.id, event.id)


def trend(
    events: Iterable[Event], people: People, span: Span, wanted: Wanted, aggregate: str, prop: str = "n"
) -> list[Any]:
    """[(at, value)]"""
    axis = span.axis()
    width = {"weekly_active": 7, "monthly_active": 30}.get(aggregate, 0) if span.interval == "day" else 0
    fitting = [event for event in events if wanted.fits(event) and event.us < span.end]
    answer = []
    for number, period in enumerate(axis):
        if width:
            window = span.axis(before=width - 1)[number : number + width]
            inside = [event for event in fitting if span.period(event.us) in window]
        else:
            inside = [event for event in fitting if span.holds(event) and span.period(event.us) == period]
        whose = Counter(who for event in inside if (who := person(event, people)) is not None)
        numbers = [event.props[prop] for event in inside if isinstance(event.props.get(prop), int | float)]
        value: Any = {
            "total": len(inside),
            "sum": sum(numbers),
            "avg": sum(numbers) / len(numbers) if numbers else 0,
            "max_per_user": max(whose.values(), default=0),
        }.get(aggregate, len(whose))
        answer.append((iso(period), value))
    return answer


def by_person(events: Iterable[Event], people: People) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.us):
        if (who := person(event, people)) is not None:
            found[who].append(event)
    return found


def retention(
    events: Iterable[Event],
    people: People,
    span: Span,
    first: Wanted,
    returning: Wanted,
    kind: str,
    minimum: int = 1,
    cumulative: bool = False,
) -> list[tuple[str, int, list[int]]]:
    """[(at, size, returned)]"""
    axis = span.axis()
    cohorts: list[list[set[str]]] = [[set() for _ in axis] for _ in axis]
    for who, theirs in by_person(events, people).items():
        begun = [span.period(event.us) for event in theirs if first.fits(event)]
        if kind == "first_time":
            begun = begun[:1]
        back = Counter(span.period(event.us) for event in theirs if returning.fits(event))
        for row, period in enumerate(axis):
            if period not in begun:
                continue
            cohorts[row][0].add(who)
            for later in range(1, len(axis) - row):
                seen = [back[at] >= minimum for at in axis[row + later :]]
                if any(seen) if cumulative else seen[0]:
                    cohorts[row][later].add(who)
    return [
        (iso(at), len(cohorts[row][0]), [len(cell) for cell in cohorts[row][: len(axis) - row]])
        for row, at in enumerate(axis)
    ]


def stickiness(
    events: Iterable[Event],
    people: People,
    span: Span,
    wanted: Wanted,
    count: int = 1,
    criterion: Any = lambda times: True,
    cumulative: bool = False,
) -> list[int]:
    axis = span.axis()
    groups = [axis[at : at + count] for at in range(0, len(axis), count)]
    buckets = [0] * len(groups)
    for theirs in by_person(events, people).values():
        times = Counter(span.period(event.us) for event in theirs if wanted.fits(event) and span.holds(event))
        each = [sum(times[period] for period in group) for group in groups]
        active = sum(1 for done in each if done and criterion(done))
        for bucket in range(1, active + 1) if cumulative else [active]:
            if bucket:
                buckets[bucket - 1] += 1
    return buckets


def lifecycle(
    events: Iterable[Event], people: People, span: Span, wanted: Wanted
) -> list[tuple[str, int, int, int, int]]:
    """[(at, new, returning, resurrecting, dormant)]"""
    before, *axis = span.axis(before=1)
    found = []
    whose = {
        who: [span.period(event.us) for event in theirs if wanted.fits(event)]
        for who, theirs in by_person(events, people).items()
    }
    for period in axis:
        states: Counter[str] = Counter()
        for periods in whose.values():
            now, just_before = period in periods, before in periods
            if now and min(periods) == period:
                states["new"] += 1
            elif now:
                states["returning" if just_before else "resurrecting"] += 1
            elif just_before:
                states["dormant"] += 1
        found.append((iso(period), states["new"], states["returning"], states["resurrecting"], -states["dormant"]))
        before = period
    return found


def visits(events: Iterable[Event], people: People) -> list[tuple[str, list[Event]]]:
    """The sessions of each person, in order."""
    found: list[tuple[str, list[Event]]] = []
    for who, theirs in by_person(events, people).items():
        for number, event in enumerate(theirs):
            if number == 0 or event.us - theirs[number - 1].us > 30 * 60 * 1_000_000:
                found.append((who, []))
            found[-1][1].append(event)
    return found


def paths(
    events: Iterable[Event],
    people: People,
    span: Span,
    most: int,
    start: str | None,
    end: str | None,
    without: str | None,
) -> list[tuple[int, str, str, int, float]]:
    """[(position, source, target, count, average seconds)]"""
    gaps: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    taking = [event for event in events if span.holds(event) and event.name != without]
    for _who, visit in visits(taking, people):
        way: list[Event] = []
        for event in visit:
            if not way or way[-1].name != event.name:
                way.append(event)
        names = [event.name for event in way]
        if start is not None:
            way = way[names.index(start) :] if start in names else []
        names = [event.name for event in way]
        if end is not None:
            way = way[: names.index(end) + 1] if end in names else []
        way = way[:most]
        for position in range(1, len(way)):
            source, target = way[position - 1], way[position]
            gaps[position, source.name, target.name].append(target.us - source.us)
    rows = [(*edge, len(spent), sum(spent) / len(spent) / 1e6) for edge, spent in gaps.items()]
    return sorted(rows, key=lambda row: (-row[3], row[1], row[2], row[0]))
