"""Sessions of many people at once, in columns, without sorting what people did in SQL.

A page is a number. Which of several pages of one instant came first is said by their event ids; where that matters,
they are read for those instants alone.
"""

from __future__ import annotations

import numpy as np

from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.stretches import sessions
from quadra.analytics.questions.timeline import Codes, Column, Flags, Numbers, Places, Timeline, begins
from quadra.warehouse.query.tally import Columns

DOES = "CASE kind WHEN 'page' THEN 1 WHEN 'identify' THEN 0 ELSE 2 END AS does"
"""Of an event, as `counted` takes it."""
IDENTIFIES, VIEWS = 0, 1
Measured = tuple[int, int, int, float, float, float]
"""Sessions, people, bounces, mean and median of their seconds, mean of their events."""
NOTHING: Measured = (0, 0, 0, 0.0, 0.0, 0.0)
OF_PERIODS = ("sessions", "bounces", "events")
ENDS = ("entry", "exit")


def fits(length_us: int, periods: int) -> bool:
    """Whether an integer holds a period with a session's length."""
    return periods.bit_length() + length_us.bit_length() < 63


def counted(timeline: Timeline, which: Flags, places: Places, base: int, periods: int) -> dict[str, Column]:
    """Of the sessions of these events of a timeline: `does` says of each what `DOES` finds, `page` is the number of its page, -1
    where it has none. Periods count from `base`.
    """
    who, us = timeline.who[which], timeline.us[which]
    does, page = (timeline.others[name][which] for name in ("does", "page"))
    starts = sessions(who, us)
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(us)) - 1 if len(us) else first
    period = places.of(us[first]) - base
    views, idle = (
        np.add.reduceat(does == what, first, dtype=np.int32) if len(first) else np.zeros(0, np.int32)
        for what in (VIEWS, IDENTIFIES)
    )
    events = last - first + 1
    bounced = (views <= 1) & (views + idle == events)
    anew = begins(who[first]) | begins(period)
    lengths = us[last] - us[first]
    long = np.flatnonzero(lengths)
    found: dict[str, Column] = {
        "sessions": np.bincount(period, minlength=periods),
        "bounces": np.bincount(period[bounced], minlength=periods),
        "events": np.bincount(period, events, minlength=periods).astype(np.int64),
        "person": who[first][anew],
        "person_at": period[anew],
        "length": lengths[long],
        "length_at": period[long],
    }
    paged = np.flatnonzero(page >= 0)
    entry = begins((np.cumsum(starts) - 1)[paged])
    for name, is_end in zip(ENDS, (entry, np.append(entry[1:], True)[: len(paged)]), strict=True):
        found[name], found[f"{name}_sessions"] = np.unique(page[paged][is_end], return_counts=True)
    return found


class Sessions:
    """Put together out of what was `counted`."""

    def __init__(self, periods: Periods):
        self.count = len(periods)
        self.places = Places(periods.starts)
        self._of_periods = {name: np.zeros(self.count, np.int64) for name in OF_PERIODS}
        self._columns: dict[str, list[Column]] = {}

    def add(self, base: int, columns: Columns) -> None:
        for name, whole in self._of_periods.items():
            whole[base : base + len(columns[name])] += columns[name]
        for name in ("person", "length", "entry", "exit", "entry_sessions", "exit_sessions"):
            self._columns.setdefault(name, []).append(columns[name])
        for name in ("person_at", "length_at"):
            self._columns.setdefault(name, []).append(columns[name].astype(np.int64) + base)

    def measures(self) -> tuple[Measured, list[Measured]]:
        """Of all sessions, and of those of each period."""
        sessions, bounces, events = self._of_periods.values()
        if not sessions.any():
            return NOTHING, [NOTHING] * self.count
        person, lengths = self._together("person"), self._together("length")
        width = int(lengths.max(initial=0)).bit_length()
        ordered = np.sort((self._together("length_at") << width) | lengths) & ((1 << width) - 1)
        people = np.sort((self._together("person_at") << 32) | person)
        of_periods = np.bincount(people[begins(people)] >> 32, minlength=self.count)
        ends = np.cumsum(np.bincount(self._together("length_at"), minlength=self.count)).tolist()
        rows = zip(sessions.tolist(), of_periods.tolist(), bounces.tolist(), events.tolist(), strict=True)
        by_period = [
            _measures(*row, ordered[begin:end]) for row, begin, end in zip(rows, [0, *ends[:-1]], ends, strict=True)
        ]
        whole = (int(sessions.sum()), _many(person), int(bounces.sum()), int(events.sum()))
        return _measures(*whole, np.sort(lengths)), by_period

    def ends(self, name: str) -> Codes:
        """Of `ENDS`: how many sessions there are of each page."""
        of_page = np.bincount(self._together(name), self._together(f"{name}_sessions"))
        found: Codes = of_page.astype(np.int64)
        return found

    def _together(self, name: str) -> Numbers:
        return np.concatenate([np.zeros(0, np.int64), *self._columns.get(name, ())]).astype(np.int64, copy=False)


def _many(codes: Numbers) -> int:
    flags = np.zeros(int(codes.max()) + 1, np.bool_)
    flags[codes] = True
    return int(np.count_nonzero(flags))


def _measures(sessions: int, people: int, bounces: int, events: int, lengths: Numbers) -> Measured:
    """`lengths` are those that are not 0, in order."""
    if not sessions:
        return NOTHING
    short = sessions - len(lengths)
    low, high = (int(lengths[at - short]) if at >= short else 0 for at in ((sessions - 1) // 2, sessions // 2))
    return sessions, people, bounces, int(lengths.sum()) / sessions / 1e6, (low + high) / 2 / 1e6, events / sessions
