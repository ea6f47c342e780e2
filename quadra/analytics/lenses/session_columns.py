"""Sessions of many people at once, in columns, without sorting what people did in SQL.

A page is a number. Which of several pages of one instant came first is said by their event ids; where that matters,
they are read for those instants alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.timeline import Codes, Column, Numbers, Places, Timeline, begins
from quadra.analytics.questions.visits import GAP_US

DOES = "CASE kind WHEN 'page' THEN 1 WHEN 'identify' THEN 0 ELSE 2 END AS does"
"""Of an event, as `Sessions` takes it."""
IDENTIFIES, VIEWS = 0, 1
Measured = tuple[int, int, int, float, float, float]
"""Sessions, people, bounces, mean and median of their seconds, mean of their events."""
NOTHING: Measured = (0, 0, 0, 0.0, 0.0, 0.0)


def fits(length_us: int, periods: int) -> bool:
    """Whether an integer holds a period with a session's length."""
    return periods.bit_length() + length_us.bit_length() < 63


@dataclass
class Ends:
    """First or last pages of sessions."""

    pages: Counter[str] = field(default_factory=Counter)
    tied_people: list[str] = field(default_factory=list)
    tied_us: list[int] = field(default_factory=list)
    """Where several pages meet at that instant."""


class Sessions:
    """Counted timeline by timeline; a person is in one alone."""

    def __init__(self, periods: Periods):
        self._count = len(periods)
        self._places = Places(periods.starts)
        self._lengths: list[Numbers] = []
        self._periods: list[Codes] = []
        self._found = np.zeros((4, len(periods)), np.int64)
        """Of each period: sessions, people, bounces, events."""
        self._people = 0

    def add(self, timeline: Timeline, does: Column) -> Codes:
        """`does` says of each event what `DOES` finds; gives the number of each event's session."""
        who, us = timeline.who, timeline.us
        starts = begins(who)
        starts[1:] |= np.diff(us) > GAP_US
        first = np.flatnonzero(starts)
        last = np.append(first[1:], len(us)) - 1
        periods = self._places.of(us[first])
        views, idle = (np.add.reduceat(does == what, first, dtype=np.int32) for what in (VIEWS, IDENTIFIES))
        events = last - first + 1
        bounced = (views <= 1) & (views + idle == events)
        anew = begins(who[first]) | begins(periods)
        for row, counted in enumerate((periods, periods[anew], periods[bounced])):
            self._found[row] += np.bincount(counted, minlength=self._count)
        self._found[3] += np.bincount(periods, events, minlength=self._count).astype(np.int64)
        self._people += int(np.count_nonzero(begins(who)))
        self._lengths.append(us[last] - us[first])
        self._periods.append(periods)
        session: Codes = np.cumsum(starts, dtype=np.int32)
        return session

    def measures(self) -> tuple[Measured, list[Measured]]:
        """Of all sessions, and of those of each period."""
        lengths = np.concatenate([*self._lengths, np.zeros(0, np.int64)])
        if not len(lengths):
            return NOTHING, [NOTHING] * self._count
        width = int(lengths.max()).bit_length()
        periods = np.concatenate(self._periods).astype(np.int64)
        ordered = np.sort((periods << width) | lengths) & ((1 << width) - 1)
        ends = np.cumsum(self._found[0])
        by_period = [
            _measures(sessions, people, bounces, events, ordered[end - sessions : end])
            for (sessions, people, bounces, events), end in zip(self._found.T.tolist(), ends.tolist(), strict=True)
        ]
        sessions, _people, bounces, events = self._found.sum(axis=1).tolist()
        return _measures(sessions, self._people, bounces, events, np.sort(lengths)), by_period


def add_ends(
    entries: Ends, exits: Ends, timeline: Timeline, session: Codes, pages: Codes, names: Sequence[str]
) -> None:
    """`pages` are the numbers of these names; -1 is none."""
    paged = np.flatnonzero(pages >= 0)
    if not len(paged):
        return
    who, us, pages, session = timeline.who[paged], timeline.us[paged], pages[paged], session[paged]
    instant = begins(session) | begins(us)
    run = np.cumsum(instant) - 1
    mixed = np.zeros(int(run[-1]) + 1, np.bool_)
    mixed[run[pages != pages[np.flatnonzero(instant)][run]]] = True
    entry = begins(session)
    for ends, is_end in ((entries, entry), (exits, np.append(entry[1:], True))):
        chosen = np.flatnonzero(is_end)
        tied = mixed[run[chosen]]
        ends.pages.update(
            dict(zip(names, np.bincount(pages[chosen[~tied]], minlength=len(names)).tolist(), strict=True))
        )
        unclear = chosen[tied]
        ends.tied_people += timeline.people.take(pa.array(who[unclear])).to_pylist()
        ends.tied_us += us[unclear].tolist()


def _measures(sessions: int, people: int, bounces: int, events: int, lengths: Numbers) -> Measured:
    """`lengths` are in order."""
    if not sessions:
        return NOTHING
    middle = (int(lengths[(sessions - 1) // 2]) + int(lengths[sessions // 2])) / 2
    return sessions, people, bounces, int(lengths.sum()) / sessions / 1e6, middle / 1e6, events / sessions
