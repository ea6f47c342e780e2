"""The anomaly score of one series of numbers, row by row: each row is scored by what came before it, then learned.

Four opinions, each a distance of the present from its past, each turned into how rare such a distance is: the last two
values and the last sixteen against every earlier run of values (the nearest counts), the last four against the same time on
other days and in other weeks (the nearer counts), and how little the last 32 vary. The rarest of the four is the surprise.
docs/field.md says what each is worth.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from quadra.field.tail import Tail

SHORT, LONG = 2, 16
"""Lengths of the runs of values that are looked for in the past."""
FLAT = 32
"""Rows whose spread is compared with what it was: a series that stands still is an anomaly too."""
NEAREST = 4_000
"""Earlier runs that are looked at."""
MEMORY = 10_000
"""Rows that are remembered: three weeks of five minutes, a week of minutes."""
DAY_SECONDS, DAYS = 86_400.0, 4
WEEK_SECONDS, WEEKS = 7 * DAY_SECONDS, 3
RESIDUALS = 4
"""Rows whose deviation from the days before is averaged."""
QUIET = 100
"""Rows after a surprise during which only a greater one counts: the same anomaly is told once."""
QUIET_FROM = 2.0
QUIET_PART = 0.1
HUGE = 1e100
"""Larger numbers count as this: squares of differences must stay finite."""


Numbers: TypeAlias = "npt.NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row as it was before it was learned."""

    score: float
    """0 normal … 1 anomalous."""
    low: float | None
    """The band in which nineteen of twenty rows are expected; None while there is too little past."""
    high: float | None


class Series:
    """One series. Nothing fails and nothing looks ahead; memory is bounded."""

    def __init__(self) -> None:
        self._values = Recent(MEMORY)
        self._times = Recent(MEMORY)
        self._steps: deque[float] = deque(maxlen=31)
        self._of_day: deque[float] = deque(maxlen=RESIDUALS)
        self._of_week: deque[float] = deque(maxlen=RESIDUALS)
        self._short_tail, self._long_tail, self._flat_tail = Tail(), Tail(), Tail()
        self._season_tail, self._one_tail = Tail(), Tail()
        self._lately: deque[float] = deque(maxlen=QUIET)

    def score(self, value: float, at: float | None = None) -> float:
        return self.judge(value, at, with_band=False).score

    def judge(self, value: float, at: float | None = None, *, with_band: bool = True) -> Judged:
        """A missing value (NaN) is no anomaly and teaches nothing; an infinite one is an anomaly and teaches nothing.
        `at` in seconds; without it, and where a clock goes back, a row is not compared with other days.
        """
        if math.isnan(value):
            return Judged(0.0, None, None)
        if math.isinf(value):
            return Judged(1.0, None, None)
        value = max(-HUGE, min(HUGE, value))
        day = self._usual(at, DAY_SECONDS, DAYS)
        week = self._usual(at, WEEK_SECONDS, WEEKS)
        low, high = self._band(day if week is None else week) if with_band else (None, None)
        self._remember(value, at)
        surprise = max(self._runs(), self._seasons(value, day, week))
        peak = max(self._lately, default=0.0)
        self._lately.append(surprise)
        if peak >= max(surprise, QUIET_FROM):
            surprise *= QUIET_PART
        return Judged(1.0 - math.pow(2.0, -surprise / 2.0), low, high)

    def _remember(self, value: float, at: float | None) -> None:
        """Both memories have the same length: a row without a time of its own has that of the row before."""
        before = self._times.last
        if at is not None and math.isfinite(at) and (before is None or at > before):
            if before is not None:
                self._steps.append(at - before)
            self._times.add(at)
        else:
            self._times.add(before if before is not None else -math.inf)
        self._values.add(value)

    def _runs(self) -> float:
        """Of the runs that end with the newest value. None of them overlaps with what it is compared with."""
        values = self._values.array
        if len(values) <= 2 * SHORT:
            return 0.0
        count = min(len(values) - 2 * SHORT + 1, NEAREST)
        squares = _squares(values, 1, SHORT, count) + _squares(values, 0, SHORT, count)
        short = self._short_tail.judge(math.sqrt(float(squares.min())))
        if len(values) <= 2 * LONG:
            return short
        distance = nearest(values, LONG, min(len(values) - 2 * LONG + 1, NEAREST))
        return max(short, self._long_tail.judge(distance), self._flat(values))

    def _flat(self, values: Numbers) -> float:
        return self._flat_tail.judge(-float(values[-FLAT:].std())) if len(values) >= FLAT else 0.0

    def _seasons(self, value: float, day: float | None, week: float | None) -> float:
        """A row is normal when it is as it was at this time on the days before, or in the weeks before."""
        off = [_off(self._of_day, value, day), _off(self._of_week, value, week)]
        known = [one for one in off if one is not None]
        usual = [abs(value - one) for one in (day, week) if one is not None]
        if usual:
            self._one_tail.learn(min(usual))
        return self._season_tail.judge(min(known)) if known else 0.0

    def _usual(self, at: float | None, period: float, depth: int) -> float | None:
        """The median of the same time in the periods before."""
        before = self._times.last
        if at is None or not math.isfinite(at) or before is None or at <= before or not self._steps:
            return None
        times, step = self._times.array, sorted(self._steps)[len(self._steps) // 2]
        usual = []
        for back in range(1, depth + 1):
            wanted = at - back * period
            place = int(times.searchsorted(wanted - step))
            if place < len(times) and times[place] <= wanted + step:
                nearer = place + 1 < len(times) and abs(times[place + 1] - wanted) < abs(times[place] - wanted)
                usual.append(float(self._values.array[place + nearer]))
        usual.sort()
        middle = len(usual) // 2
        return None if not usual else usual[middle] if len(usual) % 2 else (usual[middle - 1] + usual[middle]) / 2

    def _band(self, usual: float | None) -> tuple[float | None, float | None]:
        width = self._one_tail.begin
        if usual is not None and width is not None:
            return usual - width, usual + width
        lately = self._values.array[-500:]
        if len(lately) < 20:
            return None, None
        low, high = np.quantile(lately, (0.025, 0.975))
        return float(low), float(high)


class Recent:
    """The last numbers, oldest first, as one array without copying it for each."""

    def __init__(self, most: int):
        self._most = most
        self._kept = np.empty(2 * most)
        self._begin = self._end = 0

    @property
    def array(self) -> Numbers:
        return self._kept[self._begin : self._end]

    @property
    def last(self) -> float | None:
        return float(self._kept[self._end - 1]) if self._end > self._begin else None

    def add(self, number: float) -> None:
        if self._end == len(self._kept):
            self._kept[: self._most] = self._kept[self._end - self._most :].copy()
            self._begin, self._end = 0, self._most
        self._kept[self._end] = number
        self._end += 1
        self._begin = max(self._begin, self._end - self._most)


def nearest(values: Numbers, length: int, count: int) -> float:
    """The distance of the last run of `length` to the nearest of the `count` runs that end before it begins.

    Exact, and quick because most runs are ruled out by their last four values.
    """
    some = sum((_squares(values, back, length, count) for back in range(4)), start=np.zeros(count))
    begin = len(values) - length - count
    first = begin + int(some.argmin())
    off = values[first - length + 1 : first + 1] - values[-length:]
    left = np.flatnonzero(some <= off @ off * (1 + 1e-12))  # what is rounded must not rule out the first one itself
    ends, squares = begin + left, some[left]
    for back in range(4, length):
        squares = squares + (values[ends - back] - values[-1 - back]) ** 2
    return math.sqrt(float(squares.min()))


def _squares(values: Numbers, back: int, length: int, count: int) -> Numbers:
    """The square of how the value `back` rows before the end differs from its counterpart in each earlier run."""
    end = len(values) - length - back
    off: Numbers = values[end - count : end] - values[-1 - back]
    return np.square(off)


def _off(seen: deque[float], value: float, usual: float | None) -> float | None:
    """How far the last rows lie from what was usual at their times, on average; None while they are too few."""
    if usual is None:
        seen.clear()
        return None
    seen.append(value - usual)
    return abs(sum(seen)) / RESIDUALS if len(seen) == RESIDUALS else None
