"""Sessions of many people at once, in columns, without sorting what people did in SQL.

A history is a list of integers in order: a time shifted left, behind it the number of the page (0 is none) and two bits. Which of
several pages of one instant came first is said by their event ids; where that matters, they are read for those instants alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quadra.analytics.questions import columns
from quadra.analytics.questions.periods import Periods
from quadra.analytics.questions.timeline import Numbers, begins
from quadra.analytics.questions.visits import GAP_US

IS_PAGE, IS_OTHER, FLAGS = 1, 2, 2
"""Bits of an event, and how many there are."""
Measured = tuple[int, int, int, float, float, float]
"""Sessions, people, bounces, mean and median of their seconds, mean of their events."""
NOTHING: Measured = (0, 0, 0, 0.0, 0.0, 0.0)


def bits_of(pages: int, length_us: int, periods: int) -> int | None:
    """Of what stands behind a time; None where it, or a period with a session's length, is more than an integer holds."""
    bits, length = FLAGS + pages.bit_length(), length_us.bit_length()
    return bits if bits + length < 63 and periods.bit_length() + length < 63 else None


@dataclass
class Ends:
    """First or last pages of sessions."""

    counts: Numbers
    tied_people: list[str] = field(default_factory=list)
    tied_us: list[int] = field(default_factory=list)
    """Where several pages meet at that instant."""


class Sessions:
    """Counted block by block; a person is in one block alone."""

    def __init__(self, periods: Periods, start_us: int, pages: int, bits: int):
        self._starts = np.array(periods.starts, np.int64)
        self._start_us, self._bits = start_us, bits
        self._lengths: list[Numbers] = []
        self._periods: list[Numbers] = []
        self._found = np.zeros((4, len(periods)), np.int64)
        """Of each period: sessions, people, bounces, events."""
        self._people = 0
        self.entries, self.exits = (Ends(np.zeros(pages + 1, np.int64)) for _ in range(2))

    def add(self, people: pa.Table) -> None:
        """Columns `person` and `history`."""
        for start in range(0, people.num_rows, columns.BLOCK):
            self._add(people.slice(start, columns.BLOCK))

    def _add(self, people: pa.Table) -> None:
        history = people["history"].combine_chunks()
        packed, who = history.flatten().to_numpy(), pc.list_parent_indices(history).to_numpy()
        us, codes = packed >> self._bits, packed & ((1 << self._bits) - 1)
        starts = begins(who)
        starts[1:] |= np.diff(us) > GAP_US
        first = np.flatnonzero(starts)
        last = np.append(first[1:], len(us)) - 1
        lengths = us[last] - us[first]
        periods = np.searchsorted(self._starts, us[first] + self._start_us, side="right").astype(np.int64) - 1
        pages, others = (np.add.reduceat(codes & bit != 0, first, dtype=np.int64) for bit in (IS_PAGE, IS_OTHER))
        anew = begins(who[first]) | begins(periods)
        ones = np.ones(len(first), np.bool_)
        for row, counted in enumerate((ones, anew, (pages <= 1) & (others == 0))):
            self._found[row] += np.bincount(periods[counted], minlength=len(self._starts))
        np.add.at(self._found[3], periods, last - first + 1)
        self._people += len(people)
        self._lengths.append(lengths)
        self._periods.append(periods)
        self._add_ends(people["person"], who, us, codes >> FLAGS, np.cumsum(starts))

    def _add_ends(self, people: pa.ChunkedArray, who: Numbers, us: Numbers, pages: Numbers, session: Numbers) -> None:
        paged = np.flatnonzero(pages)
        who, us, pages, session = who[paged], us[paged], pages[paged], session[paged]
        instant = begins(session) | begins(us)
        run = np.cumsum(instant) - 1
        first = np.flatnonzero(instant)
        last = np.append(first[1:], len(us))[: len(first)] - 1
        tied = (pages[first] != pages[last])[run]  # within an instant pages are in order
        entry = begins(session)
        exit_ = np.append(entry[1:], True)[: len(entry)]
        for ends, chosen in ((self.entries, entry), (self.exits, exit_)):
            ends.counts += np.bincount(pages[chosen & ~tied], minlength=len(ends.counts))
            unclear = chosen & tied
            ends.tied_people += people.take(pa.array(who[unclear])).to_pylist()
            ends.tied_us += (us[unclear] + self._start_us).tolist()

    def measures(self) -> tuple[Measured, list[Measured]]:
        """Of all sessions, and of those of each period."""
        lengths = np.concatenate([*self._lengths, np.zeros(0, np.int64)])
        if not len(lengths):
            return NOTHING, [NOTHING] * len(self._starts)
        width = int(lengths.max()).bit_length()
        periods = np.concatenate(self._periods)
        ordered = np.sort((periods << width) | lengths) & ((1 << width) - 1)
        ends = np.cumsum(self._found[0])
        by_period = [
            _measures(sessions, people, bounces, events, ordered[end - sessions : end])
            for (sessions, people, bounces, events), end in zip(self._found.T.tolist(), ends.tolist(), strict=True)
        ]
        sessions, _people, bounces, events = self._found.sum(axis=1).tolist()
        return _measures(sessions, self._people, bounces, events, np.sort(lengths)), by_period


def _measures(sessions: int, people: int, bounces: int, events: int, lengths: Numbers) -> Measured:
    """`lengths` are in order."""
    if not sessions:
        return NOTHING
    middle = (int(lengths[(sessions - 1) // 2]) + int(lengths[sessions // 2])) / 2
    return sessions, people, bounces, int(lengths.sum()) / sessions / 1e6, middle / 1e6, events / sessions
