"""What the live page counts, kept up to date row by row. Pure: no database, no clock, no sockets.

Rows reach a tally by several ways (this process's own flushes, batches read from the database), in any order and more than
once. Each row must count once, so the tally remembers which rows of a batch it has until that batch is sealed and complete.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from quadra.dashboard.messages import Numbers, Totals, TypeCount

SECOND = 1_000_000
MINUTE = 60 * SECOND
ACTIVE = 5 * MINUTE
SLOT = 10 * SECOND
SERIES_SECONDS = 300
RATE_SECONDS = 60
LATEST = 50
TYPES = 12
REACH = 5 * MINUTE
"""How far back a cursor counts batches. No transaction is open for so long: whatever was begun earlier has been seen."""
REMEMBERED = 15 * MINUTE
TIDY = 10 * SECOND


class Seen(NamedTuple):
    """What the tally needs of an event; times in microseconds since 1970."""

    event_id: str
    name: str
    user_id: str | None
    occurred_at: int
    received_at: int
    bot: bool


@dataclass
class Loaded:
    """History as the database counted it: complete for the batches in `done`."""

    minutes: dict[int, Counter[str]] = field(default_factory=dict)
    """minute since 1970 -> events by name"""
    arrivals: Mapping[int, int] = field(default_factory=dict)
    """second since 1970 -> events received in it"""
    visitors: Iterable[tuple[int, str]] = ()
    """(ten-second slot, user) of the last ten minutes"""
    done: Mapping[str, int] = field(default_factory=dict)
    """sealed batch -> its events, for all that `horizon` reaches back to and more"""
    horizon: str = ""
    received_at: int = 0
    """of the newest event"""


@dataclass
class Tally:
    """One project's live numbers."""

    timezone: ZoneInfo
    minutes: dict[int, Counter[str]] = field(default_factory=dict)
    arrivals: Counter[int] = field(default_factory=Counter)
    visitors: dict[int, set[str]] = field(default_factory=dict)
    """ten-second slot -> who was there, for the last ten minutes"""
    partial: dict[str, set[str]] = field(default_factory=dict)
    """batch -> the event ids that were counted, while the batch may still grow or is not complete here"""
    done: dict[str, tuple[int, int]] = field(default_factory=dict)
    """batches that are counted whole -> (their events, when that was noted)"""
    received_at: int = 0
    """of the newest event counted"""
    horizon: str = ""
    """Batch ids sort by time; no batch that may still grow here lies before this one."""
    _within: int = 0
    """Events counted of the batches from the horizon on."""
    _tidied: int = 0
    _day: int = 0
    _today: Counter[str] = field(default_factory=Counter)
    _before_minute: int = 0
    _before: Counter[str] = field(default_factory=Counter)
    _yesterday: int = 0

    def load(self, history: Loaded, at: int) -> None:
        """Begin with what the database has counted. On the event loop: two days of minutes are taken as they are."""
        self.minutes = history.minutes
        self.arrivals.update(history.arrivals)
        for slot, user in history.visitors:
            self.visitors.setdefault(slot, set()).add(user)
        self.done.update({batch_id: (count, at) for batch_id, count in history.done.items()})
        self.horizon = history.horizon
        self._within = sum(count for batch_id, count in history.done.items() if batch_id >= self.horizon)
        self.received_at = max(self.received_at, history.received_at)
        self._day = 0

    def add(self, batch_id: str, rows: Iterable[Seen], at: int) -> list[str]:
        """Count rows of a batch; the ids of those that were new here."""
        if batch_id in self.done:
            return []
        have = self.partial.setdefault(batch_id, set())
        new: list[str] = []
        for row in rows:
            if row.event_id in have:
                continue
            have.add(row.event_id)
            new.append(row.event_id)
            self._count(row, at)
        if batch_id >= self.horizon:
            self._within += len(new)
        return new

    def close(self, batch_id: str, event_count: int, at: int) -> bool:
        """The batch is sealed with so many events. True when all of them are counted here; then it is forgotten."""
        if batch_id in self.done:
            return True
        if len(self.partial.get(batch_id, ())) < event_count:
            return False
        self.done[batch_id] = len(self.partial.pop(batch_id, ())), at
        return True

    def forget(self, batch_ids: Iterable[str], at: int) -> None:
        """Expect no more of these batches: they are gone, or fewer are left of them than were counted at first."""
        for batch_id in batch_ids:
            self.done[batch_id] = len(self.partial.pop(batch_id, ())), at

    def missing(self, batch_id: str, event_count: int) -> bool:
        """Whether the batch has events that are not counted here."""
        return batch_id not in self.done and len(self.partial.get(batch_id, ())) < event_count

    def _count(self, row: Seen, at: int) -> None:
        minute = row.occurred_at // MINUTE
        self.minutes.setdefault(minute, Counter())[row.name] += 1
        if self._day and row.occurred_at >= self._day and minute <= at // MINUTE:
            self._today[row.name] += 1
        else:
            self._before_minute = 0  # it may belong to yesterday: count that anew
        if row.received_at > at - 2 * SERIES_SECONDS * SECOND:
            self.arrivals[row.received_at // SECOND] += 1
        if row.user_id is not None and not row.bot and at - 2 * ACTIVE <= row.occurred_at <= at + MINUTE:
            self.visitors.setdefault(min(row.occurred_at, at) // SLOT, set()).add(row.user_id)
        self.received_at = max(self.received_at, row.received_at)

    @property
    def cursor(self) -> str:
        """What is counted here, for a viewer to come back with. An event's time says nothing about when it was committed,
        so the cursor is a count: how many events of the batches from the horizon on are in these numbers. The difference
        to what the log holds later is what the viewer has missed, whatever the order of commits and whoever wrote."""
        return f"{self.horizon}.{self._within}.{self.received_at}"

    def snapshot(self, at: int, *, series_seconds: int) -> Numbers:
        """The numbers as the page shows them (docs/live.md), with arrivals of the last `series_seconds`."""
        self._turn(at)
        second = at // SECOND
        series = [[t, n] for t in range(second - series_seconds, second + 1) if (n := self.arrivals.get(t))]
        recent = sum(self.arrivals.get(t, 0) for t in range(second - RATE_SECONDS, second))
        names = self._today.most_common(TYPES)
        return Numbers(
            at=at // 1000,
            cursor=self.cursor,
            events_per_second=recent / RATE_SECONDS,
            totals=Totals(self._today.total(), self._before.total(), self._yesterday),
            active_users=self._active(at),
            active_users_before=self._active(at - ACTIVE),
            by_type=[TypeCount(name, count, self._before.get(name, 0)) for name, count in names],
            series=series,
        )

    def prune(self, at: int) -> None:
        """Forget what no snapshot needs any more."""
        oldest_minute = (self._day_start(at, -1) - MINUTE) // MINUTE
        for minute in [minute for minute in self.minutes if minute < oldest_minute]:
            del self.minutes[minute]
        for second in [second for second in self.arrivals if second < at // SECOND - 2 * SERIES_SECONDS]:
            del self.arrivals[second]
        for slot in [slot for slot in self.visitors if slot < (at - 2 * ACTIVE) // SLOT]:
            del self.visitors[slot]
        if at >= self._tidied + TIDY:
            self._tidied = at
            self._move_horizon(at)
            for batch_id in [batch_id for batch_id, (_, noted) in self.done.items() if noted < at - REMEMBERED]:
                del self.done[batch_id]

    def _move_horizon(self, at: int) -> None:
        horizon = min([first_id(at - REACH), *(batch_id[:PREFIX] for batch_id in self.partial)])
        if horizon > self.horizon:
            passed = (n for batch_id, (n, _) in self.done.items() if self.horizon <= batch_id < horizon)
            self._within -= sum(passed)
            self.horizon = horizon

    def _active(self, until: int) -> int:
        last = until // SLOT
        slots = (self.visitors.get(slot) for slot in range(last - ACTIVE // SLOT + 1, last + 1))
        return len(set().union(*(slot for slot in slots if slot)))

    def _turn(self, at: int) -> None:
        """Follow the clock: a new day, a new minute."""
        day = self._day_start(at, 0)
        if day != self._day:
            self._day = day
            self._today = self._sum(day, at)
            self._before_minute = 0
        minute = at // MINUTE
        if minute != self._before_minute:
            self._before_minute = minute
            # events of today's future minutes come into today's count when their minute has come
            self._today = self._sum(day, at)
            yesterday = self._day_start(at, -1)
            self._before = self._sum(yesterday, yesterday + (at - day))
            self._yesterday = self._sum(yesterday, day - MINUTE).total()

    def _sum(self, start: int, until: int) -> Counter[str]:
        total: Counter[str] = Counter()
        for minute in range(start // MINUTE, until // MINUTE + 1):
            if (found := self.minutes.get(minute)) is not None:
                total.update(found)
        return total

    def _day_start(self, at: int, days: int) -> int:
        local = datetime.fromtimestamp(at / SECOND, self.timezone)
        midnight = datetime(local.year, local.month, local.day, tzinfo=self.timezone) + timedelta(days=days)
        return int(midnight.timestamp()) * SECOND


PREFIX = 13
"""Characters of a batch id that hold its time in milliseconds."""


def first_id(at: int) -> str:
    """What no id (UUIDv7) made since then sorts before."""
    text = f"{max(at, 0) // 1000:012x}"
    return f"{text[:8]}-{text[8:]}"


class Cursor(NamedTuple):
    """A viewer's `Tally.cursor`, read back."""

    horizon: str
    counted: int
    received_at: int

    @property
    def horizon_at(self) -> int:
        """In microseconds since 1970."""
        return int(self.horizon.replace("-", ""), 16) * 1000


def read_cursor(text: str) -> Cursor | None:
    """None for anything that is not one of ours."""
    found = re.fullmatch(r"([0-9a-f]{8}-[0-9a-f]{4})\.(\d{1,15})\.(\d{1,17})", text)
    return Cursor(found[1], int(found[2]), int(found[3])) if found else None
